"""A criterion from a function's name and its arguments, as the text form and JSON call it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Final

from precisionchain.errors import UsageError
from precisionchain.query.concept_sets import ConceptSet
from precisionchain.query.criteria import EVENT_TABLES, Criterion, Interval, Maf, every_attribute
from precisionchain.query.expressions import functions

LOGIC: Final = ("and", "or", "not")
"""Functions of JSON that text has operators for."""

SUFFIXES: Final[Mapping[str, str]] = {">": "gt", ">=": "ge", "<": "lt", "<=": "le", "=": "eq"}
"""A comparison of the value, and how Python names its argument: ``value__gt``."""

_ANY_COLUMN: Final = "columns"
"""What a function calls the arguments that are named as columns of sequencing metadata."""

_ATTRIBUTES: Final = "attributes"
"""What a function calls the arguments that are named as attributes of a row."""

_SHOWN: Final = 24  # characters of a name in an error, and that a nearest name is looked for


def call_function(
    name: str,
    positional: Sequence[object],
    named: Mapping[str, object],
    bounds: Mapping[str, Mapping[str, object]],
) -> Criterion | Maf | ConceptSet:
    """Return what a function makes of its arguments.

    Args:
        name: one of `functions`.
        positional: positional arguments.
        named: named arguments, without the conditions on numbers of a row.
        bounds: conditions on numbers of a row, by their name and comparison (``>``).

    Raises:
        UsageError: no such function, no such argument, or not such a value.
    """
    function = functions().get(name)
    if function is None:
        raise UsageError(f"there is no function {_short(name)!r}", hint=nearest_function(name))
    known, rest = _arguments(name)
    takes_value, open_ended = rest == _ATTRIBUTES, rest == _ANY_COLUMN
    for argument in named:
        if argument not in known and not open_ended:
            if takes_value and argument in every_attribute():
                continue
            names = [*known, *(every_attribute() if takes_value else ())]
            near = get_close_matches(_short(argument), names, n=1)
            meant = f"{near[0]}= is meant? " if near else ""
            raise UsageError(
                f"no argument is called {_short(argument)!r}", hint=meant + written_signature(name)
            )
    if open_ended:  # a column may be called as a number of rows is
        named = {**named, **{column: of["="] for column, of in bounds.items() if _is_equal(of)}}
        bounds = {column: of for column, of in bounds.items() if not _is_equal(of)}
    if bounds and not takes_value:
        raise UsageError("there is no value to compare", hint=written_signature(name))
    compared = {
        name if isinstance(bound, Interval) else f"{name}__{SUFFIXES[operator]}": bound
        for name, several in bounds.items()
        for operator, bound in several.items()
    }
    try:
        return function(*positional, **named, **compared)
    except TypeError:
        # Only now: binding takes longer than the call. What binds has failed for another reason.
        try:
            inspect.signature(function).bind(*positional, **named, **compared)
        except TypeError as error:
            raise UsageError(str(error), hint=written_signature(name)) from None
        raise


@cache
def _arguments(name: str) -> tuple[tuple[str, ...], str | None]:
    """Return a function's arguments that have names, and what it calls those it has not."""
    parameters = inspect.signature(functions()[name]).parameters.values()
    rest = [each.name for each in parameters if each.kind is each.VAR_KEYWORD]
    return tuple(each.name for each in parameters if _is_named(each)), rest[0] if rest else None


def written_signature(name: str) -> str:
    """Return how a function is called in text, for a hint."""
    signature = inspect.signature(functions()[name])
    return f"{name}({', '.join(map(_written, signature.parameters.values()))})"


def nearest_function(name: str) -> str | None:
    """Return a hint at the function that was meant; None where the text form has this one."""
    known = [each for each in functions() if each not in LOGIC]
    if name in known:
        return None
    asked = _short(name).lower()
    near = [function for function, table in EVENT_TABLES.items() if table == asked]
    near = near or get_close_matches(asked, known, n=1)
    return f"{near[0]} is meant?" if near else f"one of {', '.join(known)}"


def _is_equal(bounds: Mapping[str, object]) -> bool:
    return bounds.keys() == {"="}


def _is_named(parameter: inspect.Parameter) -> bool:
    return parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)


def _written(parameter: inspect.Parameter) -> str:
    if parameter.kind is parameter.VAR_KEYWORD:
        open_ended = parameter.name == _ANY_COLUMN
        return "COLUMN=VALUE, COLUMN__ge=VALUE" if open_ended else "ATTRIBUTE=, value > NUMBER"
    if parameter.kind is parameter.VAR_POSITIONAL:
        return f"{parameter.name.upper()}, ..."
    if parameter.default is None and parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
        return f"[{parameter.name.upper()}]"
    if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
        return parameter.name.upper()
    flag = str(parameter.default).lower() if isinstance(parameter.default, bool) else ""
    return f"{parameter.name}={flag}"


def _short(name: str) -> str:
    return name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..."
