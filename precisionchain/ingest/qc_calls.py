"""A staged run's calls, block by block, as quality control reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from precisionchain.ingest.qc_kernels import Planes, bit_planes
from precisionchain.ingest.qc_planes import packed_planes
from precisionchain.schemas.calls import Calls
from precisionchain.schemas.genotypes import VariantBlock, unpack_variant_block


@dataclass(frozen=True, slots=True)
class StagedCalls:
    """Alleles of one block, and the calls of all persons.

    Attributes:
        groups: blocks of the same alleles, side by side: all persons in the order of the samples.
        first_row: place of the first allele in the run's sites.
        first_block: number of the first of the blocks.
    """

    groups: tuple[VariantBlock, ...]
    first_row: int
    first_block: int

    @property
    def chrom(self) -> str:
        """Canonical chromosome."""
        return self.groups[0].chrom

    @property
    def sites(self) -> pa.Table:
        """A row an allele."""
        return self.groups[0].sites

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Places of the alleles in the run's sites."""
        return np.arange(self.first_row, self.first_row + len(self.sites), dtype=np.int64)

    @property
    def complete(self) -> bool:
        """Whether it is known without unpacking that no call is missing."""
        return all(g.packed.phase != "none" and g.packed.missing is None for g in self.groups)

    def planes(self) -> Planes:
        """Return the calls as planes of all persons."""
        if len(self.groups) == 1:
            return packed_planes(self.groups[0].packed)
        codes = np.ascontiguousarray(plink_codes(self.calls()))
        rows, persons = codes.shape
        return bit_planes(codes, np.zeros(rows, np.bool_), np.zeros(persons, np.bool_))

    def calls(self) -> Calls:
        """Return the calls, a row an allele, a column a person."""
        return _side_by_side([group.calls() for group in self.groups])


def staged_calls(folder: Path) -> Iterator[StagedCalls]:
    """Yield the calls of a staged run in the order of its sites; in memory is a block at a time."""
    blocks = pq.read_table(folder / "blocks.parquet", columns=["block", "person_offset"])
    rows = sorted(zip(*(blocks[name].to_pylist() for name in blocks.column_names), strict=True))
    groups: list[VariantBlock] = []
    first_row = 0
    for i, (block, _) in enumerate(rows):
        groups.append(unpack_variant_block(block_body(folder, block)))
        if i + 1 < len(rows) and rows[i + 1][1] > 0:
            continue
        yield StagedCalls(tuple(groups), first_row, block - len(groups) + 1)
        first_row += groups[0].n_alleles
        groups = []


def block_body(folder: Path, block: int) -> bytes:
    """Return the body of a staged run's block as it will be published."""
    return (folder / "blocks" / f"{block:06d}.arrow").read_bytes()


def plink_codes(calls: Calls) -> npt.NDArray[np.uint8]:
    """Return calls as PLINK 1 stores them: copies of ALT, a haploid ALT as two, 3 = missing."""
    if calls.haploid is None:
        return calls.dosage
    return np.where(calls.haploid & (calls.dosage == 1), np.uint8(2), calls.dosage)


def _side_by_side(parts: list[Calls]) -> Calls:
    if len(parts) == 1:
        return parts[0]
    haploid = phase = None
    if any(part.haploid is not None for part in parts):
        haploid = np.hstack(
            [
                np.zeros(part.dosage.shape, np.bool_) if part.haploid is None else part.haploid
                for part in parts
            ]
        )
    if any(part.phase is not None for part in parts):
        phase = np.hstack(
            [
                np.zeros(part.dosage.shape, np.uint8) if part.phase is None else part.phase
                for part in parts
            ]
        )
    return Calls(np.hstack([part.dosage for part in parts]), haploid, phase)
