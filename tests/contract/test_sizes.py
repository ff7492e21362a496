"""Functions and classes stay small enough to be read at once."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "airflow_provider_b24"
MAX_LINES = 60
MAX_FIELDS = 10
METADATA = "get_provider_info"  # one large dict


def nodes(*kinds):
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, kinds):
                yield f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}", node


def fields(cls):
    """Names that are assigned to self, or declared in the class's body; not descriptors."""
    declared = {one.target.id for one in cls.body if isinstance(one, ast.AnnAssign) and is_name(one.target)}
    for node in ast.walk(cls):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            if isinstance(target, ast.Attribute) and is_name(target.value) and target.value.id == "self":
                declared.add(target.attr)
    return declared - {target.id for one in cls.body if isinstance(one, ast.Assign) for target in one.targets}


def is_name(node):
    return isinstance(node, ast.Name)


def test_no_function_is_longer_than_a_page():
    found = [
        f"{name}: {node.end_lineno - node.lineno + 1} lines"
        for name, node in nodes(ast.FunctionDef, ast.AsyncFunctionDef)
        if node.end_lineno - node.lineno + 1 > MAX_LINES and node.name != METADATA
    ]
    assert found == []


def test_no_class_has_too_many_fields():
    """An operator's fields are its arguments."""
    found = [
        f"{name}: {len(fields(node))} fields"
        for name, node in nodes(ast.ClassDef)
        if len(fields(node)) > MAX_FIELDS and not name.endswith("Operator")
    ]
    assert found == []
