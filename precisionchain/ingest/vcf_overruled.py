"""Called calls that sex and chromosome made missing, kept as a table beside the blocks.

A heterozygous call where one copy is expected cannot be right, and is missing for everybody who
reads the blocks. That it was there is what tells a woman who is listed as a man: the sex check
counts it, and ``why`` names it. The kernel marks such a call as missing and *not* haploid, which no
other missing call is where one copy is expected; here the marks are taken, and put right.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from precisionchain.ingest.vcf_run import CallRun, table_schema
from precisionchain.schemas.calls import pack_bits, unpack_bits
from precisionchain.schemas.genome import in_par
from precisionchain.schemas.packed_calls import bits_of, widened

FILE: Final = "overruled.parquet"

OVERRULED: Final = table_schema({"row": pa.int32(), "index": pa.int32(), "rule": pa.string()})
"""``row`` of the run's sites and ``index`` of its samples, both from 0; ``rule`` as counted."""

RULE: Final = {"X": "male_x_het", "Y": "male_y_het", "MT": "mt_het"}
"""What such a call is counted as, by chromosome."""

_MALE: Final = 1


class OverruledWriter:
    """Writes the table of a run, if there is anything to write; a context manager.

    Args:
        folder: of the run.
        build: canonical build, for the pseudo-autosomal regions.
        sex: uint8 [persons].
    """

    def __init__(self, folder: Path, build: str, sex: npt.NDArray[np.uint8]) -> None:
        self._path = folder / FILE
        self._build = build
        self._male = sex == _MALE
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def take(self, run: CallRun, first_row: int) -> CallRun:
        """Write the marked calls of a run; return the run with all its missing calls alike.

        Args:
            run: of one contig.
            first_row: place of its first allele in the run's sites.
        """
        if run.chrom not in RULE or not len(run.sites):
            return run
        calls = widened(run.calls)
        marked, _ = bits_of(calls)
        one_copy = self._male if run.chrom == "X" else np.ones_like(self._male)
        marked = marked & pack_bits(one_copy[None])
        marked[in_par(self._build, run.chrom, run.sites["pos"].to_numpy())] = 0
        if calls.haploid is not None:
            marked &= ~calls.haploid
        if not marked.any():
            return run
        at, index = np.nonzero(unpack_bits(marked, calls.n_persons))
        self._write(at + first_row, index, RULE[run.chrom])
        haploid = marked if calls.haploid is None else calls.haploid | marked
        return replace(run, calls=replace(calls, haploid=haploid))

    def _write(self, rows: npt.NDArray[np.intp], index: npt.NDArray[np.intp], rule: str) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, OVERRULED, compression="zstd")
        columns = [rows.astype(np.int32), index.astype(np.int32), pa.repeat(rule, len(rows))]
        self._writer.write_table(pa.table(columns, schema=OVERRULED))


def keep_overruled(
    run: Path, folder: Path, rows: npt.NDArray[np.bool_], persons: npt.NDArray[np.bool_]
) -> None:
    """Write the table of a run anew for the alleles and persons that are left of it.

    Args:
        run: the run's folder.
        folder: where the table is written, if the run has one.
        rows: which of the run's sites are left.
        persons: which of its samples are left.
    """
    if not (run / FILE).exists():
        return
    table = pq.read_table(run / FILE)
    row, index = table["row"].to_numpy(), table["index"].to_numpy()
    left = rows[row] & persons[index]
    columns = [
        (np.cumsum(rows) - 1)[row[left]].astype(np.int32),
        (np.cumsum(persons) - 1)[index[left]].astype(np.int32),
        table["rule"].filter(pa.array(left)),
    ]
    pq.write_table(pa.table(columns, schema=OVERRULED), folder / FILE, compression="zstd")
