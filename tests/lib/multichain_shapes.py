"""Shapes of JSON values: what an answer must look like where its exact value is not known.

A shape is a type (``int`` is no ``bool``), a compiled pattern that the whole text must match, a
list or dict of shapes, ``Each`` or ``Fields``, or any other value, which must be equal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

TXID = re.compile(r"[0-9a-f]{64}")
HEX = re.compile(r"([0-9a-f]{2})+")
ADDRESS = re.compile(r"1[1-9A-HJ-NP-Za-km-z]{25,40}")


@dataclass(frozen=True)
class Each:
    """A list whose members all have one shape."""

    shape: Any
    count: int | None = None


class Fields(dict[str, Any]):
    """An object with at least these fields; a plain dict is an object with exactly these."""


def difference(shape: Any, value: Any, place: str = "result") -> str | None:
    """Say where a value is not of a shape; None when it is."""
    if isinstance(shape, type):
        return None if type(value) is shape else f"{place} is {value!r:.200}, not {shape.__name__}"
    if isinstance(shape, re.Pattern):
        fits = isinstance(value, str) and shape.fullmatch(value)
        return None if fits else f"{place} is {value!r:.200}, not like {shape.pattern}"
    if isinstance(shape, Each):
        if not isinstance(value, list) or (shape.count or len(value)) != len(value):
            return f"{place} is {value!r:.200}, not a list of {shape.count}"
        return _first(difference(shape.shape, one, f"{place}[{n}]") for n, one in enumerate(value))
    if isinstance(shape, list) and isinstance(value, list):
        if len(shape) != len(value):
            return f"{place} has {len(value)} members, not {len(shape)}: {value!r:.300}"
        pairs = enumerate(zip(shape, value, strict=True))
        return _first(difference(one, other, f"{place}[{n}]") for n, (one, other) in pairs)
    if isinstance(shape, dict) and isinstance(value, dict):
        surplus = [] if isinstance(shape, Fields) else sorted(set(value) - set(shape))
        if missing := sorted(set(shape) - set(value)):
            return f"{place} lacks {missing}: {value!r:.300}"
        if surplus:
            return f"{place} has {surplus} too"
        return _first(
            difference(part, value[name], f"{place}.{name}") for name, part in shape.items()
        )
    same = shape == value and isinstance(shape, bool) == isinstance(value, bool)
    return None if same else f"{place} is {value!r:.200}, not {shape!r:.200}"


def _first(found: Any) -> str | None:
    return next((one for one in found if one), None)
