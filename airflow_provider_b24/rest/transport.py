"""
HTTP, on one kept-alive session. The only module that imports requests.

Every failure becomes one of our own errors, which names host and reason and never the address: the path of a
webhook is a password, and the exceptions of requests quote it. They must not become the cause or context of
ours either, as a traceback prints both; so ours are raised after the ``except`` block.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.exceptions import HTTPError, ReadTimeoutError

from airflow_provider_b24 import __version__
from airflow_provider_b24.errors import (
    Bitrix24ConfigError,
    Bitrix24Error,
    Bitrix24TimeoutError,
    Bitrix24TransportError,
)
from airflow_provider_b24.rest.address import Address, parse_address, same_family
from airflow_provider_b24.rest.config import PortalConfig
from airflow_provider_b24.rest.forks import bind_to_process
from airflow_provider_b24.rest.redaction import redact_logs
from airflow_provider_b24.rest.replies import RawReply

log = logging.getLogger(__name__)

_HEADERS = {"User-Agent": f"airflow-provider-b24/{__version__}", "Accept": "application/json"}
_JSON = {"Content-Type": "application/json; charset=utf-8"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 3
_MAX_READS = 5  # of the environment
MAX_REPLY = 100_000_000  # bytes; 2,500 rows with all their fields take a tenth of that
_PIECE = 65_536  # bytes read at once
# OpenSSL's words for a handshake that never became a connection, so that nothing was sent.
_HANDSHAKE = re.compile(
    "CERTIFICATE|HANDSHAKE|WRONG_VERSION|PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|HTTP_REQUEST"
)

redact_logs()


class Transport:
    """
    Sends JSON to one portal over one session; safe to use from several threads and in forked processes.

    :param config: the portal.
    :param adapter: a requests adapter in place of the network, for tests.
    :param timer: seconds that only grow, to limit how long one answer may take.
    :param max_reply: the most bytes of one answer.
    :raises Bitrix24ConfigError: the CA bundle cannot be read.
    """

    def __init__(
        self,
        config: PortalConfig,
        adapter: BaseAdapter | None = None,
        timer: Callable[[], float] = time.monotonic,
        max_reply: int = MAX_REPLY,
    ) -> None:
        self.config = config
        self.requests = 0
        self._adapter = adapter
        self._timer = timer
        self._max_reply = max_reply
        self._guard = threading.Lock()
        self._portal = parse_address(config.url)
        if config.ca_bundle:
            _check_authorities(config.ca_bundle)
        if not config.verify_tls and self._portal.scheme == "https":
            log.warning("TLS certificates of %s are not verified (verify_tls is off)", self.host)
        self._session: requests.Session | None = self._open_session(config.url)
        if not self._session.verify:
            _silence_urllib3(self._portal.host, *map(str, self._session.proxies.values()))
        bind_to_process(self)

    def after_fork(self) -> None:
        """Drop the parent's connections: on shared ones, an answer goes to whoever reads first."""
        self._guard = threading.Lock()
        self._session = None

    @property
    def host(self) -> str:
        """The portal's host and port, for messages."""
        return self._portal.netloc

    def send(self, path: str, body: Mapping[str, Any], method: str) -> RawReply:
        """
        POST ``body`` as JSON to ``path`` below the portal's address and return the answer, with any status.

        A renamed portal's redirect is followed, method and body unchanged, if its new address is trusted.

        :param method: the REST method, for messages.
        :raises Bitrix24TransportError: no complete answer; ``sent`` says whether it may have been executed.
        :raises Bitrix24ConfigError: the address or proxy cannot work, or it redirects to another server.
        """
        data = json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
        for _ in range(_MAX_REDIRECTS + 1):
            portal = self._portal
            with self._guard:
                self.requests += 1
                session = self._session = self._session or self._open_session(self.config.url)
            reply, location = self._post(session, f"{portal}{path}", data, _JSON, method)
            if reply.status not in _REDIRECTS:
                return reply
            self._follow(portal, path, location, method)
        raise Bitrix24ConfigError(f"{self.host}: redirect loop", method=method)

    def post_form(self, url: str, form: Mapping[str, str]) -> RawReply:
        """
        POST a form to another server, in a session of its own, and return the answer; follow no redirect.

        :raises Bitrix24TransportError: no complete answer.
        :raises Bitrix24ConfigError: the address or proxy cannot work, or the server redirects.
        """
        with self._open_session(url) as session:
            reply, _ = self._post(session, url, urlencode(form).encode(), _FORM, "")
        if reply.status in _REDIRECTS:
            raise Bitrix24ConfigError(f"{urlsplit(url).netloc} redirects; the redirect was not followed")
        return reply

    def close(self) -> None:
        """Close the kept-alive connections."""
        if self._session is not None:
            self._session.close()

    def _open_session(self, url: str) -> requests.Session:
        """
        Return a session for one server.

        The TLS settings are the portal's own; any other server is always verified, against the public
        certificate authorities and those of ``ca_bundle`` (for a proxy that opens TLS).
        """
        config, session = self.config, requests.Session()
        environment = _environment(session, url)
        # Read once, above: for each request it takes time, and a ~/.netrc would add its own credentials.
        session.trust_env = False
        session.headers.update(_HEADERS)
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        proxy = {"http": config.proxy, "https": config.proxy} if config.proxy else environment["proxies"]
        session.proxies = dict(proxy)
        session.verify = environment["verify"]
        context = _SharedContext(ssl.PROTOCOL_TLS_CLIENT)
        if parse_address(url).origin == self._portal.origin:
            session.verify = (config.ca_bundle or session.verify) if config.verify_tls else False
            context.check_hostname = config.verify_tls
        elif config.ca_bundle:
            context.load_verify_locations(config.ca_bundle)  # requests adds the public ones
        adapter = _Adapter(context, config.max_parallel)
        for scheme in ("https://", "http://"):
            session.mount(scheme, self._adapter or adapter)
        return session

    def _post(
        self, session: requests.Session, url: str, data: bytes, headers: Mapping[str, str], method: str
    ) -> tuple[RawReply, str]:
        """Send a request; return the answer and where it redirects to."""
        timeout = (self.config.connect_timeout, self.config.read_timeout)
        host = urlsplit(url).netloc
        try:
            with session.post(
                url, data=data, headers=headers, timeout=timeout, allow_redirects=False, stream=True
            ) as response:
                body = self._read(response, host, method)
                return RawReply(response.status_code, body), response.headers.get("Location", "")
        except requests.RequestException as error:
            failure = _failure(error, host, method)
        except HTTPError as error:  # while the body was read
            slow = isinstance(error, ReadTimeoutError)
            kind = requests.ReadTimeout if slow else requests.ConnectionError
            failure = _failure(kind(error), host, method)
        except (OSError, ValueError) as error:  # requests lets some through, e.g. for a broken proxy URL
            failure = Bitrix24ConfigError(
                f"cannot prepare the request ({type(error).__name__})", method=method
            )
        raise failure

    def _read(self, response: requests.Response, host: str, method: str) -> bytes:
        """Read a body as it arrives: a server that sends a byte now and then meets no timeout of a socket."""
        end = self._timer() + self.config.read_timeout
        parts: list[bytes] = []
        size = 0
        while part := response.raw.read1(_PIECE, decode_content=True):
            parts.append(part)
            size += len(part)
            if size > self._max_reply:
                text = f"{host}: the answer is larger than {self._max_reply:,} bytes"
                raise Bitrix24TransportError(text, http_status=response.status_code, method=method)
            if self._timer() > end:
                text = f"{host}: the answer was not complete within read_timeout"
                raise Bitrix24TimeoutError(text, http_status=response.status_code, method=method)
        return b"".join(parts)

    def _follow(self, old: Address, path: str, location: str, method: str) -> None:
        """Use a renamed portal's new address from now on, if it is trusted."""
        parts = urlsplit(urljoin(f"{old}{path}", location))
        prefix = parts.path.removesuffix(path) if parts.path.endswith(path) else old.prefix
        unreadable = False
        try:
            new = parse_address(f"{parts.scheme}://{parts.netloc}{prefix}")
        except Bitrix24ConfigError:
            unreadable = True
        if unreadable:
            raise Bitrix24ConfigError(f"{old.netloc} redirects to an unreadable address", method=method)
        if old.scheme == "https" and new.scheme != "https":
            raise Bitrix24ConfigError(
                f"{old.netloc} redirects to plain http at {new.netloc}; the redirect was not followed",
                method=method,
            )
        if not self._may_move(old, new):
            raise Bitrix24ConfigError(
                f"{old.netloc} redirects to the unrelated host {new.netloc}; the redirect was not followed",
                method=method,
                advice="If the portal has moved, set Host to the new address or list it in allowed_hosts.",
            )
        if new == old:
            raise Bitrix24ConfigError(
                f"{old.netloc} redirects to another page on the same host",
                method=method,
                advice="Check that Host is the portal's own address.",
            )
        if self._portal == old:
            self._portal = new
            log.warning("The portal %s has moved to %s: change Host in the connection", old, new)

    def _may_move(self, old: Address, new: Address) -> bool:
        """Whether the secret may be sent there; another port of the host may be somebody else's server."""
        if {new.host, f"{new.host}:{new.origin[1]}"} & set(self.config.allowed_hosts):
            return True
        return same_family(old.host, new.host) and (new.port is None or new.origin == old.origin)


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

    _loaded: frozenset[Any] = frozenset()

    def load_verify_locations(self, *locations: Any, **named: Any) -> None:
        what = (locations, *sorted(named.items()))
        if what not in self._loaded:
            super().load_verify_locations(*locations, **named)
            self._loaded |= {what}


