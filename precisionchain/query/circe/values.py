"""The values that members of a cohort definition may have, read into one form each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from precisionchain.errors import UsageError
from precisionchain.query.atlas_sets import AtlasSet
from precisionchain.query.circe.members import (
    ABNORMAL,
    CHOSEN,
    CONCEPTS,
    DATES,
    DECIMAL,
    REFUSED,
    WHOLE,
)

_PAGE: Final = "docs/reference/circe.md says what is covered; ask for this part by a criterion"
_OPERATORS: Final = ("lt", "lte", "eq", "!eq", "gt", "gte", "bt", "!bt")
_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})")
_DECIMALS: Final = 4  # to which Circe rounds a number
_MOST_DAYS: Final = 1_000_000
_TEXTS: Final = frozenset({"name", "description", "Title", "cdmVersionRange"})

Json = dict[str, Any]


@dataclass(slots=True)
class Reading:
    """One reading of a document: the concept sets it has, and those that were named."""

    sets: Mapping[int, AtlasSet]
    used: set[int] = field(default_factory=set)
    depth: int = 0

    def members(
        self,
        given: object,
        where: str,
        known: Mapping[str, Member],
        *,
        needs: tuple[str, ...] = (),
    ) -> Json:
        """Return an object's members that say something, in the order that they are known in."""
        if not isinstance(given, Mapping):
            raise UsageError("not an object", where=where or None)
        found: Json = {}
        for name, value in given.items():
            place = f"{where}.{name}" if where else str(name)
            if value is None or name in _TEXTS:
                continue
            if name not in known:
                if _says_something(value):
                    raise not_covered(str(name), place)
                continue
            kept = known[name](self, value, place)
            if kept is not None:
                found[name] = kept
        for name in needs:
            if name not in found:
                raise UsageError(f"{name} is missing", where=where or None)
        return {name: found[name] for name in known if name in found}


Member = Callable[[Reading, Any, str], Any]
"""Reads a value that is not null, at its place in the document; None of one that says nothing."""


def not_covered(name: str, place: str) -> UsageError:
    """Return the error of a member that is not covered."""
    why = REFUSED.get(name)
    return UsageError(
        f"{name[:40]} is not covered" + (f": {why}" if why else ""),
        where=place if len(place) < 200 else f"...{place[-200:]}",
        hint=_PAGE,
    )


def _says_something(value: object) -> bool:
    """Whether a member that is not covered would have changed the cohort."""
    return not (value is False or value in ([], {}))


def flag(_reading: Reading, value: Any, where: str) -> bool | None:
    """Return a flag that is set; None of one that is not."""
    if not isinstance(value, bool):
        raise UsageError("not true or false", where=where)
    return value or None


def said_flag(_reading: Reading, value: Any, where: str) -> bool:
    """A flag of which absence is something else than false."""
    if not isinstance(value, bool):
        raise UsageError("not true or false", where=where)
    return value


def whole(low: int | None = None) -> Member:
    """Return what reads a whole number, of at least so much."""

    def read(_reading: Reading, value: Any, where: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _MOST_DAYS:
            raise UsageError("not a whole number", where=where)
        if low is not None and value < low:
            raise UsageError(f"less than {low}", where=where)
        return value

    return read


def one_of(*names: str) -> Member:
    """Return what reads one of some words, in any case."""

    def read(_reading: Reading, value: Any, where: str) -> str:
        folded = value.upper() if isinstance(value, str) else None
        for name in names:
            if name.upper() == folded:
                return name
        raise UsageError("none of the values it may have", where=where, hint=", ".join(names))

    return read


def set_number(reading: Reading, value: Any, where: str) -> int:
    """Return the number of a concept set of the document, which is used then."""
    if isinstance(value, bool) or not isinstance(value, int) or value not in reading.sets:
        raise UsageError("the definition has no concept set of that number", where=where)
    reading.used.add(value)
    return value


def concepts(_reading: Reading, value: Any, where: str) -> list[Json] | None:
    """Return concepts in a list, each once and ascending; None of no concept."""
    if not isinstance(value, list):
        raise UsageError("not a list of concepts", where=where)
    found = set()
    for place, one in enumerate(value):
        concept = one.get("CONCEPT_ID") if isinstance(one, Mapping) else None
        if isinstance(concept, bool) or not isinstance(concept, int) or abs(concept) >= 2**63:
            raise UsageError("a concept without its id", where=f"{where}[{place}].CONCEPT_ID")
        found.add(concept)
    return [{"CONCEPT_ID": concept} for concept in sorted(found)] or None


def chosen(reading: Reading, value: Any, where: str) -> Json:
    """Return a concept set that something is in, or is not."""
    known = {"CodesetId": set_number, "IsExclusion": flag}
    return reading.members(value, where, known, needs=("CodesetId",))


def day_of(_reading: Reading, value: Any, where: str) -> str | None:
    """Return a day as ``YYYY-MM-DD``; None of an empty text."""
    if value == "":
        return None
    parts = _DATE.fullmatch(value) if isinstance(value, str) else None
    try:
        if parts:
            return date(*map(int, parts.groups())).isoformat()
    except ValueError:
        pass
    raise UsageError("not a day", where=where, hint="YYYY-MM-DD")


def _range(value: Member) -> Member:
    """Return what reads a range of days or numbers: one, an operator, and for two another."""
    known = {"Value": value, "Op": one_of(*_OPERATORS), "Extent": value}

    def read(reading: Reading, given: Any, where: str) -> Json:
        found = reading.members(given, where, known, needs=("Op", "Value"))
        if not found["Op"].endswith("bt"):
            found.pop("Extent", None)
        elif "Extent" not in found:
            raise UsageError("Extent is missing", where=where)
        return found

    return read


def _number(*, whole: bool) -> Member:
    def read(_reading: Reading, value: Any, where: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**53:
            raise UsageError("not a number", where=where)
        if whole and value != int(value):
            raise UsageError("not a whole number; Circe would cut it off", where=where)
        if round(value, _DECIMALS) != value:
            raise UsageError("more decimals than four; Circe would round it", where=where)
        return int(value) if value == int(value) else value

    return read


BY_KIND: Final[Mapping[str, Member]] = {
    DATES: _range(day_of),
    WHOLE: _range(_number(whole=True)),
    DECIMAL: _range(_number(whole=False)),
    CONCEPTS: concepts,
    CHOSEN: chosen,
    ABNORMAL: flag,
}
"""What reads members, by their kind."""
