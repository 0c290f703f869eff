"""``python -m benchmarks``: measure, print one table, keep the figures as JSON.

How to read it: ``docs/reference/benchmarks.md``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import (
    cohorts,
    entries,
    genetic,
    genotypes,
    geometry,
    omop,
    queries,
    refresh,
    sources,
    structural,
)
from benchmarks.measure import PROJECT, Job
from benchmarks.report import Figure, failure, keep, machine, markdown, show

PARTS = {
    "vcf": genotypes.measure,
    "large": genotypes.measure_large,
    "sources": sources.measure,
    "genetic": genetic.measure,
    "structural": structural.measure,
    "geometry": geometry.measure,
    "omop": omop.measure,
    "refresh": refresh.measure,
    "queries": queries.measure,
    "cohorts": cohorts.measure,
    "entries": entries.measure,
}
PROGRAMS = ("bcftools", "bedtools", "bgzip", "gzip", "plink1.9", "plink2")
FILES = (
    genotypes.PGX,
    genotypes.PANEL,
    geometry.ARRAYS,
    structural.MELT,
    f"{omop.GIBLEED}/person.csv",
    f"{omop.SYNTHEA}/PERSON.csv",
)


def main() -> int:
    """Run the parts asked for; 2 where a program or file is absent."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="one part; repeatable")
    parser.add_argument(
        "--repeats", type=int, default=1, help="runs of each job; the median counts"
    )
    parser.add_argument("--work", type=Path, help="a folder for sites, on the disk to be measured")
    parser.add_argument("--quick", action="store_true", help="small sizes: does it run at all?")
    parser.add_argument("--page", action="store_true", help="also print the table as Markdown")
    options = parser.parse_args()
    named = os.environ.get("PRECISIONCHAIN_SHARED_DATA")
    shared = Path(named) if named else PROJECT.parent / "shared" / "data"
    absent = [f"program {name}" for name in PROGRAMS if shutil.which(name) is None]
    absent += [f"file {shared / name}" for name in FILES if not (shared / name).is_file()]
    if absent:
        print(f"the benchmarks need, and do not find: {'; '.join(absent)}", file=sys.stderr)
        return 2
    where = machine()
    figures: list[Figure] = []
    details = {}
    for name in options.only or PARTS:
        with tempfile.TemporaryDirectory(dir=options.work) as folder:
            print(f"measuring {name} ...", file=sys.stderr)
            began = time.perf_counter()
            job = Job(shared, Path(folder), options.repeats, options.quick)
            try:
                found, more = PARTS[name](job)
            except RuntimeError as error:
                print(error, file=sys.stderr)
                found, more = [failure(name, error)], {"failed": str(error)}
        figures += found
        details[name] = {**more, "seconds": round(time.perf_counter() - began, 1)}
    show(figures)
    if options.page:
        print(markdown(figures))
    print(f"kept in {keep(figures, details, where).relative_to(PROJECT)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
