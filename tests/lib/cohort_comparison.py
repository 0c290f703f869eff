"""Cohorts as they are evaluated beside what the oracle says, and the smallest that differ."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from precisionchain.errors import PrecisionChainError, UnknownConceptError, UnknownPersonError
from precisionchain.query.criteria import (
    And,
    AtLeast,
    CarriesIn,
    Criterion,
    Event,
    Maf,
    Not,
    Or,
    WithinDays,
)
from tests.lib.cohort_oracle import Oracle, children
from tests.lib.cohort_oracle_records import Person


@dataclass(frozen=True, slots=True)
class Answer:
    """A cohort as evaluated: members, unknowns, and the size of the universe."""

    true: frozenset[Person]
    unknown: frozenset[Person]
    universe: int


Evaluate = Callable[[Criterion], Answer]


@dataclass
class Tally:
    """What was asked, and how much the answers could have told.

    Attributes:
        asked: criteria evaluated.
        refused: refused by both.
        parted: answered with members, but not with everybody.
        unknown: answered with some unknown.
        unparted: answered with everybody or nobody, and nobody unknown.
        seconds: of each evaluation.
        differences: what differed, each by its smallest criterion.
    """

    asked: int = 0
    refused: int = 0
    parted: int = 0
    unknown: int = 0
    unparted: int = 0
    seconds: list[float] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        median, slow, slowest = (
            1000 * float(np.quantile(self.seconds, q)) for q in (0.5, 0.99, 1.0)
        )
        return (
            f"{self.asked} asked: {self.refused} refused by both, {self.parted} with some members,"
            f" {self.unknown} with unknowns, {self.unparted} all or nobody;"
            f" p50 {median:.2f} ms, p99 {slow:.2f} ms, at most {slowest:.1f} ms;"
            f" {len(self.differences)} differences"
        )


def persons_of(frame: pl.DataFrame) -> frozenset[Person]:
    """Return the persons of a frame with site and person_id.

    Raises:
        AssertionError: it has one twice.
    """
    persons = list(zip(frame["site"], frame["person_id"], strict=True))
    assert len(set(persons)) == len(persons)
    return frozenset(persons)


def compare(
    oracle: Oracle, evaluate: Evaluate, criteria: Iterable[Criterion], *, stop_at: int = 5
) -> Tally:
    """Evaluate criteria by both, until so many differ."""
    tally = Tally()
    for criterion in criteria:
        tally.asked += 1
        if _differs(oracle, evaluate, criterion, tally):
            least = smallest(oracle, evaluate, criterion)
            said = _differs(oracle, evaluate, least, Tally())
            tally.differences.append(f"{least.text}\n    {said}")
            if len(tally.differences) == stop_at:
                break
    return tally


def smallest(oracle: Oracle, evaluate: Evaluate, criterion: Criterion) -> Criterion:
    """Return the criterion, made smaller step by step while it still differs."""
    for less in _smaller(criterion):
        if _differs(oracle, evaluate, less, Tally()):
            return smallest(oracle, evaluate, less)
    return criterion


def _differs(oracle: Oracle, evaluate: Evaluate, criterion: Criterion, tally: Tally) -> str | None:
    """Return how an answer differs from the oracle's; None where it does not."""
    due = oracle.refusals(criterion)
    started = time.perf_counter()
    try:
        answer = evaluate(criterion)
    except PrecisionChainError as error:
        reasons = _reasons(error)
        tally.refused += 1
        if due & reasons:
            return None
        return f"refused ({type(error).__name__}: {error}), not for {sorted(due) or 'nothing'}"
    tally.seconds.append(time.perf_counter() - started)
    if due:
        return f"answered, must be refused for {sorted(due)}"
    truth = oracle.evaluate(criterion)
    tally.parted += 0 < len(truth.true) < len(oracle.universe)
    tally.unknown += bool(truth.unknown)
    tally.unparted += not truth.unknown and len(truth.true) in (0, len(oracle.universe))
    if (answer.true, answer.unknown) == (truth.true, truth.unknown):
        if answer.universe == len(oracle.universe):
            return None
        return f"a universe of {answer.universe}, must be of {len(oracle.universe)}"
    return "; ".join(
        f"{name}: {len(got)}, must be {len(must)}; too many {sorted(got - must)[:3]},"
        f" too few {sorted(must - got)[:3]}"
        for name, got, must in (
            ("members", answer.true, truth.true),
            ("unknown", answer.unknown, truth.unknown),
        )
        if got != must
    )


def _reasons(error: PrecisionChainError) -> set[str]:
    if isinstance(error, UnknownConceptError):
        return {"concept"}
    if isinstance(error, UnknownPersonError):
        return {"person"}
    return {"units", "site", "saved"}


def _smaller(criterion: Criterion) -> Iterator[Criterion]:
    """Yield criteria with one thing less."""
    yield from children(criterion)
    if isinstance(criterion, And | Or):
        for place, part in enumerate(criterion.of):
            others = criterion.of[:place] + criterion.of[place + 1 :]
            if len(others) > 1:
                yield replace(criterion, of=others)
            for less in _smaller(part):
                yield replace(criterion, of=(*others, less))
    match criterion:
        case Not():
            yield from (~less for less in _smaller(criterion.of))
        case CarriesIn(maf=Maf(within=Criterion() as within) as maf):
            for fewer in (None, *_smaller(within)):
                yield replace(criterion, maf=replace(maf, within=fewer))
        case Event():
            yield from _fewer_arguments(criterion)
        case AtLeast(event=Event() as event):
            yield from (replace(criterion, event=e) for e in _fewer_arguments(event))
        case WithinDays(first=Event() as first, second=Event() as second):
            yield from (replace(criterion, first=e) for e in _fewer_arguments(first))
            yield from (replace(criterion, second=e) for e in _fewer_arguments(second))


def _fewer_arguments(event: Event) -> Iterator[Event]:
    if event.exact_age:
        yield replace(event, exact_age=False)
    elif event.age is not None:
        yield replace(event, age=None)
    for name in ("since", "until"):
        if getattr(event, name) is not None:
            yield _with(event, name, None)
    if event.first:
        yield replace(event, first=False)
    for name in ("concepts", "exclude", "value", "unit"):
        given = getattr(event, name)
        if len(given) > (name in ("concepts", "value", "unit")):
            for place in range(len(given)):
                yield _with(event, name, given[:place] + given[place + 1 :])


def _with(event: Event, name: str, value: Any) -> Event:
    return replace(event, **{name: value})
