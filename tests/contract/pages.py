"""The pages of the documentation, cut into what tests run and check."""

import inspect
import re
from pathlib import Path

import pytest

from airflow_provider_b24.get_provider_info import get_provider_info
from tests.contract.conftest import ROOT

DOCS = ROOT / "docs"
INFO = get_provider_info()
SETTINGS = INFO["config"]["bitrix24"]["options"]
PAGES = {
    str(file.relative_to(ROOT)): file.read_text()
    for file in sorted(
        [*ROOT.glob("*.md"), *(one for one in DOCS.rglob("*.md") if "_build" not in one.parts)]
    )
}
TEXT = "\n".join(PAGES.values())
FENCE = re.compile(r"^```(\S*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[tuple[str, str]]:
    """Code blocks of a language, each with a name."""
    return [
        (f"{page}-{number}", source)
        for page, text in PAGES.items()
        for number, (kind, source) in enumerate(FENCE.findall(text), start=1)
        if kind == language
    ]


def commands() -> list[tuple[str, str]]:
    """The lines of all shell blocks, each with a name."""
    return [
        (f"{name}-{line.partition('#')[0].strip():.40}", line)
        for name, source in blocks("bash")
        for line in source.splitlines()
        if line.strip()
    ]


def each(pairs: list[tuple[str, str]]) -> pytest.MarkDecorator:
    """Run a test once for each source."""
    return pytest.mark.parametrize("source", [pytest.param(source, id=name) for name, source in pairs])


def first_column(text: str, head: str) -> list[str]:
    """The names in the first cells of the first table whose first column has this head."""
    table = re.search(rf"^\| {head} \|.*\n\|[ -|]*\n((?:\|.*\n)*)", text, re.MULTILINE)
    assert table, f"no table begins with {head}"
    cells = [row.split("|")[1] for row in table.group(1).splitlines()]
    return re.findall(r"`([^`]+)`", " ".join(cells))


def anchors(page: Path) -> set[str]:
    """What links to a page may name: its headings and labels."""
    text = FENCE.sub("", page.read_text())
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
    return slugs | set(re.findall(r"^\(([\w-]+)\)=$", text, re.MULTILINE))


def operators() -> list[type]:
    """The operators that users import."""
    from airflow_provider_b24.operators.base import Bitrix24BaseOperator

    (group,) = INFO["operators"]
    modules = [__import__(name, fromlist=["operators"]) for name in group["python-modules"]]
    found = {
        one
        for module in modules
        for one in vars(module).values()
        if inspect.isclass(one)
        and issubclass(one, Bitrix24BaseOperator)
        and one.__module__ == module.__name__
    }
    return sorted((one for one in found if not one.__name__.startswith("_")), key=lambda one: one.__name__)
