"""What is known of many persons at many alleles: the state matrix, block by block.

The rules are those of `variants` (one allele) and `person_variants` (one person), for all batches
of the network at once. Of each batch and allele, in this order:

1. the batch lists the allele: its calls;
2. its quality control removed the allele: not assayed;
3. the batch lists the position: whoever is called in the first record there has no copy (a
   structural allele only has its own calls, and tells nothing of others);
4. its assay covers the position and the allele's class: no copy;
5. else: not assayed.

Of a person in several batches the best known counts: a call before a missing one, that before not
assayed; of two calls the one that carries; of equals that of the earliest batch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.query.allele_places import places_of
from precisionchain.query.frequencies import families_of, in_region
from precisionchain.query.genotyped import (
    MISSING,
    NOT_ASSAYED,
    RANK,
    Bytes,
    folded_counts,
    genetic_batches,
    phase_of,
    ploidy_of,
)
from precisionchain.replica.assayed import expected_ploidies, infers
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.fold_counts import PREFIX, in_genome_order
from precisionchain.replica.genetic_batch import GeneticBatch, Run
from precisionchain.schemas.calls import Calls, unpack_calls
from precisionchain.schemas.genetic_payloads import ALLELE_KEY
from precisionchain.schemas.genome import BIN_BITS, chrom_rank, in_par
from precisionchain.schemas.streams import contig_token
from precisionchain.schemas.structural import is_structural_family
from precisionchain.schemas.variant import Region

CELLS: Final = 8 * 2**20
"""The most calls in a block of states; a call takes three bytes there, and as many to make it."""

Detail: TypeAlias = Literal["state", "ploidy", "phase"]
_DETAILS: Final = get_args(Detail)
_NOTHING: Final = np.empty((0, 0), np.uint8)

MATRIX_PERSONS: Final = {"site": pl.String, "person_id": pl.Int64, "sex": pl.UInt8}
"""Columns of a matrix's persons; sex is 1 male, 2 female, 0 unknown or contradicted."""

_OUTSIDE_PAR: Final = 20_000_000
_SEXUAL: Final = ("X", "Y", "MT")
OTHER_CONTIGS: Final = "UN"
"""What the families of all contigs but chromosomes are named by."""

Ints = npt.NDArray[np.int64]
Place: TypeAlias = "slice | Ints"


@dataclass(frozen=True, slots=True)
class StateBlock:
    """States of a run of alleles (rows) and of all persons of the matrix (columns).

    Where the matrix holds less detail, arrays that nobody asked for are empty.

    Attributes:
        alleles: chrom, pos, ref, alt; a row an allele.
        state: uint8 [alleles, persons]: 0, 1, 2 copies, 3 missing, 4 not assayed
            (`criteria.STATES`).
        ploidy: uint8, same shape: 1 or 2 where a call is, else 0.
        phase: uint8, same shape: 0 none, else 1 + 2 x the first haplotype's copies + the second's
            (``0|0``, ``0|1``, ``1|0``, ``1|1``).
    """

    alleles: pl.DataFrame
    state: Bytes
    ploidy: Bytes
    phase: Bytes


@dataclass(frozen=True)
class _Source:
    """A batch as it adds to a matrix: which of its columns are which persons of the matrix."""

    batch: GeneticBatch
    columns: Ints
    targets: Ints

    @cached_property
    def blocks_of_run(self) -> dict[int, list[Run]]:
        found: dict[int, list[Run]] = defaultdict(list)
        for run in self.batch.run_of_object.values():
            found[run.run].append(run)
        return found

    @cached_property
    def _chosen(self) -> dict[tuple[int, int], tuple[Place, Place]]:
        return {}

    def chosen(self, offset: int, persons: int) -> tuple[Place, Place]:
        """Return, of a block's columns, those wanted and where they go."""
        key = (offset, persons)
        if key not in self._chosen:
            here = (self.columns >= offset) & (self.columns < offset + persons)
            places = _sliced(self.columns[here] - offset), _sliced(self.targets[here])
            self._chosen[key] = places
        return self._chosen[key]


