"""
HTTP, on one kept-alive session. The only module that imports requests.

Every failure leaves as our own error that names host and reason, never the address: the path of a webhook
is a password, and an exception of requests quotes it.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import re
import socket
import ssl
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter

from airflow_provider_b24 import __version__
from airflow_provider_b24.rest.config import PortalConfig
from airflow_provider_b24.rest.errors import Bitrix24ConfigError, Bitrix24TransportError
from airflow_provider_b24.rest.replies import RawReply

log = logging.getLogger(__name__)

_HEADERS = {
    "User-Agent": f"airflow-provider-b24/{__version__}",
    "Accept": "application/json",
    "Content-Type": "application/json; charset=utf-8",
}
_SECRET_PATH = re.compile(r"(/rest/(?:api/)?\d+/)[^/\s\"']+")
_CLOUD_FAMILY = re.compile(r"\.(bitrix24\.[a-z]{2,3}(\.[a-z]{2})?)$")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 3


class _RedactWebhook(logging.Filter):
    """urllib3 logs request paths at DEBUG, where Airflow's masking may be absent (``dag.test()``)."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if "/rest/" in text:
            record.msg, record.args = _SECRET_PATH.sub(r"\1***", text), ()
        return True


for _name in ("urllib3.connectionpool", "urllib3.util.retry", "urllib3.response"):
    logging.getLogger(_name).addFilter(_RedactWebhook())


class Transport:
    """
    Sends JSON to one portal over one session; safe to use from several threads.

    :param config: the portal.
    :param adapter: a requests adapter in place of the network, for tests.
    """

    def __init__(self, config: PortalConfig, adapter: BaseAdapter | None = None) -> None:
        self.config = config
        self.requests = 0
        self._moved_from: set[str] = set()
        self._base = config.url
        self._session = requests.Session()
        # Read once below: per request it costs time, and a ~/.netrc would add credentials of its own.
        self._session.trust_env = False
        self._session.headers.update(_HEADERS)
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        settings = requests.Session().merge_environment_settings(config.url, {}, None, None, None)
        self._session.proxies = (
            {"http": config.proxy, "https": config.proxy} if config.proxy else dict(settings["proxies"])
        )
        self._session.verify = (config.ca_bundle or settings["verify"]) if config.verify_tls else False
        if not config.verify_tls:
            log.warning("TLS certificates of %s are not verified (verify_tls is off)", self.host)
            requests.packages.urllib3.disable_warnings()  # type: ignore[attr-defined]  # said once, above
        pool = HTTPAdapter(pool_connections=4, pool_maxsize=config.max_parallel, pool_block=True)
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, adapter or pool)

    @property
    def host(self) -> str:
        """The portal's host, for messages."""
        return urlsplit(self._base).netloc

    def send(self, path: str, body: Mapping[str, Any], method: str) -> RawReply:
        """
        POST ``body`` as JSON to ``path`` below the portal's address and return the answer, whatever it says.

        :param method: the REST method, for messages.
        :raises Bitrix24TransportError: no whole answer came; ``sent`` tells whether it may have been executed.
        """
        data = json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
        for _ in range(_MAX_REDIRECTS + 1):
            url = f"{self._base}{path}"
            response = self._post(url, data, method)
            if response.status_code not in _REDIRECTS:
                return RawReply(response.status_code, response.content)
            self._follow(url, path, response.headers.get("Location", ""), method)
        raise Bitrix24ConfigError(f"{self.host} redirects in a circle", method=method)

    def close(self) -> None:
        self._session.close()

    def _post(self, url: str, data: bytes, method: str) -> requests.Response:
        self.requests += 1
        timeout = (self.config.connect_timeout, self.config.read_timeout)
        try:
            return self._session.post(url, data=data, timeout=timeout, allow_redirects=False)
        except requests.RequestException as error:
            reason, sent = _explain(error)
        except (OSError, ValueError, UnicodeError) as error:  # e.g. an unreadable CA file, a broken proxy URL
            raise Bitrix24ConfigError(
                f"cannot prepare a request to {self.host}: {type(error).__name__}", method=method
            ) from None
        raise Bitrix24TransportError(f"{self.host}: {reason}", sent=sent, method=method) from None

    def _follow(self, url: str, path: str, location: str, method: str) -> None:
        """Take a renamed portal's new address for the rest of this client's life, if it may be trusted."""
        old, target = urlsplit(url), urlsplit(urljoin(url, location))
        if target.scheme not in ("http", "https") or not target.hostname:
            raise Bitrix24ConfigError(f"{self.host} redirects to an unreadable address", method=method)
        if old.scheme == "https" and target.scheme != "https":
            raise Bitrix24ConfigError(
                f"{self.host} redirects to plain http at {target.netloc}; refused, nothing was sent there",
                method=method,
            )
        if not (same_family(old.hostname or "", target.hostname) or self._allowed(target.hostname)):
            raise Bitrix24ConfigError(
                f"{self.host} redirects to the foreign host {target.netloc}; refused, nothing was sent there. "
                "If the portal really moved, set Host to the new address or list it in allowed_hosts.",
                method=method,
            )
        prefix = (
            target.path.removesuffix(path)
            if path and target.path.endswith(path)
            else urlsplit(self._base).path
        )
        self._base = f"{target.scheme}://{target.netloc}{prefix.rstrip('/')}"
        if old.netloc not in self._moved_from:
            self._moved_from.add(old.netloc)
            log.warning(
                "The portal %s has moved to %s: change the Host of the connection", old.netloc, target.netloc
            )

    def _allowed(self, host: str) -> bool:
        return host.lower() in {name.lower() for name in self.config.allowed_hosts}


