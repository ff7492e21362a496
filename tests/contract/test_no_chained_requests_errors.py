"""
No error of ours may carry one of requests: not as its cause, nor as its context.

`raise ... from None` only hides the context from Python's own traceback; whoever walks the chain, as a
structured log may, still finds the address with the webhook in it. So where requests is caught nothing is
raised: what happened is noted, and raised once the `except` block has been left.
"""

import ast

import pytest

from tests.contract.conftest import PACKAGE

IMPORTERS = [file for file in sorted(PACKAGE.rglob("*.py")) if "import requests" in file.read_text()]


def raises_within_handlers(source):
    for handler in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ExceptHandler)):
        caught = ast.unparse(handler.type) if handler.type else "everything"
        if any(name in caught for name in ("request", "OSError", "Exception", "everything", "urllib3")):
            yield from (node.lineno for node in ast.walk(handler) if isinstance(node, ast.Raise))


def test_two_modules_alone_import_requests():
    assert [str(file.relative_to(PACKAGE)) for file in IMPORTERS] == ["rest/sessions.py", "rest/transport.py"]


@pytest.mark.parametrize("file", IMPORTERS, ids=lambda file: file.name)
def test_nothing_is_raised_where_an_error_of_requests_is_caught(file):
    assert list(raises_within_handlers(file.read_text())) == []


@pytest.mark.parametrize("caught", ["requests.RequestException", "(OSError, ValueError)", "Exception", ""])
def test_the_check_sees_a_raise(caught):
    assert list(raises_within_handlers(f"try: pass\nexcept {caught}: raise OurError() from None")) == [2]
