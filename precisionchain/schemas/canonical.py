"""Canonical JSON: one value, one text, so that a digest or a signature over it has one meaning.

UTF-8, object members sorted by code point, no spaces, nothing escaped that need not be; integers of
any size exactly; finite floats as Python's shortest ``repr`` (``0.1``, ``1e-06``), which reads back
as the same float. Not-a-number, infinities, duplicate members and lone surrogates do not exist.

>>> canonical_json({"b": [1, 2.5], "a": "é"}).decode()
'{"a":"é","b":[1,2.5]}'
>>> parse_canonical(b'{"a":1}')
{'a': 1}
"""

from __future__ import annotations

import json
from typing import Any

from precisionchain.errors import CodecError


def canonical_json(value: Any) -> bytes:
    """Return the canonical text of None, booleans, numbers, strings, lists and str-keyed dicts.

    Raises:
        CodecError: the value, or a part of it, has no canonical JSON.
    """
    try:
        _check_members(value)
        text = json.dumps(
            value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
        )
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise CodecError("a value that canonical JSON cannot hold") from error


def parse_canonical(text: bytes) -> Any:
    """Return the value of a canonical text.

    Raises:
        CodecError: it is no JSON, or not the canonical text of its value.
    """
    try:
        value = json.loads(text.decode(), parse_constant=_refuse, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise CodecError("not canonical JSON") from error
    if canonical_json(value) != text:
        raise CodecError("JSON that is not in canonical form")
    return value


def _check_members(value: Any) -> None:
    """json.dumps would turn the keys 1, True and None into strings: two values, one text."""
    if isinstance(value, dict):
        for name, member in value.items():
            if not isinstance(name, str):
                raise CodecError("canonical JSON names members by strings only")
            _check_members(member)
    elif isinstance(value, list | tuple):
        for member in value:
            _check_members(member)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON number")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members
