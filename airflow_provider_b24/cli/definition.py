"""The commands and their arguments, stated once: for Airflow's parser and for our own."""

from __future__ import annotations

from typing import Any

from airflow_provider_b24 import DEFAULT_CONN_ID

AUTHORIZE_HELP = "Turn an OAuth authorization code into a connection"
AUTHORIZE_DESCRIPTION = """\
Prints the address at which a user of the portal allows a local application to act for them, takes the code
that appears there, exchanges it for tokens and stores these as an Airflow connection.

The application's secret and the code are asked for, or read from the environment variables
BITRIX24_CLIENT_SECRET and BITRIX24_CODE; they are never arguments, which other users of the machine can see.
"""
AUTHORIZE_ARGUMENTS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("portal",), {"help": "address of the portal, e.g. mycompany.bitrix24.com"}),
    (("--client-id",), {"required": True, "help": "client_id of the local application"}),
    (
        ("--conn-id",),
        {"default": DEFAULT_CONN_ID, "help": f"id of the connection; default: {DEFAULT_CONN_ID}"},
    ),
    (("--oauth-server",), {"help": "authorization server; default: https://oauth.bitrix.info"}),
    (("--ca-bundle",), {"help": "PEM file with the certificate authority of a self-hosted portal"}),
    (("--allow-http",), {"action": "store_true", "help": "allow addresses that begin with http://"}),
    (
        ("--replace",),
        {"action": "store_true", "help": "put the tokens into an existing connection; its other fields stay"},
    ),
    (
        ("--print",),
        {
            "choices": ("uri", "json"),
            "help": "show the connection, secrets and all, instead of storing it",
            "dest": "form",
        },
    ),
)


def get_bitrix24_cli_commands() -> list[Any]:
    """Return the commands for Airflow's own command line, which asks for them from 3.2 on."""
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, lazy_load_command

    authorize = ActionCommand(
        name="authorize",
        help=AUTHORIZE_HELP,
        description=AUTHORIZE_DESCRIPTION,
        func=lazy_load_command("airflow_provider_b24.cli.authorize.run"),
        args=[Arg(flags, **facts) for flags, facts in AUTHORIZE_ARGUMENTS],  # type: ignore[no-untyped-call]
    )
    return [GroupCommand(name="bitrix24", help="Commands of the Bitrix24 provider", subcommands=[authorize])]
