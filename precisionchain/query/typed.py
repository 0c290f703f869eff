"""What a user typed, as values and as the access log may hold it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from datetime import date

from precisionchain.errors import PrecisionChainError, UsageError
from precisionchain.query.asked_variants import is_id
from precisionchain.schemas.person import written
from precisionchain.schemas.variant import Region, Variant

NOT_LOGGED = "?"
"""What stands in the log for something typed that is not what it should be."""


def as_logged(typed: object, parse: Callable[[str], object]) -> str | None:
    """Return what was typed as it is logged: in its canonical form, or not at all.

    Every member reads the log, and what somebody types by mistake may be a value of a person.
    """
    if typed is None:
        return None
    try:
        return str(parse(str(typed)))
    except PrecisionChainError:
        return NOT_LOGGED


def parsed(typed: str | None, parse: Callable[[str], str]) -> str | None:
    """Return what was typed as it is asked for; None where nothing was.

    Raises:
        UsageError: as ``parse`` does.
    """
    return None if typed is None else parse(typed)


def one_of(text: str, known: Collection[str], what: str) -> str:
    """Return one of some names.

    Raises:
        UsageError: it is none of them: "no such" what.
    """
    if text not in known:
        raise UsageError(f"no such {what}", hint=f"one of {', '.join(known)}")
    return text


def number(typed: object) -> int | float | str:
    """Return a number as it is logged: itself, where it is one."""
    if isinstance(typed, int | float) and math.isfinite(typed):
        return typed
    return NOT_LOGGED


def table_name(text: str) -> str:
    """Return the CDM table a text names, by table or by domain.

    Raises:
        UsageError: there is none.
    """
    from precisionchain.query.clinical import event_table, person_table

    try:
        return event_table(text).name
    except UsageError:
        return person_table(text).name


def subject(text: str) -> str:
    """Return a person or variant in its canonical form, or the id of a variant.

    Raises:
        UsageError: the text is none of them.
    """
    if is_id(text):
        return text
    return written(text) if text.count(":") < 2 else str(Variant.parse(text))


def region(asked: str | Region | None) -> Region | None:
    """Return a region given as one or as ``CHROM[:START-END]``.

    Raises:
        RegionError: the text is no region.
    """
    return Region.parse(asked) if isinstance(asked, str) else asked


def as_date(day: date | str | None) -> date | None:
    """Return a date given as one or as ``YYYY-MM-DD``.

    Raises:
        UsageError: the text is no date.
    """
    if not isinstance(day, str):
        return day
    try:
        return date.fromisoformat(day)
    except ValueError:
        raise UsageError("not a date", hint="YYYY-MM-DD") from None


def as_days(since: date | str | None, until: date | str | None) -> tuple[date | None, date | None]:
    """Return the first and the last day that are asked for, each as of `as_date`.

    Raises:
        UsageError: one is no date, or no day lies between them.
    """
    first, last = as_date(since), as_date(until)
    if first is not None and last is not None and first > last:
        raise UsageError("since is after until")
    return first, last


def genotypes(genotype: Iterable[str | int] | str | int | None) -> list[str]:
    """Return the genotypes asked for, sorted; 1 and 2 where none are named.

    Raises:
        UsageError: one of them is no genotype.
    """
    from precisionchain.query.criteria import STATES  # not loaded for questions without any

    if genotype is None:
        return ["1", "2"]
    asked = [genotype] if isinstance(genotype, str | int) else list(genotype)
    states = sorted({str(state) for state in asked})
    if not states or not set(states) <= set(STATES):
        raise UsageError("not a genotype", hint=f"one or more of {', '.join(STATES)}")
    return states


def checked_range(maf: tuple[float, float] | None) -> None:
    """Check a closed range of minor allele frequencies.

    Raises:
        UsageError: it is not within 0 to 0.5.
    """
    if maf is not None and not 0 <= maf[0] <= maf[1] <= 0.5:
        raise UsageError("not a range of minor allele frequencies", hint="0 <= LO <= HI <= 0.5")
