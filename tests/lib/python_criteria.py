"""Reads the Python spelling of a criterion as Python would, and allows nothing else."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

_JOINED: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
}
_TURNED: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.Invert: operator.invert,
    ast.USub: operator.neg,
}


def evaluated(python: str, functions: Mapping[str, Callable[..., Any]]) -> Any:
    """Return the value of an expression of calls ``pc.NAME(...)``, constants, ``&``, ``|``, ``~``.

    Raises:
        ValueError: anything else stands in it.
    """

    def value(node: ast.expr) -> Any:
        match node:
            case ast.Constant():
                return node.value
            case ast.Tuple() | ast.List():
                parts = [value(part) for part in node.elts]
                return tuple(parts) if isinstance(node, ast.Tuple) else parts
            case ast.BinOp(left=left, op=op, right=right):
                return _JOINED[type(op)](value(left), value(right))
            case ast.UnaryOp(op=op, operand=operand):
                return _TURNED[type(op)](value(operand))
            case ast.Call(func=ast.Attribute(value=ast.Name(id="pc"), attr=name)):
                assert all(word.arg for word in node.keywords)
                named = {str(word.arg): value(word.value) for word in node.keywords if word.arg}
                return functions[name](*map(value, node.args), **named)
        raise ValueError(ast.dump(node))

    return value(ast.parse(python.strip(), mode="eval").body)