class _Adapter(HTTPAdapter):
    """As many kept-alive connections as may be in flight, with one TLS context."""

    def __init__(self, context: ssl.SSLContext, connections: int) -> None:
        self._context = context
        super().__init__(pool_connections=4, pool_maxsize=connections, pool_block=True)

    def init_poolmanager(self, *args: Any, **facts: Any) -> Any:
        return super().init_poolmanager(*args, **facts, ssl_context=self._context)

    def proxy_manager_for(self, *args: Any, **facts: Any) -> Any:
        return super().proxy_manager_for(*args, **facts, ssl_context=self._context)


def _check_authorities(ca_bundle: str) -> None:
    reason = ""
    try:
        ssl.create_default_context(cafile=ca_bundle)
    except ssl.SSLError:
        reason = "it contains no certificate in PEM format"
    except OSError as error:
        reason = str(error.strerror)
    if reason:
        raise Bitrix24ConfigError(f"ca_bundle {ca_bundle!r} cannot be used: {reason}")


def _silence_urllib3(*hosts: str) -> None:
    """Our own warning says it once; urllib3 would repeat it for every request to the portal or its proxy."""
    for host in hosts:
        name = urlsplit(host).hostname if "://" in host else host
        warnings.filterwarnings(
            "ignore", message=re.escape(f"Unverified HTTPS request is being made to host '{name}'")
        )


