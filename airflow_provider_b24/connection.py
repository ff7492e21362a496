"""
From an Airflow connection to the configuration of a portal.

Works on anything with ``host``, ``port``, ``schema``, ``login``, ``password`` and ``extra``; imports
neither Airflow nor requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from airflow_provider_b24.connection_form import extra_values, label
from airflow_provider_b24.errors import Bitrix24ConfigError
from airflow_provider_b24.rest.address import (
    DEFAULT_PORTS,
    Address,
    WebhookAddress,
    holds_webhook,
    is_code,
    is_ip,
    parse_address,
    parse_host,
    parse_webhook,
)
from airflow_provider_b24.rest.auth.oauth import parse_server
from airflow_provider_b24.rest.config import OAUTH_SERVER, OAuthApp, PortalConfig, Webhook
from airflow_provider_b24.rest.redaction import secret_forms

_PROXY_SCHEMES = frozenset({"http", "https", "socks5", "socks5h"})
_SHOWN = 12  # the longest wrong Login that a message may quote; a webhook's code is longer


def portal_config(conn: Any) -> PortalConfig:
    """
    Read a connection.

    - Host is the portal's address, with or without ``https://``, port and path prefix. A webhook's address
      is refused there, because Airflow shows Host to everyone.
    - Login and Password are the user id and the code of a webhook. Password may also contain the whole
      address of the webhook; Host and Login may then be empty, but must not contradict it.
    - ``client_id`` in the extra means OAuth; Login and Password must then be empty.
    - Plain http (a Host with ``http://``, or Schema ``http``) requires ``allow_http``.
    - Empty fields of the extra mean their defaults; unknown fields are errors.

    :raises Bitrix24ConfigError: the connection cannot work. The message names the field and quotes no secret.
    """
    values = extra_values(conn)
    password = _text(conn, "password")
    if values["client_id"] and (password or _text(conn, "login")):
        raise Bitrix24ConfigError(
            f"both a webhook ({label('login')}, {label('password')}) and OAuth ({label('client_id')}) are "
            "set; leave one of them empty"
        )
    pasted = _pasted_webhook(password) if "/" in password else None
    address = _portal_address(conn, pasted)
    _check_scheme(address, "host", values["allow_http"])
    return PortalConfig(
        url=str(address),
        credentials=_oauth_app(values) if values["client_id"] else _webhook(conn, pasted, values),
        plan=values["plan"],
        ca_bundle=values["ca_bundle"],
        verify_tls=values["verify_tls"],
        proxy=_proxy(values["proxy"]),
        connect_timeout=values["connect_timeout"],
        read_timeout=values["read_timeout"],
        max_parallel=values["max_parallel"],
        allowed_hosts=_allowed_hosts(values["allowed_hosts"]),
    )


def secrets(config: PortalConfig) -> list[str]:
    """Return every text of a configuration that must not be shown, in each form in which it may appear."""
    credentials = config.credentials
    plain = [*credentials.secrets]
    if isinstance(credentials, Webhook):
        address = f"{config.url}/rest/{credentials.user_id}/{credentials.code}"
        plain += [address, f"{address}/"]
    if "@" in config.proxy:
        plain += [config.proxy, config.proxy.rpartition("@")[0].partition("://")[2]]
        plain.append(unquote(urlsplit(config.proxy).password or ""))
    return list(dict.fromkeys(form for text in plain for form in secret_forms(text)))


def _text(conn: Any, name: str) -> str:
    value = getattr(conn, name, None)
    return "" if value is None else str(value).strip()


def _pasted_webhook(password: str) -> WebhookAddress:
    try:
        return parse_webhook(password)
    except Bitrix24ConfigError as error:
        raise Bitrix24ConfigError(f"{label('password')}: {error.description}") from None


def _portal_address(conn: Any, pasted: WebhookAddress | None) -> Address:
    host, scheme = _text(conn, "host"), _text(conn, "schema").lower()
    if holds_webhook(host):
        raise Bitrix24ConfigError(
            f"{label('host')} contains the address of a webhook. Its code is a secret, but Airflow shows "
            f"this field to everyone. Create a new webhook and enter its address as {label('password')}"
        )
    if scheme not in ("", *DEFAULT_PORTS):
        raise Bitrix24ConfigError(f"{label('schema')} must be https, http or empty, got {scheme!r:.20}")
    if not host:
        if pasted is None:
            raise Bitrix24ConfigError(f"{label('host')} is missing; enter the portal's address")
        return pasted.address
    try:
        address = parse_address(host, scheme or (pasted.address.scheme if pasted else "https"))
    except Bitrix24ConfigError as error:
        raise Bitrix24ConfigError(f"{label('host')}: {error.description}") from None
    if scheme and scheme != address.scheme:
        raise Bitrix24ConfigError(
            f"{label('schema')} is {scheme}, but {label('host')} begins with {address.scheme}://"
        )
    address = _with_port(address, _text(conn, "port"))
    if pasted is not None and pasted.address != address:
        raise Bitrix24ConfigError(
            f"{label('password')} contains a webhook of {pasted.address}, but {label('host')} is {address}; "
            f"correct one of them, or leave {label('host')} empty"
        )
    return address


def _with_port(address: Address, text: str) -> Address:
    if not text:
        return address
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise Bitrix24ConfigError(f"{label('port')} must be a number from 1 to 65535, got {text!r:.20}")
    port = int(text)
    if address.port is not None and address.port != port:
        raise Bitrix24ConfigError(
            f"{label('port')} is {port}, but {label('host')} contains port {address.port}"
        )
    default = port == DEFAULT_PORTS[address.scheme]
    return Address(address.scheme, address.host, None if default else port, address.prefix)


def _check_scheme(address: Address, name: str, allow_http: bool) -> None:
    if address.scheme == "http" and not allow_http:
        raise Bitrix24ConfigError(
            f"{label(name)} uses plain http, which sends credentials unencrypted; use https, or turn on "
            f"{label('allow_http')}"
        )


def _webhook(conn: Any, pasted: WebhookAddress | None, values: Mapping[str, Any]) -> Webhook:
    for name in ("client_secret", "access_token", "refresh_token"):
        if values[name]:
            raise Bitrix24ConfigError(
                f"{label(name)} is set, but {label('client_id')} is empty; OAuth needs both"
            )
    login = _text(conn, "login")
    number = int(login) if login.isascii() and login.isdigit() else 0
    if login and number < 1:
        shown = f", got {login!r}" if len(login) <= _SHOWN else ""
        raise Bitrix24ConfigError(f"{label('login')} must be the number of a user{shown}")
    if pasted is not None:
        if login and number != pasted.user_id:
            raise Bitrix24ConfigError(
                f"{label('login')} is {number}, but the webhook in {label('password')} belongs to user "
                f"{pasted.user_id}"
            )
        return Webhook(pasted.user_id, pasted.code)
    code = _text(conn, "password")
    if not code:
        raise Bitrix24ConfigError(
            f"{label('password')} is missing; enter the webhook's code, or {label('client_id')} for OAuth"
        )
    if not is_code(code):
        raise Bitrix24ConfigError(
            f"{label('password')} must be a webhook's code: letters, digits, _ and - only"
        )
    if not login:
        raise Bitrix24ConfigError(
            f"{label('login')} is missing; enter the number before the code in the webhook's address"
        )
    return Webhook(number, code)


def _oauth_app(values: Mapping[str, Any]) -> OAuthApp:
    for name in ("client_id", "client_secret", "access_token", "refresh_token"):
        if any(character.isspace() for character in values[name]):
            raise Bitrix24ConfigError(f"{label(name)} contains a space")
    if not values["client_secret"]:
        raise Bitrix24ConfigError(f"{label('client_secret')} is missing")
    if not values["refresh_token"] and not values["access_token"]:
        raise Bitrix24ConfigError(
            f"{label('refresh_token')} is missing; get one with 'airflow bitrix24 authorize' "
            "(before Airflow 3.2: 'python -m airflow_provider_b24.cli authorize')"
        )
    try:
        server = parse_server(values["oauth_server"] or OAUTH_SERVER)
    except Bitrix24ConfigError as error:
        raise Bitrix24ConfigError(f"{label('oauth_server')}: {error.description}") from None
    _check_scheme(server, "oauth_server", values["allow_http"])
    return OAuthApp(
        client_id=values["client_id"],
        client_secret=values["client_secret"],
        access_token=values["access_token"],
        refresh_token=values["refresh_token"],
        server=str(server),
    )


def _proxy(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in _PROXY_SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if text and not usable:
        raise Bitrix24ConfigError(f"{label('proxy')} must be an address such as http://proxy.example:3128")
    return text


def _allowed_hosts(text: str) -> tuple[str, ...]:
    return tuple(_host_and_port(entry) for entry in text.replace(",", " ").split())


def _host_and_port(entry: str) -> str:
    host, colon, port = ("", "", "") if is_ip(entry) else entry.rpartition(":")
    try:
        if colon and port.isascii() and port.isdigit():
            return f"{parse_host(host)}:{int(port)}"
        return parse_host(entry)
    except Bitrix24ConfigError as error:
        raise Bitrix24ConfigError(f"{label('allowed_hosts')}: {error.description}") from None
