"""The commands and their arguments, for Airflow's command line and for our own."""

from __future__ import annotations

from typing import Any

from airflow_provider_b24 import DEFAULT_CONN_ID

AUTHORIZE_HELP = "Create a connection from an OAuth authorization code"
AUTHORIZE_DESCRIPTION = """\
Prints the address where a user of the portal allows a local application to act on their behalf, asks for the
code shown there, exchanges it for tokens and stores them in an Airflow connection.

The application's secret and the code are prompted for, or read from the environment variables
BITRIX24_CLIENT_SECRET and BITRIX24_CODE. They cannot be given as arguments, because other users of the
machine can see those.
"""
AUTHORIZE_ARGUMENTS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("portal",), {"help": "address of the portal, e.g. mycompany.bitrix24.com"}),
    (("--client-id",), {"required": True, "help": "client_id of the local application"}),
    (
        ("--conn-id",),
        {"default": DEFAULT_CONN_ID, "help": f"id of the connection; default: {DEFAULT_CONN_ID}"},
    ),
    (
        ("--oauth-server",),
        {"help": "address of the authorization server; default: https://oauth.bitrix.info"},
    ),
    (("--ca-bundle",), {"help": "path of a PEM file with the certificate authority of a self-hosted portal"}),
    (
        ("--allow-http",),
        {"action": "store_true", "help": "allow addresses with http://, which send secrets unencrypted"},
    ),
    (
        ("--replace",),
        {
            "action": "store_true",
            "help": "store the tokens in an existing connection; keep its other settings",
        },
    ),
    (
        ("--print",),
        {
            "choices": ("uri", "json"),
            "help": "print the connection, including its secrets, instead of storing it",
            "dest": "form",
        },
    ),
)

CLEAN_HELP = "Delete rows that exports and loads which were given up have left"
CLEAN_DESCRIPTION = """\
Looks in the folder of the setting [bitrix24] scratch_path (or, without it, in the folder for loads on this
machine) and in the folder _bitrix24 of each folder that is named. Choose a time that is longer than any
retry_delay: what a task that may still be retried has kept is deleted, too, if it is older.
"""
CLEAN_ARGUMENTS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("path",), {"nargs": "*", "help": "folder into which exports write, a path or a URL"}),
    (
        ("--older-than",),
        {"default": "7d", "help": "how long ago it was written last, in hours or days; default: 7d"},
    ),
)

EVENTS_HELP = "Choose which changes the portal queues for Bitrix24EventTrigger"
EVENTS_DESCRIPTION = """\
The connection must use OAuth, as an administrator of the portal, and the portal's plan must have extended
offline events.
"""
_CONN_ID: tuple[tuple[str, ...], dict[str, Any]] = (
    ("--conn-id",),
    {"default": DEFAULT_CONN_ID, "help": f"id of the connection; default: {DEFAULT_CONN_ID}"},
)
_EVENT: tuple[tuple[str, ...], dict[str, Any]] = (
    ("event",),
    {"nargs": "+", "help": "name of an event, e.g. onCrmContactUpdate"},
)
EVENTS_COMMANDS = {
    "list": ("List the bound events, and how many are in the queue", (_CONN_ID,)),
    "bind": ("Let the portal queue events", (_EVENT, _CONN_ID)),
    "unbind": ("Stop queuing events", (_EVENT, _CONN_ID)),
}


def get_bitrix24_cli_commands() -> list[Any]:
    """Return the commands for the command line of Airflow 3.2 and later."""
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, lazy_load_command

    authorize = ActionCommand(
        name="authorize",
        help=AUTHORIZE_HELP,
        description=AUTHORIZE_DESCRIPTION,
        func=lazy_load_command("airflow_provider_b24.cli.authorize.run"),
        args=[Arg(flags, **facts) for flags, facts in AUTHORIZE_ARGUMENTS],  # type: ignore[no-untyped-call]
    )
    clean = ActionCommand(
        name="clean",
        help=CLEAN_HELP,
        description=CLEAN_DESCRIPTION,
        func=lazy_load_command("airflow_provider_b24.cli.clean.run"),
        args=[Arg(flags, **facts) for flags, facts in CLEAN_ARGUMENTS],  # type: ignore[no-untyped-call]
    )
    events = [
        ActionCommand(
            name=name,
            help=text,
            description=EVENTS_DESCRIPTION,
            func=lazy_load_command(f"airflow_provider_b24.cli.events.run_{name}"),
            args=[Arg(flags, **facts) for flags, facts in arguments],  # type: ignore[no-untyped-call]
        )
        for name, (text, arguments) in EVENTS_COMMANDS.items()
    ]
    commands = [authorize, clean, GroupCommand(name="events", help=EVENTS_HELP, subcommands=events)]
    return [GroupCommand(name="bitrix24", help="Commands of the Bitrix24 provider", subcommands=commands)]
