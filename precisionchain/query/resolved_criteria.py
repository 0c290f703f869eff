"""A criterion with the variants that its ids stand for, in one generation.

What a user wrote stands in the access log's request, which is written before anything is read. What
was asked by it, the criterion of the cohort, names the variants themselves, so that it means the
same wherever and whenever it is asked again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from precisionchain.query.criteria import (
    And,
    Assayed,
    AtLeast,
    Carries,
    CarriesIn,
    Criterion,
    Either,
    Event,
    Genotype,
    Index,
    Not,
    Or,
    SomeOf,
    WithinDays,
)
from precisionchain.query.evaluate import inside_out
from precisionchain.replica.catalogue import Snapshot

_NAMED: Final = ("event", "first", "second", "where", "censor")
"""What criteria of events have other criteria in."""


def resolved(snapshot: Snapshot, criterion: Criterion) -> Criterion:
    """Return a criterion with a variant in place of each id; itself where it has none.

    Raises:
        UsageError: an id that no variant has, or several, which are named.
    """
    found: dict[Criterion, Criterion] = {}
    for one in inside_out(criterion):
        if one not in found:
            found[one] = _with(snapshot, one, found)
    return found[criterion]


def _with(snapshot: Snapshot, one: Criterion, found: dict[Criterion, Criterion]) -> Criterion:
    """Return a criterion of which the parts have been found."""
    match one:
        case Genotype() | Carries() | Assayed() if isinstance(one.variant, str):
            from precisionchain.query.variant_ids import variant_meant

            return replace(one, variant=variant_meant(snapshot, one.variant))
        case And() | Or() | SomeOf() | Either():
            of: tuple[Any, ...] = tuple(found[part] for part in one.of)
            return one if of == one.of else replace(one, of=of)
        case Not():
            return one if found[one.of] == one.of else replace(one, of=found[one.of])
        case CarriesIn(maf=maf) if maf is not None and maf.within is not None:
            within = found[maf.within]
            return one if within == maf.within else replace(one, maf=replace(maf, within=within))
        case Event() | AtLeast() | WithinDays() | Index():
            named = {name: getattr(one, name) for name in _NAMED if hasattr(one, name)}
            asked = {name: part for name, part in named.items() if isinstance(part, Criterion)}
            new: dict[str, Any] = {name: found[part] for name, part in asked.items()}
            return one if new == asked else replace(one, **new)
        case _:
            return one
