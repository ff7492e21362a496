"""``python -m airflow_provider_b24.cli``: the commands, for Airflow before 3.2."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from airflow_provider_b24.cli import authorize, clean, definition, events


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(
        "python -m airflow_provider_b24.cli", description="Commands of the Bitrix24 provider"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser(
        "authorize",
        help=definition.AUTHORIZE_HELP,
        description=definition.AUTHORIZE_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for flags, facts in definition.AUTHORIZE_ARGUMENTS:
        command.add_argument(*flags, **facts)
    command.set_defaults(run=authorize.run)
    command = commands.add_parser(
        "clean",
        help=definition.CLEAN_HELP,
        description=definition.CLEAN_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for flags, facts in definition.CLEAN_ARGUMENTS:
        command.add_argument(*flags, **facts)
    command.set_defaults(run=clean.run)
    group = commands.add_parser("events", help=definition.EVENTS_HELP)
    actions = group.add_subparsers(required=True, metavar="COMMAND")
    for name, (text, known) in definition.EVENTS_COMMANDS.items():
        action = actions.add_parser(name, help=text, description=definition.EVENTS_DESCRIPTION)
        for flags, facts in known:
            action.add_argument(*flags, **facts)
        action.set_defaults(run=getattr(events, f"run_{name}"))
    chosen = parser.parse_args(arguments)
    chosen.run(chosen)


if __name__ == "__main__":
    main()
