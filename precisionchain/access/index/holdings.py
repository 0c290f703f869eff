"""What the questions of an index showed: who holds a number, whose numbers a question holds."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from precisionchain.access.index.build import code_of
from precisionchain.access.index.runs import Ints, code_in, keys_of
from precisionchain.access.index.segment import (
    CONTRIBUTED,
    PIECE_SCHEMA,
    QUESTION_SCHEMA,
    RETURNED,
    VARIANTS,
    Segment,
)
from precisionchain.access.index.store import Index
from precisionchain.access.postings import ALLELE_SCHEMA
from precisionchain.replica.kept import Kept
from precisionchain.schemas.person import Person
from precisionchain.schemas.variant import Variant

Runs: TypeAlias = tuple[NDArray[np.int32], NDArray[np.int32]]
"""Starts and lengths."""
_Names: TypeAlias = tuple[Ints, pl.Series]
_KEPT_BYTES: Final = 512 * 2**20
_WORD: Final = 64


@dataclass(frozen=True, slots=True)
class _Stored:
    """The pieces and runs of the segments on disk, each as one table."""

    pieces: pl.DataFrame
    runs: Runs


_stored: Final = Kept[_Stored](
    _KEPT_BYTES,
    lambda one: int(one.pieces.estimated_size()) + one.runs[0].nbytes + one.runs[1].nbytes,
)
_names: Final = Kept[_Names](128 * 2**20, lambda one: one[0].nbytes + int(one[1].estimated_size()))


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
        wanted = np.unique(np.concatenate(keys))
        rows, of_code, first = [none], [none], 0
        for segment in self._segments:
            found, row = segment.rows_in(wanted)
            of_code.append(code_in(found))
            rows.append(row + first)
            first += segment.height("questions")
        every, row = np.concatenate(of_code), np.concatenate(rows)
        return {code: np.unique(row[every == code]) for code in codes}

    # ----------------------------------------------------------------------- what a question holds

    def persons_of(self, kind: int, rows: Ints) -> pl.Series:
        """Return the persons of each row (ascending) as a list of ``A:42``, in order."""
        ranks, names = self._person_names
        pieces = self._pieces_of(kind, rows)
        base = np.cumsum([0, *self._site_sizes])[pieces["site"].to_numpy()]
        return self._listed(pieces, base, rows, ranks, names)

    def variants_of(self, rows: Ints) -> pl.Series:
        """Return the variants of each row (ascending) as a list of ``9:100:A:G``, in order."""
        ranks, names = self._allele_names
        pieces = self._pieces_of(VARIANTS, rows)
        return self._listed(pieces, np.zeros(pieces.height, np.int64), rows, ranks, names)

    def _pieces_of(self, kind: int, rows: Ints) -> pl.DataFrame:
        wanted = pl.DataFrame({"row": rows})
        found = self._pieces.filter(pl.col("kind") == kind).join(wanted, on="row", how="semi")
        order = np.argsort(np.argsort(np.array(self.sites or ("",))))
        by_name = pl.Series("by_name", order[found["site"].to_numpy()])
        return found.with_columns(by_name).sort("row", "by_name")

    def _listed(
        self, pieces: pl.DataFrame, base: Ints, rows: Ints, ranks: Ints, names: pl.Series
    ) -> pl.Series:
        """Return the names that pieces (by row and site) hold as a list a row."""
        from precisionchain.access.index.marks import by_rank

        sizes = pieces["n_numbers"].to_numpy()
        found = np.empty(int(sizes.sum()), np.uint32)
        by_rank(
            base,
            pieces["first_run"].to_numpy(),
            pieces["n_runs"].cast(pl.Int64).to_numpy(),
            pieces["in_tail"].to_numpy(),
            *self._stored.runs,
            *self._tail_runs,
            ranks,
            found,
        )
        owners = np.searchsorted(rows, pieces["row"].to_numpy())
        offsets = np.zeros(rows.size + 1, np.int64)
        np.cumsum(np.bincount(owners, sizes, rows.size).astype(np.int64), out=offsets[1:])
        texts = names.gather(pl.Series(found)).to_arrow(compat_level=pl.CompatLevel.newest())
        listed: Any = pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), texts)
        return pl.Series(listed, dtype=pl.List(pl.String))

    def sites_touched(self, *kinds: int) -> pl.DataFrame:
        """Return a row a question and site of whose persons it holds pieces of some kinds.

        Columns ``row`` and ``touched``, the site.
        """
        sites = pl.DataFrame({"touched": self.sites}, schema={"touched": pl.String})
        pieces = self._pieces.filter(pl.col("kind").is_in(kinds)).select("row", "site").unique()
        numbered = sites.with_row_index("site").with_columns(pl.col("site").cast(pl.Int32))
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

        sizes = [self._alleles.height] if kind == VARIANTS else self._site_sizes
        n_words = [-(-size // _WORD) for size in sizes]
        bases = np.cumsum([0, *n_words], dtype=np.int64) * _WORD
        counts = np.zeros((n_groups, len(sizes)), np.int64)
        pieces = self._pieces.filter(pl.col("kind") == kind).join(groups, on="row").sort("group")
        count_marked(
            pieces["group"].cast(pl.Int64).to_numpy(),
            bases[pieces["site"].to_numpy()],
            pieces["first_run"].to_numpy(),
            pieces["n_runs"].cast(pl.Int64).to_numpy(),
            pieces["in_tail"].to_numpy(),
            *self._stored.runs,
            *self._tail_runs,
            np.repeat(np.arange(len(sizes)), n_words),
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
    def _site_sizes(self) -> list[int]:
        sizes = dict(self._persons["site"].value_counts().rows())
        return [sizes[site] for site in self.sites]

    @cached_property
    def _key(self) -> Hashable:
        return tuple(segment.folder for segment in self._index.segments)

    @cached_property
    def _stored(self) -> _Stored:
        return _stored.get(self._key, lambda: _stored_of(self._index.segments))

    @property
    def _tail_runs(self) -> Runs:
        return _runs(self._index.tail)

    @cached_property
    def _pieces(self) -> pl.DataFrame:
        first = sum(segment.height("questions") for segment in self._index.segments)
        tail = _placed(self._index.tail.table("pieces"), first, 0, in_tail=True)
        return pl.concat([self._stored.pieces, tail])

    @cached_property
    def _person_names(self) -> _Names:
        """The rank of each person, by site's code and number, and the names by rank."""
        return self._kept_names("persons", self._ranked_persons)

    @cached_property
    def _allele_names(self) -> _Names:
        """The same of alleles, by number."""
        written = pl.format("{}:{}:{}:{}", *ALLELE_SCHEMA)
        return self._kept_names("alleles", lambda: _ranked(self._alleles, written))

    def _kept_names(self, table: str, make: Callable[[], _Names]) -> _Names:
        """Return names that are kept in memory while no entry of the tail shows a new one."""
        if self._index.tail.table(table).height:
            return make()
        return _names.get((table, self._key), make)

    def _ranked_persons(self) -> _Names:
        by_code = [self._persons.filter(site=site) for site in self.sites]
        written = pl.format("{}:{}", "site", "person_id")
        return _ranked(pl.concat([self._persons.clear(), *by_code]), written)


