"""The values that pass from a reader of VCF files to whoever orders and writes their calls."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from precisionchain.ingest.vcf_alleles import Refusal
from precisionchain.ingest.vcf_calls import COUNTERS, HalfCall
from precisionchain.schemas.calls import Calls

FilterPolicy = Literal["any", "pass"]


def table_schema(columns: dict[str, pa.DataType]) -> pa.Schema:
    """Return the schema of a table by column; spelled out so that its values have one type."""
    return pa.schema(columns)


RUN_SITES: Final = table_schema(
    {
        "pos": pa.int32(),
        "ref": pa.string(),
        "alt": pa.string(),
        "id": pa.string(),
        "record": pa.int32(),
        "alt_index": pa.uint8(),
        "n_alts": pa.uint8(),
        "record_pos": pa.int32(),
        "record_end": pa.int32(),
        "filter": pa.string(),
    }
)
"""Columns of a run's sites: one row an allele after normalisation.

``record`` counts from 0; ``alt_index`` from 1 (0: a record without an allele, ALT ``.``);
``record_pos`` is POS as written and ``record_end`` the last base of REF; ``id`` and ``filter`` are
null where the file has ``.``.
"""

DROPPED: Final = ("phase_set_records", "phase_set_calls")
"""What taken records say that is not kept: phase sets (FORMAT ``PS``), by record and by call."""


@dataclass(frozen=True, slots=True)
class ReadRules:
    """The settings that shape what a record becomes.

    Attributes:
        build: canonical build, for pseudo-autosomal regions and the ends of chromosomes.
        half_call: what ``0/.`` becomes.
        filter_policy: ``any`` keeps every record; ``pass`` refuses those whose FILTER is neither
            ``PASS`` nor ``.``.
        trimmed: whether the network trims alleles.
    """

    build: str
    half_call: HalfCall = "missing"
    filter_policy: FilterPolicy = "any"
    trimmed: bool = True


@dataclass(frozen=True, slots=True)
class CallRun:
    """Alleles of one contig with their calls: row *i* of ``sites`` is row *i* of ``calls``.

    Attributes:
        chrom: canonical contig.
        sites: `RUN_SITES`, in the order of the file.
        calls: one row an allele, one column a person.
        read_to: POS of the last source record read. Alleles of later records lie there or beyond,
            since trimming only moves an allele to the right.
        last: whether the contig ends here. Every contig ends with such a run, perhaps empty.
    """

    chrom: str
    sites: pa.Table
    calls: Calls
    read_to: int
    last: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that was refused: its number from 0, and the span it would have covered."""

    record: int
    chrom: str
    pos: int
    end: int
    rule: Refusal


@dataclass(slots=True)
class ReadTally:
    """What happened to the records and calls of a batch; one object for all its files."""

    refused: list[Refused] = field(default_factory=list)
    rules: Counter[str] = field(default_factory=Counter)
    normalised: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(DROPPED, 0)))
    calls: npt.NDArray[np.int64] = field(
        default_factory=lambda: np.zeros(len(COUNTERS), dtype=np.int64)
    )

    def refuse(self, refused: Refused) -> None:
        """Note a refused record."""
        self.refused.append(refused)
        self.rules[refused.rule.value] += 1

    def take_refused(self) -> list[Refused]:
        """Return the refusals since the last call, and forget them (not their count)."""
        taken, self.refused = self.refused, []
        return taken


def take_calls(calls: Calls, rows: npt.NDArray[np.int64] | slice) -> Calls:
    """Return some rows."""
    return Calls(
        calls.dosage[rows],
        None if calls.haploid is None else calls.haploid[rows],
        None if calls.phase is None else calls.phase[rows],
    )


def join_calls(parts: list[Calls]) -> Calls:
    """Return the rows of all parts, in order."""
    if len(parts) == 1:
        return parts[0]
    haploid = phase = None
    if any(part.haploid is not None for part in parts):
        haploid = np.concatenate(
            [
                np.zeros(part.dosage.shape, np.bool_) if part.haploid is None else part.haploid
                for part in parts
            ]
        )
    if any(part.phase is not None for part in parts):
        phase = np.concatenate(
            [
                np.zeros(part.dosage.shape, np.uint8) if part.phase is None else part.phase
                for part in parts
            ]
        )
    return Calls(np.concatenate([part.dosage for part in parts]), haploid, phase)
