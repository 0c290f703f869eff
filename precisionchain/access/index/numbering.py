"""Persons and alleles by number: 0, 1, ... in the order in which the log first shows them.

Numbers are dense, so a set of persons is runs of numbers however their ids are spread. They belong
to one index and mean nothing outside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from precisionchain.access.index.runs import Ints
from precisionchain.access.postings import ALLELE_SCHEMA, Persons

PERSON_SCHEMA: Final = {"site": pl.String, "person_id": pl.Int64}
_RECENT: Final = 4096
"""New persons of a site that are kept apart before they are merged into the sorted ones."""
_NOBODY: Final = np.empty(0, np.int64)


@dataclass(slots=True)
class SitePersons:
    """The persons of a site by number. ``ids[order]`` ascends."""

    code: int
    ids: Ints
    order: Ints = field(default_factory=lambda: _NOBODY)
    sorted_ids: Ints = field(default_factory=lambda: _NOBODY)
    recent: dict[int, int] = field(default_factory=dict)
    new: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.order = np.argsort(self.ids, kind="stable")
        self.sorted_ids = self.ids[self.order]

    def __len__(self) -> int:
        return self.ids.size + len(self.recent)

    def find(self, person_ids: Ints) -> Ints:
        """Return the numbers of persons, -1 of those who have none."""
        if not self.ids.size:
            found = np.full(person_ids.size, -1)
        else:
            at = np.minimum(np.searchsorted(self.sorted_ids, person_ids), self.ids.size - 1)
            found = np.where(self.sorted_ids[at] == person_ids, self.order[at], -1)
        if self.recent:
            for place in np.flatnonzero(found < 0):
                found[place] = self.recent.get(int(person_ids[place]), -1)
        return found

    def take(self, person_ids: Ints) -> Ints:
        """Return the numbers of distinct persons; who has none gets the next."""
        found = self.find(person_ids)
        missing = np.flatnonzero(found < 0)
        if not missing.size:
            return found
        found[missing] = np.arange(len(self), len(self) + missing.size)
        fresh = person_ids[missing]
        if len(self.recent) + fresh.size > _RECENT:
            kept = np.fromiter(self.recent, np.int64, len(self.recent))
            self.ids = np.concatenate((self.ids, kept, fresh))
            self.recent.clear()
            self.__post_init__()
        else:
            self.recent.update(zip(fresh.tolist(), found[missing].tolist(), strict=True))
        self.new.extend(fresh.tolist())
        return found


class PersonNumbers:
    """The persons of all sites by number; sites have codes, in order of appearance."""

    def __init__(self, known: pl.DataFrame | None = None) -> None:
        self.sites: dict[str, SitePersons] = {}
        if known is not None:
            for (site,), rows in known.group_by("site", maintain_order=True):
                self._add(str(site), rows["person_id"].to_numpy())

    def _add(self, site: str, ids: Ints) -> SitePersons:
        self.sites[site] = SitePersons(len(self.sites), ids)
        return self.sites[site]

    def take(self, persons: Persons) -> Mapping[int, Ints]:
        """Return the ascending numbers of persons by their site's code."""
        numbers = {}
        for site, ids in persons.items():
            of_site = self.sites.get(site) or self._add(site, _NOBODY)
            found = of_site.take(ids)
            ascending = bool((found[1:] > found[:-1]).all())
            numbers[of_site.code] = found if ascending else np.sort(found)
        return numbers

    def new(self) -> pl.DataFrame:
        """Return who got a number since this was last asked, in the order of sites and numbers."""
        parts = []
        for site, of_site in self.sites.items():
            ids = pl.Series("person_id", of_site.new, pl.Int64)
            parts.append(pl.DataFrame(ids).select(pl.lit(site).alias("site"), "person_id"))
            of_site.new = []
        return pl.concat([pl.DataFrame(schema=PERSON_SCHEMA), *parts])


class AlleleNumbers:
    """Alleles by number, many at a time."""

    def __init__(self, known: pl.DataFrame | None = None) -> None:
        self.known = pl.DataFrame(schema=ALLELE_SCHEMA) if known is None else known
        self._told = self.known.height

    def take(self, alleles: pl.DataFrame) -> NDArray[np.int64]:
        """Return the number of each row's allele; what has none gets the next."""
        names = list(ALLELE_SCHEMA)
        if not alleles.height:
            return _NOBODY
        wanted = alleles.select(names)
        near = self.known.with_row_index("number").filter(
            pl.col("pos").is_between(wanted["pos"].min(), wanted["pos"].max())
        )
        fresh = wanted.unique(maintain_order=True).join(near, on=names, how="anti")
        numbered = fresh.with_row_index("number", offset=self.known.height)
        self.known = pl.concat([self.known, fresh])
        both = pl.concat([near, numbered.select(near.columns)])
        found = wanted.join(both, on=names, how="left", maintain_order="left")
        return found["number"].cast(pl.Int64).to_numpy()

    def new(self) -> pl.DataFrame:
        """Return the alleles that got a number since this was last asked, in order."""
        told, self._told = self._told, self.known.height
        return self.known.slice(told)
