"""The monthly export of a hospital of 100,000 persons, 1 % of it changed, as its source's next.

January, February, February again, and a March whose keys are all given anew. What is to be
published is said by DuckDB: EXCEPT ALL of the CSV files.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.measure import Cost, Job, new_site, precisionchain, run
from benchmarks.report import GIGABYTE, Figure, costs, failure, megabytes, seconds
from precisionchain.synthetic.clinical_site import write_clinical_site
from precisionchain.synthetic.next_export import Monthly, write_next_export

PERSONS, FEW = 100_000, 2_000
NOTHING = "nothing is published"


def measure(job: Job) -> tuple[list[Figure], dict[str, Any]]:
    """Return the figures of three exports that follow the first."""
    hospital, site = job.work / "hospital", new_site(job.work / "refreshed")
    rows = sum(write_clinical_site(hospital, persons=job.size(PERSONS, FEW)).values())
    january, february, march = hospital / "omop", hospital / "february", hospital / "march"
    write_next_export(january, february, Monthly(seed=1))
    write_next_export(february, march, Monthly(seed=2, renumbered=True))
    said: dict[str, Any] = {}
    spent: dict[str, Cost] = {}
    failed: list[Figure] = []
    for name, earlier, folder in (
        ("first", None, january),
        ("refresh", january, february),
        ("again", None, february),
        ("renumbered", february, march),
    ):
        try:
            spent[name], said[name] = _ingested(site, folder, hospital / "vocabulary")
        except RuntimeError as error:
            failed.append(failure(f"ingest omop, {name} export", error))
            continue
        if earlier:
            spent[f"EXCEPT ALL, {name}"], said[f"EXCEPT ALL, {name}"] = _differences(
                earlier, folder, anew=name == "renumbered"
            )
    shutil.rmtree(hospital)
    details = {"rows": rows, "costs": {n: asdict(c) for n, c in spent.items()}, "said": said}
    return [*_figures(rows, spent, said), *failed], details


def _ingested(site: Path, folder: Path, vocabulary: Path) -> tuple[Cost, dict[str, Any]]:
    output = site.parent / "said.json"
    ingest = ("ingest", "omop", folder, "--vocabulary", vocabulary, "--source", "ehr", "--json")
    cost = run(precisionchain("-C", site, *ingest), output=output)
    return cost, json.loads(output.read_text("utf-8"))


def _differences(old: Path, new: Path, *, anew: bool) -> tuple[Cost, dict[str, Any]]:
    output = new.parent / "differences.json"
    more = ["--renumbered"] if anew else []
    cost = run([sys.executable, "-m", "benchmarks.except_all", old, new, *more], output=output)
    return cost, json.loads(output.read_text("utf-8"))


def named_rows(changes: dict[str, dict[str, int]]) -> int:
    """Return the rows that a batch carries or names as gone, of what ``ingest`` says."""
    return sum(one["new"] + 2 * one["changed"] + one["gone"] for one in changes.values())


def _figures(rows: int, spent: dict[str, Cost], said: dict[str, Any]) -> list[Figure]:
    figures: list[Figure] = []
    if "first" in spent:
        first = spent["first"]
        rate = f"{rows / first.wall:,.0f} rows/s wall"
        peak = megabytes(first.peak_bytes)
        met = first.peak_bytes < GIGABYTE
        figures += [
            Figure(f"first export of {rows:,} rows, CPU", seconds(first.cpu), rate),
            Figure("first export, peak memory", peak, bar="< 1 GB", met=met),
        ]
    for name, what in (
        ("refresh", "1 % of the rows otherwise"),
        ("renumbered", "another 1 %, all keys given anew"),
    ):
        if name in spent and "first" in said:
            figures += _of_refresh(name, what, spent, said)
    if "again" in spent:
        new, cpu = said["again"]["new_items"], f"CPU {seconds(spent['again'].cpu)}"
        figures.append(Figure("the same export again", f"{new} items", cpu, None, NOTHING, not new))
    return figures


def _of_refresh(name: str, what: str, spent: dict[str, Cost], said: dict[str, Any]) -> list[Figure]:
    other = f"EXCEPT ALL, {name}"
    named = named_rows(said[name]["changes"])
    least = sum(sum(alone) for alone in said[other].values())
    exact = name == "refresh"
    sealed, whole = said[name]["ledger_bytes"], said["first"]["ledger_bytes"]
    return [
        *costs(what, spent[name], "DuckDB EXCEPT ALL", spent[other]),
        Figure(
            f"{what}, rows carried or named",
            f"{named:,}",
            f"DuckDB EXCEPT ALL {least:,}",
            named / least,
            "the same" if exact else "",
            named == least if exact else None,
        ),
        Figure(
            f"{what}, sealed", megabytes(sealed), f"first batch {megabytes(whole)}", sealed / whole
        ),
    ]
