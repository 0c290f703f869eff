"""What ``docs/reference/cohorts.md`` says of every criterion, evaluated slowly on the input files.

One function a criterion, over sets of persons; no index but rows by concept, no arithmetic but
Python's. The only thing shared with the package are the frozen values of
``precisionchain.query.criteria``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, ClassVar, Final

from precisionchain.query.criteria import (
    Age,
    And,
    Assayed,
    AtLeast,
    AtSite,
    Born,
    Carries,
    CarriesIn,
    Criterion,
    Demographic,
    Event,
    Events,
    Everyone,
    Genotype,
    Interval,
    Maf,
    Not,
    Observed,
    Or,
    Persons,
    Saved,
    WithinDays,
)
from precisionchain.schemas.variant import Region, Variant
from tests.lib.cohort_oracle_events import Found, RefusalError, age_on, found, inside
from tests.lib.cohort_oracle_genotypes import MISSING, NOT_ASSAYED, STATES, Allele, Genotypes
from tests.lib.cohort_oracle_records import EventRow, Person, PersonRow, Records
from tests.lib.genotype_text import shortest

_TRUTHS, _REMEMBERED = 1_000, 24  # how many are kept, for they are large
_FALSE, _UNKNOWN, _TRUE = 0, 1, 2  # in this order Kleene's or is the greatest
# Of 0, 1, 2, missing, not assayed:
_OF_CARRYING: Final = bytes.maketrans(
    bytes((0, 1, 2, MISSING, NOT_ASSAYED)), bytes((_FALSE, _TRUE, _TRUE, _UNKNOWN, _UNKNOWN))
)


@dataclass(frozen=True, slots=True)
class Truth:
    """Of whom a criterion is true, and of whom it is unknown; of the others it is false."""

    true: frozenset[Person]
    unknown: frozenset[Person] = frozenset()


@dataclass
class Oracle:
    """The answers of a network.

    Args:
        records: the clinical rows.
        genotypes: the genotype files; None where there are none.
        sites: the names of the members.
        own: the site that asks.
        saved: name -> (universe, truth) of cohorts that were saved.
    """

    records: Records
    genotypes: Genotypes | None
    sites: frozenset[str]
    own: str = "A"
    saved: dict[str, tuple[frozenset[Person], Truth]] = field(default_factory=dict)
    _memory: dict[Criterion, Truth] = field(default_factory=dict)
    _rows: dict[Event, Found] = field(default_factory=dict)

    @cached_property
    def genotyped(self) -> frozenset[Person]:
        return frozenset(self.genotypes.persons if self.genotypes else ())

    @cached_property
    def universe(self) -> frozenset[Person]:
        return self.genotyped | self.records.recorded

    def evaluate(self, criterion: Criterion) -> Truth:
        """Return the truth of a criterion.

        Raises:
            RefusalError: it is a question without an answer.
        """
        if criterion in self._memory:
            return self._memory[criterion]
        truth = self._answers[type(criterion)](self, criterion)
        if isinstance(criterion, And | Or | Not):
            return truth  # quickly found again, and not asked for again
        if len(self._memory) == _TRUTHS:
            self._memory.clear()
        self._memory[criterion] = truth
        return truth

    def refusals(self, criterion: Criterion) -> set[str]:
        """Return every reason for which some part of a criterion is refused."""
        reasons = set()
        parts: list[Criterion] = [criterion]
        while parts:
            part = parts.pop()
            below = children(part)
            parts += below
            if not below:
                try:
                    self.evaluate(part)
                except RefusalError as refused:
                    reasons.add(refused.reason)
        return reasons

    # ------------------------------------------------------------------------------------ logic

    def _and(self, criterion: And) -> Truth:
        parts = [self.evaluate(part) for part in criterion.of]
        true = frozenset.intersection(*(part.true for part in parts))
        possible = frozenset.intersection(*(part.true | part.unknown for part in parts))
        return Truth(true, possible - true)

    def _or(self, criterion: Or) -> Truth:
        parts = [self.evaluate(part) for part in criterion.of]
        true = frozenset().union(*(part.true for part in parts))
        return Truth(true, frozenset().union(*(part.unknown for part in parts)) - true)

    def _not(self, criterion: Not) -> Truth:
        truth = self.evaluate(criterion.of)
        return Truth(self.universe - truth.true - truth.unknown, truth.unknown)

    # ----------------------------------------------------------------------------------- events

    def _event(self, criterion: Event) -> Truth:
        return self._at_least(AtLeast(1, criterion))

    def _at_least(self, criterion: AtLeast) -> Truth:
        rows = self._found(criterion.event)
        true, possible = set(), set()
        for person in rows.meet.keys() | rows.may.keys():
            certain = rows.meet.get(person, ())
            either = (*certain, *rows.may.get(person, ()))
            if _size(certain, criterion.days) >= criterion.n:
                true.add(person)
            elif _size(either, criterion.days) >= criterion.n:
                possible.add(person)
        return Truth(frozenset(true), frozenset(possible))

    def _within_days(self, criterion: WithinDays) -> Truth:
        first, second = self._found(criterion.first), self._found(criterion.second)
        true, possible = set(), set()
        for person in self.universe:
            certain = _days(first.meet, person), _days(second.meet, person)
            may = _days(first.may, person), _days(second.may, person)
            if _apart(certain[0], certain[1], criterion.days):
                true.add(person)
            elif _apart(certain[0] | may[0], certain[1] | may[1], criterion.days):
                possible.add(person)
        return Truth(frozenset(true), frozenset(possible))

    def _found(self, event: Events) -> Found:
        """Return the rows of an event; the last ones are remembered, being asked for twice."""
        assert isinstance(event, Event), "events together have an oracle of their own"
        if event not in self._rows:
            if len(self._rows) == _REMEMBERED:
                self._rows.clear()
            self._rows[event] = found(self.records, event)
        return self._rows[event]

    def _observed(self, criterion: Observed) -> Truth:
        since = criterion.since or criterion.until
        until = criterion.until or criterion.since
        true = set()
        for person, periods in self.records.periods.items():
            for first, last in periods:
                if since is None or until is None or (first <= since and last >= until):
                    true.add(person)
        return Truth(frozenset(true))

    # ----------------------------------------------------------------------------- demographics

    def _of_person_rows(self, ask: Callable[[PersonRow], bool | None]) -> Truth:
        true, unknown = set(), set()
        for person in self.universe:
            row = self.records.persons.get(person)
            answer = None if row is None else ask(row)
            if answer is None:
                unknown.add(person)
            elif answer:
                true.add(person)
        return Truth(frozenset(true), frozenset(unknown))

    def _demographic(self, criterion: Demographic) -> Truth:
        def ask(row: PersonRow) -> bool | None:
            concept: int = getattr(row, criterion.what)
            return None if concept == 0 else concept in criterion.concepts

        return self._of_person_rows(ask)

    def _born(self, criterion: Born) -> Truth:
        return self._of_person_rows(
            lambda row: None if row.year is None else inside(row.year, criterion.years)
        )

    def _aged(self, criterion: Age) -> Truth:
        def ask(row: PersonRow) -> bool | None:
            assert criterion.at is not None, "what is asked of an index has an oracle of its own"
            years = age_on(row, criterion.at, exact=criterion.exact)
            return None if years is None else inside(years, criterion.years)

        return self._of_person_rows(ask)

    # -------------------------------------------------------------------------------- genotypes

    def _states(self, variant: Variant | str) -> dict[Person, str]:
        assert isinstance(variant, Variant), "ids are resolved before"
        found = dict.fromkeys(self.universe, STATES[NOT_ASSAYED])
        if self.genotypes:
            own = shortest(variant.pos, variant.ref, variant.alt)
            codes, _ = self.genotypes.states((variant.chrom, *own))
            found |= {
                person: STATES[code]
                for person, code in zip(self.genotypes.persons, codes, strict=True)
            }
        return found

    def _carries(self, criterion: Carries) -> Truth:
        states = self._states(criterion.variant)
        return _split(states, true=("1", "2"), unknown=("missing", "not_assayed"))

    def _genotype(self, criterion: Genotype) -> Truth:
        states = self._states(criterion.variant)
        single = [
            _split(
                states,
                true=(asked,),
                unknown=() if asked in ("missing", "not_assayed") else ("missing", "not_assayed"),
            )
            for asked in criterion.states
        ]
        true = frozenset().union(*(truth.true for truth in single))
        return Truth(true, frozenset().union(*(truth.unknown for truth in single)) - true)

    def _assayed(self, criterion: Assayed) -> Truth:
        return _split(self._states(criterion.variant), true=("0", "1", "2", "missing"), unknown=())

    def _carries_in(self, criterion: CarriesIn) -> Truth:
        of = criterion.maf.within if criterion.maf else None
        within = None if of is None else self.evaluate(of)
        listed = self.alleles_in(criterion.region)
        if self.genotypes is None or not listed:
            return Truth(frozenset(), self.universe)
        among = None if within is None else [p in within.true for p in self.genotypes.persons]
        taken = [a for a in listed if criterion.maf is None or self._has(a, criterion.maf, among)]
        persons = self.genotypes.persons
        truths = [_FALSE] * len(persons)
        for allele in taken:
            codes, _ = self.genotypes.states(allele)
            truths = list(map(max, truths, codes.translate(_OF_CARRYING)))
        found = list(zip(persons, truths, strict=True))
        true = frozenset(person for person, truth in found if truth == _TRUE)
        unknown = frozenset(person for person, truth in found if truth == _UNKNOWN)
        return Truth(true, unknown | (self.universe - self.genotyped))

    def alleles_in(self, region: Region) -> list[Allele]:
        """Return the alleles that some file lists in a region."""
        return [
            allele
            for allele in (self.genotypes.alleles if self.genotypes else ())
            if allele[0] == region.chrom and region.start <= allele[1] <= region.end
        ]

    def _has(self, allele: Allele, maf: Maf, among: Sequence[bool] | None) -> bool:
        assert self.genotypes is not None
        ac, an = self.genotypes.counts(allele, among)
        return an > 0 and inside(min(ac, an - ac) / an, maf.frequencies)

    # -------------------------------------------------------------------------------------- who

    def _everyone(self, criterion: Everyone) -> Truth:
        of = {
            "everyone": self.universe,
            "recorded": frozenset(self.records.recorded),
            "genotyped": self.genotyped,
        }
        return Truth(of[criterion.what])

    def _at_site(self, criterion: AtSite) -> Truth:
        if not set(criterion.sites) <= self.sites:
            raise RefusalError("site")
        return Truth(frozenset(p for p in self.universe if p[0] in criterion.sites))

    def _persons(self, criterion: Persons) -> Truth:
        named = set()
        for text in criterion.persons:
            site, _, number = text.rpartition(":")
            named.add((site or self._site_of_bare(int(number)), int(number)))
        if not named <= self.universe:
            raise RefusalError("person")
        return Truth(frozenset(named))

    def _site_of_bare(self, number: int) -> str:
        others = [site for site, person in self.universe if person == number]
        if (self.own, number) in self.universe:
            return self.own
        if len(others) > 1:
            raise RefusalError("several sites")
        return others[0] if others else self.own

    def _saved(self, criterion: Saved) -> Truth:
        if criterion.name not in self.saved:
            raise RefusalError("saved")
        universe, truth = self.saved[criterion.name]
        return Truth(
            truth.true & self.universe, (truth.unknown & self.universe) | (self.universe - universe)
        )

    _answers: ClassVar[Mapping[type[Criterion], Callable[[Oracle, Any], Truth]]] = {
        And: _and,
        Or: _or,
        Not: _not,
        Event: _event,
        AtLeast: _at_least,
        WithinDays: _within_days,
        Observed: _observed,
        Demographic: _demographic,
        Born: _born,
        Age: _aged,
        Carries: _carries,
        Genotype: _genotype,
        Assayed: _assayed,
        CarriesIn: _carries_in,
        Everyone: _everyone,
        AtSite: _at_site,
        Persons: _persons,
        Saved: _saved,
    }


def children(criterion: Criterion) -> list[Criterion]:
    """Return the criteria that a criterion is made of."""
    match criterion:
        case And() | Or():
            return list(criterion.of)
        case Not():
            return [criterion.of]
        case AtLeast():
            return [criterion.event]
        case WithinDays():
            return [criterion.first, criterion.second]
        case CarriesIn(maf=Maf(within=Criterion() as within)):
            return [within]
    return []


def _size(rows: Sequence[EventRow], days: bool) -> int:
    return len({row.day for row in rows}) if days else len(rows)


def _days(rows: Mapping[Person, Sequence[EventRow]], person: Person) -> set[date]:
    return {row.day for row in rows.get(person, ())}


def _apart(first: set[date], second: set[date], days: Interval) -> bool:
    return any(inside((b - a).days, days) for a in first for b in second)


def _split(states: Mapping[Person, str], *, true: Sequence[str], unknown: Sequence[str]) -> Truth:
    return Truth(
        frozenset(person for person, state in states.items() if state in true),
        frozenset(person for person, state in states.items() if state in unknown),
    )
