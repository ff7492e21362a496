"""Sessions of requests: proxies, certificate authorities, TLS, kept-alive connections."""

from __future__ import annotations

import contextlib
import re
import ssl
import warnings
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from airflow_provider_b24 import __version__
from airflow_provider_b24.errors import Bitrix24ConfigError
from airflow_provider_b24.rest.address import parse_address
from airflow_provider_b24.rest.answers import ENCODINGS
from airflow_provider_b24.rest.config import PortalConfig
from airflow_provider_b24.rest.connections import TlsSocket, keep_deadlines

_HEADERS = {
    "User-Agent": f"airflow-provider-b24/{__version__}",
    "Accept": "application/json",
    "Accept-Encoding": ENCODINGS,
}
_MAX_READS = 5  # of the environment


def open_session(config: PortalConfig, url: str, adapter: BaseAdapter | None = None) -> requests.Session:
    """
    Return a session for one server.

    The TLS settings are the portal's own; any other server is always verified, against the public
    certificate authorities and those of ``ca_bundle`` (for a proxy that opens TLS).

    :param config: the portal.
    :param url: an address of the server.
    :param adapter: a requests adapter in place of the network.
    """
    session = _Session()
    environment = _environment(session, url)
    # Read once, above: for each request it takes time, and a ~/.netrc would add its own credentials.
    session.trust_env = False
    session.headers.update(_HEADERS)
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    proxy = {"http": config.proxy, "https": config.proxy} if config.proxy else environment["proxies"]
    session.proxies = dict(proxy)
    session.verify = environment["verify"]
    context = _SharedContext(ssl.PROTOCOL_TLS_CLIENT)
    if parse_address(url).origin == parse_address(config.url).origin:
        session.verify = (config.ca_bundle or session.verify) if config.verify_tls else False
        context.check_hostname = config.verify_tls
    elif config.ca_bundle:
        context.load_verify_locations(config.ca_bundle)  # requests adds the public ones
    network = _Adapter(context, config.max_parallel, session.verify, config.ca_bundle)
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter or network)
    return session


class _Session(requests.Session):
    def get_redirect_target(self, response: requests.Response) -> str | None:
        """Return None: requests would read the answer for it, decompressed and of any size."""
        return None


def _environment(session: requests.Session, url: str) -> Mapping[str, Any]:
    """Read proxies and authorities from the environment, which other threads of Airflow may be changing."""
    for _ in range(_MAX_READS - 1):
        with contextlib.suppress(KeyError, RuntimeError):
            return dict(session.merge_environment_settings(url, {}, None, None, None))
    return dict(session.merge_environment_settings(url, {}, None, None, None))


class _SharedContext(ssl.SSLContext):
    """
    The TLS settings of all connections of a session.

    urllib3 loads the certificate authorities for each connection, which takes longer than the handshake.
    """

    sslsocket_class = TlsSocket
    _loaded: frozenset[Any] = frozenset()

    def load_verify_locations(self, *locations: Any, **named: Any) -> None:
        what = (locations, *sorted(named.items()))
        if what not in self._loaded:
            super().load_verify_locations(*locations, **named)
            self._loaded |= {what}


class _Adapter(HTTPAdapter):
    """
    As many kept-alive connections as may be in flight, with one TLS context.

    :param verify: as of a session: whether to verify, or the authorities' path.
    :param ca_bundle: more authorities, or empty.
    """

    def __init__(self, context: ssl.SSLContext, connections: int, verify: bool | str, ca_bundle: str) -> None:
        self._context = context
        self._verify, self._ca_bundle = verify, ca_bundle
        super().__init__(pool_connections=4, pool_maxsize=connections, pool_block=True)

    def init_poolmanager(self, *args: Any, **facts: Any) -> None:
        super().init_poolmanager(*args, **facts, ssl_context=self._context)
        keep_deadlines(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **facts: Any) -> Any:
        known = proxy in self.proxy_manager
        if proxy.lower().startswith("https:"):
            facts["proxy_ssl_context"] = self._proxy_context()
        manager = super().proxy_manager_for(proxy, **facts, ssl_context=self._context)
        if not known:
            keep_deadlines(manager)
        return manager

    def _proxy_context(self) -> ssl.SSLContext:
        """Return the TLS settings for a proxy, which is verified as the server behind it."""
        context = _SharedContext(ssl.PROTOCOL_TLS_CLIENT)
        if not self._verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context
        authorities = self._verify if isinstance(self._verify, str) else DEFAULT_CA_BUNDLE_PATH
        for path in filter(None, (authorities, self._ca_bundle)):
            context.load_verify_locations(**{"capath" if Path(path).is_dir() else "cafile": path})
        return context


def check_authorities(ca_bundle: str) -> None:
    """
    Check that a bundle of certificate authorities can be used.

    :raises Bitrix24ConfigError: it cannot.
    """
    reason = ""
    try:
        ssl.create_default_context(cafile=ca_bundle)
    except ssl.SSLError:
        reason = "it contains no certificate in PEM format"
    except OSError as error:
        reason = str(error.strerror)
    if reason:
        raise Bitrix24ConfigError(f"ca_bundle {ca_bundle!r} cannot be used: {reason}")


def silence_urllib3(*hosts: str) -> None:
    """Our own warning says it once; urllib3 would repeat it for every request to the portal or its proxy."""
    for host in hosts:
        name = urlsplit(host).hostname if "://" in host else host
        warnings.filterwarnings(
            "ignore", message=re.escape(f"Unverified HTTPS request is being made to host '{name}'")
        )