def _ranked(things: pl.DataFrame, written: pl.Expr) -> _Names:
    """Return the rank of each row among all rows, and the rows as text by rank."""
    order = things.select(pl.arg_sort_by(things.columns)).to_series().cast(pl.Int64).to_numpy()
    ranks = np.empty(order.size, np.int64)
    ranks[order] = np.arange(order.size)
    return ranks, things.select(written.alias("name")).to_series().gather(order)


def _runs(segment: Segment) -> Runs:
    runs = segment.table("runs")
    return runs["start"].to_numpy(), runs["length"].to_numpy()


def _placed(pieces: pl.DataFrame, first_row: int, first_run: int, *, in_tail: bool) -> pl.DataFrame:
    """Return pieces with rows counted over the whole index, and where their runs begin."""
    n_runs = pl.col("n_runs").cast(pl.Int64)
    return pieces.with_columns(
        (pl.col("row").cast(pl.Int64) + first_row).alias("row"),
        (n_runs.cum_sum() - n_runs + first_run).alias("first_run"),
        pl.lit(value=in_tail).alias("in_tail"),
    )


def _stored_of(segments: Sequence[Segment]) -> _Stored:
    none = np.empty(0, np.int32)
    pieces = [_placed(pl.DataFrame(schema=dict(PIECE_SCHEMA)), 0, 0, in_tail=False)]
    runs: list[Runs] = [(none, none)]
    first_row = first_run = 0
    for segment in segments:
        of_segment = segment.table("pieces")
        pieces.append(_placed(of_segment, first_row, first_run, in_tail=False))
        runs.append(_runs(segment))
        first_row += segment.height("questions")
        first_run += runs[-1][0].size
    starts, lengths = (np.concatenate([one[at] for one in runs]) for at in (0, 1))
    return _Stored(pl.concat(pieces), (starts, lengths))
