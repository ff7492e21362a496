"""HTTP over real sockets: what a redirect may do, whom TLS believes, and that no failure tells a secret."""

import logging
import socket
import ssl
import threading
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest
import requests

from airflow_provider_b24.errors import Bitrix24ConfigError, Bitrix24TransportError
from airflow_provider_b24.rest.auth.webhook import WebhookAuth
from airflow_provider_b24.rest.config import OAuthApp, PortalConfig, Webhook
from airflow_provider_b24.rest.transport import MAX_REPLY, Transport
from airflow_provider_b24.sandbox import Fault, PortalServer, seeded_portal
from tests.rest.networks import Proxy, free_port, make_certificate

CODE = "canary0code0of0the0webhook"
PROXY_WORD = "canary0word0of0the0proxy"


@pytest.fixture
def portal():
    portal = seeded_portal()
    portal.add_webhook(user_id=1, code=CODE)
    return portal


@pytest.fixture
def server(portal):
    with PortalServer(portal) as server:
        yield server


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"), "here", "IP:127.0.0.1", "DNS:localhost")


@pytest.fixture(scope="session")
def cloud_certificate(tmp_path_factory):
    hosts = ("DNS:*.bitrix24.com", "DNS:portal.example", "DNS:oauth.example")
    return make_certificate(tmp_path_factory.mktemp("tls"), "cloud", *hosts)


@pytest.fixture
def tls_server(portal, certificate):
    with PortalServer(portal, certfile=certificate[0], keyfile=certificate[1]) as server:
        yield server


@pytest.fixture
def open_transport():
    opened = []

    def open_one(url, max_reply=MAX_REPLY, **settings):
        settings = {"connect_timeout": 2, "read_timeout": 2} | settings
        config = PortalConfig(url=url, credentials=Webhook(1, CODE), **settings)
        opened.append(Transport(config, max_reply=max_reply))
        return opened[-1]

    yield open_one
    for transport in opened:
        transport.close()


def ask(transport, method="profile", params=None):
    signed = WebhookAuth(Webhook(1, CODE)).sign(method, params or {})
    return transport.send(signed.path, signed.body, method)


def refused(transport, expected=Bitrix24TransportError):
    """The error of a request that fails, after a search for secrets in everything it carries."""
    with pytest.raises(expected) as caught:
        ask(transport)
    error = caught.value
    assert_tells_nothing(error)
    return error


def assert_tells_nothing(error):
    shown = "".join(traceback.format_exception(error)) + repr(error)
    assert CODE not in shown
    assert PROXY_WORD not in shown
    while error is not None:
        assert not isinstance(error, requests.RequestException)
        assert not type(error).__module__.startswith(("urllib3", "requests"))
        assert CODE not in str(error)
        error = error.__cause__ or error.__context__


def test_a_request_is_a_post_with_a_json_body(server, open_transport):
    reply = ask(open_transport(server.url.rstrip("/")), "crm.contact.get", {"id": 82})
    assert reply.status == 200
    (entry,) = server.portal.journal
    assert (entry.http_method, entry.method, entry.params) == ("POST", "crm.contact.get", {"id": 82})


def test_one_connection_serves_many_requests(server, open_transport):
    transport = open_transport(server.url.rstrip("/"))
    for _ in range(5):
        ask(transport)
    assert (transport.requests, server.connections) == (5, 1)


def test_a_portal_below_a_path_is_reached(portal, open_transport):
    portal.prefix = "/intranet"
    with PortalServer(portal) as server:
        assert ask(open_transport(f"{server.url}intranet")).status == 200


@pytest.mark.parametrize(
    ("kind", "words", "sent"),
    [
        ("reset", "connection broke", True),
        ("truncated", "connection broke", True),
        ("hang", "no answer within read_timeout", True),
    ],
)
def test_a_failure_names_host_and_reason_and_whether_the_request_was_sent(
    server, open_transport, kind, words, sent
):
    server.portal.add_fault(Fault(kind))
    error = refused(open_transport(server.url.rstrip("/"), read_timeout=0.2))
    assert words in str(error)
    assert f"127.0.0.1:{server.port}" in str(error)
    assert (error.sent, error.temporary, error.method) == (sent, True, "profile")


