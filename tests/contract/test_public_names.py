"""The names and arguments that users' DAGs are written against; a change here breaks someone's DAG."""

import inspect

import pytest

pytest.importorskip("airflow", reason="needs Airflow")

from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook
from airflow_provider_b24.notifications import bitrix24 as notifications
from airflow_provider_b24.operators import bitrix24, contact_company, export, sync
from airflow_provider_b24.sensors import bitrix24 as sensors

REQUIRED = inspect.Parameter.empty

OPERATORS = {
    contact_company.SetContactCompaniesOperator: {
        "contact_id": REQUIRED,
        "items": REQUIRED,
        "allow_empty": False,
        "check_companies": False,
    },
    contact_company.GetContactCompaniesOperator: {"contact_id": REQUIRED},
    contact_company.AddContactCompanyOperator: {
        "contact_id": REQUIRED,
        "company_id": REQUIRED,
        "is_primary": None,
        "sort": None,
    },
    contact_company.DeleteContactCompanyOperator: {"contact_id": REQUIRED, "company_id": REQUIRED},
    contact_company.ClearContactCompaniesOperator: {"contact_id": REQUIRED},
    contact_company.GetContactCompanyFieldsOperator: {},
    sync.SyncContactCompaniesOperator: {
        "bindings": None,
        "bindings_path": None,
        "columns": None,
        "mode": "diff",
        "allow_empty": False,
        "check_companies": True,
        "max_failures": 0,
        "report_path": None,
        "dry_run": False,
        "undo": False,
        "apply_plan": False,
        "delimiter": None,
        "encoding": None,
        "ignore_extra_columns": False,
        "allow_no_rows": False,
        "deferrable": False,
        "max_wait": 60.0,
    },
    bitrix24.Bitrix24Operator: {"method": REQUIRED, "parameters": None, "repeatable": None},
    bitrix24.Bitrix24BatchOperator: {"calls": REQUIRED, "halt": False, "references": False},
    bitrix24.Bitrix24ListOperator: {"method": REQUIRED, "parameters": None, "output_path": None},
    export.Bitrix24ToSqlOperator: {
        "method": REQUIRED,
        "parameters": None,
        "conn_id": REQUIRED,
        "table": REQUIRED,
        "readable": False,
        "types": None,
        "incremental": None,
        "since": None,
        "overlap": 300.0,
        "delete_missing": False,
        "max_deleted": None,
        "lock_timeout": 60.0,
    },
    export.Bitrix24ExportOperator: {
        "method": REQUIRED,
        "parameters": None,
        "output_path": REQUIRED,
        "format": None,
        "rows_per_file": None,
        "schema": False,
        "readable": False,
        "types": None,
        "incremental": None,
        "since": None,
        "overlap": 300.0,
        "ids_path": None,
        "max_deleted": None,
        "deferrable": False,
        "max_wait": 60.0,
    },
    sensors.Bitrix24Sensor: {
        "method": REQUIRED,
        "parameters": None,
        "until": None,
        "deferrable": False,
    },
}

HOOK_METHODS = {
    "get_conn": "()",
    "call": "(method, params=None, *, repeatable=None)",
    "batch": "(calls, halt=False)",
    "iterate": "(method, params=None)",
    "read": "(method, params=None)",
    "load": (
        "(method, params=None, *, conn_id, table, readable=False, types=None, incremental=None, since=None, "
        "overlap=300.0, delete_missing=False, max_deleted=None, lock_timeout=60.0, owner='')"
    ),
    "export": (
        "(method, params=None, *, path, format=None, rows_per_file=None, schema=False, "
        "readable=False, types=None, incremental=None, since=None, overlap=300.0, "
        "ids_path=None, max_deleted=None, owner='')"
    ),
    "get_contact_companies": "(contact_id)",
    "set_contact_companies": "(contact_id, items, *, allow_empty=False, check_companies=False)",
    "add_contact_company": "(contact_id, company_id, *, is_primary=None, sort=None)",
    "delete_contact_company": "(contact_id, company_id)",
    "clear_contact_companies": "(contact_id)",
    "get_contact_company_fields": "()",
    "sync_contact_companies": (
        "(wanted, *, mode='diff', allow_empty=False, check_companies=True, max_failures=0, report_path=None, "
        "dry_run=False, columns=None, delimiter=None, encoding=None, ignore_extra_columns=False, "
        "allow_no_rows=False, undo=False, apply_plan=False, progress=None)"
    ),
    "send_message": "(text, *, dialog_id=None, user_id=None)",
    "test_connection": "()",
}


NOTIFIERS = {
    notifications.Bitrix24Notifier: {
        "text": None,
        "dialog_id": None,
        "user_id": None,
        "bitrix24_conn_id": "bitrix24_default",
    },
}


def own_arguments(operator):
    """What an operator takes beyond what every operator takes."""
    arguments = {}
    for base in operator.__mro__:
        if base.__module__.startswith("airflow_provider_b24"):
            arguments |= {
                name: parameter.default
                for name, parameter in inspect.signature(base.__init__).parameters.items()
                if parameter.kind is inspect.Parameter.KEYWORD_ONLY
            }
    return arguments


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.__name__)
def test_an_operator_takes_what_it_always_took(operator):
    assert own_arguments(operator) == OPERATORS[operator] | {"bitrix24_conn_id": "bitrix24_default"}


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.__name__)
def test_every_data_argument_of_an_operator_is_a_template_field(operator):
    switches = {
        "allow_empty",
        "check_companies",
        "halt",
        "references",
        "mode",
        "repeatable",
        "max_failures",
        "dry_run",
        "undo",
        "apply_plan",
        "delimiter",
        "encoding",
        "ignore_extra_columns",
        "allow_no_rows",
        "rows_per_file",
        "schema",
        "readable",
        "overlap",
        "delete_missing",
        "max_deleted",
        "lock_timeout",
        "deferrable",
        "max_wait",
    }
    assert set(operator.template_fields) == set(own_arguments(operator)) - switches


def test_an_operator_that_resumes_says_so_to_the_registry():
    assert sync.SyncContactCompaniesOperator._SyncContactCompaniesOperator__supports_durable_execution is True


@pytest.mark.parametrize("notifier", NOTIFIERS, ids=lambda notifier: notifier.__name__)
def test_a_notifier_takes_what_it_always_took(notifier):
    parameters = inspect.signature(notifier).parameters.values()
    arguments = {one.name: one.default for one in parameters if one.kind is not one.VAR_KEYWORD}
    assert arguments == NOTIFIERS[notifier]
    assert set(notifier.template_fields) == set(arguments)


@pytest.mark.parametrize("method", HOOK_METHODS)
def test_a_method_of_the_hook_takes_what_it_always_took(method):
    signature = inspect.signature(getattr(Bitrix24Hook(), method))
    plain = [parameter.replace(annotation=REQUIRED) for parameter in signature.parameters.values()]
    assert str(inspect.Signature(plain)) == HOOK_METHODS[method]


def test_the_hook_takes_the_connection_s_id():
    assert Bitrix24Hook().bitrix24_conn_id == "bitrix24_default"
    assert Bitrix24Hook("another").bitrix24_conn_id == "another"
    assert Bitrix24Hook(bitrix24_conn_id="another").bitrix24_conn_id == "another"
