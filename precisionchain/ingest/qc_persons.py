"""What quality control says of each person: call rate, heterozygosity, and the sex that X shows.

Figures are those of ``plink1.9 --missing``, ``--het`` and ``--check-sex ycount``, of all persons
and all alleles of the run, with frequencies of the founders, before anything is excluded:
docs/reference/quality-control.md, section 8.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from precisionchain.ingest.qc_calls import StagedCalls, staged_calls
from precisionchain.ingest.qc_counts import MALE, TOLERANCE, Persons, Region, count, regions
from precisionchain.ingest.qc_exclusions import Found
from precisionchain.ingest.qc_kernels import Planes
from precisionchain.ingest.qc_planes import KNOWN, add_missing, add_persons, mask
from precisionchain.ingest.qc_settings import Thresholds
from precisionchain.ingest.staging import DESCRIPTION
from precisionchain.ingest.vcf_overruled import FILE as OVERRULED
from precisionchain.ingest.vcf_overruled import RULE
from precisionchain.ingest.vcf_run import table_schema
from precisionchain.schemas.exclusions import HETEROZYGOSITY, SAMPLE_MISSING, SEX

FILE: Final = "person_figures.parquet"
"""Table of the staged run; it never leaves the site."""

FIGURES: Final = table_schema(
    {
        "sample_id": pa.string(),
        "person_id": pa.int64(),
        "sex": pa.uint8(),
        "alleles": pa.int32(),
        "missing": pa.int32(),
        "het_called": pa.int32(),
        "hom_observed": pa.int32(),
        "hom_expected": pa.float64(),
        "f": pa.float64(),
        "x_called": pa.int32(),
        "x_het": pa.int32(),
        "x_f": pa.float64(),
        "x_sex": pa.uint8(),
        "y_called": pa.int32(),
    }
)
"""``het_called``, ``hom_observed``, ``hom_expected`` and ``f`` are PLINK's N(NM), O(HOM), E(HOM)
and F over alleles of pairs of chromosomes; ``x_...`` the same over X outside the pseudo-autosomal
regions, ``x_sex`` the sex it shows (1 male, 2 female, 0 neither; null without X)."""

FEMALE_BELOW: Final = 0.2
MALE_ABOVE: Final = 0.8
"""F on X of women and of men: PLINK's thresholds. F between them, or equal to one, shows no sex."""

_MONOMORPHIC: Final = 1e-8
"""PLINK's: a frequency so near 0 or 1 that an allele says nothing of heterozygosity."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Sums:
    """Sums over some alleles, and of each person's calls at them.

    Attributes:
        alleles: how many of them vary among the founders.
        expected: expected share of homozygotes, summed over them.
        het: int64 [persons], heterozygous calls.
        missing: int64 [persons], missing calls.
        offset: float64 [persons], expected share at the alleles where the person is missing.
    """

    het: Ints
    missing: Ints
    offset: Floats
    alleles: int = 0
    expected: float = 0.0

    @classmethod
    def of(cls, persons: int) -> Sums:
        """Return sums of nothing."""
        none = np.zeros(persons, np.int64)
        return cls(none, none.copy(), np.zeros(persons))

    def add(self, planes: Planes, ref: Floats) -> None:
        """Add alleles with their frequencies of REF."""
        varies = (ref >= _MONOMORPHIC) & (ref <= 1 - _MONOMORPHIC)
        expected = np.where(varies, 1 - 2 * ref * (1 - ref), 1.0)
        everybody = mask(np.ones(len(self.het), np.bool_))
        add_persons(planes, everybody, expected, self.het, self.missing, self.offset)
        self.alleles += int(varies.sum())
        self.expected += float(expected[varies].sum())

    @property
    def called(self) -> Ints:
        """Alleles at which each person is called."""
        return self.alleles - self.missing

    @property
    def hom_expected(self) -> Floats:
        """Homozygotes expected among the called, by the frequencies alone."""
        return self.expected - self.offset

    @property
    def f(self) -> Floats:
        """PLINK's F: 1 - observed over expected heterozygotes; NaN where none is expected."""
        total = self.called - self.hom_expected
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.called > 0, (total - self.het) / total, np.nan)


