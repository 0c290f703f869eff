"""Random criteria over a network's own concepts, days, values, alleles and persons; seeded.

What is drawn occurs in the inputs, so that answers are neither empty nor everybody; a little of
it does not, so that absence and refusals are met too.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any, Final

from precisionchain.query import expressions as of
from precisionchain.query.criteria import STATES, Criterion, Event, Interval, Maf
from precisionchain.schemas.variant import Region, Variant
from tests.lib.cohort_oracle import Oracle
from tests.lib.cohort_oracle_genotypes import Allele
from tests.lib.cohort_oracle_records import EVENTS, EventRow

_FUNCTIONS: Final = {
    "condition": 6,
    "drug": 4,
    "measurement": 5,
    "observation": 2,
    "procedure": 3,
    "visit": 2,
    "death": 1,
    "event": 1,
    "condition_era": 1,
    "drug_era": 1,
    "dose_era": 0.3,
    "device": 0.3,
    "visit_detail": 0.3,
    "specimen": 0.3,
    "episode": 0.3,
}
_RANGES: Final = ((0, 0.01), (0, 0.05), (0.01, 0.05), (0.05, 0.2), (0.05, 0.5), (0, 0.5), (0, 0))
_BASES: Final = "ACGT"
_REGION_ALLELES: Final = 120
_SHARED: Final = 600
"""How many leaves are shared by criteria."""
_RARELY: Final = 0.004
"""How often a part is drawn that must be refused."""


class Expressions:
    """Draws criteria for an oracle's network.

    Args:
        oracle: whose inputs are drawn from.
        seed: the same seed draws the same criteria.
        saved: names of saved cohorts.
    """

    def __init__(self, oracle: Oracle, seed: int, saved: Sequence[str] = ()) -> None:
        self._oracle, self._seed, self._saved = oracle, seed, tuple(saved)
        self._random = random.Random(seed)
        self._universe = sorted(oracle.universe)
        self._alleles = oracle.genotypes.alleles if oracle.genotypes else []
        records = oracle.records
        self._rows: dict[str, list[EventRow]] = {
            table: [row for rows in by_concept.values() for row in rows]
            for table, by_concept in records.events.items()
        }
        self._concepts = {name: self._concepts_of(name) for name in _FUNCTIONS}
        self._every_concept = sorted(records.known)
        years = [row.year for row in records.persons.values() if row.year is not None]
        self._born = (min(years), max(years))

    def __call__(self, number: int) -> Criterion:
        """Return the criterion of a number: a tree of one to five levels."""
        self._random = random.Random(f"{self._seed}/{number}")
        return self._tree(self._random.choice((1, 2, 2, 3, 3, 4, 5)))

    def _tree(self, levels: int) -> Criterion:
        if levels == 1:
            return self._leaf()
        below = self._tree(levels - 1)
        if self._random.random() < 0.2:
            return ~below
        parts = [below, self._tree(self._random.randint(1, levels - 1))]
        if self._random.random() < 0.15:
            parts.append(self._leaf())
        self._random.shuffle(parts)
        return of.all_of(*parts) if self._random.random() < 0.5 else of.any_of(*parts)

    def _leaf(self) -> Criterion:
        """Return a new leaf, or one of those that many criteria share: the oracle is slow."""
        if self._chance(0.4):
            return self._new_leaf()
        own = self._random
        self._random = random.Random(f"{self._seed}/shared/{own.randrange(_SHARED)}")
        leaf = self._new_leaf()
        self._random = own
        return leaf

    def _new_leaf(self) -> Criterion:
        kinds: dict[Callable[[], Criterion], float] = {
            self._event: 8,
            self._at_least: 3,
            self._within_days: 2,
            self._observed: 2,
            self._of_person: 5,
            self._who: 2,
        }
        if self._alleles:
            kinds |= {self._at_variant: 7, self._in_region: 5}
        kind: Callable[[], Criterion] = self._random.choices([*kinds], [*kinds.values()])[0]
        leaf = kind()
        return ~leaf if self._random.random() < 0.25 else leaf

    # ----------------------------------------------------------------------------------- events

    def _event(self, *, narrow: bool = False) -> Event:
        names = [name for name in _FUNCTIONS if self._concepts[name]] if narrow else [*_FUNCTIONS]
        name = self._random.choices(names, [_FUNCTIONS[each] for each in names])[0]
        concepts = self._some_concepts(name) if narrow or self._chance(0.95) else None
        if self._chance(_RARELY):
            concepts = [*(concepts or ()), 1_999_999_999]
        given: dict[str, Any] = {**self._window(0.25), **self._value(name, concepts)}
        if concepts and self._chance(0.15):
            below = sorted(self._oracle.records.below.get(concepts[0], set()))
            given["exclude"] = self._random.choice(below or self._every_concept)
        if concepts and self._chance(0.15):
            given["descendants"] = False
        if self._chance(0.2):
            given |= {"age": self._interval(0, 90), "exact_age": self._chance(0.4)}
        if self._chance(0.2):
            given["first"] = True
        made: Event = getattr(of, name)(concepts, **given)
        return made

    def _some_concepts(self, name: str) -> list[int]:
        known = self._concepts[name] if self._chance(0.97) else self._every_concept
        number = self._random.choice((1, 1, 1, 2, 4))
        return [self._random.choice(known or self._every_concept) for _ in range(number)]

    def _concepts_of(self, name: str) -> list[int]:
        """Return concepts of a function's rows, and of what is above them, the frequent oftener."""
        tables = EVENTS if name == "event" else [of.EVENT_TABLES[name]]
        own = [row.concept for table in tables for row in self._rows[table]]
        if not own:
            return []
        sample = [self._random.choice(own) for _ in range(200)]
        used = sorted(set(own))
        above = sorted(
            concept for concept, under in self._oracle.records.below.items() if under & set(used)
        )
        return sample + used + [self._random.choice(above) for _ in range(200 if above else 0)]

    def _value(self, name: str, concepts: list[int] | None) -> dict[str, Any]:
        valued = {"measurement": 0.7, "observation": 0.7, "event": 0.03}
        if not self._chance(valued.get(name, 0)):
            return {}
        numbered = [row for row in self._rows["measurement"] if row.value is not None]
        near = [row for row in numbered if row.concept in (concepts or ())] or numbered
        if not near:
            return {"value__gt": 1}
        row = self._random.choice(near)
        number = float(row.value or 0) + self._random.choice((0, 0, 0, -1, 0.5, 3))
        given: dict[str, Any] = {f"value__{self._random.choice(('gt', 'ge', 'lt', 'le'))}": number}
        if self._chance(0.1):
            given = {"value__eq": number}
        elif self._chance(0.3):
            given |= {f"value__{self._random.choice(('gt', 'ge', 'lt', 'le'))}": number + 2}
        if self._chance(0.85):
            other = self._random.choice(near).unit
            given["unit"] = [row.unit, other] if self._chance(0.3) else row.unit
        return given

    def _at_least(self) -> Criterion:
        number = self._random.choice((1, 2, 2, 3, 5, 10))
        return of.at_least(number, self._event(narrow=True), days=self._chance(0.4))

    def _within_days(self) -> Criterion:
        first = self._event(narrow=True)
        second = first if self._chance(0.1) else self._event(narrow=True)
        span = self._random.choice((0, 1, 7, 30, 365, 3650))
        if self._chance(0.4):
            return of.within_days(first, second, span)
        low, high = self._random.randint(-span, span), span + self._random.randint(0, 1000)
        bounds = self._random.choice(((low, high), (low, None), (None, low), (-high, low)))
        return of.within_days(first, second, bounds)

    def _observed(self) -> Criterion:
        days = self._window(0.6)
        return of.observed(since=days.get("since"), until=days.get("until"))

    def _window(self, often: float) -> dict[str, date]:
        days = sorted(self._day() for _ in range(2))
        named = zip(("since", "until"), days, strict=True)
        return {name: day for name, day in named if self._chance(often)}

    def _day(self) -> date:
        rows = self._random.choice([rows for rows in self._rows.values() if rows])
        return self._random.choice(rows).day + timedelta(self._random.choice((0, 0, 0, -1, 400)))

    # --------------------------------------------------------------------------- persons, states

    def _of_person(self) -> Criterion:
        row = self._random.choice(sorted(self._oracle.records.persons.items()))[1]
        low, high = self._born
        kinds: dict[str, Callable[[], Criterion]] = {
            "sex": lambda: of.sex(self._random.choice(("male", "female"))),
            "race": lambda: of.race(row.race, *self._random.sample((8515, 8516, 8527), 2)),
            "ethnicity": lambda: of.ethnicity(row.ethnicity or 38003563),
            "born": lambda: of.born(self._interval(low, high)),
            "age": lambda: of.age(self._interval(0, 100), at=self._day(), exact=self._chance(0.5)),
        }
        return kinds[self._random.choice(list(kinds))]()

    def _who(self) -> Criterion:
        if self._saved and self._chance(0.4):
            return of.saved(self._random.choice(self._saved))
        if self._chance(0.4):
            return self._random.choice((of.everyone, of.recorded, of.genotyped))()
        if self._chance(0.3):
            sites = sorted(self._oracle.sites)
            unknown = ["nowhere"] if self._chance(_RARELY) else []
            return of.at_site(*self._random.choices(sites, k=2), *unknown)
        some = self._random.sample(self._universe, min(40, len(self._universe) // 3))
        named = [f"{site}:{number}" for site, number in some]
        return of.persons(*named, *(["A:987654321"] if self._chance(_RARELY) else []))

    def _at_variant(self) -> Criterion:
        variant = self._variant()
        if self._chance(0.5):
            return of.carries(variant)
        if self._chance(0.25):
            return of.assayed(variant)
        return of.genotype(variant, *self._random.sample(STATES, self._random.choice((1, 1, 2, 3))))

    def _in_region(self) -> Criterion:
        region = self._region()
        return of.carries(region, self._maf(region) if self._chance(0.6) else None)

    def _variant(self) -> Variant:
        chrom, pos, ref, alt = self._allele()
        kind = self._random.random()
        if kind < 0.08:  # an allele nobody lists, where others are listed
            alt = self._random.choice([base for base in _BASES if base not in (ref, alt)])
        elif kind < 0.16:  # a position nobody lists, or only some
            pos += self._random.choice((1, 7, 5_000_000))
        elif kind < 0.24 and {*ref, *alt} <= set(_BASES):  # the same allele, spelled longer
            ref, alt = ref + "T", alt + "T"
        return Variant(chrom, pos, ref, alt)

    def _allele(self) -> Allele:
        """Return any allele, or the most frequent of some."""
        some = [self._random.choice(self._alleles) for _ in range(self._random.choice((1, 5)))]
        assert self._oracle.genotypes is not None
        return max(some, key=self._oracle.genotypes.counts)

    def _region(self) -> Region:
        chrom, pos, _, _ = self._allele()
        if self._chance(0.06):
            return Region(chrom, pos + 2_000_000, pos + 2_000_100)
        width = self._random.choice((0, 100, 1_000, 3_000, 10_000, 100_000))
        start = max(1, pos - self._random.randint(0, width))
        inside = sorted(
            at for c, at, _, _ in self._alleles if c == chrom and start <= at <= start + width
        )
        # Many alleles at once make every person a carrier.
        return Region(chrom, start, ([start + width, *inside[_REGION_ALLELES:]])[-1])

    def _maf(self, region: Region) -> Maf:
        """Return a usual range of frequencies, or one that ends at an allele's own."""
        within = self._tree(self._random.choice((1, 1, 2))) if self._chance(0.35) else "network"
        inside = self._oracle.alleles_in(region)
        if not inside or self._chance(0.6):
            return of.maf(self._random.choice(_RANGES), within)
        assert self._oracle.genotypes is not None
        ac, an = self._oracle.genotypes.counts(self._random.choice(inside))
        own = min(ac, an - ac) / an if an else 0.0
        return of.maf(self._random.choice(((own, own), (0, own), (own, 0.5))), within)

    def _interval(self, low: int, high: int) -> Interval:
        first, last = sorted(self._random.randint(low, high) for _ in range(2))
        return self._random.choice(
            (Interval(first, last), Interval(first, None), Interval(None, last))
        )

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability
