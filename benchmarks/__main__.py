"""``python -m benchmarks``: measure, print one table, keep the figures as JSON.

How to read it: ``docs/reference/benchmarks.md``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks import entries, genotypes, geometry, omop, queries
from benchmarks.measure import PROJECT
from benchmarks.report import keep, show

PARTS = {
    "vcf": genotypes.measure,
    "large": genotypes.measure_large,
    "geometry": geometry.measure,
    "omop": omop.measure,
    "queries": queries.measure,
    "entries": entries.measure,
}
PROGRAMS = ("bcftools", "bgzip", "plink2", "gzip")
FILES = (genotypes.PGX, genotypes.PANEL, f"{omop.GIBLEED}/person.csv")


def main() -> int:
    """Run the parts asked for; 2 where a program or file is absent."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="one part; repeatable")
    parser.add_argument(
        "--repeats", type=int, default=3, help="runs of each job; the median counts"
    )
    parser.add_argument("--work", type=Path, help="a folder for sites, on the disk to be measured")
    options = parser.parse_args()
    named = os.environ.get("PRECISIONCHAIN_SHARED_DATA")
    shared = Path(named) if named else PROJECT.parent / "shared" / "data"
    absent = [f"program {name}" for name in PROGRAMS if shutil.which(name) is None]
    absent += [f"file {shared / name}" for name in FILES if not (shared / name).is_file()]
    if absent:
        print(f"the benchmarks need, and do not find: {'; '.join(absent)}", file=sys.stderr)
        return 2
    figures = []
    details = {}
    for name in options.only or PARTS:
        with tempfile.TemporaryDirectory(dir=options.work) as folder:
            print(f"measuring {name} ...", file=sys.stderr)
            found, more = PARTS[name](shared, Path(folder), options.repeats)
        figures += found
        details[name] = more
    show(figures)
    print(f"kept in {keep(figures, details).relative_to(PROJECT)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
