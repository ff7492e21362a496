"""Connections with canaries, each to a portal that fails in its own way, and the tasks that use them."""

import contextlib
import itertools
import shutil
import time
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

from airflow_provider_b24.sandbox import Fault, Portal, PortalServer, seeded_portal
from airflow_provider_b24.sandbox.http.faults import Kind
from tests.canary.canaries import SECRETS
from tests.canary.echo import EchoServer
from tests.canary.tasks import ALL, BAD_ITEMS, IN_DAGS
from tests.rest.networks import Proxy, free_port, make_certificate


class Clock:
    """The system clock, except that sleeping takes no time."""

    ahead = 0.0

    def now(self) -> float:
        return time.time() + Clock.ahead

    def sleep(self, seconds: float) -> None:
        Clock.ahead += seconds


class Cases:
    """Connections, each to a portal that fails in its own way, and the kinds of tasks that use them."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self.stack = stack
        self.connections: dict[str, dict[str, Any]] = {}
        self.kinds: dict[str, tuple[str, ...]] = {}
        self.portals: dict[str, Portal] = {}
        self._turns = itertools.cycle((*ALL, *IN_DAGS))

    def serve(self, name: str, *faults: Fault, certificate: Any = (None, None)) -> str:
        """Serve a portal and return its address."""
        portal = self.portals[name] = seeded_portal(clock=Clock().now)
        portal.update_record("contact", 82, PHOTO=12)  # the portal puts credentials into a file's address
        portal.add_webhook(1, SECRETS["webhook code"])
        portal.add_webhook(1, SECRETS["pasted webhook code"])
        portal.add_webhook(7, SECRETS["code without rights"], admin=False, can_update=False, name="Ruth")
        portal.add_webhook(9, SECRETS["code without scope"], scope=("im",), admin=False, name="Sam")
        portal.faults.extend(faults)
        cert, key = certificate
        return self.stack.enter_context(PortalServer(portal, certfile=cert, keyfile=key)).url.rstrip("/")

    def add(
        self,
        name: str,
        host: str,
        login: str | None = "1",
        password: str | None = SECRETS["webhook code"],
        kinds: tuple[str, ...] = (),
        **extra: Any,
    ) -> None:
        """Add a connection with a webhook. By default, one task uses it, with the next operator in turn."""
        extra = {"plan": "none", "allow_http": True, **extra}
        self.connections[name] = {"host": host, "login": login, "password": password, "extra": extra}
        self.kinds[name] = kinds or (next(self._turns),)

    def add_app(
        self, name: str, host: str, portal: str = "", kinds: tuple[str, ...] = (), **extra: Any
    ) -> None:
        """Add a connection with an application, which ``portal`` knows."""
        app = {
            "client_id": f"local.{name}",
            "client_secret": SECRETS["client secret"],
            "access_token": SECRETS["access token"],
            "refresh_token": SECRETS["refresh token"],
            "oauth_server": host,
        }
        app |= extra
        if portal:
            known = self.portals[portal]
            known.add_app(app["client_id"], SECRETS["client secret"])
            if app["refresh_token"] != SECRETS["refused refresh token"]:
                known.issue_tokens(app["client_id"], (app["access_token"], app["refresh_token"]))
        self.add(name, host, None, None, kinds, **app)


def add_cases(cases: Cases, folder: Path) -> None:
    """Add all cases; ``folder`` receives a certificate and its key."""
    url = add_fine(cases)
    for number, (kind, after) in enumerate(itertools.product(get_args(Kind), (False, True))):
        name = f"{kind}_{'after' if after else 'before'}"
        slow = {"read_timeout": 0.2} if kind in ("hang", "slow_body") else {}
        faulty = cases.serve(name, Fault(kind, after=after, seconds=4.0))
        # Each kind meets a webhook and an application, one before the work and the other after it.
        if (number // 2 + after) % 2:
            cases.add(name, faulty, **slow)
        else:
            cases.add_app(f"{name}_app", faulty, name, **slow)
    cases.add("endless", cases.serve("endless", Fault("hang", seconds=300.0)), kinds=("set_until_killed",))
    add_wrong_connections(cases, url)
    add_networks(cases, url)
    if shutil.which("openssl"):
        add_tls(cases, url, folder)


def add_few_cases(cases: Cases) -> None:
    """Add one case of each kind that matters most: success, refusal, and a reply that quotes the request."""
    url = add_fine(cases)
    wrong = {"access_token": "", "refresh_token": SECRETS["refused refresh token"]}
    cases.add("wrong_webhook", url, password=SECRETS["wrong webhook code"], kinds=("set", *IN_DAGS))
    cases.add_app("refused_refresh", url, "fine", **wrong, kinds=("set", *IN_DAGS))
    add_echo(cases, url)


def add_fine(cases: Cases) -> str:
    """Add the connections that work, which every operator uses; return their portal's address."""
    url = cases.serve("fine")
    # `dag.test()` ignores the timeout of a deferral, so only a condition that holds at last may defer.
    cases.serve("late", Fault("html_503", times=1, method="crm.item.get"))
    cases.add("late", cases.portals["late"].url, kinds=("deferred",))
    cases.add("fine", url, kinds=(*ALL, *IN_DAGS, "hook", *BAD_ITEMS))
    cases.add_app("fine_app", url, "fine", kinds=(*ALL, *IN_DAGS, "hook"))
    return url


