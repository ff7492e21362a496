"""The command ``authorize``: from an authorization code to a connection."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import secrets
import sys
from argparse import Namespace
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from airflow_provider_b24.errors import Bitrix24ConfigError, Bitrix24Error
from airflow_provider_b24.rest.address import Address, parse_address
from airflow_provider_b24.rest.auth.oauth import Grant, authorize_url, exchange_code, parse_server
from airflow_provider_b24.rest.clock import SystemClock
from airflow_provider_b24.rest.config import OAUTH_SERVER, OAuthApp, PortalConfig
from airflow_provider_b24.rest.transport import Transport


def run(args: Namespace) -> None:
    """
    Run the command; see ``definition.AUTHORIZE_ARGUMENTS`` for its arguments.

    :raises SystemExit: it failed; the text says why, without a secret.
    """
    try:
        portal = _address(args.portal, parse_address, "the portal", args.allow_http)
        server = _address(args.oauth_server or OAUTH_SERVER, parse_server, "--oauth-server", args.allow_http)
        if not args.form:
            _check_free(args)
        secret = _secret("BITRIX24_CLIENT_SECRET", "client_secret of the application: ")
        app = OAuthApp(client_id=args.client_id, client_secret=secret, server=server)
        grant = _authorize(portal, app, args.ca_bundle or "")
        _warn(grant, portal, app)
        connection = _connection(args, portal, app, grant)
        if args.form:
            sys.stdout.write(f"{_format(args.conn_id, connection, args.form)}\n")
        else:
            _store(args.conn_id, connection)
            _say(f"Stored the connection {args.conn_id!r} to {portal}.")
    except Bitrix24Error as error:
        failure = str(error)
    else:
        return
    raise SystemExit(failure)


def _address(text: str, parse: Callable[[str], Address], what: str, allow_http: bool) -> str:
    try:
        address = parse(text)
    except Bitrix24ConfigError as error:
        raise Bitrix24ConfigError(f"{what}: {error.description}") from None
    if address.scheme == "http" and not allow_http:
        raise Bitrix24ConfigError(
            f"{what} uses plain http, which sends secrets unencrypted; use https, or add --allow-http"
        )
    return str(address)


def _authorize(portal: str, app: OAuthApp, ca_bundle: str) -> Grant:
    transport = Transport(PortalConfig(portal, app, ca_bundle=ca_bundle))
    state = secrets.token_urlsafe(16)
    _say("Open this address in a browser, as the user whose permissions the DAGs use:\n")
    _say(f"  {authorize_url(portal, app.client_id, state)}\n")
    _say(
        "Bitrix24 shows a code, or redirects to an address that contains it. The code expires in 30 seconds."
    )
    answer = _secret("BITRIX24_CODE", "The code, or the whole address: ")
    if "://" in answer:
        answer = _code_in(answer, state, app)
    return exchange_code(transport.post_form, app, answer, SystemClock().now())


def _code_in(redirect: str, state: str, app: OAuthApp) -> str:
    """Return the code in the address to which the portal redirected the browser."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(redirect).query).items()}
    if query.get("state", state) != state:
        raise Bitrix24ConfigError("this address belongs to another request; open the address above again")
    if "code" not in query:
        raise Bitrix24ConfigError("this address contains no code")
    # Only a warning: the secret must not be sent to a server that nothing but a pasted text names.
    _warn_of_server(query.get("server_domain", ""), "The redirect", app)
    return query["code"]


def _secret(variable: str, question: str) -> str:
    """Read a secret from the environment or the terminal, without echo."""
    try:
        answer = os.environ.get(variable) or getpass.getpass(question, stream=sys.stderr)
    except EOFError:
        answer = ""
    if not answer.strip():
        raise Bitrix24ConfigError(f"nothing was entered, and {variable} is not set")
    return answer.strip()


def _warn(grant: Grant, portal: str, app: OAuthApp) -> None:
    received, expected = urlsplit(grant.endpoint).netloc, urlsplit(portal).netloc
    if received and received != expected:
        _say(f"Warning: the tokens are for {received}, not for {expected}. Was the portal renamed?")
    if grant.scope and "crm" not in grant.scope.split(","):
        _say(f"Warning: the application does not have the scope 'crm', only {grant.scope}.")
    _warn_of_server(grant.server, "The answer", app)


def _warn_of_server(named: str, where: str, app: OAuthApp) -> None:
    """Compare the authorization server that Bitrix24 names with the one that is used."""
    server = None
    with contextlib.suppress(Bitrix24ConfigError):
        server = parse_server(named) if named else None
    if server is not None and server.host != parse_address(app.server).host:
        _say(
            f"Warning: {where.lower()} names the authorization server {server.netloc}, but {app.server} is "
            f"used. If the tokens are refused and you trust {server.netloc}, run the command again with "
            f"--oauth-server {server.netloc}."
        )


def _connection(args: Namespace, portal: str, app: OAuthApp, grant: Grant) -> dict[str, Any]:
    """Return the connection's fields as in its JSON form, without those that have their defaults."""
    extra = {
        "client_id": app.client_id,
        "client_secret": app.client_secret,
        "access_token": grant.pair.access_token,
        "refresh_token": grant.pair.refresh_token,
        "oauth_server": app.server if args.oauth_server else "",
        "ca_bundle": args.ca_bundle,
        "allow_http": args.allow_http,
    }
    return {
        "conn_type": "bitrix24",
        "host": portal,
        "extra": {name: value for name, value in extra.items() if value},
    }


def _format(conn_id: str, fields: dict[str, Any], form: str) -> str:
    if form == "json":
        return json.dumps(fields)
    from airflow.models.connection import Connection

    uri: str = Connection(conn_id=conn_id, **fields).get_uri()
    return uri


def _check_free(args: Namespace) -> None:
    """Make sure that the tokens can be stored, before a code is asked for."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        found = session.query(Connection.conn_type).filter(Connection.conn_id == args.conn_id).one_or_none()
    if found is None:
        return
    if found.conn_type != "bitrix24":
        raise Bitrix24ConfigError(
            f"the connection {args.conn_id!r} has the type {found.conn_type!r}; use another id (--conn-id)"
        )
    if not args.replace:
        raise Bitrix24ConfigError(
            f"the connection {args.conn_id!r} already exists; use --replace, or another id (--conn-id)"
        )


def _store(conn_id: str, fields: dict[str, Any]) -> None:
    """Add the connection or replace an existing one, as ``airflow connections add`` does."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        stored = session.query(Connection).filter(Connection.conn_id == conn_id).one_or_none()
        if stored is not None:
            # Replaced, not changed: Airflow cannot empty a password, and no webhook must remain in it.
            fields = fields | {
                "extra": stored.extra_dejson | fields["extra"],
                "description": stored.description,
            }
            session.delete(stored)
            session.flush()
        session.add(Connection(conn_id=conn_id, **fields))


def _say(text: str) -> None:
    """Write to the person at the terminal; standard output is only for the connection."""
    sys.stderr.write(f"{text}\n")
