from urllib.parse import urlsplit

import pytest

from airflow_provider_b24.assets.bitrix24 import create_asset, sanitize_uri

CONTACTS = "bitrix24://mycompany.bitrix24.com/crm/contact"
BAD = [
    "bitrix24://user@mycompany.bitrix24.com/crm/contact",
    "bitrix24://mycompany.bitrix24.com",
    "bitrix24://mycompany.bitrix24.com/",
    "bitrix24://mycompany.bitrix24.com/crm",
    "bitrix24:///crm/contact",
    "bitrix24://my company/crm/contact",
    "bitrix24://mycompany.bitrix24.com/crm/contact?id=1",
    "bitrix24://mycompany.bitrix24.com/rest/1/secret0code",
    "bitrix24://user:secret0code@mycompany.bitrix24.com/crm/contact",
    "bitrix24://mycompany.bitrix24.com/crm/contact/secret0code.x",
    "bitrix24://mycompany.bitrix24.com:x/crm/contact",
    "bitrix24://mycompany.bitrix24.com//crm/contact",
]


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        (CONTACTS, CONTACTS),
        ("bitrix24://MyCompany.Bitrix24.com/CRM/contact/", CONTACTS),
        ("bitrix24://mycompany.bitrix24.com:443/crm/contact", CONTACTS),
        ("bitrix24://crm.example:8443/crm/item/128", "bitrix24://crm.example:8443/crm/item/128"),
        ("bitrix24://[::1]:8080/tasks/task", "bitrix24://[::1]:8080/tasks/task"),
    ],
)
def test_an_address_is_normalized(given, normal):
    assert sanitize_uri(urlsplit(given)).geturl() == normal


@pytest.mark.parametrize("uri", BAD)
def test_another_address_is_refused_and_not_quoted(uri):
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # one of Python's own is among them
        sanitize_uri(urlsplit(uri))
    assert "secret0code" not in str(caught.value)


@pytest.mark.airflow
def test_an_asset_is_made_from_portal_and_path(airflow_console):
    asset = create_asset(portal="mycompany.bitrix24.com", path="crm/contact", extra={"rows": 7})
    assert (asset.uri, asset.extra) == (CONTACTS, {"rows": 7})
    with pytest.raises(ValueError, match="must end with a path"):
        create_asset(portal="mycompany.bitrix24.com", path="contact")


@pytest.mark.airflow
def test_airflow_normalizes_and_checks_such_addresses(airflow_console):
    from airflow.providers.common.compat.sdk import Asset
    from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

    assert Asset("bitrix24://MyCompany.Bitrix24.com/crm/contact/").uri == CONTACTS
    if not AIRFLOW_V_3_0_PLUS:
        pytest.skip("Airflow 2 warns of a wrong address and takes it")
    with pytest.raises(ValueError, match="must end with a path"):
        Asset("bitrix24://mycompany.bitrix24.com/crm")


@pytest.mark.airflow
def test_lineage_of_hooks_makes_such_an_asset(airflow_console):
    from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    old = not AIRFLOW_V_3_0_PLUS
    factories = manager.dataset_factories if old else manager.asset_factories  # noqa: AIR301  # on Airflow 2
    made = factories["bitrix24"](portal="mycompany.bitrix24.com", path="crm/contact", extra=None)
    assert made.uri == CONTACTS