def test_an_answer_that_is_too_large_is_not_read_to_its_end(server, open_transport):
    transport = open_transport(server.url.rstrip("/"), max_reply=1_000)
    with pytest.raises(Bitrix24TransportError, match="larger than 1,000 bytes") as caught:
        ask(transport, "crm.contact.list")
    assert caught.value.sent
    assert ask(transport).status == 200


def test_a_refused_connection_was_never_sent(open_transport):
    error = refused(open_transport(f"https://127.0.0.1:{free_port()}"))
    assert "Connection refused" in str(error)
    assert not error.sent


def test_a_name_that_does_not_resolve_was_never_sent(open_transport):
    error = refused(open_transport("https://portal.invalid"))
    assert "cannot be resolved" in str(error)
    assert (error.sent, error.temporary) == (False, True)


def test_a_connection_that_is_not_made_in_time_was_never_sent(open_transport):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        error = refused(open_transport(f"http://127.0.0.1:{full.getsockname()[1]}", connect_timeout=0.2))
        for one in waiting:
            one.close()
    assert "connect_timeout" in str(error)
    assert not error.sent


def test_a_certificate_nobody_vouches_for_is_refused_for_good(tls_server, open_transport):
    error = refused(open_transport(tls_server.url.rstrip("/")))
    assert "self-signed certificate" in str(error)
    assert "ca_bundle" in str(error)
    assert (error.sent, error.temporary) == (False, False)
    assert tls_server.portal.journal == []


def test_a_certificate_of_the_ca_bundle_is_believed(tls_server, certificate, open_transport):
    assert ask(open_transport(tls_server.url.rstrip("/"), ca_bundle=certificate[0])).status == 200


def test_the_ca_bundle_is_read_once_for_all_connections(tls_server, certificate, open_transport, tmp_path):
    bundle = tmp_path / "authorities.pem"
    bundle.write_bytes(Path(certificate[0]).read_bytes())
    transport = open_transport(tls_server.url.rstrip("/"), ca_bundle=str(bundle))
    tls_server.portal.latency = 0.2  # so that each request opens a connection
    assert ask(transport).status == 200
    bundle.write_text("unreadable")
    with ThreadPoolExecutor(3) as pool:
        assert [reply.status for reply in pool.map(ask, [transport] * 3)] == [200] * 3
    assert tls_server.connections == 3


def test_a_certificate_for_another_name_is_refused_in_spite_of_the_ca_bundle(
    tls_server, cloud_certificate, portal, open_transport
):
    with PortalServer(portal, certfile=cloud_certificate[0], keyfile=cloud_certificate[1]) as server:
        error = refused(open_transport(server.url.rstrip("/"), ca_bundle=cloud_certificate[0]))
    assert "not valid for '127.0.0.1'" in str(error)


def test_verification_is_off_only_by_its_own_field_and_says_so(tls_server, open_transport, caplog):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        transport = open_transport(tls_server.url.rstrip("/"), verify_tls=False)
        assert ask(transport).status == 200
    assert f"TLS certificates of 127.0.0.1:{tls_server.port} are not verified" in caplog.text


def test_a_port_that_speaks_no_tls_was_never_sent(server, open_transport):
    error = refused(open_transport(f"https://127.0.0.1:{server.port}"))
    assert "TLS failed" in str(error)
    assert not error.sent


