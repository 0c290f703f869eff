"""What the questions of an index showed: who holds a number, whose numbers a question holds."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from precisionchain.access.index.build import code_of
from precisionchain.access.index.held import WORD, Held, Places, Shown, shown_by
from precisionchain.access.index.runs import Ints, code_in, keys_of
from precisionchain.access.index.segment import (
    CONTRIBUTED,
    QUESTION_SCHEMA,
    RETURNED,
    VARIANTS,
    Segment,
)
from precisionchain.access.index.store import Index
from precisionchain.access.postings import ALLELE_SCHEMA
from precisionchain.replica.kept import Kept
from precisionchain.schemas.arrow_values import column_of
from precisionchain.schemas.distinct import distinct
from precisionchain.schemas.person import Person
from precisionchain.schemas.variant import Variant

_NONE: Final = np.empty(0, np.int64)
_SHORT: Final = 2**16


@dataclass(frozen=True, slots=True)
class _Names:
    """Names in the order of their UTF-8, and which is that of each rank of each site.

    ``every`` is the type of a text that is one of them all: hashing them each time takes longer
    than some searches.
    """

    names: pl.Series
    of_rank: Ints
    every: pl.DataTypeExpr


_shown: Final = Kept[Shown](512 * 2**20, lambda one: one.nbytes)
_names: Final = Kept[_Names](
    128 * 2**20, lambda one: one.of_rank.nbytes + int(one.names.estimated_size())
)


class Holdings:
    """What the questions of one state of the index showed.

    A question's ``row`` is its place in `questions`; those without an outcome come last and showed
    nobody knows what.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._segments: Sequence[Segment] = (*index.segments, index.tail)

    @cached_property
    def questions(self) -> pl.DataFrame:
        """Every question, as `QUESTION_SCHEMA` with ``row``."""
        parts = [segment.table("questions") for segment in self._segments]
        parts.append(self._index.still_open.select(list(QUESTION_SCHEMA)))
        return pl.concat(parts).with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))

    @cached_property
    def sites(self) -> tuple[str, ...]:
        """The sites of persons that were ever shown, by code."""
        return tuple(self._persons["site"].unique(maintain_order=True).to_list())

    @property
    def sealed(self) -> int:
        """How many questions this site's keys could not open."""
        return int(self.questions["sealed"].sum())

    # ------------------------------------------------------------------------- who holds a number

    def rows_with_person(self, person: Person) -> dict[int, Ints]:
        """Return the rows that returned a person, and those that rest on the person, by kind."""
        if person.site not in self.sites:
            return {RETURNED: np.empty(0, np.int64), CONTRIBUTED: np.empty(0, np.int64)}
        site = self.sites.index(person.site)
        ids = self._persons.filter(pl.col("site") == person.site)["person_id"].to_numpy()
        numbers = np.flatnonzero(ids == person.person_id)
        codes = {kind: code_of(kind, site) for kind in (RETURNED, CONTRIBUTED)}
        found = self._rows_with(list(codes.values()), numbers)
        return {kind: found[code] for kind, code in codes.items()}

    def rows_with_variant(self, spellings: Sequence[Variant]) -> Ints:
        """Return the rows that returned a variant, spelt in any of these ways."""
        named = [(one.chrom, one.pos, one.ref, one.alt) for one in spellings]
        wanted = pl.DataFrame(named, schema=ALLELE_SCHEMA, orient="row")
        near = self._alleles.with_row_index("number").filter(
            pl.col("pos").is_in(wanted["pos"].implode())
        )
        found = near.join(wanted, on=list(ALLELE_SCHEMA), how="semi")["number"]
        code = code_of(VARIANTS, 0)
        return self._rows_with([code], found.cast(pl.Int64).to_numpy())[code]

    def _rows_with(self, codes: Sequence[int], numbers: Ints) -> dict[int, Ints]:
        """Return the rows that hold one of some numbers, ascending, by code."""
        keys = [keys_of(code, int(number)) for code in codes for number in numbers]
        none = np.empty(0, np.int64)
        if not keys:
            return dict.fromkeys(codes, none)
        wanted = distinct(np.concatenate(keys))
        rows, of_code, first = [none], [none], 0
        for segment in self._segments:
            found, row = segment.rows_in(wanted)
            of_code.append(code_in(found))
            rows.append(row + first)
            first += segment.height("questions")
        every, row = np.concatenate(of_code), np.concatenate(rows)
        return {code: distinct(row[every == code]) for code in codes}

    # ----------------------------------------------------------------------- what a question holds

    def persons_of(self, kind: int, rows: Ints, known: NDArray[np.bool_]) -> pl.Series:
        """Return the persons of each row as a list of ``A:42``, by site and id.

        Args:
            kind: of pieces.
            rows: distinct, in any order.
            known: of each row whether it is known what it showed; else there is null for a list.
        """
        return self._listed(kind, rows, known, self._persons_placed, self._person_names)

    def variants_of(self, rows: Ints, known: NDArray[np.bool_]) -> pl.Series:
        """Return the variants of each row as a list of ``9:100:A:G``, in order; as `persons_of`."""
        return self._listed(VARIANTS, rows, known, self._alleles_placed, self._allele_names)

    def _listed(
        self, kind: int, rows: Ints, known: NDArray[np.bool_], placed: _Placed, names: _Names
    ) -> pl.Series:
        """Return the names that rows hold: text of which each is kept once, only those held."""
        from precisionchain.access.index.marks import list_labels

        owner = np.full(self.questions.height, -1)
        owner[rows] = np.arange(rows.size)
        chosen = [(held, held.of_rows(owner >= 0)) for held in self._held(kind)]
        used = _used(chosen, placed)
        codes, text = _codes(used, names)
        sizes, to = _laid_out(chosen, owner, self._site_order)
        offsets = np.append(0, np.cumsum(sizes))
        found = np.empty(offsets[-1], codes.dtype)
        for (held, which), places in zip(chosen, to, strict=True):
            base = placed.places.bases[held.site[which]]
            list_labels(base, which, places, held.sets, placed.rank, codes, found)
        parts: tuple[Any, ...] = (column_of(offsets), column_of(found))
        nulls: Any = column_of(~known)
        values = pa.LargeListArray.from_arrays(*parts, mask=nulls)
        listed: Any = pl.Series(values, dtype=pl.List(pl.Series(codes[:0]).dtype))
        # polars' own expression over the lists' elements; no text is evaluated.
        as_named: pl.Series = listed.list.eval(pl.element().cat.to(text))
        return as_named

    def sites_touched(self, *kinds: int) -> pl.DataFrame:
        """Return a row a question and site of whose persons it holds pieces of some kinds.

        Columns ``row`` and ``touched``, the site.
        """
        held = [one for kind in kinds for one in self._held(kind)]
        pieces = pl.DataFrame(
            {
                "row": np.concatenate([_NONE, *(one.row for one in held)]),
                "site": np.concatenate([_NONE, *(one.site for one in held)]),
            }
        ).unique()
        sites = pl.DataFrame({"touched": self.sites}, schema={"touched": pl.String})
        numbered = sites.with_row_index("site").with_columns(pl.col("site").cast(pl.Int64))
        return pieces.join(numbered, on="site").select("row", "touched")

    def count_distinct(self, kind: int, groups: pl.DataFrame, n_groups: int) -> NDArray[np.int64]:
        """Return how many distinct persons (or variants) the rows of each group hold, by site.

        Args:
            kind: of pieces.
            groups: ``row`` and ``group``; rows that are absent do not count.
            n_groups: groups are 0 up to one less.

        Returns:
            [n_groups, sites]; for variants one column.
        """
        from precisionchain.access.index.marks import count_marked

        places = (self._alleles_placed if kind == VARIANTS else self._persons_placed).places
        group = np.full(self.questions.height, -1)
        group[groups["row"].to_numpy()] = groups["group"].to_numpy()
        stored, tail = self._held(kind)
        chosen = [held.of_rows(group >= 0) for held in (stored, tail)]
        of_piece = np.concatenate(
            [group[held.row[at]] for held, at in zip((stored, tail), chosen, strict=True)]
        )
        site = np.concatenate((stored.site[chosen[0]], tail.site[chosen[1]]))
        order = np.argsort(of_piece, kind="stable")
        counts = np.zeros((n_groups, len(places.sizes)), np.int64)
        count_marked(
            of_piece[order],
            places.offsets[site[order]],
            np.concatenate(chosen)[order],
            order >= chosen[0].size,
            stored.sets,
            tail.sets,
            np.repeat(np.arange(len(places.sizes)), places.n_words),
            counts,
        )
        return counts

    # ---------------------------------------------------------------------------------- its tables

    @cached_property
    def _persons(self) -> pl.DataFrame:
        return pl.concat([segment.table("persons") for segment in self._segments])

    @cached_property
    def _alleles(self) -> pl.DataFrame:
        return pl.concat([segment.table("alleles") for segment in self._segments])

    @cached_property
    def _site_order(self) -> Ints:
        """The place of each site's code in the order of names."""
        return np.argsort(np.argsort(np.array(self.sites or ("",))))

    @cached_property
    def _key(self) -> Hashable:
        return tuple(segment.folder for segment in self._index.segments)

    @cached_property
    def _stored(self) -> Shown:
        return _shown.get(self._key, self._shown_by_stored)

    def _shown_by_stored(self) -> Shown:
        segments = self._index.segments
        none = self._index.tail.table("persons").clear()
        persons = pl.concat([none, *(segment.table("persons") for segment in segments)])
        alleles = pl.concat(
            [pl.DataFrame(schema=ALLELE_SCHEMA), *(one.table("alleles") for one in segments)]
        )
        return shown_by(segments, Places(_person_ranks(persons)), Places((_allele_ranks(alleles),)))

    @cached_property
    def _tail(self) -> Shown:
        first = sum(segment.height("questions") for segment in self._index.segments)
        return shown_by(
            [self._index.tail],
            self._stored.persons.grown([ranks.size for ranks in self._person_ranks_now]),
            self._stored.alleles.grown([self._alleles.height]),
            first_row=first,
        )

    def _held(self, kind: int) -> tuple[Held, Held]:
        """Return what is held on disk, and in the tail."""
        return self._stored.by_kind[kind], self._tail.by_kind[kind]

    @cached_property
    def _person_ranks_now(self) -> tuple[Ints, ...]:
        if not self._index.tail.height("persons"):
            return self._stored.persons.of_sites
        return _person_ranks(self._persons)

    @cached_property
    def _persons_placed(self) -> _Placed:
        return _Placed.of(self._tail.persons, self._person_ranks_now, self._stored.persons)

    @cached_property
    def _alleles_placed(self) -> _Placed:
        fresh = self._index.tail.height("alleles")
        ranks = (_allele_ranks(self._alleles),) if fresh else self._stored.alleles.of_sites
        return _Placed.of(self._tail.alleles, ranks, self._stored.alleles)

    @cached_property
    def _person_names(self) -> _Names:
        def make() -> _Names:
            by_code = [self._persons.filter(site=site).sort("person_id") for site in self.sites]
            written = pl.format("{}:{}", "site", "person_id")
            return _named(pl.concat([self._persons.clear(), *by_code]), written)

        return self._kept_names("persons", make)

    @cached_property
    def _allele_names(self) -> _Names:
        written = pl.format("{}:{}:{}:{}", *ALLELE_SCHEMA)
        return self._kept_names(
            "alleles", lambda: _named(self._alleles.sort(list(ALLELE_SCHEMA)), written)
        )

    def _kept_names(self, table: str, make: Callable[[], _Names]) -> _Names:
        """Return names that are kept in memory while no entry of the tail shows a new one."""
        if self._index.tail.height(table):
            return make()
        return _names.get((table, self._key), make)


