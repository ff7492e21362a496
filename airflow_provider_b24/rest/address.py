"""Addresses of portals and webhooks: read strictly, written in one form."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from airflow_provider_b24.errors import Bitrix24ConfigError

DEFAULT_PORTS = {"https": 443, "http": 80}

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
_WEBHOOK_PATH = re.compile(
    r"(?P<prefix>.*?)/rest/(?P<version>api/)?(?P<user>[0-9]+)/(?P<code>[^/]+)(?:/[A-Za-z0-9_.]*)?/?"
)
_CODE = re.compile(r"[A-Za-z0-9_-]+")
_CLOUD_FAMILY = re.compile(r"\.(bitrix24\.[a-z]{2,3}(?:\.[a-z]{2})?)$")


@dataclass(frozen=True, slots=True)
class Address:
    """
    Where a server is.

    :param scheme: ``https`` or ``http``.
    :param host: name in lower case (punycode) or IP address, without brackets.
    :param port: None for the scheme's own.
    :param prefix: path before ``/rest/``, without a trailing slash.
    """

    scheme: str
    host: str
    port: int | None = None
    prefix: str = ""

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, int]:
        """Host and port to connect to."""
        return self.host, self.port or DEFAULT_PORTS[self.scheme]

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.prefix}"


@dataclass(frozen=True, slots=True)
class WebhookAddress:
    """A whole webhook address, taken apart."""

    address: Address
    user_id: int
    code: str = field(repr=False)


def parse_address(text: str, scheme: str = "https") -> Address:
    """
    Read ``portal.example``, ``https://portal.example:8443/prefix/``, ``[::1]:8443`` or ``::1``.

    :param scheme: the scheme to assume if ``text`` has none.
    :raises Bitrix24ConfigError: it is not such an address; the message quotes only what cannot be a secret.
    """
    text = text.strip()
    if "://" not in text:
        bare_ip6 = text.count(":") > 1 and not text.startswith("[")
        text = f"{scheme}://[{text}]" if bare_ip6 else f"{scheme}://{text}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise Bitrix24ConfigError("its host or port cannot be read") from None
    if parts.scheme not in DEFAULT_PORTS:
        raise Bitrix24ConfigError(f"it begins with {parts.scheme!r:.20} instead of https")
    if "@" in parts.netloc:
        raise Bitrix24ConfigError("it contains a name or password before '@'; remove it")
    if parts.query or parts.fragment:
        raise Bitrix24ConfigError("it contains '?' or '#'; remove what begins there")
    if holds_webhook(parts.path):
        raise Bitrix24ConfigError("it is a webhook's address, which is secret: put it into the password")
    prefix = parts.path.rstrip("/").removesuffix("/rest")
    if not _PREFIX.fullmatch(prefix) or "/.." in prefix or "/./" in f"{prefix}/":
        raise Bitrix24ConfigError("its path cannot be that of a portal")
    if port == 0:
        raise Bitrix24ConfigError("its port is 0")
    port = None if port == DEFAULT_PORTS[parts.scheme] else port
    return Address(parts.scheme, parse_host(parts.hostname or ""), port, prefix)


def parse_host(text: str) -> str:
    """
    Return a host name (in punycode) or IP address in the one form in which hosts are compared.

    :raises Bitrix24ConfigError: it is neither.
    """
    host = text.strip().lower().removeprefix("[").removesuffix("]").rstrip(".")
    if is_ip(host):
        return host
    try:
        host = host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError:
        raise Bitrix24ConfigError(f"{text!r:.80} is not a host name") from None
    if not host:
        raise Bitrix24ConfigError("it contains no host")
    if not _NAME.fullmatch(host) or len(host) > 253:
        raise Bitrix24ConfigError(f"{text!r:.80} is not a host name")
    return host


def parse_webhook(text: str) -> WebhookAddress:
    """
    Take apart ``https://portal.example/rest/1/<code>/``, with or without a method at its end.

    :raises Bitrix24ConfigError: it is not a webhook's address; nothing of it is quoted.
    """
    text = text.strip()
    parts = (text if "://" in text else f"https://{text}").partition("://")
    netloc, slash, path = parts[2].partition("/")
    match = _WEBHOOK_PATH.fullmatch(f"{slash}{path}")
    if match is not None and match["version"]:
        raise Bitrix24ConfigError(
            "it is an address of version 3.0 of the REST API (/rest/api/), which has no CRM methods. Use the "
            "address that Bitrix24 shows for the webhook, without /api"
        )
    if match is None or not is_code(match["code"]) or int(match["user"]) < 1:
        raise Bitrix24ConfigError("it is not an address of the form https://<portal>/rest/<user id>/<code>/")
    address = parse_address(f"{parts[0].lower()}://{netloc}{match['prefix']}")
    return WebhookAddress(address, int(match["user"]), match["code"])


def is_code(text: str) -> bool:
    """Whether this can be a webhook's code, which becomes part of an address."""
    return _CODE.fullmatch(text) is not None


def holds_webhook(text: str) -> bool:
    """Whether a text looks like a webhook's address, so that it must not be quoted."""
    return re.search(r"/rest/+(?:api/+)?[0-9]+(?:/|$)", text, re.IGNORECASE) is not None


def same_family(old: str, new: str) -> bool:
    """Whether two hosts belong to one owner: the same host, or two portals of one Bitrix24 cloud domain."""
    old, new = old.lower().rstrip("."), new.lower().rstrip(".")
    if old == new:
        return True
    families = (_CLOUD_FAMILY.search(old), _CLOUD_FAMILY.search(new))
    return bool(families[0] and families[1] and families[0].group(1) == families[1].group(1))


def is_ip(host: str) -> bool:
    """Whether this is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