def _failure(error: requests.RequestException, host: str, method: str) -> Bitrix24Error:
    """Say, without quoting an address, why a request failed and whether it may have reached the server."""
    kinds = requests.exceptions
    cause = _root_cause(error)
    detail = _safe_detail(cause)
    if isinstance(error, kinds.InvalidURL | kinds.InvalidSchema | kinds.MissingSchema):
        text = f"{host}: address or proxy cannot be used (a SOCKS proxy needs PySocks)"
        return Bitrix24ConfigError(text, method=method)
    if isinstance(error, kinds.ReadTimeout):
        return Bitrix24TimeoutError(f"{host}: no answer within read_timeout", method=method)
    if isinstance(error, kinds.SSLError):
        return _tls_failure(cause, host, detail, method)
    before = _before_sending(error, cause)
    if before:
        return Bitrix24TransportError(f"{host}: {before}{detail}", sent=False, method=method)
    text = f"{host}: the connection broke before the answer was complete{detail}"
    return Bitrix24TransportError(text, method=method)


def _before_sending(error: requests.RequestException, cause: BaseException) -> str:
    """Say why no connection was made; empty if one was, so that the request may have been sent."""
    kinds = requests.exceptions
    if isinstance(error, kinds.ProxyError):
        return "the proxy refused the connection or failed"
    if isinstance(error, kinds.ConnectTimeout):
        return "no connection within connect_timeout"
    if isinstance(cause, socket.gaierror):
        return "the host name cannot be resolved"
    if isinstance(cause, ConnectionRefusedError) or type(cause).__name__ == "NewConnectionError":
        return "no connection"
    return ""


def _tls_failure(cause: BaseException, host: str, detail: str, method: str) -> Bitrix24TransportError:
    """An untrusted certificate stays untrusted; a connection may also break after the request was sent."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Bitrix24TransportError(
            f"{host}: its TLS certificate is not trusted{detail}",
            sent=False,
            temporary=False,
            method=method,
            advice="If the portal has its own certificate authority, set ca_bundle.",
        )
    handshake = isinstance(cause, ssl.SSLError) and _HANDSHAKE.search(str(cause.reason)) is not None
    return Bitrix24TransportError(f"{host}: TLS failed{detail}", sent=not handshake, method=method)


def _root_cause(error: BaseException) -> BaseException:
    """Find the operating system's own error, which urllib3 hides in ``args`` and ``reason``."""
    current, seen = error, {id(error)}
    while not isinstance(current, OSError) or isinstance(current, requests.RequestException):
        candidates = [getattr(current, "reason", None), *current.args, current.__cause__, current.__context__]
        found = [one for one in candidates if isinstance(one, BaseException) and id(one) not in seen]
        if not found:
            break
        current = found[0]
        seen.add(id(current))
    return current


def _safe_detail(cause: BaseException) -> str:
    """Quote only the operating system and OpenSSL, whose texts contain no address."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f" ({cause.verify_message})"
    if isinstance(cause, ssl.SSLError):
        return f" ({str(cause.reason).replace('_', ' ').lower()})" if cause.reason else ""
    if isinstance(cause, OSError) and isinstance(cause.strerror, str) and "/" not in cause.strerror:
        return f" ({cause.strerror})"
    return ""