@dataclass(frozen=True, slots=True)
class _Placed:
    """Places, and the rank of each within its site; none where each place is its own rank."""

    places: Places
    rank: Ints

    @classmethod
    def of(cls, places: Places, ranks: tuple[Ints, ...], stored: Places) -> _Placed:
        """Return places with ranks, which are given by number."""
        if places is stored:
            return cls(places, _NONE)
        by_place = []
        for place, rank in zip(places.of_sites, ranks, strict=True):
            one = np.empty(place.size, np.int64)
            one[place] = rank
            by_place.append(one)
        return cls(places, np.concatenate([_NONE, *by_place]))


def _used(chosen: Sequence[tuple[Held, Ints]], placed: _Placed) -> NDArray[np.bool_]:
    """Return of each rank of each site whether one of the chosen pieces holds it."""
    from precisionchain.access.index.marks import mark_all

    places = placed.places
    words = np.zeros(int(places.offsets[-1]), np.uint64)
    for held, which in chosen:
        mark_all(places.offsets[held.site[which]], which, held.sets, words)
    bits = np.unpackbits(words.view(np.uint8), bitorder="little").astype(np.bool_)
    parts = [
        bits[offset * WORD : offset * WORD + size]
        for offset, size in zip(places.offsets.tolist(), places.sizes, strict=False)
    ]
    used = np.concatenate([np.empty(0, np.bool_), *parts])
    if not placed.rank.size:
        return used
    by_rank = np.zeros(used.size, np.bool_)
    by_rank[np.repeat(places.bases[:-1], places.sizes)[used] + placed.rank[used]] = True
    return by_rank