@dataclass(frozen=True, slots=True)
class PersonFigures:
    """Figures of a run's persons; arrays in the order of the samples.

    Attributes:
        sex: uint8, as the sample map says.
        alleles: int64, at which the person's calls could be missing: those on Y of men only.
        missing: int64, at which they are.
        pairs: sums over alleles of pairs of chromosomes.
        x: sums over X outside the pseudo-autosomal regions.
        y_called: int64, calls on Y: of men as written, of women none.
    """

    sex: npt.NDArray[np.uint8]
    alleles: Ints
    missing: Ints
    pairs: Sums
    x: Sums
    y_called: Ints

    @property
    def x_sex(self) -> npt.NDArray[np.uint8]:
        """The sex that X shows: 1, 2, or 0 for neither."""
        f = self.x.f
        return np.where(f > MALE_ABOVE, 1, np.where(f < FEMALE_BELOW, 2, 0)).astype(np.uint8)

    def comparable_sexes(self) -> int:
        """Return of how many persons X shows a sex, and the sample map has one."""
        return int(((self.x_sex > 0) & (self.sex > 0)).sum())

    def found(self, limits: Thresholds) -> Iterator[Found]:
        """Yield what the rules about persons exclude; who falls to one is not seen by the next."""
        most = np.floor(limits.sample_missing * self.alleles * (1 + TOLERANCE))
        left = np.ones(len(self.sex), np.bool_)
        share = self.missing / np.maximum(self.alleles, 1)
        rules = [(SAMPLE_MISSING, limits.sample_missing, self.missing > most, share, self.alleles)]
        if limits.sex_check:
            shown = self.x_sex
            other = (shown > 0) & (self.sex > 0) & (shown != self.sex)
            border = np.where(shown == 1, MALE_ABOVE, FEMALE_BELOW)
            for beyond in (FEMALE_BELOW, MALE_ABOVE):
                which = other & (border == beyond)
                rules.append((SEX, beyond, which, self.x.f, self.x.called))
        if limits.max_f is not None:
            f = self.pairs.f
            odd = np.nan_to_num(np.abs(f)) > limits.max_f
            rules.append((HETEROZYGOSITY, limits.max_f, odd, f, self.pairs.called))
        for rule, threshold, which, values, n in rules:
            places = np.flatnonzero(which & left)
            left[places] = False
            yield Found(rule, threshold, places, values[places], n[places])

    def table(self, folder: Path) -> pa.Table:
        """Return `FIGURES`; of a figure that rests on no call, null."""
        samples = _samples(folder)
        columns: dict[str, Any] = {
            "sample_id": samples["sample_id"],
            "person_id": samples["person_id"],
            "sex": self.sex,
            "alleles": self.alleles,
            "missing": self.missing,
        }
        for sums, called, f in ((self.pairs, "het_called", "f"), (self.x, "x_called", "x_f")):
            columns[called] = sums.called
            columns[f] = pa.array(sums.f, mask=~np.isfinite(sums.f))
        columns["hom_observed"] = self.pairs.called - self.pairs.het
        columns["hom_expected"] = self.pairs.hom_expected
        columns["x_het"] = self.x.het
        columns["x_sex"] = pa.array(self.x_sex, pa.uint8(), mask=self.x.called == 0)
        columns["y_called"] = self.y_called
        return pa.table([columns[name] for name in FIGURES.names], names=FIGURES.names).cast(
            FIGURES
        )


def person_figures(folder: Path) -> PersonFigures:
    """Return the figures of a staged run's persons, from one pass over its calls."""
    gathering = _Gathering(run_persons(folder), build_of(folder), _Overruled.of(folder))
    for staged in staged_calls(folder):
        gathering.add(staged)
    return gathering.figures(_samples(folder)["sex"].to_numpy())


