"""The served portal: connections, TLS, headers, pages, control from other processes."""

from __future__ import annotations

import datetime
import http.client
import ipaddress
import json
import ssl
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_provider_b24.sandbox import Bucket, Fault, PortalServer, seeded_portal
from airflow_provider_b24.sandbox.http import control
from airflow_provider_b24.sandbox.http.seed import DEMO_CODE

JSON = {"Content-Type": "application/json"}
PROFILE = f"/rest/1/{DEMO_CODE}/profile"


@pytest.fixture
def live():
    with PortalServer(seeded_portal()) as server:
        yield server


def ask(server: PortalServer, http_method: str, path: str, body: object = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.request(http_method, path, None if body is None else json.dumps(body), JSON)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


def test_a_connection_is_kept_and_numbered(live):
    connection = http.client.HTTPConnection("127.0.0.1", live.port)
    for _ in range(3):
        connection.request("POST", PROFILE, "{}", JSON)
        assert connection.getresponse().read()
    connection.close()
    ask(live, "GET", PROFILE)
    assert live.connections == 2
    assert [entry.connection for entry in live.portal.journal] == [1, 1, 1, 2]


def test_a_chunked_body_is_read(live):
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=5)
    parts = [b'{"id": 83, ', b'"items": [{"COMPANY_ID": 7}]}']
    path = f"/rest/1/{DEMO_CODE}/crm.contact.company.items.set"
    for _ in range(2):
        connection.request("POST", path, iter(parts), JSON, encode_chunked=True)
        assert json.loads(connection.getresponse().read())["result"] is True
    connection.close()
    assert [row["COMPANY_ID"] for row in live.portal.bindings(83)] == [7]
    assert live.connections == 1


def test_rest_answers_carry_the_portals_headers(live):
    connection = http.client.HTTPConnection("127.0.0.1", live.port)
    connection.request("GET", PROFILE)
    response = connection.getresponse()
    assert response.getheader("Content-Type") == "application/json; charset=utf-8"
    assert response.getheader("Access-Control-Allow-Origin") == "*"
    assert response.getheader("X-Content-Type-Options") == "nosniff"
    assert response.getheader("Retry-After") is None
    connection.close()


def test_requests_in_parallel_all_have_their_effect(live):
    def write(contact_id: int) -> None:
        for company_id in (8, 9, 10):
            query = f"id={contact_id}&fields[COMPANY_ID]={company_id}"
            ask(live, "GET", f"/rest/1/{DEMO_CODE}/crm.contact.company.add?{query}")

    threads = [threading.Thread(target=write, args=(contact_id,)) for contact_id in range(100, 112)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(len(live.portal.bindings(contact_id)) == 4 for contact_id in range(100, 112))
    assert live.portal.requests == 36


def test_stopping_is_quick_with_open_connections_and_a_hanging_request():
    server = PortalServer(seeded_portal()).start()
    server.portal.add_fault(Fault("hang", on=2, seconds=60))
    kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=40)
    hanging = http.client.HTTPConnection("127.0.0.1", server.port, timeout=40)
    kept.request("GET", PROFILE)
    assert kept.getresponse().read()
    hanging.request("GET", PROFILE)
    started = time.monotonic()
    server.stop()
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        hanging.getresponse()
    assert time.monotonic() - started < 30  # it would hang for 60
    kept.close()


def test_the_connection_uri_and_json_say_the_same(live):
    uri = urlsplit(live.connection_uri(plan="standard"))
    extra = json.loads(parse_qs(uri.query)["__extra__"][0])
    assert (uri.scheme, uri.username, uri.password, uri.port) == ("bitrix24", "1", DEMO_CODE, live.port)
    assert (uri.path, extra) == ("/http", {"allow_http": True, "plan": "standard"})
    connection = json.loads(live.connection_json(user_id=7, code="x"))
    assert connection == {
        "conn_type": "bitrix24",
        "host": "http://127.0.0.1",
        "port": live.port,
        "login": "7",
        "password": "x",
        "extra": {"allow_http": True},
    }


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=1)).add_extension(address, critical=False)
    folder: Path = tmp_path_factory.mktemp("tls")
    pem = serialization.Encoding.PEM
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "cert.pem").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, *plain))
    return str(folder / "cert.pem"), str(folder / "key.pem")


def test_tls_works_with_the_certificate_and_not_without(certificate):
    certfile, keyfile = certificate
    with PortalServer(seeded_portal(), certfile=certfile, keyfile=keyfile) as server:
        assert server.url.startswith("https://")
        assert json.loads(server.connection_json())["extra"] == {}
        with pytest.raises(ssl.SSLCertVerificationError):
            http.client.HTTPSConnection("127.0.0.1", server.port, timeout=5).request("GET", PROFILE)
        trusted = ssl.create_default_context(cafile=certfile)
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=5, context=trusted)
        connection.request("GET", PROFILE)
        assert json.loads(connection.getresponse().read())["result"]["ID"] == "1"
        connection.close()