class GenotypeMatrix:
    """The states of some persons at any alleles, read from one generation of the replica.

    Args:
        snapshot: the generation to read.
        persons: a frame with ``site`` and ``person_id``, repeats allowed; None means everybody with
            genotypes. Persons without genotypes have a column, too: not assayed everywhere.
        cells: the most calls in a block.
        detail: what is read: the state, also the ploidy, or also the phase.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        persons: pl.DataFrame | None = None,
        *,
        cells: int = CELLS,
        detail: Detail = "phase",
    ) -> None:
        self._snapshot = snapshot
        self._arrays = _DETAILS.index(detail) + 1
        self.persons = _persons(snapshot, persons)
        self._sources = list(_sources(snapshot, self.persons))
        held = sum(len(source.targets) for source in self._sources)
        every = np.concatenate([s.targets for s in self._sources]) if held else np.empty(0)
        self._alone = len(np.unique(every)) == held
        self._rows = max(1, cells // max(1, self.persons.height))

    def of_region(self, region: Region | None) -> Iterator[StateBlock]:
        """Yield the alleles that any batch lists in a region (None: anywhere), in genome order."""
        for alleles in listed_alleles(self._snapshot, region):
            yield from self.of_alleles(alleles)

    def of_alleles(self, alleles: pl.DataFrame) -> Iterator[StateBlock]:
        """Yield any alleles (chrom, pos, ref, alt: trimmed, listed or not), in the order given.

        A block holds alleles of one chromosome; reading is fastest in genome order.
        """
        alleles = alleles.select(*ALLELE_KEY)
        chroms = alleles["chrom"]
        starts = [0, *((chroms != chroms.shift()).fill_null(value=False).arg_true().to_list())]
        for start, end in zip(starts, [*starts[1:], alleles.height], strict=True):
            for first in range(start, end, self._rows):
                yield self._block(alleles[first : min(end, first + self._rows)])

    def _block(self, alleles: pl.DataFrame) -> StateBlock:
        shape = (alleles.height, self.persons.height)
        arrays = [np.full(shape, NOT_ASSAYED, np.uint8)]
        arrays += [np.zeros(shape, np.uint8) for _ in range(1, self._arrays)]
        for source in self._sources:
            for rows, targets, states in _of_batch(source, alleles, self._arrays):
                _add(arrays, rows, targets, states, alone=self._alone)
        return StateBlock(alleles, *arrays, *[_NOTHING] * (len(_DETAILS) - self._arrays))


def listed_alleles(snapshot: Snapshot, region: Region | None) -> Iterator[pl.DataFrame]:
    """Yield the alleles that any batch lists with POS in a region (None: anywhere).

    In genome order, a bin at a time, and at the end contigs other than chromosomes. Frames have
    chrom, pos, ref and alt, and none is empty.
    """
    files = snapshot.paths(PREFIX)
    if region is not None:
        wanted = {f"{PREFIX}{family}" for family in families_of(region)}
        files = {name: path for name, path in files.items() if name in wanted}
    found: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    structural: dict[tuple[Any, ...], list[pl.DataFrame]] = defaultdict(list)
    for name in files:
        if is_structural_family(name.removeprefix(PREFIX)):
            for order, alleles in _by_bin(folded_counts(files[name]).select(*ALLELE_KEY)):
                structural[order].append(alleles)
        else:
            found[_genome_order(name)].append(name)
    for order in sorted(found.keys() | structural.keys()):
        parts = [folded_counts(files[name]).select(*ALLELE_KEY) for name in found[order]]
        parts += structural[order]
        alleles = pl.concat(parts)
        alleles = alleles if region is None else alleles.filter(in_region(region))
        if alleles.height:
            yield alleles if len(parts) == 1 else in_genome_order(alleles)


def genotyped_persons(snapshot: Snapshot) -> pl.DataFrame:
    """Return everybody with genotypes (`MATRIX_PERSONS`), by site and person."""
    parts = [
        batch.samples.select(pl.lit(sealed.site).alias("site"), "person_id", "sex")
        for sealed, batch in genetic_batches(snapshot)
    ]
    rows = pl.concat([pl.DataFrame(schema=MATRIX_PERSONS), *parts])
    known = pl.col("sex").filter(pl.col("sex") > 0).unique()
    sex = pl.when(known.len() == 1).then(known.first()).otherwise(0).cast(pl.UInt8)
    return rows.group_by("site", "person_id").agg(sex.alias("sex")).sort("site", "person_id")


# ------------------------------------------------------------------------------ persons and sources


def _persons(snapshot: Snapshot, wanted: pl.DataFrame | None) -> pl.DataFrame:
    genotyped = genotyped_persons(snapshot)
    if wanted is None:
        return genotyped
    asked = wanted.select(pl.col("site").cast(pl.String), pl.col("person_id").cast(pl.Int64))
    found = asked.unique().join(genotyped, on=["site", "person_id"], how="left")
    return found.with_columns(pl.col("sex").fill_null(0)).sort("site", "person_id")


def _sources(snapshot: Snapshot, persons: pl.DataFrame) -> Iterator[_Source]:
    """Yield the batches that hold any of the persons, in the order of their seals."""
    targets = persons.with_row_index("target")
    for sealed, batch in genetic_batches(snapshot):
        of_site = targets.filter(pl.col("site") == sealed.site)
        held = batch.samples.select("index", "person_id").join(of_site, on="person_id")
        held = held.sort("target")
        if held.height:
            columns = held["index"].to_numpy().astype(np.int64)
            yield _Source(batch, columns, held["target"].to_numpy().astype(np.int64))


def _genome_order(name: str) -> tuple[Any, ...]:
    """Return a sort key of ``folded/VAR_9_16777217_33554432``; one for all of contig ``UN``."""
    chrom, start, _ = name.removeprefix(PREFIX).partition("_")[2].rsplit("_", 2)
    return chrom_rank(chrom), 0 if chrom == OTHER_CONTIGS else int(start)


def _by_bin(alleles: pl.DataFrame) -> Iterator[tuple[tuple[Any, ...], pl.DataFrame]]:
    """Yield structural alleles by the bin they are in, with the key of `_genome_order`."""
    bins = (pl.col("pos").clip(1) - 1) // (1 << BIN_BITS)
    for (chrom, index), rows in alleles.group_by("chrom", bins.alias("bin"), maintain_order=True):
        known = contig_token(str(chrom)) != OTHER_CONTIGS
        start = (int(str(index)) << BIN_BITS) + 1 if known else 0
        yield (chrom_rank(str(chrom) if known else OTHER_CONTIGS), start), rows


# ----------------------------------------------------------------------------- one batch, one block

States: TypeAlias = list[Bytes]
"""State, ploidy and phase, of one shape, or the first of these."""


def _of_batch(
    source: _Source, alleles: pl.DataFrame, arrays: int
) -> Iterator[tuple[Place, Place, States]]:
    """Yield what a batch knows: rows of the block, columns, and so many arrays of these."""
    listed, others = places_of(source.batch, alleles)
    for (run,), rows in listed.group_by("run", maintain_order=True):
        at = _sliced(rows["allele"].to_numpy().astype(np.int64))
        of_run = _sliced(rows["row"].to_numpy().astype(np.int64))
        other = np.flatnonzero(~rows["own"].to_numpy())
        for block in source.blocks_of_run[int(str(run))]:
            columns, targets = source.chosen(block.person_offset, block.n_persons)
            calls = unpack_calls(source.batch.packed(block.object), of_run)
            if not _is_empty(targets):
                yield at, targets, _of_calls(_columns(calls, columns), other, arrays)
    inferred = others.filter(pl.Series(infers(source.batch, others), dtype=pl.Boolean))
    if inferred.height:
        ploidy = _expected(source.batch, inferred)[:, source.columns]
        state = np.where(ploidy > 0, 0, NOT_ASSAYED).astype(np.uint8)
        at = _sliced(inferred["allele"].to_numpy().astype(np.int64))
        yield at, _sliced(source.targets), [state, ploidy, np.zeros_like(state)][:arrays]


def _of_calls(calls: Calls, other: npt.NDArray[np.intp], arrays: int) -> States:
    """Return the states of calls; rows of ``other`` are of another allele at the position."""
    states = [calls.dosage, *(of(calls) for of in (ploidy_of, phase_of)[: arrays - 1])]
    if other.size:
        # Who is called for the other allele has no copy of this one.
        states[0] = states[0].copy()
        states[0][other] = np.where(states[0][other] == MISSING, MISSING, 0)
        for phase in states[2:]:
            phase[other] = phase[other] > 0
    return states


def _expected(batch: GeneticBatch, alleles: pl.DataFrame) -> Bytes:
    """Return the copies [alleles, all persons of the batch] of positions of one chromosome."""
    chrom, build = alleles["chrom"][0], batch.assay.build
    of_person = expected_ploidies(batch, chrom, _OUTSIDE_PAR)
    if chrom not in _SEXUAL:
        return np.broadcast_to(of_person, (alleles.height, len(of_person)))
    par = in_par(build, chrom, alleles["pos"].to_numpy())
    return np.where(par[:, None], np.uint8(2), of_person)


# ------------------------------------------------------------------------------------- numpy places


def _add(arrays: States, rows: Place, targets: Place, states: States, *, alone: bool) -> None:
    """Put states into arrays; where a person may be known already, only if they are better."""
    places: Any = (rows, targets)
    if isinstance(rows, np.ndarray) and isinstance(targets, np.ndarray):
        places = np.ix_(rows, targets)
    if alone:
        for array, values in zip(arrays, states, strict=True):
            array[places] = values
        return
    better = RANK[states[0]] > RANK[arrays[0][places]]
    for array, values in zip(arrays, states, strict=True):
        array[places] = np.where(better, values, array[places])


def _columns(calls: Calls, columns: Place) -> Calls:
    def taken(array: npt.NDArray[Any] | None) -> Any:
        if array is None or isinstance(columns, slice):
            return None if array is None else array[:, columns]
        return np.take(array, columns, axis=1)

    return Calls(taken(calls.dosage), taken(calls.haploid), taken(calls.phase))


def _sliced(places: Ints) -> Place:
    """Return ascending places without gaps as a slice, which numpy need not gather."""
    if len(places) and bool((np.diff(places) == 1).all()):
        return slice(int(places[0]), int(places[-1]) + 1)
    return places


def _is_empty(places: Place) -> bool:
    return not isinstance(places, slice) and not len(places)
