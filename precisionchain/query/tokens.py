"""The words and signs of the text form of criteria: what is an atom, a number, an interval.

``docs/reference/cohorts.md`` has the grammar. A run of the characters of an atom is one token, as
long as can be; what it is follows from the run alone, not from where it stands.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from precisionchain.errors import UsageError
from precisionchain.query.criteria import Interval

MAX_LENGTH: Final = 1_000_000
"""Characters of a text, at most."""

RESERVED: Final = frozenset({"and", "or", "not", "true", "false"})
"""Words that are no atoms; as a string they may be used."""

_NUMBER = r"-?(?:0|[1-9][0-9]{0,99})(?:\.[0-9]{1,99})?(?:[eE][+-]?[0-9]{1,4})?"
_NUMBER_RUN: Final = re.compile(_NUMBER)
_WHOLE_RUN: Final = re.compile(r"-?[0-9]+")
_RUN: Final = re.compile(r"[A-Za-z0-9_:.+*-]+")
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_SIGN: Final = re.compile(r"[<>]=?|[()\[\],&|~=]")
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_SHOWN: Final = 24


@dataclass(frozen=True, slots=True)
class Token:
    """A word or sign.

    Attributes:
        kind: ``sign``, ``reserved``, ``atom``, ``string``, ``number``, ``interval`` or ``end``.
        text: as it was typed.
        at: its place in the text, from 0.
        value: an atom's or string's text, a number, an `Interval`.
    """

    kind: str
    text: str
    at: int
    value: str | float | Interval | None = None

    def __str__(self) -> str:
        """Return what an error calls it."""
        if self.kind == "end":
            return "the end of the text"
        return repr(self.text if len(self.text) <= _SHOWN else f"{self.text[:_SHOWN]}...")


def is_atom(text: str) -> bool:
    """Return whether a text, written as it is, is read as an atom."""
    return bool(_RUN.fullmatch(text)) and _is_word(text)


def tokens(text: str) -> Iterator[Token]:
    """Yield the words and signs of a text, and at last its end.

    Raises:
        UsageError: a character or number that the grammar does not have, with its column.
    """
    at = _skip(text, 0)
    while at < len(text):
        token = _token_at(text, at)
        yield token
        at = _skip(text, at + len(token.text))
    yield Token("end", "", len(text))


def column(text: str, at: int) -> str:
    """Return how an error says a place of a text: its column, with the line where there are."""
    line = text.count("\n", 0, at) + 1
    where = f"column {at - (text.rfind(chr(10), 0, at) + 1) + 1}"
    return f"line {line}, {where}" if "\n" in text else where


def _skip(text: str, at: int) -> int:
    blank = _SPACE.match(text, at)
    return blank.end() if blank else at


def _token_at(text: str, at: int) -> Token:
    if sign := _SIGN.match(text, at):
        return Token("sign", sign[0], at)
    if run := _RUN.match(text, at):
        try:
            return _of_run(run[0], at)
        except UsageError as error:
            raise UsageError(error.message, where=column(text, at), hint=error.hint) from None
    if string := _STRING.match(text, at):
        return Token("string", string[0], at, json.loads(string[0]))
    if text[at] == '"':
        raise UsageError(
            "a string that is not closed, or not written as in JSON",
            where=column(text, at),
            hint='a \\ in it is written \\\\, a " is written \\"',
        )
    hint = 'what an atom cannot hold stands in a string, as "9:22098574:A:<DEL>"'
    if text[at] == "{":
        hint = "a JSON object is no text: parse it first, as with json.loads"
    raise UsageError(f"{text[at]!r} has no meaning here", where=column(text, at), hint=hint)


def _is_word(run: str) -> bool:
    return run not in RESERVED and ".." not in run and not _NUMBER_RUN.fullmatch(run)


def _of_run(run: str, at: int) -> Token:
    if run in RESERVED:
        return Token("reserved", run, at)
    if ".." in run:
        low, _, high = run.partition("..")
        return Token("interval", run, at, Interval(_bound(low), _bound(high)))
    if _NUMBER_RUN.fullmatch(run):
        return Token("number", run, at, _number(run))
    return Token("atom", run, at, run)


def _bound(text: str) -> float | None:
    if not text:
        return None
    if not _NUMBER_RUN.fullmatch(text):
        raise UsageError("not an interval", hint="LOW..HIGH, as 18..65, 18.., -30..30, 0.01..0.05")
    return _number(text)


def _number(text: str) -> float:
    value = int(text) if _WHOLE_RUN.fullmatch(text) else float(text)
    if not math.isfinite(value):
        raise UsageError("a number too large", hint="up to 1e308")
    return value
