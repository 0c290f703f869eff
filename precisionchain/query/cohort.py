"""A cohort: the persons of whom a criterion is true, of how many it is unknown, and as of when."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from precisionchain.access.digest import frame_digest, value_digest
from precisionchain.errors import UsageError
from precisionchain.query.criteria import Criterion
from precisionchain.query.kleene import Truth
from precisionchain.query.universe import Ids, Universe, universe_from, universe_of
from precisionchain.replica.catalogue import Snapshot


@dataclass(frozen=True, eq=False)
class Cohort:
    """The persons of whom a criterion is true, at a position of the ledger.

    ``a & b``, ``a | b``, ``a - b`` and ``~a`` combine cohorts of one network, without asking again,
    by Kleene's logic over the union of their universes; a cohort says nothing of persons outside of
    its own. ``a == b`` compares digests.

    Attributes:
        criterion: what was asked.
        network: the network's id, in hex.
        positions: the ledger positions it is as of: one, or where cohorts of several were combined
            all of them, ascending.
        everyone: the universe.
        truth: what the criterion is of each person of it.
        index_dates: when members were at its index: site, person_id, index_date, end_date, sorted;
            None where the criterion has no index.
    """

    criterion: Criterion
    network: str
    positions: tuple[int, ...]
    everyone: Universe
    truth: Truth
    index_dates: pl.DataFrame | None = None

    def __len__(self) -> int:
        return int(self.truth.true.sum())

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cohort) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return (
            f"<Cohort of {len(self)} persons of {self.universe}, {self.n_unknown} unknown, "
            f"at position {self.position}>"
        )

    @property
    def position(self) -> int:
        """The ledger position it is as of; of a combination the oldest."""
        return self.positions[0]

    @property
    def universe(self) -> int:
        """How many persons it was asked of."""
        return len(self.everyone)

    @property
    def n_unknown(self) -> int:
        """Of how many the criterion is unknown."""
        return int(self.truth.unknown.sum())

    @cached_property
    def persons(self) -> pl.DataFrame:
        """The members: ``site`` and ``person_id``, sorted."""
        return self.everyone.some(self.truth.true)

    @cached_property
    def unknown(self) -> pl.DataFrame:
        """The persons of whom the criterion is unknown, in the same form."""
        return self.everyone.some(self.truth.unknown)

    @cached_property
    def digest(self) -> str:
        """SHA-256 in hex over criterion, network, positions, universe, members, unknowns, dates."""
        dated = {} if self.index_dates is None else {"index": frame_digest(self.index_dates)}
        return value_digest(
            {
                **dated,
                "criterion": self.criterion.json,
                "network": self.network,
                "positions": list(self.positions),
                "universe": self.everyone.digest,
                "members": frame_digest(self.persons),
                "unknown": frame_digest(self.unknown),
            }
        )

    def members_by_site(self) -> dict[str, Ids]:
        """Return the members' ids by site."""
        return self.everyone.by_site(self.truth.true)

    def is_as_of(self, snapshot: Snapshot) -> bool:
        """Return whether nothing was sealed between the cohort's positions and a generation's, and
        the universe is the same: who was withdrawn since is in none.
        """
        catalogue = snapshot.catalogue
        if catalogue.newest > self.position:
            return False
        if catalogue.next_seal is not None and catalogue.next_seal <= self.positions[-1]:
            return False
        everyone = universe_of(snapshot)
        return everyone is self.everyone or everyone.frame.equals(self.everyone.frame)

    def without(self, persons: Mapping[str, Sequence[int]]) -> Cohort:
        """Return the cohort without some persons (ids by site), itself where it has none of them.

        They are in no list and no number of it; so a cohort that was kept holds nobody who was
        withdrawn since.
        """
        stay = np.ones(len(self.everyone), np.bool_)
        for site, ids in persons.items():
            places = self.everyone.places(site, np.array(ids, np.int64))
            stay[places[places >= 0]] = False
        if stay.all():
            return self
        everyone = universe_from(self.everyone.some(stay))
        truth = Truth(self.truth.true[stay], self.truth.unknown[stay])
        dates = self.index_dates
        if dates is not None:
            dates = dates.join(everyone.frame, on=["site", "person_id"], how="semi")
        return Cohort(self.criterion, self.network, self.positions, everyone, truth, dates)

    def summary(self) -> dict[str, Any]:
        """Return what it is, without its persons, as JSON has it."""
        return {
            "criterion": self.criterion.text,
            "universe": self.universe,
            "members": len(self),
            "unknown": self.n_unknown,
            "position": self.position,
            "positions": list(self.positions) if len(self.positions) > 1 else None,
            "network": self.network,
            "digest": self.digest,
        }

    def to_json(self) -> str:
        """Return the cohort as a JSON text: its summary, its criterion, members and unknowns."""
        lists: Mapping[str, Any] = {
            name: {site: ids.tolist() for site, ids in self.everyone.by_site(chosen).items()}
            for name, chosen in (("members", self.truth.true), ("unknown", self.truth.unknown))
        }
        body = {**self.summary(), "criterion": self.criterion.json, "persons": lists}
        return json.dumps({name: value for name, value in body.items() if value is not None})

    # ------------------------------------------------------------------------------- combining

    def truth_over(self, universe: Universe) -> Truth:
        """Return what the cohort says of the persons of a universe: unknown of those it lacks."""
        if universe is self.everyone:
            return self.truth
        true = np.zeros(len(universe), np.bool_)
        unknown = np.ones(len(universe), np.bool_)
        for site, ids in universe.ids.items() if len(self.everyone) else ():
            first = universe.first_places[site]
            own = self.everyone.places(site, ids)
            here = slice(first, first + len(ids))
            true[here] = (own >= 0) & self.truth.true[own]
            unknown[here] = (own < 0) | self.truth.unknown[own]
        return Truth(true, unknown)

    def __and__(self, other: Cohort) -> Cohort:
        return self._with(other, "and")

    def __or__(self, other: Cohort) -> Cohort:
        return self._with(other, "or")

    def __sub__(self, other: Cohort) -> Cohort:
        return self & ~other

    def __invert__(self) -> Cohort:
        return Cohort(~self.criterion, self.network, self.positions, self.everyone, ~self.truth)

    def _with(self, other: Cohort, how: str) -> Cohort:
        if not isinstance(other, Cohort):
            raise UsageError(
                "a cohort is combined with a cohort", hint="ask for the criterion with net.cohort"
            )
        if other.network != self.network:
            raise UsageError("cohorts of different networks cannot be combined")
        everyone = _union(self.everyone, other.everyone)
        mine, others = self.truth_over(everyone), other.truth_over(everyone)
        together = how == "and"
        return Cohort(
            self.criterion & other.criterion if together else self.criterion | other.criterion,
            self.network,
            tuple(sorted({*self.positions, *other.positions})),
            everyone,
            mine & others if together else mine | others,
        )


def _union(some: Universe, others: Universe) -> Universe:
    if some is others or some.frame.equals(others.frame):
        return some
    return universe_from(pl.concat([some.frame, others.frame]))