def same_family(old: str, new: str) -> bool:
    """Whether two hosts belong to one owner: the same host, or two portals of one Bitrix24 cloud domain."""
    old, new = old.lower().rstrip("."), new.lower().rstrip(".")
    if old == new:
        return True
    if _is_address(old) or _is_address(new):
        return False
    families = (_CLOUD_FAMILY.search(old), _CLOUD_FAMILY.search(new))
    return bool(families[0] and families[1] and families[0].group(1) == families[1].group(1))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _explain(error: requests.RequestException) -> tuple[str, bool]:
    """Say in safe words why a request failed, and whether it may have reached the portal."""
    cause = _root_cause(error)
    detail = _safe_detail(cause)
    if isinstance(error, requests.exceptions.ProxyError):
        return f"the proxy refused or failed{detail}", False
    if isinstance(error, requests.exceptions.SSLError):
        return f"TLS failed{detail}; for a private authority set ca_bundle", False
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "no connection within connect_timeout", False
    if isinstance(error, requests.exceptions.ReadTimeout):
        return "no answer within read_timeout", True
    if isinstance(cause, socket.gaierror):
        return f"the name cannot be resolved{detail}", False
    if isinstance(cause, ConnectionRefusedError) or type(cause).__name__ == "NewConnectionError":
        return f"no connection{detail}", False
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return "the address cannot be used", False
    return f"the connection broke before the answer was complete{detail}", True


def _root_cause(error: BaseException) -> BaseException:
    """Follow what urllib3 hides in ``args`` and ``reason`` down to the operating system's own error."""
    current, seen = error, {id(error)}
    while True:
        candidates = [getattr(current, "reason", None), *current.args, current.__cause__, current.__context__]
        inner = next(
            (one for one in candidates if isinstance(one, BaseException) and id(one) not in seen), None
        )
        if (
            inner is None
            or isinstance(current, OSError)
            and not isinstance(current, requests.RequestException)
        ):
            return current
        seen.add(id(inner))
        current = inner


def _safe_detail(cause: BaseException) -> str:
    """Only texts written by the operating system or OpenSSL: they know no address."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f" ({cause.verify_message})"
    if isinstance(cause, OSError) and isinstance(cause.strerror, str) and "/" not in cause.strerror:
        return f" ({cause.strerror})"
    return ""