def test_a_contacts_card_shows_its_companies_with_links(live):
    status, page = ask(live, "GET", "/crm/contact/details/83/")
    assert status == 200
    assert "Johannes Brück" in page
    assert (
        '<a href="/crm/company/details/8/">Aurora Foods GmbH</a></td><td>8</td><td>Yes</td><td>10</td>'
        in page
    )


def test_a_companys_card_shows_its_contacts(live):
    status, page = ask(live, "GET", "/crm/company/details/8/")
    assert status == 200
    assert '<a href="/crm/contact/details/83/">Johannes Brück</a>' in page


def test_counts_on_cards_are_singular_and_plural(live):
    live.portal.bind(82, [(8, 10, True)])
    assert "<h2>1 company</h2>" in ask(live, "GET", "/crm/contact/details/82/")[1]
    assert "<h2>2 companies</h2>" in ask(live, "GET", "/crm/contact/details/83/")[1]
    assert "<h2>2 contacts</h2>" in ask(live, "GET", "/crm/company/details/8/")[1]


@pytest.mark.parametrize(
    "path", ["/crm/contact/details/9999/", "/crm/company/details/9999/", "/nothing", "/crm/"]
)
def test_other_pages_are_404(live, path):
    assert ask(live, "GET", path)[0] == 404


def test_the_index_lists_contacts_and_companies(live):
    status, page = ask(live, "GET", "/")
    assert status == 200
    assert "/crm/contact/details/82/" in page
    assert "/crm/company/details/10/" in page


def test_pages_escape_what_users_wrote(live):
    live.portal.add_contact(82, NAME="<script>alert(1)</script>", LAST_NAME='"&')
    live.portal.add_company(8, TITLE="<b>bold</b>")
    live.portal.bind(82, [(8, 10, True), (777, 20, False)])
    for path in ("/", "/crm/contact/details/82/", "/crm/company/details/8/"):
        page = ask(live, "GET", path)[1]
        assert "<script>" not in page
        assert "<b>bold" not in page
    assert "Company 777 (does not exist)" in ask(live, "GET", "/crm/contact/details/82/")[1]


def test_control_tells_journal_state_and_counts(live):
    ask(live, "POST", f"/rest/1/{DEMO_CODE}/crm.contact.company.items.delete", {"id": 82})
    journal = json.loads(ask(live, "GET", "/_sandbox/journal")[1])
    assert [entry["method"] for entry in journal] == ["crm.contact.company.items.delete"]
    state = json.loads(ask(live, "GET", "/_sandbox/state?contact=83")[1])
    assert [row["COMPANY_ID"] for row in state["bindings"]] == [8, 31]
    stats = json.loads(ask(live, "GET", "/_sandbox/stats")[1])
    assert (stats["requests"], stats["writes"], stats["refused"]) == (1, 1, 0)
    assert stats["executed"] == {"crm.contact.company.items.delete": 1}
    assert stats["first_request"] <= stats["last_request"]
    assert json.loads(ask(live, "GET", "/_sandbox/health")[1]) == {"ok": True}


def test_control_sets_faults_limits_and_counters(live):
    assert ask(live, "POST", "/_sandbox/faults", [{"kind": "html_502", "on": 1}])[0] == 200
    assert ask(live, "GET", PROFILE)[0] == 502
    settings = {
        "bucket": {"capacity": 1, "drain": 0.001},
        "operating": {"limit": 5},
        "latency": 0,
        "reset": True,
    }
    assert ask(live, "POST", "/_sandbox/settings", settings)[0] == 200
    assert live.portal.requests == 0
    assert live.portal.bucket == Bucket(capacity=1, drain=0.001)
    assert [ask(live, "GET", PROFILE)[0] for _ in range(2)] == [200, 503]
    assert ask(live, "POST", "/_sandbox/settings", {"bucket": None})[0] == 200
    assert live.portal.bucket is None


@pytest.mark.parametrize(
    ("http_method", "path", "body", "status"),
    [
        ("GET", "/_sandbox/nothing", None, 404),
        ("GET", "/_sandbox/faults", None, 404),
        ("POST", "/_sandbox/settings", {"colour": "red"}, 400),
        ("POST", "/_sandbox/settings", {"rules": "none"}, 400),
        ("POST", "/_sandbox/faults", [{"kind": "earthquake"}], 400),
        ("POST", "/_sandbox/faults", [{"kin": "reset"}], 400),
    ],
)
def test_control_refuses_what_it_does_not_know(live, http_method, path, body, status):
    assert ask(live, http_method, path, body)[0] == status


def test_control_serves_this_machine_only(live):
    assert control.answer(live.portal, 0, "GET", "/_sandbox/health", b"", "192.0.2.7").status == 403
    assert control.answer(live.portal, 0, "GET", "/_sandbox/health", b"", "::1").status == 200


def test_the_journal_may_be_cut_or_switched_off(live):
    live.portal.journal_limit = 2
    for _ in range(3):
        ask(live, "GET", PROFILE)
    assert len(live.portal.journal) == 2
    live.portal.journal_limit = 0
    ask(live, "GET", PROFILE)
    assert len(live.portal.journal) == 2
    assert live.portal.requests == 4
