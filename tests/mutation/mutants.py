"""Small faults that a program can make in a module: each is one change of its syntax tree."""

import ast
from dataclasses import dataclass

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
}


@dataclass(frozen=True)
class Mutant:
    """
    A module with one fault.

    :ivar line: where the fault is.
    :ivar change: the code as it was, and as it is now.
    :ivar source: the whole module.
    """

    line: int
    change: str
    source: str


def places(source: str) -> list[int]:
    """Return the numbers of the nodes of a module that can be changed."""
    return [number for number, node in enumerate(ast.walk(ast.parse(source))) if changed(node) is not None]


def mutate(source: str, place: int) -> Mutant:
    """Change one node of a module."""
    tree = ast.parse(source)
    node = next(one for number, one in enumerate(ast.walk(tree)) if number == place)
    other = changed(node)
    assert other is not None, "this node cannot be changed"
    change = f"{ast.unparse(node):.70} -> {ast.unparse(other):.70}".replace("\n", " ")
    replace(tree, node, other)
    return Mutant(getattr(node, "lineno", 0), change, ast.unparse(ast.fix_missing_locations(tree)))


def changed(node: ast.AST) -> ast.AST | None:
    """Return what a node is replaced by; None if it stays as it is."""
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in COMPARISONS:
            return ast.Compare(node.left, [COMPARISONS[type(operator)]()], node.comparators)
        case ast.BoolOp(op=ast.And()):
            return ast.BoolOp(ast.Or(), node.values)
        case ast.BoolOp(op=ast.Or()):
            return ast.BoolOp(ast.And(), node.values)
        case ast.UnaryOp(op=ast.Not()):
            return node.operand
        case ast.BinOp(op=operator) if type(operator) in OPERATORS:
            return ast.BinOp(node.left, OPERATORS[type(operator)](), node.right)
        case ast.If(test=test) if not isinstance(test, ast.UnaryOp | ast.Compare | ast.BoolOp):
            return ast.If(ast.UnaryOp(ast.Not(), test), node.body, node.orelse)
        case ast.Constant(value=bool()):
            return ast.Constant(not node.value)
        case ast.Constant(value=int()):
            return ast.Constant(node.value + 1)
        case ast.Constant(value=float()):
            return ast.Constant(node.value * 2 + 1)
        case ast.Raise():
            return ast.Pass()
        case ast.Return(value=ast.expr()) if not isinstance(node.value, ast.Constant):
            return ast.Return(ast.Constant(None))
        case ast.Expr(value=ast.Call()):
            return ast.Pass()
        case ast.Continue():
            return ast.Break()
        case ast.Break():
            return ast.Continue()
    return None


def replace(tree: ast.AST, old: ast.AST, new: ast.AST) -> None:
    """Put a node in the place of another one."""
    ast.copy_location(new, old)
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
            elif isinstance(value, list):
                setattr(parent, name, [new if one is old else one for one in value])
