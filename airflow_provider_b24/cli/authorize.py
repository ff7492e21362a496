"""From an authorization code to a connection."""

from __future__ import annotations

import getpass
import json
import os
import secrets
import sys
from argparse import Namespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from airflow_provider_b24.errors import Bitrix24ConfigError, Bitrix24Error
from airflow_provider_b24.rest.address import parse_address
from airflow_provider_b24.rest.auth.oauth import Grant, authorize_url, exchange_code
from airflow_provider_b24.rest.clock import SystemClock
from airflow_provider_b24.rest.config import OAUTH_SERVER, OAuthApp, PortalConfig
from airflow_provider_b24.rest.transport import Transport


def run(args: Namespace) -> None:
    """
    Carry out the command; see ``definition.AUTHORIZE_ARGUMENTS`` for its arguments.

    :raises SystemExit: it failed; the text says why, without a secret.
    """
    try:
        portal = _address(args.portal, args.allow_http, "the portal")
        server = _address(args.oauth_server or OAUTH_SERVER, args.allow_http, "--oauth-server")
        if not args.form:
            _check_free(args)
        secret = _secret("BITRIX24_CLIENT_SECRET", "client_secret of the application: ")
        app = OAuthApp(client_id=args.client_id, client_secret=secret, server=server)
        grant = _authorize(portal, app, args.ca_bundle or "")
        _warn(grant, portal)
        connection = _connection(args, portal, app, grant)
        if args.form:
            sys.stdout.write(f"{_written(args.conn_id, connection, args.form)}\n")
        else:
            _store(args.conn_id, connection)
            _say(f"The connection {args.conn_id!r} to {portal} is stored.")
    except Bitrix24Error as error:
        failure = str(error)
    else:
        return
    raise SystemExit(failure)


def _address(text: str, allow_http: bool, what: str) -> str:
    try:
        address = parse_address(text)
    except Bitrix24ConfigError as error:
        raise Bitrix24ConfigError(f"{what}: {error.description}") from None
    if address.scheme == "http" and not allow_http:
        raise Bitrix24ConfigError(
            f"{what} is plain http, over which secrets travel in the clear: see --allow-http"
        )
    return str(address)


def _authorize(portal: str, app: OAuthApp, ca_bundle: str) -> Grant:
    transport = Transport(PortalConfig(portal, app, ca_bundle=ca_bundle))
    state = secrets.token_urlsafe(16)
    _say("Open this address as the user whose rights the DAGs shall have:\n")
    _say(f"  {authorize_url(portal, app.client_id, state)}\n")
    _say("A code appears there, or the browser goes on to an address that holds it. It lives for 30 seconds.")
    code = _code(_secret("BITRIX24_CODE", "That code, or the whole address: "), state)
    return exchange_code(transport.post_form, app, code, SystemClock().now())


def _code(answer: str, state: str) -> str:
    """Take the code out of the address to which the portal led the browser, if it is one."""
    if "://" not in answer:
        return answer
    query = parse_qs(urlsplit(answer).query)
    if query.get("state", [state]) != [state]:
        raise Bitrix24ConfigError("this address answers another request: open the one above once more")
    if "code" not in query:
        raise Bitrix24ConfigError("this address holds no code")
    return query["code"][0]


def _secret(variable: str, question: str) -> str:
    """Read a secret from the environment or the terminal, without showing it."""
    try:
        answer = os.environ.get(variable) or getpass.getpass(question, stream=sys.stderr)
    except EOFError:
        answer = ""
    if not answer.strip():
        raise Bitrix24ConfigError(f"nothing was entered, and {variable} is not set")
    return answer.strip()


def _warn(grant: Grant, portal: str) -> None:
    told, asked = urlsplit(grant.endpoint).netloc, urlsplit(portal).netloc
    if told and told != asked:
        _say(f"Warning: the tokens are for {told}, not for {asked}. Has the portal been renamed?")
    if grant.scope and "crm" not in grant.scope.split(","):
        _say(f"Warning: the application has no scope 'crm', only {grant.scope}.")


def _connection(args: Namespace, portal: str, app: OAuthApp, grant: Grant) -> dict[str, Any]:
    """Return the connection's fields as they are written in JSON, without those left to their defaults."""
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


def _written(conn_id: str, fields: dict[str, Any], form: str) -> str:
    if form == "json":
        return json.dumps(fields)
    from airflow.models.connection import Connection

    uri: str = Connection(conn_id=conn_id, **fields).get_uri()
    return uri


def _check_free(args: Namespace) -> None:
    """Find out before a code is asked for whether its tokens will have a place."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        found = session.query(Connection.conn_type).filter(Connection.conn_id == args.conn_id).one_or_none()
    if found is None:
        return
    if found.conn_type != "bitrix24":
        raise Bitrix24ConfigError(f"the connection {args.conn_id!r} is one to {found.conn_type}")
    if not args.replace:
        raise Bitrix24ConfigError(f"the connection {args.conn_id!r} exists: see --replace, or --conn-id")


def _store(conn_id: str, fields: dict[str, Any]) -> None:
    """Add the connection, or renew an existing one, as ``airflow connections add`` does."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        stored = session.query(Connection).filter(Connection.conn_id == conn_id).one_or_none()
        if stored is not None:
            # Another one in its place: Airflow cannot empty a password, and a webhook must not stay behind.
            fields = fields | {
                "extra": stored.extra_dejson | fields["extra"],
                "description": stored.description,
            }
            session.delete(stored)
            session.flush()
        session.add(Connection(conn_id=conn_id, **fields))


def _say(text: str) -> None:
    """Speak to the person at the terminal; the standard output is for the connection alone."""
    sys.stderr.write(f"{text}\n")
