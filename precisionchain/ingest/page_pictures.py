"""The pictures of a run of genotypes: frequencies of alleles, and what is missing.

Memory is bounded by a block of calls and a piece of the counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from precisionchain.ingest.page_figures import Bins, Histogram, histogram
from precisionchain.ingest.qc_calls import staged_calls
from precisionchain.ingest.qc_counts import MALE
from precisionchain.schemas.genetic_payloads import NO_ALLELE

Counts = npt.NDArray[np.int64]

FREQUENCIES: Final = Bins.up_to(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
MISSING: Final = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Upper edges of shares missing; a threshold of quality control is put between them."""

_ROWS_AT_ONCE: Final = 65_536
_MISSING_DOSAGE: Final = 3


@dataclass(frozen=True, slots=True)
class Pictures:
    """Histograms of a run.

    Attributes:
        frequencies: alleles by minor allele frequency; left out are those nobody was called at.
        singletons: alleles of which, or of whose alternatives, there is one copy.
        alleles_missing: alleles by the share of persons without a call.
        persons_missing: persons by the share of alleles without a call.
        missing, callable: calls without an allele, of all that persons could have.
    """

    frequencies: Histogram
    singletons: int
    alleles_missing: Histogram
    persons_missing: Histogram
    missing: int
    callable: int


def draw(run: Path, *, thresholds: Mapping[str, Any]) -> Pictures:
    """Return the histograms of a staged run.

    On Y only males count, as in quality control: nobody else can be called there.

    Args:
        run: the run's folder.
        thresholds: ``sample_missing`` and ``variant_missing`` where they are known.
    """
    frequencies, singletons = _frequencies(run)
    limits = [thresholds.get(name) for name in ("variant_missing", "sample_missing")]
    bins = [Bins.up_to(*MISSING, *([limit] if limit else [])) for limit in limits]
    alleles, left_out, missing, n = _missing(run, bins[0])
    known = n > 0
    persons = bins[1].count(missing[known] / n[known])
    return Pictures(
        frequencies,
        singletons,
        histogram(bins[0], alleles, threshold=limits[0], left_out=left_out),
        histogram(bins[1], persons, threshold=limits[1], left_out=int((~known).sum())),
        missing=int(missing.sum()),
        callable=int(n.sum()),
    )


def _frequencies(run: Path) -> tuple[Histogram, int]:
    counts: Counts = np.zeros(len(FREQUENCIES.edges), np.int64)
    left_out = singletons = 0
    with pq.ParquetFile(run / "counts.parquet") as file:
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=["alt", "ac", "an"]):
            listed = pc.not_equal(batch["alt"], pa.scalar(NO_ALLELE)).to_numpy(zero_copy_only=False)
            ac, an = (batch[name].to_numpy()[listed].astype(np.int64) for name in ("ac", "an"))
            called = an > 0
            minor = np.minimum(ac, an - ac)[called]
            counts += FREQUENCIES.count(minor / an[called])
            singletons += int((minor == 1).sum())
            left_out += int((~called).sum())
    return histogram(FREQUENCIES, counts, left_out=left_out), singletons


def _missing(run: Path, bins: Bins) -> tuple[Counts, int, Counts, Counts]:
    """Count missing calls.

    Returns:
        alleles by bin; alleles where nobody can be called; by person, alleles missing, and
        alleles at which they can be called.
    """
    samples = pq.read_table(run / "samples.parquet").sort_by("index")
    male = samples["sex"].to_numpy() == MALE
    everybody = np.ones(len(male), np.bool_)
    alleles: Counts = np.zeros(len(bins.edges), np.int64)
    missing: Counts = np.zeros(len(male), np.int64)
    n: Counts = np.zeros(len(male), np.int64)
    left_out = 0
    for staged in staged_calls(run):
        persons = male if staged.chrom == "Y" else everybody
        of = int(persons.sum())
        rows = len(staged.sites)
        n += rows * persons
        if not of:
            left_out += rows
        elif staged.complete:
            alleles[0] += rows
        else:
            absent = (staged.calls().dosage == _MISSING_DOSAGE) & persons
            missing += absent.sum(axis=0)
            alleles += bins.count(absent.sum(axis=1) / of)
    return alleles, left_out, missing, n
