"""What each cell of the matrix must be: a few rules, by what is known of a fault and of a path."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Literal

from tests.faults.matrix_faults import Trouble
from tests.faults.matrix_network import Schedule
from tests.faults.matrix_paths import Path, Status, Truth

End = Literal["done", "temporary", "permanent", "unknown"]

BUDGET = 120.0  # seconds without progress: [bitrix24] retry_timeout
SHRINKS = 6  # halvings of a batch of 50 that times out, each with a budget of its own
WINDOW = 600.0  # seconds until operating time is free again


@dataclass(frozen=True)
class Rule:
    """
    One row of the table of rules.

    :param kinds: of faults.
    :param effects: of paths; empty: all.
    :param passes: how the task may end if the fault passes.
    :param stays: how it may end if the fault stays.
    """

    kinds: tuple[str, ...]
    effects: tuple[str, ...]
    passes: tuple[End, ...]
    stays: tuple[End, ...]
    text: str


RULES = [
    Rule(("delivered",), (), ("done",), ("done",), "The answer is late or odd, but true."),
    Rule(
        ("not sent", "limit", "wait"),
        ("read", "repeatable", "verified"),
        ("done",),
        ("temporary",),
        "The portal did not run it, so it is sent again.",
    ),
    Rule(
        ("not sent", "limit", "wait"),
        ("blind",),
        ("done",),
        ("temporary", "permanent"),
        "The same for any write. A batch of which some calls were run is not to be run as a whole again.",
    ),
    Rule(
        ("lost", "failed"),
        ("read", "repeatable"),
        ("done",),
        ("temporary",),
        "It may have been run, and running it twice is safe.",
    ),
    Rule(
        ("lost", "failed"),
        ("verified",),
        ("done",),
        ("temporary", "unknown"),
        "It may have been run: the record is read before it is sent again.",
    ),
    Rule(
        ("lost", "failed"),
        ("blind",),
        ("unknown",),
        ("unknown",),
        "It may have been run and must not be run twice: it is reported as unknown.",
    ),
    Rule(
        ("local",),
        (),
        ("done", "temporary", "permanent"),
        ("done", "temporary", "permanent"),
        "A full disk fails the task for good. After a store that is away, the next try goes on.",
    ),
    Rule(("rejected",), (), ("permanent",), ("permanent",), "The portal, or the network, says no for good."),
]
TOO_LARGE = Rule(
    ("too large",), (), ("done", "permanent"), ("permanent",), "A batch is halved; a single call fails."
)
EXPIRED = Rule(
    ("expired",), (), ("done", "permanent"), ("permanent",), "OAuth renews its token; a webhook cannot."
)


def ends(path: Path, trouble: Trouble, schedule: Schedule, struck: bool) -> set[End]:
    """How the task of a cell may end."""
    if not struck:
        return {"done"}
    if trouble.kind == "too large":
        found: set[End] = {"done", "permanent"} if path.bulk else {"permanent"}
    elif trouble.kind == "expired":
        renewed = path.oauth and schedule.ends and schedule.name != "for ten seconds"
        found = {"done"} if renewed else {"permanent"}
    else:
        (rule,) = (
            one
            for one in RULES
            if trouble.kind in one.kinds and (not one.effects or path.effect in one.effects)
        )
        found = set(rule.passes if schedule.ends else rule.stays)
    return found | more_ends(path, trouble, schedule, found)


def more_ends(path: Path, trouble: Trouble, schedule: Schedule, found: set[End]) -> set[End]:
    """What some paths add."""
    more: set[End] = set()
    if path.polls and trouble.kind != "delivered":
        more.add("temporary")  # it looks again soon
    is_message = path.never_fails and path.effect == "blind"
    if is_message and "unknown" not in found and (schedule.name != "once" or trouble.seconds > 4):
        more.add("permanent")  # a message is given up after five seconds, and the log says so
    if path.bulk and path.effect == "blind" and trouble.kind == "failed":
        more.add("done")  # it strikes a read in the batch
    if path.bulk and schedule.name == "every third" and trouble.kind in ("lost", "failed"):
        more.add("temporary")  # a call that is struck again and again, while others succeed, is given up
    if "missing from the answer" in trouble.name:
        more.add("done")  # a call that was not part of a batch
    if path.optional and trouble.error is not None and trouble.kind == "rejected":
        more.add("done")  # the description of the fields was refused
    return more


def most_requests(path: Path, schedule: Schedule, without: int) -> int:
    """The most requests, by how many it takes without a fault."""
    return (
        (4 * without + 10 if not path.bulk else 4 * without + 130)
        if schedule.ends
        else (40 if not path.bulk else 400) + 2 * without
    )


def most_seconds(path: Path, trouble: Trouble, schedule: Schedule, without: float) -> float:
    """The most seconds of the injected clock, by how long it takes without a fault."""
    if path.polls:
        return without + 45 + 4 * trouble.seconds
    waits = 2 * WINDOW if trouble.kind == "wait" else 0.0
    if schedule.ends:
        return without + 60 + 6 * trouble.seconds + waits
    shrinks = SHRINKS if path.bulk and trouble.is_timeout else 0
    return without + (1 + shrinks) * (BUDGET + 2 * trouble.seconds) + 40 + waits


def lies(claims: Mapping[Hashable, Status], truth: Mapping[Hashable, Truth], repeatable: bool) -> list[str]:
    """Where what the task says and what the portal shows differ."""
    found = []
    for key, status in claims.items():
        if key not in truth:
            continue
        shown = truth[key]
        wrong = (
            (status == "done" and shown != "wanted")
            or (status in ("failed", "waiting") and shown == "wanted" and not repeatable)
            or shown == "other"
        )
        if wrong:
            found.append(f"{key} is said to be {status}, but is {shown}")
    return found
