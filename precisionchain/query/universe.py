"""The universe of a generation: every person of whom a sealed batch holds something, by place.

Criteria are evaluated as arrays over the universe; a person's place in them is found here.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.access.digest import frame_digest
from precisionchain.query.frames import index_frame
from precisionchain.query.persons import with_genotypes
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.kept import Kept
from precisionchain.schemas.distinct import distinct
from precisionchain.schemas.streams import MAP_PERSON

Bools = npt.NDArray[np.bool_]
Ids = npt.NDArray[np.int64]
Places = npt.NDArray[np.int32]

PERSONS: Final = {"site": pl.String, "person_id": pl.Int64}
"""Columns of a frame of persons."""

_BYTES_A_PERSON: Final = 64
_APART, _MOST_IDS = 64, 2**24  # what is looked up by its id: so many for a person, and in all
_FEW: Final = 1_000
_universes: Final = Kept["Universe"](
    192 * 2**20,
    lambda found: _BYTES_A_PERSON * len(found) + 4 * min(_APART * len(found), _MOST_IDS),
)


@dataclass(frozen=True, eq=False)
class Universe:
    """Persons in the order of site and person_id; a person's place counts from 0.

    Attributes:
        ids: person ids by site, distinct and ascending; sites in order.
        recorded: bool [persons]: a CDM table has a row of the person.
        genotyped: bool [persons]: a batch holds genotypes of the person.
        key: what tells it from universes of other generations.
    """

    ids: Mapping[str, Ids]
    recorded: Bools
    genotyped: Bools
    key: Hashable = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.recorded)

    @cached_property
    def first_places(self) -> Mapping[str, int]:
        """The place of each site's first person."""
        sizes = [len(ids) for ids in self.ids.values()]
        starts = np.cumsum([0, *sizes[:-1]]).tolist() if sizes else []
        return dict(zip(self.ids, starts, strict=True))

    @cached_property
    def frame(self) -> pl.DataFrame:
        """The persons as a frame (`PERSONS`), in order."""
        return persons_frame(self.ids)

    @cached_property
    def digest(self) -> str:
        """The digest of the frame."""
        return frame_digest(self.frame)

    def places(self, site: str, person_ids: Ids) -> Places:
        """Return the places of some persons of a site, -1 of persons who are not there."""
        ids = self.ids.get(site)
        if ids is None or not len(ids):
            return np.full(len(person_ids), -1, np.int32)
        dense = self._dense.get(site) if len(person_ids) > _FEW else None
        if dense is not None:  # a tenth of the time of searching, for ids in no order
            offset = person_ids - ids[0]
            inside = (person_ids >= ids[0]) & (person_ids <= ids[-1])
            return np.where(inside, dense[np.where(inside, offset, 0)], -1).astype(np.int32)
        at = np.minimum(np.searchsorted(ids, person_ids), len(ids) - 1)
        return np.where(ids[at] == person_ids, at + self.first_places[site], -1).astype(np.int32)

    @cached_property
    def _dense(self) -> Mapping[str, Places]:
        """The place of each id from a site's first to its last, -1 of nobody's.

        Of sites whose ids lie close together: most count from some number on.
        """
        found, left = {}, _MOST_IDS
        for site, ids in self.ids.items():
            span = int(ids[-1]) - int(ids[0]) + 1 if len(ids) else 0
            if span <= min(_APART * len(ids), left):
                found[site] = np.full(span, -1, np.int32)
                places = np.arange(len(ids), dtype=np.int32) + self.first_places[site]
                found[site][ids - ids[:1]] = places
                left -= span
        return found

    def sites_of(self, person_id: int) -> list[str]:
        """Return the sites that have a person of this id, in order."""
        wanted = np.array([person_id])
        return [site for site in self.ids if self.places(site, wanted)[0] >= 0]

    def places_of(self, rows: pl.DataFrame) -> Places:
        """Return the place of each row's person (``site``, ``person_id``), -1 for none."""
        found = np.full(rows.height, -1, np.int32)
        person_ids = rows["person_id"].to_numpy()
        sites = rows["site"]
        names = sites.unique().to_list()
        for name in names:
            of_site = slice(None) if len(names) == 1 else (sites == name).to_numpy()
            found[of_site] = self.places(name, person_ids[of_site])
        return found

    def some(self, chosen: Bools) -> pl.DataFrame:
        """Return the persons of some places as a frame, in order."""
        if not chosen.any():
            return self.frame.clear()  # as of whom most criteria are unknown
        # Column by column: a frame's own filter is a query of two columns, for threads to share.
        places = pl.Series(chosen)
        return pl.DataFrame([column.filter(places) for column in self.frame.iter_columns()])

    def by_site(self, chosen: Bools | None = None) -> dict[str, Ids]:
        """Return the person ids, of some places or of all, by site."""
        if chosen is None:
            return dict(self.ids)
        return {
            site: ids[chosen[first : first + len(ids)]]
            for (site, ids), first in zip(self.ids.items(), self.first_places.values(), strict=True)
        }


def universe_of(snapshot: Snapshot) -> Universe:
    """Return the universe of a generation, kept once made."""
    key = (snapshot.root, snapshot.catalogue.state)
    return _universes.get(key, lambda: _universe(snapshot, key))


def universe_from(frame: pl.DataFrame) -> Universe:
    """Return the universe of a frame of persons, of whom nothing is known but that they are."""
    ids = {
        str(site): distinct(rows["person_id"].to_numpy())
        for (site,), rows in sorted(frame.group_by("site"))
    }
    none = np.zeros(sum(map(len, ids.values())), np.bool_)
    return Universe(ids, none, none)


def persons_frame(ids: Mapping[str, Ids]) -> pl.DataFrame:
    """Return persons by site as a frame."""
    parts = [
        pl.DataFrame({"person_id": of_site}, schema={"person_id": pl.Int64}).select(
            pl.lit(site, pl.String).alias("site"), "person_id"
        )
        for site, of_site in ids.items()
    ]
    return pl.concat([pl.DataFrame(schema=PERSONS), *parts])


def _universe(snapshot: Snapshot, key: Hashable) -> Universe:
    recorded = _recorded(snapshot)
    genotyped = with_genotypes(snapshot)
    none = np.empty(0, np.int64)
    ids = {
        site: distinct(np.concatenate([recorded.get(site, none), genotyped.get(site, none)]))
        for site in sorted({*recorded, *genotyped})
    }
    masks = [
        np.concatenate(
            [np.zeros(0, np.bool_), *(np.isin(ids[site], of.get(site, none)) for site in ids)]
        )
        for of in (recorded, genotyped)
    ]
    return Universe(ids, masks[0], masks[1], key)


def _recorded(snapshot: Snapshot) -> dict[str, Ids]:
    """Return the persons with a clinical row, by site, ascending."""
    mapped = index_frame(snapshot, f"{MAP_PERSON}/map-person")
    if mapped is None:
        return {}
    return {
        str(site): distinct(rows["person_id"].to_numpy())
        for (site,), rows in mapped.select(pl.col("site").cast(pl.String), "person_id").group_by(
            "site"
        )
    }
