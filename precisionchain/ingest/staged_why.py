"""What the own site's staging knows of a call besides the ledger: file, line, and what was done.

Staging keeps which heterozygous calls sex made missing, which records were refused, and where each
record stands. It does not keep which other rule made a call missing: ``./.`` in the file, a
half-call, a low GQ or DP all end as one code. That is said, with the settings in force.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import polars as pl

from precisionchain.ingest.staging import Run, Staging
from precisionchain.ingest.vcf_overruled import FILE as OVERRULED
from precisionchain.schemas.variant import Variant


@dataclass(frozen=True, slots=True)
class StagedCall:
    """Where a record at a variant's position stands in the files, and what became of the call.

    Attributes:
        file: name of the file; no path.
        line: its physical line, from 1; of BCF the record's number; None where it is not known.
        rule: what refused the record or made the call missing; None where nothing is kept.
        meaning: the same in words.
        refused: whether the whole record was refused.
    """

    file: str
    line: int | None
    rule: str | None
    meaning: str
    refused: bool = False


def run_of(staging: Staging, source: str, source_id: str) -> Run | None:
    """Return the newest staged run of a batch's content, None where it was deleted."""
    found = [run for run in staging.runs() if (run.source, run.source_id) == (source, source_id)]
    return found[-1] if found else None


def staged_calls_at(run: Run, person_id: int, variant: Variant) -> Iterator[StagedCall]:
    """Yield the records at a variant's position: the allele's own first, refused ones last.

    Args:
        run: a staged run of genotypes.
        person_id: whose call.
        variant: trimmed.
    """
    sites = pl.scan_parquet(run.path / "sites.parquet").with_row_index("place")
    here = sites.filter(
        (pl.col("chrom") == variant.chrom)
        & ((pl.col("pos") == variant.pos) | (pl.col("record_pos") == variant.pos))
    ).collect()
    own = (pl.col("pos") == variant.pos) & (pl.col("ref") == variant.ref)
    mine = here.filter(own & (pl.col("alt") == variant.alt))
    overruled = _overruled(run.path, person_id)
    for site in (mine if mine.height else here).unique("record").sort("record").to_dicts():
        rule = overruled.get(site["place"])
        file, line = _place(run, site["record"])
        meaning = _policies(run) if rule is None else _OVERRULED[rule]
        yield StagedCall(file, line, rule, meaning)
    refused = pl.scan_parquet(run.path / "refused.parquet").filter(
        (pl.col("chrom") == variant.chrom) & (pl.col("pos") == variant.pos)
    )
    for row in refused.collect().to_dicts():
        text = f"the record was refused by rule {row['rule']}"
        yield StagedCall(row["file"], row["line"], row["rule"], text, refused=True)


_OVERRULED = {
    "male_x_het": "heterozygous in the file, where a man has one copy of X",
    "male_y_het": "heterozygous in the file, where a man has one copy of Y",
    "mt_het": "heterozygous in the file, where there is one copy of MT",
}


def _overruled(folder: Path, person_id: int) -> dict[int, str]:
    """Return the rows of the sites at which sex made a call of the person missing, by rule."""
    if not (folder / OVERRULED).exists():
        return {}
    samples = pl.read_parquet(folder / "samples.parquet", columns=["index", "person_id"])
    of_person = samples.filter(pl.col("person_id") == person_id)["index"]
    rows = pl.scan_parquet(folder / OVERRULED).filter(pl.col("index").is_in(of_person.implode()))
    return dict(rows.select("row", "rule").collect().iter_rows())


def _policies(run: Run) -> str:
    """Return what may have made a call missing, by the settings and counts of the run."""
    settings: dict[str, Any] = run.description["settings"]
    counted: dict[str, int] = run.description["statistics"]["calls"]
    may = ["missing in the file"]
    if settings.get("half_call") == "missing" and counted.get("half_calls"):
        may.append("a half-call (--half-call missing)")
    for setting, option in (("min_gq", "GQ"), ("min_dp", "DP")):
        if settings.get(setting):
            may.append(f"a {option} below {settings[setting]}")
    if counted.get("female_y"):
        may.append("a call of a woman on Y")
    kept = "" if len(may) == 1 else ": staging does not keep which"
    return " or ".join(may) + kept


def _place(run: Run, record: int) -> tuple[str, int | None]:
    """Return file and line of a record, which counts from 0 over all files of the run."""
    files = [one for one in run.description["inputs"] if one.get("role") == "genotypes"]
    ends = list(accumulate(one["records"] for one in files))
    number = next(n for n, end in enumerate(ends) if record < end)
    first = run.description.get("first_lines")
    before = ends[number] - files[number]["records"]
    return files[number]["file"], None if first is None else first[number] + record - before