def _codes(used: NDArray[np.bool_], names: _Names) -> tuple[NDArray[Any], pl.DataTypeExpr]:
    """Return the code of each rank that is used, and the type of a text with these codes."""
    short = np.uint16 if int(used.sum()) < _SHORT else np.uint32
    if used.all():
        return names.of_rank.astype(short), names.every
    kept = np.zeros(used.size, np.bool_)
    kept[names.of_rank[used]] = True
    codes = (np.cumsum(kept) - 1)[names.of_rank]
    return codes.astype(short), _one_of(names.names.filter(pl.Series(kept)))


def _one_of(names: pl.Series) -> pl.DataTypeExpr:
    """Return the type of a text that is one of some names."""
    return pl.Enum(names).to_dtype_expr()


def _laid_out(
    chosen: Sequence[tuple[Held, Ints]], owner: Ints, site_order: Ints
) -> tuple[Ints, list[Ints]]:
    """Return how long the list of each owner is, and where in all lists each piece goes."""
    owners = np.concatenate([owner[held.row[which]] for held, which in chosen])
    order = np.lexsort(
        (np.concatenate([site_order[held.site[which]] for held, which in chosen]), owners)
    )
    size = np.concatenate([held.size[which] for held, which in chosen])
    to = np.empty(size.size, np.int64)
    to[order] = np.cumsum(size[order]) - size[order]
    lengths = np.bincount(owners, size, int((owner >= 0).sum())).astype(np.int64)
    return lengths, np.split(to, [chosen[0][1].size])


def _person_ranks(persons: pl.DataFrame) -> tuple[Ints, ...]:
    """Return the rank of each person among those of the site, by site's code and number."""
    sites = persons["site"].unique(maintain_order=True).to_list()
    return tuple(
        _ranks(persons.filter(site=site).select(pl.arg_sort_by("person_id"))) for site in sites
    )


def _allele_ranks(alleles: pl.DataFrame) -> Ints:
    return _ranks(alleles.select(pl.arg_sort_by(alleles.columns)))


def _ranks(order: pl.DataFrame) -> Ints:
    """Return the inverse of an order."""
    ranks = np.empty(order.height, np.int64)
    ranks[order.to_series().cast(pl.Int64).to_numpy()] = np.arange(order.height)
    return ranks


def _named(things: pl.DataFrame, written: pl.Expr) -> _Names:
    """Return the names of things that stand in the order of sites' codes and ranks."""
    names = things.select(written.alias("name")).to_series()
    order = names.arg_sort()
    ordered = names.gather(order)
    return _Names(ordered, _ranks(order.to_frame()), _one_of(ordered))
