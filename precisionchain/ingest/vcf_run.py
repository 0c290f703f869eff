"""The values that pass from a reader of VCF files to whoever orders and writes their calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from precisionchain.ingest.vcf_alleles import Allele, Refusal
from precisionchain.ingest.vcf_calls import COUNTERS
from precisionchain.ingest.vcf_settings import FilterPolicy, HalfCall, VcfSettings
from precisionchain.schemas.calls import PackedCalls
from precisionchain.schemas.packed_calls import join_rows, take_rows
from precisionchain.schemas.structural import is_structural


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
        half_call: see `VcfSettings`.
        filter_policy: see `VcfSettings`.
        trimmed: whether the network trims alleles.
        min_gq: see `VcfSettings`.
        min_dp: see `VcfSettings`.
    """

    build: str
    half_call: HalfCall = VcfSettings.half_call
    filter_policy: FilterPolicy = VcfSettings.filter_policy
    trimmed: bool = True
    min_gq: float | None = VcfSettings.min_gq
    min_dp: float | None = VcfSettings.min_dp


@dataclass(frozen=True, slots=True)
class CallRun:
    """Alleles of one contig with their calls: row *i* of ``sites`` is row *i* of ``calls``.

    Attributes:
        chrom: canonical contig.
        sites: `RUN_SITES`, in the order of the file.
        calls: one row an allele, one column a person; from a reader, wide or all phased pairs
            (`packed_calls`).
        read_to: POS of the last source record read. Alleles of later records lie there or beyond,
            since trimming only moves an allele to the right.
        last: whether the contig ends here. Every contig ends with such a run, perhaps empty.
    """

    chrom: str
    sites: pa.Table
    calls: PackedCalls
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
    contradicted: int = 0

    def contradict(self, records: int) -> None:
        """Count records whose INFO has other counts than their genotypes."""
        self.contradicted += records

    def refuse(self, refused: Refused) -> None:
        """Note a refused record."""
        self.refused.append(refused)
        self.rules[refused.rule.value] += 1

    def take_refused(self) -> list[Refused]:
        """Return the refusals since the last call, and forget them (not their count)."""
        taken, self.refused = self.refused, []
        return taken

    def count_alleles(self, ref: str, alts: Sequence[str], alleles: tuple[Allele, ...]) -> None:
        """Count what became of the alleles of a record that was taken.

        Args:
            ref: REF as written.
            alts: ALT as written.
            alleles: what is stored.
        """
        if len(alleles) == 1 and (alleles[0].ref, alleles[0].alt) == (ref, *alts):
            return
        counts = self.normalised
        written = "".join((ref, *(alt for alt in alts if not is_structural(alt))))
        counts["split_records"] += len(alts) > 1
        counts["upper_cased_records"] += written != written.upper()
        counts["ambiguous_ref_records"] += bool(set(ref.upper()) - set("ACGTN"))
        if any(a.structural is not None and a.structural.person_copies for a in alleles):
            counts["copy_number_records"] += 1
        counts["star_alleles"] += alts.count("*")
        counts["records_without_allele"] += alleles[0].number == 0
        counts["trimmed_alleles"] += sum(len(allele.ref) < len(ref) for allele in alleles)

    def count_phase_sets(self, calls: int) -> None:
        """Count the calls of a record that name a phase set."""
        self.dropped["phase_set_records"] += calls > 0
        self.dropped["phase_set_calls"] += calls


take_calls = take_rows
"""Some rows of a run's calls."""

join_calls = join_rows
"""The rows of several runs' calls, in order."""
