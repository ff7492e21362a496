"""The command ``clean``: deletes what tasks that were given up have left in scratch folders."""

from __future__ import annotations

import re
import sys
from argparse import Namespace

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24InputError
from airflow_provider_b24.rest.clock import SystemClock

_SPAN = re.compile(r"(\d{1,6})([hd])")
_SECONDS = {"h": 3600, "d": 86_400}


def run(args: Namespace) -> None:
    """
    Run the command; see ``definition.CLEAN_ARGUMENTS`` for its arguments.

    :raises SystemExit: it failed; the text says why.
    """
    from airflow_provider_b24.hooks.scratch import clean, folders  # imports Airflow, which takes seconds

    try:
        seconds = parse_span(args.older_than)
        now = SystemClock().now()
        for folder in folders(args.path):
            count = clean(folder, seconds, now)
            sys.stdout.write(f"{folder}: {count} files deleted\n")
    except (Bitrix24Error, OSError) as error:
        failure = str(error)
    else:
        return
    raise SystemExit(failure)


def parse_span(text: str) -> int:
    """
    Return the seconds in ``12h`` or ``7d``.

    :raises Bitrix24InputError: it is something else.
    """
    match = _SPAN.fullmatch(text)
    if match is None:
        raise Bitrix24InputError(f"--older-than must be hours or days such as 12h or 7d, got {text!r:.40}")
    return int(match[1]) * _SECONDS[match[2]]