def add_wrong_connections(cases: Cases, url: str) -> None:
    secret = SECRETS.__getitem__
    whole = f"{url}/rest/1/{secret('pasted webhook code')}/"
    client_secret = {"client_secret": secret("client secret")}
    other = cases.serve("other")
    cases.add("wrong_webhook", url, password=secret("wrong webhook code"), kinds=("set", *IN_DAGS))
    cases.add("no_rights", url, "7", secret("code without rights"))
    cases.add("no_scope", url, "9", secret("code without scope"))
    cases.add("pasted", "", "", whole)
    cases.add("pasted_broken", "", "", f"{whole}a/b/c/")
    cases.add("pasted_elsewhere", "https://other.example", "", whole)
    cases.add("in_host", f"{url}/rest/1/{secret('code in Host')}/", password="")
    cases.add("in_login", url, secret("code in Login"), "")
    cases.add("strange_code", url, password=secret("client secret"))
    cases.add("both", url, client_id="local.both", **client_secret)
    cases.add("secret_alone", url, **client_secret)
    cases.add("misspelled", url, clientsecret=secret("client secret"))
    cases.add_app("secret_in_list", url, client_secret=[secret("client secret")])
    cases.add_app("secret_with_space", url, access_token=f"{secret('access token')} x")
    cases.add_app(
        "wrong_secret", other, "other", client_secret=secret("wrong client secret"), access_token=""
    )
    wrong = {"refresh_token": secret("refused refresh token")}
    cases.add_app("refused_refresh", other, "other", access_token="", **wrong)
    cases.add_app("unknown_app", url, access_token="")
    cases.serve("expired", Fault("expired_token"))
    cases.add_app("no_refresh", cases.portals["expired"].url, "expired", refresh_token="")


def add_networks(cases: Cases, url: str) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    for name, host in {"refused": nobody, "no_name": "https://portal.invalid"}.items():
        cases.add(name, host)
        cases.add_app(f"{name}_app", host, access_token="")
        cases.add_app(f"oauth_server_{name}", url, access_token="", oauth_server=host)
    page = f"{url}/crm/contact/details"  # an HTML page of the portal
    cases.add_app("oauth_server_page", url, access_token="", oauth_server=page)
    moved = cases.serve("moved")
    cases.portals["moved"].renamed_to = url.replace("127.0.0.1", "localhost")
    cases.add("moved_to_foreign_host", moved)
    cases.add_app("moved_to_foreign_host_app", moved, "moved")
    cases.add("moved_to_allowed_host", moved, allowed_hosts="localhost")
    add_echo(cases, url)
    add_proxies(cases, url)


def add_echo(cases: Cases, url: str) -> None:
    echo = cases.stack.enter_context(EchoServer()).url
    cases.add("echo", echo, kinds=("set", "sync", *IN_DAGS))
    cases.add_app("echo_app", echo)
    cases.add_app("oauth_server_echo", url, access_token="", oauth_server=echo)


def add_proxies(cases: Cases, url: str) -> None:
    port = int(url.rpartition(":")[2])
    places = {"portal.example:80": port}
    proxy = cases.stack.enter_context(Proxy(places, SECRETS["proxy password"]))
    closed = cases.stack.enter_context(Proxy(places, "another password"))
    ports = {
        "proxy": proxy.server_address[1],
        "proxy_closed": closed.server_address[1],
        "no_proxy": free_port(),
    }
    password = quote(SECRETS["proxy password"], safe="")
    for name, number in ports.items():
        through = {"proxy": f"http://proxyuser:{password}@127.0.0.1:{number}"}
        cases.add(name, "http://portal.example", **through)
        cases.add(f"{name}_tls", "https://portal.example", **through)
        own = {"access_token": "", "refresh_token": f"{SECRETS['refresh token']}-{name}"}
        cases.add_app(f"{name}_app", "http://portal.example", "fine", **own, **through)
    cases.add("proxy_unreadable", url, proxy=f"proxyuser:{password}@[proxy.example")


def add_tls(cases: Cases, url: str, folder: Path) -> None:
    certificate = make_certificate(folder, "portal", "IP:127.0.0.1")
    trusted = {"ca_bundle": certificate[0]}
    secure = cases.serve("secure", certificate=certificate)
    cases.add("tls", secure)
    cases.add_app("tls_app", secure, "secure", access_token="")
    cases.add("tls_trusted", secure, **trusted)
    cases.add("tls_unverified", secure, verify_tls=False)
    downgrade = cases.serve("downgrade", Fault("redirect", location=url), certificate=certificate)
    cases.add("moved_to_plain_http", downgrade, **trusted)
    cases.add_app("moved_to_plain_http_app", downgrade, "downgrade", **trusted)
