"""One cell of the matrix: run a path through a fault, and hold what it says against the portal."""

import contextlib
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path as Folder
from tempfile import TemporaryDirectory
from typing import Any

from airflow_provider_b24.errors import Bitrix24Error, Bitrix24UnknownOutcomeError
from tests.faults.matrix_faults import CommandFault, Trouble
from tests.faults.matrix_network import RunawayError, Schedule
from tests.faults.matrix_paths import Path, Status
from tests.faults.matrix_rules import End, ends, lies, most_requests, most_seconds
from tests.faults.matrix_world import World

MAY_HAVE_BEEN = Bitrix24UnknownOutcomeError.default_advice


@dataclass(frozen=True)
class Cell:
    """
    What happened.

    :param requests: of the portal, in the try that met the fault.
    :param faults: what is not as it must be.
    """

    path: str
    trouble: str
    schedule: str
    end: End
    error: str = ""
    struck: bool = False
    requests: int = 0
    seconds: float = 0.0
    faults: tuple[str, ...] = ()


@dataclass
class Try:
    """One try of a task."""

    value: Any = None
    error: BaseException | None = None
    claims: Mapping[Hashable, Status] = field(default_factory=dict)
    foreign: str = ""
    retried: bool = False

    def end(self) -> End:
        """How it ended, as the scheduler and the user see it."""
        # What is not ours, such as an error of a disk, Airflow retries.
        if self.error.temporary if isinstance(self.error, Bitrix24Error) else self.retried:
            return "temporary"
        if "unknown" in self.claims.values() or MAY_HAVE_BEEN in str(self.error):
            return "unknown"
        if self.error is not None:
            return "permanent"
        if "waiting" in self.claims.values():
            return "temporary"
        return "permanent" if "failed" in self.claims.values() else "done"


def attempt(world: World, path: Path) -> Try:
    """Run a path once."""
    from airflow.exceptions import AirflowFailException

    one = Try()
    world.pushed.clear()
    with world.entered():
        try:
            one.value = path.run(world)
        except (Bitrix24Error, AirflowFailException) as error:
            one.error = error
            world.say(error)
        except RunawayError:
            one.foreign = "sends requests forever"
        except Exception as error:  # noqa: BLE001 - any other is a finding, unless the worker is at fault
            one.error, one.retried = error, isinstance(error, OSError)
            one.foreign = f"raises {type(error).__name__}: {error}"
            world.say(error)
    if path.claims is not None:
        one.claims = path.claims(world, one.value)
    return one


def run_cell(path: Path, trouble: Trouble | None, schedule: Schedule, clean: Cell | None) -> Cell:
    """
    Run one cell in a world of its own.

    :param trouble: None: nothing goes wrong.
    :param clean: the path's cell without a fault, by which requests and seconds are judged.
    """
    with TemporaryDirectory(prefix="matrix-") as folder:
        world = World(Folder(folder))
        path.prepare(world)
        started = world.clock.right()
        with in_trouble(world, trouble, schedule) as struck:
            first = attempt(world, path)
            cell = Cell(
                path.name,
                trouble.name if trouble else "",
                schedule.name,
                first.end(),
                error=type(first.error).__name__ if first.error else "",
                struck=struck() > 0,
                requests=world.network.requests,
                seconds=world.clock.right() - started,
            )
        return replace(cell, faults=tuple(judge(world, path, trouble, schedule, clean, first, cell)))


@contextlib.contextmanager
def in_trouble(world: World, trouble: Trouble | None, schedule: Schedule) -> Iterator[Callable[[], int]]:
    """Let the fault strike until the context ends; gives what tells how often it did."""
    world.network.trouble(trouble.act if trouble else None, schedule)
    if trouble is not None and trouble.local is not None:
        with trouble.local(world, schedule) as struck:
            yield struck
    elif trouble is not None and trouble.error is not None:
        fault = world.portal.add_fault(CommandFault(trouble, schedule, world.clock.right))
        yield lambda: fault.fired
    else:
        yield lambda: world.network.struck


def judge(
    world: World,
    path: Path,
    trouble: Trouble | None,
    schedule: Schedule,
    clean: Cell | None,
    first: Try,
    cell: Cell,
) -> list[str]:
    """What is not as it must be."""
    of_worker = trouble is not None and trouble.local is not None and first.retried
    found = [first.foreign] if first.foreign and not of_worker else []
    truth = path.truth(world)
    repeatable = path.effect in ("read", "repeatable", "verified")
    whole: dict[Hashable, Status] = {}
    if first.end() in ("done", "permanent") and not first.claims:
        whole = dict.fromkeys(truth, "done" if first.end() == "done" else "failed")
    found += lies({**whole, **first.claims}, truth, repeatable)
    found += [f"{key} is {shown}" for key, shown in truth.items() if shown == "other"]
    if first.end() == "done" and not path.right(world, first.value):
        found.append("what it returned is not what the portal has")
    if trouble is not None and clean is not None:
        allowed = ends(path, trouble, schedule, cell.struck)
        if cell.end not in allowed:
            found.append(f"it ends as {cell.end}, must be {' or '.join(sorted(allowed))}: {first.error}")
        if cell.requests > (most := most_requests(path, schedule, clean.requests)):
            found.append(f"{cell.requests} requests, at most {most}")
        if cell.seconds > (limit := most_seconds(path, trouble, schedule, clean.seconds)):
            found.append(f"{cell.seconds:.0f} seconds, at most {limit:.0f}")
    if first.end() == "temporary" and not (path.never_fails and path.effect == "blind"):
        found += judge_retry(world, path)
    return found + [f"shows the secret {secret}" for secret in world.leaks()]


def judge_retry(world: World, path: Path) -> list[str]:
    """A temporary failure means that the next try, when the trouble is over, does the work, once."""
    world.network.trouble(None, world.network.schedule)
    world.portal.faults.clear()
    world.said.truncate(0)
    second = attempt(world, path)
    wrong = [key for key, shown in path.truth(world).items() if shown != "wanted"]
    if second.end() != "done" or wrong or not path.right(world, second.value):
        return [f"the retry ends as {second.end()} ({second.error}), and leaves {wrong[:5]} not as wanted"]
    return []
