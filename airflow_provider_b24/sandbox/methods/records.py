"""crm.contact.* and crm.company.*: the older methods, with upper-case keys and ids as strings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_provider_b24.sandbox.methods.listing import PAGE, Condition, Listing
from airflow_provider_b24.sandbox.methods.method import Method
from airflow_provider_b24.sandbox.model import php
from airflow_provider_b24.sandbox.model.bindings import Binding
from airflow_provider_b24.sandbox.model.calls import Answer, Call
from airflow_provider_b24.sandbox.model.errors import bad_request
from airflow_provider_b24.sandbox.model.records import Record, Records
from airflow_provider_b24.sandbox.model.state import State

MULTIPLE = ("PHONE", "EMAIL")
READ_ONLY = {"ID", "COMPANY_ID", "COMPANY_IDS", "DATE_CREATE", "DATE_MODIFY", "CREATED_BY_ID"}


@dataclass(frozen=True)
class Kind:
    """Contacts or companies: where they are kept and what is said about them."""

    title: str
    records: Callable[[State], Records]
    load: Callable[[State, int], Record | None]
    hidden: Callable[[State], set[int]]
    add: Callable[[State], Callable[[int | None, Record], int]]
    delete: Callable[[State], Callable[[int], bool]]

    def get(self, state: State, call: Call) -> dict[str, Any]:
        """crm.*.get: one record with its phones and e-mails."""
        record = self._existing(state, call, "Not found")
        return {name: _field(call.id, name, value) for name, value in record.items()}

    def list(self, state: State, call: Call) -> Answer:
        """crm.*.list: a page of 50; phones and e-mails only when they are selected."""
        if not call.caller.user.can_read:
            raise bad_request("Access denied.")
        question = Listing(_conditions(call), _order(call), _page_start(call.start))
        answer = question.answer(self.records(state), self._loader(state), self.hidden(state))
        selected = {str(name) for _, name in php.pairs(call.array("select") or [])}
        answer.result = [_row(record, selected) for record in answer.result]
        return answer

    def insert(self, state: State, call: Call) -> int:
        """crm.*.add: the new id."""
        fields = self._writable(call)
        company_id = php.to_int(php.item(fields, "COMPANY_ID"))
        record_id = self.add(state)(None, _values(fields))
        if self.title == "Contact" and company_id > 0:
            state.bindings.store(record_id, [Binding(company_id, 10, primary=True)])
        return record_id

    def update(self, state: State, call: Call) -> bool:
        """crm.*.update: always true."""
        fields = self._writable(call)
        record = self._existing(state, call, f"{self.title} is not found")
        kept = {name: value for name, value in record.items() if name not in {"ID", "COMPANY_ID"}}
        self.records(state).add(call.id, kept | _values(fields))
        if self.title == "Contact" and php.item(fields, "COMPANY_ID") is not None:
            _move(state, call.id, php.to_int(php.item(fields, "COMPANY_ID")))
        return True

    def remove(self, state: State, call: Call) -> bool:
        """crm.*.delete: the record and its bindings."""
        self._check_update(call)
        self._existing(state, call, "Not found")
        return self.delete(state)(call.id)

    def _writable(self, call: Call) -> php.Array:
        fields = call.array("fields")
        if fields is None:
            raise bad_request("Parameter 'fields' must be array.")
        self._check_update(call)
        return fields

    def _check_update(self, call: Call) -> None:
        if not call.caller.user.can_update:
            raise bad_request("Access denied.")

    def _existing(self, state: State, call: Call, absent: str) -> Record:
        if call.id <= 0:
            raise bad_request("ID is not defined or invalid.")
        if not call.caller.user.can_read or call.id in self.hidden(state):
            raise bad_request("Access denied.")
        record = self.load(state, call.id)
        if record is None:
            raise bad_request(absent)
        return record

    def _loader(self, state: State) -> Callable[[int], Record]:
        return lambda record_id: self.load(state, record_id) or {}

    def methods(self) -> dict[str, Method]:
        """The methods of this kind by their REST names."""
        prefix = f"crm.{self.title.lower()}"
        return {
            f"{prefix}.get": Method(self.get),
            f"{prefix}.list": Method(self.list),
            f"{prefix}.add": Method(self.insert),
            f"{prefix}.update": Method(self.update),
            f"{prefix}.delete": Method(self.remove),
        }


def multiple(record_id: int, kind: str, value: Any) -> list[dict[str, str]]:
    """A phone or e-mail field: a list of values with ids of their own."""
    given = [inner for _, inner in php.pairs(value)] if php.is_array(value) else [value] if value else []
    texts = [php.item(inner, "VALUE") if php.is_array(inner) else inner for inner in given]
    offset = record_id * 20 + MULTIPLE.index(kind) * 10
    return [
        {"ID": str(offset + i), "VALUE_TYPE": "WORK", "VALUE": php.to_text(text), "TYPE_ID": kind}
        for i, text in enumerate(texts)
    ]


def _field(record_id: int, name: str, value: Any) -> Any:
    if name in MULTIPLE:
        return multiple(record_id, name, value)
    return str(value) if isinstance(value, int) else value


def _row(record: Record, selected: set[str]) -> dict[str, Any]:
    plain = not selected or "*" in selected
    shown = {name for name in record if (plain and name not in MULTIPLE) or name in selected} | {"ID"}
    return {name: _field(record["ID"], name, value) for name, value in record.items() if name in shown}


def _values(fields: php.Array) -> Record:
    return {str(name): value for name, value in php.pairs(fields) if name not in READ_ONLY}


def _conditions(call: Call) -> list[Condition]:
    return [Condition.parse(key, value) for key, value in php.pairs(call.array("filter") or {})]


def _order(call: Call) -> list[tuple[str, bool]]:
    pairs = php.pairs(call.array("order") or {})
    return [(str(field).upper(), php.to_text(way).upper() == "DESC") for field, way in pairs]


def _page_start(start: int | None) -> int:
    # The older lists count in pages: an offset inside a page means its first row.
    return start // PAGE * PAGE if start is not None and start >= 0 else -1 if start else 0


def _move(state: State, contact_id: int, company_id: int) -> None:
    # COMPANY_ID is from before contacts had several companies: one not bound yet replaces the whole set.
    if company_id not in {row.company_id for row in state.bindings.rows(contact_id)}:
        state.bindings.store(contact_id, [Binding(company_id, 10, primary=True)] if company_id > 0 else [])


CONTACT = Kind(
    title="Contact",
    records=lambda state: state.contacts,
    load=lambda state, record_id: state.contact(record_id),
    hidden=lambda state: state.contacts.hidden,
    add=lambda state: state.add_contact,
    delete=lambda state: state.delete_contact,
)
COMPANY = Kind(
    title="Company",
    records=lambda state: state.companies,
    load=lambda state, record_id: state.company(record_id),
    hidden=lambda state: state.companies.hidden,
    add=lambda state: state.add_company,
    delete=lambda state: state.delete_company,
)
METHODS = CONTACT.methods() | COMPANY.methods()
