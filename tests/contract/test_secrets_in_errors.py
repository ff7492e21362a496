"""An exception of requests quotes the address, and the address is a password: it must never travel on."""

import ast

import pytest

from tests.contract.conftest import PACKAGE

LIBRARIES = {"requests", "urllib3", "http.client"}


def names_from_libraries(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.asname or alias.name for alias in node.names if alias.name in LIBRARIES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in LIBRARIES:
            yield from (alias.asname or alias.name for alias in node.names)


def catches_a_library_s_errors(handler, library_names):
    if handler.type is None:
        return True
    caught = {name.id for name in ast.walk(handler.type) if isinstance(name, ast.Name)}
    return bool(
        caught & (library_names | {"Exception", "BaseException", "OSError"})
    )  # requests' errors are OSErrors


def leaking_raises(source):
    tree = ast.parse(source)
    library_names = set(names_from_libraries(tree))
    if not library_names:
        return
    for handler in (node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)):
        if catches_a_library_s_errors(handler, library_names):
            for node in ast.walk(handler):
                if isinstance(node, ast.Raise):
                    cause = node.cause
                    if not (isinstance(cause, ast.Constant) and cause.value is None):
                        yield f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize(
    "file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE))
)
def test_what_is_raised_for_an_error_of_requests_is_raised_from_none(file):
    assert list(leaking_raises(file.read_text())) == []


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param("except requests.RequestException as error: raise OurError() from error", id="chained"),
        pytest.param("except requests.RequestException: raise OurError()", id="chained silently"),
        pytest.param("except requests.RequestException: raise", id="passed on"),
        pytest.param("except OSError: raise OurError()", id="caught by its base class"),
    ],
)
def test_the_check_sees_a_leak(handler):
    assert list(leaking_raises(f"import requests\ntry: pass\n{handler}"))
