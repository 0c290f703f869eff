"""Criteria as text, Python and JSON, printed from the one call; and read from JSON.

Equal criteria have equal spellings, and each spelling is read back as an equal criterion.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final, cast

from precisionchain.errors import UsageError
from precisionchain.query.concept_sets import ConceptSet
from precisionchain.query.criteria import (
    EVENT_TABLES,
    MAX_DEPTH,
    OPERATORS,
    Argument,
    Call,
    Criterion,
    Interval,
    Maf,
    every_number,
)
from precisionchain.query.expressions import functions
from precisionchain.query.functions import SUFFIXES, call_function
from precisionchain.query.grammar import parse_text
from precisionchain.query.tokens import is_atom

_OR, _AND, _NOT = range(3)
"""How tight operators bind; an argument stands as if in an ``or``."""

_LOGIC: Final = {"or": (_OR, " | "), "and": (_AND, " & ")}
_INTERVAL: Final = {"from", "to"}


def criterion(given: str | Mapping[str, Any]) -> Criterion:
    """Return the criterion that a text, or a JSON object already parsed, spells.

    Raises:
        UsageError: it spells none.
    """
    return parse_text(given) if isinstance(given, str) else from_json(given)


# -------------------------------------------------------------------------------- text and Python


def to_text(call: Call) -> str:
    """Return a call in the text grammar."""
    return _operators(call, _OR, _call_as_text)


def to_python(call: Call) -> str:
    """Return a call as a Python expression, where ``pc`` is ``precisionchain``."""
    return _operators(call, _OR, _call_as_python)


def _operators(call: Call, around: int, written: Callable[[Call], str]) -> str:
    """Return a call with operators for logic, in parentheses where it binds less than around it."""
    if call.name == "not":
        return f"~{_operators(_part(call.positional[0]), _NOT, written)}"
    if call.name not in _LOGIC:
        return written(call)
    tightness, sign = _LOGIC[call.name]
    # A part of the same kind cannot occur: it is merged.
    text = sign.join(_operators(_part(one), tightness + 1, written) for one in call.positional)
    return f"({text})" if tightness < around else text


def _part(given: Argument) -> Call:
    return cast("Call", given)  # logic is of criteria alone


def _call_as_text(call: Call) -> str:
    arguments = [_text_of(one) for one in call.positional]
    arguments += [f"{name}={_text_of(one)}" for name, one in call.named]
    arguments += [f"{name} {bound.operator} {bound.number}" for name, bound in call.bounds]
    return f"{call.name}({', '.join(arguments)})"


def _text_of(given: Argument) -> str:
    match given:
        case Call():
            return to_text(given)
        case tuple():
            return f"[{', '.join(_text_of(one) for one in given)}]"
        case Interval():
            return f"{_bound_as_text(given.low)}..{_bound_as_text(given.high)}"
        case bool():
            return str(given).lower()
        case int() | float():
            return repr(given)
        case str():
            return given if is_atom(given) else json.dumps(given, ensure_ascii=False)
        case _:
            return _place_as_text(str(given))


def _bound_as_text(bound: float | None) -> str:
    return "" if bound is None else repr(bound)


def _place_as_text(text: str) -> str:
    """A chromosome may be a number, which needs no quotes: a place is asked for by it as well."""
    is_chromosome = text.isascii() and text.isdecimal() and not text.startswith("0")
    bare = is_atom(text) or (is_chromosome and len(text) <= len("4294967295"))
    return text if bare else json.dumps(text, ensure_ascii=False)


def _call_as_python(call: Call) -> str:
    arguments = [_python_of(one) for one in call.positional]
    arguments += [f"{name}={_python_of(one)}" for name, one in call.named]
    arguments += [
        f"{name}__{SUFFIXES[one.operator]}={_python_of(one.number)}" for name, one in call.bounds
    ]
    return f"pc.{call.name}({', '.join(arguments)})"


def _python_of(given: Argument) -> str:
    match given:
        case Call():
            return to_python(given)
        case tuple():
            return f"[{', '.join(_python_of(one) for one in given)}]"
        case Interval():
            return repr((given.low, given.high))
        case bool() | int() | float():
            return repr(given)
        case _:
            # Double quotes, as in text and as formatters of Python have them.
            return json.dumps(str(given), ensure_ascii=False)


# ------------------------------------------------------------------------------------------- JSON


def to_json(call: Call) -> dict[str, Any]:
    """Return a call as a JSON object: its function with a list, then its named arguments."""
    written = {call.name: [_json_of(one) for one in call.positional]}
    written |= {name: _json_of(one) for name, one in call.named}
    bounds: dict[str, dict[str, float | str]] = {}
    for name, bound in call.bounds:
        bounds.setdefault(name, {})[bound.operator] = bound.number
    return {**written, **bounds}


def _json_of(given: Argument) -> Any:
    match given:
        case Call():
            return to_json(given)
        case tuple():
            return [_json_of(one) for one in given]
        case Interval():
            return {"from": given.low, "to": given.high}
        case bool() | int() | float() | str():
            return given
        case date():
            return given.isoformat()
        case _:
            return str(given)


def from_json(given: object) -> Criterion:
    """Return the criterion that a JSON object spells.

    Args:
        given: as ``json.loads`` returns it.

    Raises:
        UsageError: it spells none; the error names the place in the object.
    """
    try:
        criterion = _called(given, "criterion", 1)
    except RecursionError:
        # Nesting is counted: only the caller's own stack can be the cause, where it is nearly full.
        raise UsageError("a criterion cannot be read this deep inside of other calls") from None
    if not isinstance(criterion, Criterion):
        raise UsageError("maf is no criterion by itself, nor is concept_set", where="criterion")
    return criterion


def _called(given: object, where: str, depth: int) -> Criterion | Maf | ConceptSet:
    if not isinstance(given, dict):
        raise UsageError("a criterion is an object", where=where, hint='{"condition": [201826]}')
    if depth > MAX_DEPTH:
        raise UsageError(f"criteria nest {MAX_DEPTH} deep at most")
    if not all(isinstance(name, str) for name in given):
        raise UsageError("a member without a name", where=where)
    names = [name for name in given if name in functions() and isinstance(given[name], list)]
    if len(names) != 1:
        members = f"{' and '.join(names)} each name" if names else "no member names"
        raise UsageError(
            f"{members} a function, with the list of its arguments",
            where=where,
            hint='{"condition": [201826], "since": "2015-01-01"}',
        )
    name, inside = names[0], f"{where}.{names[0]}"
    positional = [_argument(one, f"{inside}[{n}]", depth + 1) for n, one in enumerate(given[name])]
    named, bounds = {}, {}
    for member, one in given.items():
        where = f"{inside}.{member}"
        if member in every_number() and (name in EVENT_TABLES or isinstance(one, dict)):
            bounds[member] = _bounds(one, where)
        elif member != name:
            named[member] = _argument(one, where, depth + 1)
    try:
        return call_function(name, positional, named, bounds)
    except UsageError as error:
        raise type(error)(error.message, where=error.where or inside, hint=error.hint) from error


def _argument(given: object, where: str, depth: int) -> object:
    if isinstance(given, dict):
        if given.keys() == _INTERVAL:
            return _interval(given, where)
        return _called(given, where, depth)
    if isinstance(given, list):
        return [_scalar(one, where) for one in given]
    return _scalar(given, where)


def _interval(given: Mapping[str, Any], where: str) -> Interval:
    try:
        return Interval(given["from"], given["to"])
    except UsageError as error:
        raise UsageError(error.message, where=where, hint=error.hint) from None


def _bounds(given: object, where: str) -> dict[str, object]:
    if not isinstance(given, dict) or not given or not given.keys() <= set(OPERATORS):
        raise UsageError("not conditions on a number", where=where, hint='{">": 7, "<=": 9}')
    return given


def _scalar(given: object, where: str) -> object:
    if not isinstance(given, str | int | float):
        raise UsageError("neither a string, a number nor a flag", where=where)
    return given