def run_persons(folder: Path) -> Persons:
    """Return the persons of a staged run. A founder has no parent in the sample map."""
    rows = _samples(folder)
    founder = np.ones(len(rows), np.bool_)
    for name in ("father", "mother"):
        if name in rows.column_names:
            founder &= rows[name].is_null().to_numpy()
    sex = rows["sex"].to_numpy()
    return Persons(sex == MALE, founder, np.ones_like(founder))


def build_of(folder: Path) -> str:
    """Return the canonical build of a staged run."""
    return str(json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))["build"])


@dataclass(frozen=True, slots=True)
class _Overruled:
    """Heterozygous calls of men on X and Y that are missing in the blocks.

    Those at records with several ALTs are left out: of which of them is not kept.

    Attributes:
        rows: int64, those on X by row of the sites.
        columns: int64, the person of each.
        on_y: int64, the person of each on Y.
    """

    rows: Ints
    columns: Ints
    on_y: Ints

    @classmethod
    def of(cls, folder: Path) -> _Overruled:
        path = folder / OVERRULED
        if not path.exists():
            none = np.zeros(0, np.int64)
            return cls(none, none, none)
        found = pl.read_parquet(path).cast({"row": pl.Int64, "index": pl.Int64}).sort("row")
        n_alts = pl.read_parquet(folder / "sites.parquet", columns=["n_alts"])["n_alts"]
        found = found.filter(n_alts.gather(found["row"]) == 1)
        x, y = (found.filter(pl.col("rule") == RULE[chrom]) for chrom in ("X", "Y"))
        return cls(x["row"].to_numpy(), x["index"].to_numpy(), y["index"].to_numpy())

    def restored(self, planes: Planes, first: int) -> Planes:
        """Return the planes of rows from ``first`` on, heterozygous where the file has that."""
        low, high = np.searchsorted(self.rows, [first, first + len(planes)])
        if low == high:
            return planes
        planes = planes.copy()
        rows, columns = self.rows[low:high] - first, self.columns[low:high]
        bits = np.left_shift(np.uint64(1), (columns & 63).astype(np.uint64))
        np.bitwise_or.at(planes[:, KNOWN], (rows, columns >> 6), bits)  # and in no other plane
        return planes


@dataclass(slots=True)
class _Gathering:
    """Figures while blocks come by."""

    persons: Persons
    build: str
    overruled: _Overruled
    pairs: Sums = field(init=False)
    x: Sums = field(init=False)
    missing: Ints = field(init=False)
    y_called: Ints = field(init=False)
    alleles: int = 0
    alleles_of_y: int = 0

    def __post_init__(self) -> None:
        size = len(self.persons)
        self.pairs, self.x = Sums.of(size), Sums.of(size)
        self.missing, self.y_called = np.zeros(size, np.int64), np.zeros(size, np.int64)

    def add(self, staged: StagedCalls) -> None:
        planes = staged.planes()
        region = regions(self.build, staged.chrom, staged.sites["pos"].to_numpy())
        ref = count(planes, region, self.persons).ref
        self.alleles += len(planes)
        absent = self.missing if staged.chrom != "Y" else np.zeros_like(self.missing)
        if not staged.complete:
            add_missing(planes, absent)
        if staged.chrom == "Y":
            self.alleles_of_y += len(planes)
            self.missing += np.where(self.persons.male, absent, 0)
            self.y_called += len(planes) - absent
        pairs = (region == Region.DIPLOID) | (region == Region.PAR)
        if pairs.any():
            self.pairs.add(planes if pairs.all() else planes[pairs], ref[pairs])
        on_x = region == Region.X
        if on_x.any():
            self.x.add(self.overruled.restored(planes, staged.first_row)[on_x], ref[on_x])

    def figures(self, sex: npt.NDArray[np.uint8]) -> PersonFigures:
        alleles = np.where(self.persons.male, self.alleles, self.alleles - self.alleles_of_y)
        y_called = self.y_called + np.bincount(self.overruled.on_y, minlength=len(sex))
        return PersonFigures(sex, alleles, self.missing, self.pairs, self.x, y_called)


def _samples(folder: Path) -> pa.Table:
    return pq.read_table(folder / "samples.parquet").sort_by("index")