def test_tls_that_breaks_after_the_request_may_have_carried_it(certificate, open_transport):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def read_and_vanish(listener):
        connection, _ = listener.accept()
        secured = context.wrap_socket(connection, server_side=True)
        secured.recv(65536)
        connection = socket.socket(fileno=secured.detach())  # closed without TLS's goodbye
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=read_and_vanish, args=(listener,))
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        error = refused(open_transport(url, ca_bundle=certificate[0]))
        thread.join()
    assert (error.sent, error.temporary) == (True, True)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file"), ("no certificate", "no certificate in PEM form")],
    ids=["missing", "not PEM"],
)
def test_a_ca_bundle_that_cannot_be_read_is_an_error_of_the_connection(
    tmp_path, open_transport, content, reason
):
    bundle = tmp_path / "ca.pem"
    if content:
        bundle.write_text(content)
    with pytest.raises(Bitrix24ConfigError, match=reason) as caught:
        open_transport("https://portal.example", ca_bundle=str(bundle))
    assert str(bundle) in str(caught.value)


@pytest.mark.parametrize(
    "proxy",
    [
        pytest.param(
            "socks5://proxy.example:1080",
            id="no PySocks",
            marks=pytest.mark.skipif(find_spec("socks") is not None, reason="PySocks is installed"),
        ),
        pytest.param("http://[:3128", id="unreadable"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_an_error_of_the_connection(open_transport, proxy):
    error = refused(open_transport("https://portal.example", proxy=proxy), Bitrix24ConfigError)
    assert not error.temporary


def test_a_renamed_portal_is_followed_to_an_allowed_host_with_method_and_body_kept(
    server, open_transport, caplog
):
    with PortalServer(seeded_portal()) as old:
        old.portal.renamed_to = server.url
        transport = open_transport(old.url.rstrip("/"), allowed_hosts=(f"127.0.0.1:{server.port}",))
        reply = ask(transport, "crm.contact.get", {"id": 82})
        ask(transport)
        assert len(old.portal.journal) == 1
    assert reply.status == 200
    assert [(entry.http_method, entry.method) for entry in server.portal.journal] == [
        ("POST", "crm.contact.get"),
        ("POST", "profile"),
    ]
    assert server.portal.journal[0].params == {"id": 82}
    assert f"has moved to http://127.0.0.1:{server.port}: change Host in the connection" in caplog.text
    assert CODE not in caplog.text


def test_another_port_of_the_same_host_is_a_foreign_server(server, open_transport):
    with PortalServer(seeded_portal()) as old:
        old.portal.renamed_to = server.url
        error = refused(open_transport(old.url.rstrip("/")), Bitrix24ConfigError)
    assert "unrelated host" in str(error)
    assert server.portal.journal == []


class Cloud:
    """Portals of the cloud and others behind TLS, found by name through a proxy."""

    def __init__(self, certificate, old_portal, new_portal):
        self.old = PortalServer(old_portal, certfile=certificate[0], keyfile=certificate[1])
        self.new = PortalServer(new_portal, certfile=certificate[0], keyfile=certificate[1])
        self.plain = PortalServer(seeded_portal())
        self.proxy = Proxy({}, password=PROXY_WORD)

    def __enter__(self):
        for server in (self.old, self.new, self.plain):
            server.start()
        self.proxy.__enter__()
        self.proxy.places |= {
            "acme.bitrix24.com:443": self.old.port,
            "renamed.bitrix24.com:443": self.new.port,
            "portal.example:443": self.new.port,
            "oauth.example:443": self.new.port,
            "renamed.bitrix24.com:80": self.plain.port,
        }
        return self

    def __exit__(self, *error):
        self.proxy.__exit__()
        for server in (self.old, self.new, self.plain):
            server.stop()


@pytest.fixture
def cloud(cloud_certificate, portal):
    with Cloud(cloud_certificate, seeded_portal(), portal) as cloud:
        yield cloud


@pytest.fixture
def cloud_transport(cloud, cloud_certificate, open_transport):
    return open_transport("https://acme.bitrix24.com", proxy=cloud.proxy.url, ca_bundle=cloud_certificate[0])


def test_a_renamed_portal_of_the_cloud_is_followed_through_proxy_and_tls(cloud, cloud_transport, caplog):
    cloud.old.portal.renamed_to = "https://renamed.bitrix24.com"
    assert ask(cloud_transport).status == 200
    assert cloud_transport.host == "renamed.bitrix24.com"
    assert [line.split()[:2] for line in cloud.proxy.seen] == [
        ["CONNECT", "acme.bitrix24.com:443"],
        ["CONNECT", "renamed.bitrix24.com:443"],
    ]
    assert set(cloud.proxy.credentials) == {f"proxyuser:{PROXY_WORD}"}
    assert "https://acme.bitrix24.com has moved to https://renamed.bitrix24.com" in caplog.text


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("https://portal.example", "unrelated host portal.example"),
        ("https://acme.bitrix24.com.portal.example", "unrelated host"),
        ("https://acme.bitrix24.com@portal.example", "unreadable address"),
        ("https://portal.example\\@acme.bitrix24.com", "unreadable address"),
        ("http://renamed.bitrix24.com", "plain http at renamed.bitrix24.com"),
        ("http://acme.bitrix24.com", "plain http"),
        ("ftp://acme.bitrix24.com", "unreadable address"),
        ("https://acme.bitrix24.com:8443", "unrelated host"),
        ("https://renamed.bitrix24.com/rest/1/c0de", "unreadable address"),
        ("https://renamed.bitrix24.de", "unrelated host"),
    ],
)
def test_a_redirect_elsewhere_is_refused_and_nothing_is_sent_there(cloud, cloud_transport, location, words):
    cloud.old.portal.renamed_to = location
    error = refused(cloud_transport, Bitrix24ConfigError)
    assert words in str(error)
    assert "acme.bitrix24.com" in str(error)
    assert cloud.new.portal.journal == cloud.plain.portal.journal == []
    assert len(cloud.proxy.seen) == 1


def test_a_redirect_within_the_portal_is_no_renaming(cloud, cloud_transport):
    cloud.old.portal.add_fault(Fault("redirect", location="/auth/?backurl=%2F"))
    error = refused(cloud_transport, Bitrix24ConfigError)
    assert "another page on the same host" in str(error)
    assert len(cloud.old.portal.journal) == 1


def test_portals_that_point_at_each_other_end_in_an_error(cloud, cloud_transport):
    cloud.old.portal.renamed_to = "https://renamed.bitrix24.com"
    cloud.new.portal.renamed_to = "https://acme.bitrix24.com"
    assert "redirect loop" in str(refused(cloud_transport, Bitrix24ConfigError))


def test_a_portal_that_moved_from_http_to_https_is_followed(cloud, cloud_certificate, open_transport):
    cloud.plain.portal.renamed_to = "https://renamed.bitrix24.com"
    transport = open_transport(
        "http://renamed.bitrix24.com", proxy=cloud.proxy.url, ca_bundle=cloud_certificate[0]
    )
    assert ask(transport).status == 200


def test_a_proxy_that_refuses_was_never_passed(cloud, cloud_certificate, open_transport):
    wrong = cloud.proxy.url.replace(PROXY_WORD, f"{PROXY_WORD}0")
    error = refused(open_transport("https://acme.bitrix24.com", proxy=wrong, ca_bundle=cloud_certificate[0]))
    assert "the proxy refused" in str(error)
    assert not error.sent


def test_a_proxy_that_is_not_there_was_never_passed(open_transport):
    error = refused(open_transport("https://acme.bitrix24.com", proxy=f"http://127.0.0.1:{free_port()}"))
    assert "proxy" in str(error)
    assert not error.sent


def test_the_environment_s_proxy_is_used_unless_the_environment_exempts_the_host(
    cloud, cloud_certificate, open_transport, monkeypatch
):
    monkeypatch.setenv("HTTPS_PROXY", cloud.proxy.url)
    monkeypatch.setenv("NO_PROXY", "acme.bitrix24.com")
    assert ask(open_transport("https://renamed.bitrix24.com", ca_bundle=cloud_certificate[0])).status == 200
    refused(open_transport("https://acme.bitrix24.com", ca_bundle=cloud_certificate[0]))
    assert len(cloud.proxy.seen) == 1


def test_the_portal_s_own_authority_does_not_stand_in_for_others(
    cloud, cloud_certificate, certificate, monkeypatch, open_transport
):
    """The authorization server is believed by public authorities (here: the environment's), or the bundle."""
    transport = open_transport("https://acme.bitrix24.com", proxy=cloud.proxy.url, ca_bundle=certificate[0])
    with pytest.raises(Bitrix24TransportError, match="not trusted"):
        transport.post_form("https://oauth.example/oauth/token/", {"client_id": "x"})
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", cloud_certificate[0])
    assert transport.post_form("https://oauth.example/oauth/token/", {"client_id": "x"}).status == 200
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    transport = open_transport(
        "https://acme.bitrix24.com", proxy=cloud.proxy.url, ca_bundle=cloud_certificate[0]
    )
    assert transport.post_form("https://oauth.example/oauth/token/", {"client_id": "x"}).status == 200


def test_switching_the_portal_s_verification_off_leaves_that_of_other_servers_on(cloud, open_transport):
    transport = open_transport("https://acme.bitrix24.com", proxy=cloud.proxy.url, verify_tls=False)
    assert ask(transport).status == 401
    with pytest.raises(Bitrix24TransportError, match="not trusted"):
        transport.post_form("https://oauth.example/oauth/token/", {"client_secret": "canary"})


def test_an_environment_that_changes_meanwhile_is_read_again(server, open_transport, monkeypatch):
    """Airflow's web server sets and deletes variables in one thread while another reads them."""
    read = requests.Session.merge_environment_settings
    broken = [KeyError("AIRFLOW_CONN_X7"), RuntimeError("dictionary changed size during iteration")]

    def read_at_last(self, *args):
        if broken:
            raise broken.pop()
        return read(self, *args)

    monkeypatch.setattr(requests.Session, "merge_environment_settings", read_at_last)
    assert ask(open_transport(server.url.rstrip("/"))).status == 200
    assert not broken


def test_a_form_is_not_carried_along_a_redirect(server, open_transport):
    with PortalServer(seeded_portal()) as old:
        old.portal.add_fault(Fault("redirect", location=server.url))
        transport = open_transport(old.url.rstrip("/"))
        with pytest.raises(Bitrix24ConfigError, match="redirects; the redirect was not followed"):
            transport.post_form(f"{old.url}rest/profile", {"client_secret": "canary"})
    assert server.portal.journal == []


def test_nothing_logged_at_debug_tells_a_secret(cloud, cloud_transport, server, open_transport, caplog):
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "urllib3.connectionpool", "urllib3.util.retry", "requests"):
        caplog.set_level(logging.DEBUG, logger=name)
    cloud.old.portal.renamed_to = "https://renamed.bitrix24.com"
    ask(cloud_transport)
    server.portal.prefix = "/intranet"
    ask(open_transport(f"{server.url}intranet"))
    through_plain_http = open_transport("http://renamed.bitrix24.com", proxy=cloud.proxy.url)
    ask(through_plain_http)
    for kind in ("reset", "truncated", "hang"):
        server.portal.add_fault(Fault(kind, times=1))
        refused(open_transport(f"{server.url}intranet", read_timeout=0.2))
    refused(open_transport(f"https://127.0.0.1:{free_port()}"))
    refused(open_transport("https://portal.invalid"))
    shown = caplog.text + "".join(map(repr, (record.__dict__ for record in caplog.records)))
    assert "/rest/1/***/profile" in shown
    assert CODE not in shown
    assert PROXY_WORD not in shown


def test_the_representation_of_a_configuration_tells_no_secret():
    app = OAuthApp("local.1", "canary", "canary", "canary")
    config = PortalConfig("https://portal.example", app, proxy="http://x:canary@proxy.example")
    assert "canary" not in repr(config)
    assert "canary" not in repr(Webhook(1, "canary"))
