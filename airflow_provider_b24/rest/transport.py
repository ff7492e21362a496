"""
HTTP, on one kept-alive session of requests.

Time is limited by ``connections``, size by ``answers``.

Every failure becomes one of our own errors, which names host and reason and never the address: the path of a
webhook is a password, and the exceptions of requests quote it. They must not become the cause or context of
ours either, as a traceback prints both; so ours are raised after the ``except`` block.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import math
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlencode, urljoin, urlsplit

import requests
import urllib3
from requests.adapters import BaseAdapter
from requests.utils import requote_uri
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError

from airflow_provider_b24.errors import (
    Bitrix24ConfigError,
    Bitrix24Error,
    Bitrix24InputError,
    Bitrix24TimeoutError,
    Bitrix24TransportError,
)
from airflow_provider_b24.rest.address import Address, parse_address, same_family
from airflow_provider_b24.rest.answers import IN_FLIGHT, MAX_REPLY, AnswerError, Room, read_body
from airflow_provider_b24.rest.config import PortalConfig
from airflow_provider_b24.rest.connections import Sending, under_way
from airflow_provider_b24.rest.forks import bind_to_process
from airflow_provider_b24.rest.instruments import redact_sentry, unobserved
from airflow_provider_b24.rest.redaction import redact, redact_logs, remember_secrets
from airflow_provider_b24.rest.replies import RawReply
from airflow_provider_b24.rest.sessions import check_authorities, open_session, silence_urllib3

log = logging.getLogger(__name__)

_JSON = {"Content-Type": "application/json; charset=utf-8"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 3
_MAX_FORM_REPLY = 1_000_000  # bytes; tokens take less than one thousand
_FORM_TIMEOUT = 40.0  # seconds for the answer to a form, during which other tasks wait for tokens
_PIECE = 65_536  # bytes read at once
# OpenSSL's words for a handshake that never became a connection, so that nothing was sent.
_HANDSHAKE = re.compile("HANDSHAKE|WRONG_VERSION|PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL")
_SAFE_URLLIB3 = (2, 7, 0)  # older ones let a small answer become a large one: CVE-2026-44432 and before

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
        remember_secrets(*config.credentials.secrets, *_passwords(config.proxy))
        redact_sentry()
        _warn_of_urllib3(urllib3.__version__)  # type: ignore[attr-defined]
        if config.ca_bundle:
            check_authorities(config.ca_bundle)
        if not config.verify_tls and self._portal.scheme == "https":
            log.warning("TLS certificates of %s are not verified (verify_tls is off)", self.host)
        self._session: requests.Session | None = self._open(config.url)
        if not self._session.verify:
            silence_urllib3(self._portal.host, *map(str, self._session.proxies.values()))
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
        data = _to_json(body, method)
        for _ in range(_MAX_REDIRECTS + 1):
            portal = self._portal
            with self._guard:
                self.requests += 1
                session = self._session = self._session or self._open(self.config.url)
            reply, location = self._post(session, str(portal), path, data, _JSON, self._max_reply, method)
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
        parts = urlsplit(url)
        origin, path = f"{parts.scheme}://{parts.netloc}", url.partition(parts.netloc)[2]
        with self._open(url) as session:
            data = urlencode(form).encode()
            reply, _ = self._post(session, origin, path, data, _FORM, _MAX_FORM_REPLY, longest=_FORM_TIMEOUT)
        if reply.status in _REDIRECTS:
            raise Bitrix24ConfigError(f"{urlsplit(url).netloc} redirects; the redirect was not followed")
        return reply

    def close(self) -> None:
        """Close the kept-alive connections."""
        if self._session is not None:
            self._session.close()

    def _open(self, url: str) -> requests.Session:
        return open_session(self.config, url, self._adapter)

    def _post(
        self,
        session: requests.Session,
        origin: str,
        path: str,
        data: bytes,
        headers: Mapping[str, str],
        max_reply: int,
        method: str = "",
        longest: float = math.inf,
    ) -> tuple[RawReply, str]:
        """Send a request; return the answer and where it redirects to."""
        host, status = urlsplit(origin).netloc, None
        sending, room = self._sending(path, longest), Room(IN_FLIGHT, max_reply)
        url = f"{origin}{sending.path if self._adapter else sending.shown}"
        timeout = (self.config.connect_timeout, self.config.read_timeout)  # kept by the connections
        try:
            with (
                unobserved(),
                under_way(sending),
                session.post(
                    url, data=data, headers=headers, timeout=timeout, allow_redirects=False, stream=True
                ) as response,
            ):
                status = response.status_code
                body = read_body(
                    _pieces(response, sending), response.headers.get("Content-Encoding", ""), room
                )
                raw = RawReply(status, body, self._longest(sending), room)
                return raw, response.headers.get("Location", "")
        except AnswerError as error:
            failure: Bitrix24Error = Bitrix24TransportError(
                f"{host}: {error}", http_status=status, method=method
            )
        except (requests.RequestException, HTTPError, TimeoutError) as error:
            sent = _looks_sent(error) if self._adapter else sending.sent
            failure = _failure(error, host, method, sent, status)
        except (OSError, ValueError) as error:  # requests lets some through, e.g. for a broken proxy URL
            failure = Bitrix24ConfigError(
                f"cannot prepare the request ({type(error).__name__})", method=method
            )
        raise failure

    def _sending(self, path: str, longest: float) -> Sending:
        """Return what the connections need to know of a request, at most so many seconds for its answer."""
        config = self.config
        read_timeout = min(config.read_timeout, longest)
        quoted, shown = _paths(path, config.credentials.secrets)
        sending = Sending(config.connect_timeout, read_timeout, quoted, shown, timer=self._timer)
        if self._adapter:  # it makes no connections that would say so
            sending.sending()
        return sending

    def _longest(self, sending: Sending) -> float:
        """Return how long the portal may have worked on a request, in seconds."""
        return sending.elapsed if self._adapter is None else self.config.read_timeout

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


@functools.cache
def _warn_of_urllib3(version: str) -> None:
    """Warn once in a process; what this package reads is limited by itself."""
    if tuple(map(int, re.findall(r"\d+", version)[:3])) < _SAFE_URLLIB3:
        safe = ".".join(map(str, _SAFE_URLLIB3))
        log.warning("urllib3 %s has known vulnerabilities; install %s or newer", version, safe)


@functools.lru_cache(maxsize=256)
def _paths(path: str, secrets: tuple[str, ...]) -> tuple[str, str]:
    """Return a path as it is sent, and as everything but the server sees it."""
    return requote_uri(path), requote_uri(redact(path, *secrets))


def _passwords(proxy: str) -> list[str]:
    with contextlib.suppress(ValueError):
        return [unquote(urlsplit(proxy).password or "")]
    return []


def _to_json(body: Mapping[str, Any], method: str) -> bytes:
    try:
        return json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except UnicodeError:
        pass  # the error has the whole body as an attribute
    raise Bitrix24InputError("a text contains half a surrogate pair, which cannot be sent", method=method)


def _pieces(response: requests.Response, sending: Sending) -> Iterator[bytes]:
    """Yield a body as it arrives, as it was sent."""
    while piece := response.raw.read1(_PIECE, decode_content=False):
        yield piece
        sending.left()  # raises an error when there is no time left, also while there is always data


def _failure(error: Exception, host: str, method: str, sent: bool, status: int | None) -> Bitrix24Error:
    """
    Say, without quoting an address, why a request failed.

    :param sent: whether a part of it may have reached the server.
    :param status: of an answer that has begun.
    """
    kinds = requests.exceptions
    cause = _root_cause(error)
    detail = _safe_detail(cause)
    if isinstance(error, kinds.InvalidURL | kinds.InvalidSchema | kinds.MissingSchema):
        text = f"{host}: address or proxy cannot be used (a SOCKS proxy needs PySocks)"
        return Bitrix24ConfigError(text, method=method)
    if sent and _is_late(error, cause):
        missing = "no answer" if status is None else "the answer was not complete"
        text = f"{host}: {missing} within read_timeout"
        return Bitrix24TimeoutError(text, http_status=status, method=method)
    if isinstance(error, kinds.SSLError):
        return _tls_failure(cause, host, detail, sent, method)
    before = "" if sent else _before_sending(error, cause)
    if before:
        return Bitrix24TransportError(f"{host}: {before}{detail}", sent=False, method=method)
    text = f"{host}: the connection broke before the answer was complete{detail}"
    return Bitrix24TransportError(text, sent=sent, http_status=status, method=method)


def _is_late(error: Exception, cause: BaseException) -> bool:
    """Whether it was our own limit that ended a request, and not one of the operating system."""
    slow = requests.ReadTimeout | ReadTimeoutError
    return isinstance(error, slow) or (isinstance(cause, TimeoutError) and cause.errno is None)


def _looks_sent(error: Exception) -> bool:
    """Whether a request may have been sent, by its error alone: where no connection of ours says so."""
    cause = _root_cause(error)
    unconnected = isinstance(cause, socket.gaierror | ConnectionRefusedError | NewConnectionError)
    if unconnected or isinstance(error, requests.ConnectTimeout | requests.exceptions.ProxyError):
        return False
    untrusted = isinstance(cause, ssl.SSLCertVerificationError)
    return not (untrusted or (isinstance(cause, ssl.SSLError) and _HANDSHAKE.search(str(cause.reason))))


def _before_sending(error: Exception, cause: BaseException) -> str:
    """Say why there was no connection."""
    kinds = requests.exceptions
    if isinstance(error, kinds.ProxyError):
        return "the proxy refused the connection or failed"
    if isinstance(error, kinds.ConnectTimeout) or _is_late(error, cause):
        return "no connection within connect_timeout"
    if isinstance(cause, socket.gaierror):
        return "the host name cannot be resolved"
    return "no connection"


def _tls_failure(
    cause: BaseException, host: str, detail: str, sent: bool, method: str
) -> Bitrix24TransportError:
    """An untrusted certificate stays untrusted; a connection may also break after the request was sent."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Bitrix24TransportError(
            f"{host}: its TLS certificate is not trusted{detail}",
            sent=False,
            temporary=False,
            method=method,
            advice="If the portal has its own certificate authority, set ca_bundle.",
        )
    return Bitrix24TransportError(f"{host}: TLS failed{detail}", sent=sent, method=method)


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
