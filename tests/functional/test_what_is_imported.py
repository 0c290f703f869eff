"""A command loads the libraries that it needs: what it does not load it does not wait for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

import precisionchain as pc
from precisionchain.schemas.columns import shrink, to_body
from tests.functional.conftest import SmallSite
from tests.lib.vcf_builder import write_map, write_vcf

HEAVY = ("cyvcf2", "duckdb", "mcrpc", "msprime", "numba", "pandas", "scipy", "statsmodels")
CLINICAL = (
    "query domain 201826",
    "query person A:1",
    "audit entries",
    "audit who-saw A:1",
)
GENETIC = (
    "query variant 9:100:A:G",
    "query person-variants A:1",
    "query person-variants A:2 9:1-300 --maf 0-0.5",
    "query maf 0-0.5",
    "audit who-saw 9:100:A:G",
)
COUNTING = ("audit summary", "audit seen-by admin@A")
"""What counts and lists the persons of many answers, in compiled loops."""
QUALITY_CONTROL = ("", "_alleles", "_calls", "_counts", "_hwe", "_ld", "_persons", "_planes")
COMPILER = ("numba", "pandas", "scipy")
"""What numba brings along where it is installed; it costs these commands 0.3 s."""
_LOADED = """
import sys
loaded = lambda names: print("loaded:", *(n for n in names if n in sys.modules), file=sys.stderr)
"""
_COMMAND = """
from precisionchain.cli.app import main
names, sys.argv = sys.argv[1].split(","), ["precisionchain", *sys.argv[2:]]
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
loaded(names)
"""
_RESTORE = """
from pathlib import Path
from precisionchain.schemas.columns import from_body, restore
print(restore(from_body(Path(sys.argv[2]).read_bytes())).num_rows)
loaded(sys.argv[1].split(","))
"""


def loaded_by(program: str, names: tuple[str, ...], *arguments: str) -> list[str]:
    """Run a program in a process of its own; return which modules it has loaded by its end."""
    command = [sys.executable, "-c", _LOADED + program, ",".join(names), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip()
    return ended.stderr.splitlines()[-1].removeprefix("loaded:").split()


@pytest.mark.parametrize("command", CLINICAL)
def test_a_question_about_records_loads_no_engine_but_polars(
    shared_site: SmallSite, command: str
) -> None:
    """Not the compute functions of Arrow either, which 30 ms are made of."""
    arguments = ("-C", str(shared_site.path), *command.split(), "--json")
    assert loaded_by(_COMMAND, (*HEAVY, "rich", "pyarrow.compute"), *arguments) == []


def test_a_cohort_loads_what_reads_genotypes_and_definitions_where_it_asks_for_them(
    shared_site: SmallSite,
) -> None:
    """200 ms of CPU, of a command that takes 800."""
    parts = ("genetic_criteria", "sequencing_criteria", "variant_ids", "circe.cohorts")
    named = tuple(f"precisionchain.query.{part}" for part in parts)
    arguments = ("-C", str(shared_site.path), "cohort")
    arrow = ("pyarrow.compute", "pyarrow.parquet")
    asked = (*arguments, "condition(201826) & age(18..65, at=2020-01-01)", "--json")
    assert loaded_by(_COMMAND, (*HEAVY, *arrow, *named, "rich"), *asked) == []
    asked = (*arguments, "carries(9:100:A:G)", "--json")
    assert loaded_by(_COMMAND, named, *asked) == [named[0], named[2]]


@pytest.mark.parametrize("command", GENETIC)
def test_a_question_about_genotypes_or_with_lists_loads_no_engine_but_polars_and_arrow(
    shared_site: SmallSite, command: str
) -> None:
    arguments = ("-C", str(shared_site.path), *command.split(), "--json")
    assert loaded_by(_COMMAND, (*HEAVY, "rich"), *arguments) == []


@pytest.mark.parametrize("command", COUNTING)
def test_a_question_that_counts_over_the_log_loads_no_engine_but_its_compiler(
    shared_site: SmallSite, command: str
) -> None:
    arguments = ("-C", str(shared_site.path), *command.split(), "--json")
    others = tuple(name for name in HEAVY if name not in COMPILER)
    assert loaded_by(_COMMAND, (*others, "rich"), *arguments) == []


@pytest.mark.parametrize("command", ["--help", "query --help", "--version"])
def test_help_loads_no_engine(command: str) -> None:
    engines = (*HEAVY, "numpy", "polars", "pyarrow", "cryptography")
    assert loaded_by(_COMMAND, engines, *command.split()) == []


def test_a_site_is_made_without_engines(tmp_path: Path) -> None:
    arguments = ("init", str(tmp_path / "site"), "--site", "A")
    program = _COMMAND + "print('made')\n"
    assert loaded_by(program, (*HEAVY, "numpy", "polars", "pyarrow"), *arguments) == []


def test_genotypes_are_ingested_without_quality_control_unless_it_is_asked_for(
    tmp_path: Path,
) -> None:
    """Nor with what only OMOP files, BCF, or a table that leaves for pandas need."""
    site = tmp_path / "site"
    pc.Site.init(site, site="A", build="GRCh37")
    vcf = write_vcf(tmp_path / "a.vcf", "9:5 A G 0/1 0/0")
    samples = write_map(tmp_path / "map.csv", "a,1,M", "b,2,F")
    options = ("--samples", str(samples), "--build", "GRCh37", "--qc", "none", "--build-unverified")
    control = tuple(f"precisionchain.ingest.qc{part}" for part in QUALITY_CONTROL)
    omop = "precisionchain.schemas.omop"
    unneeded = ("cyvcf2", "mcrpc", "msprime", "pandas", "scipy.linalg", "statsmodels", "rich", omop)
    arguments = ("-C", str(site), "ingest", "vcf", str(vcf), *options)
    assert loaded_by(_COMMAND, (*control, *unneeded), *arguments) == []


def test_no_way_of_restoring_a_column_loads_pandas(tmp_path: Path) -> None:
    """Every step of ``column_steps``, with and without nulls."""
    n = 64
    table = pa.table(
        {
            "range": pa.array(range(n)),
            "offset": pa.array([5, None, *([7, 9] * 31)], pa.int64()),
            "delta": pa.array([number * number for number in range(n)]),
            "null": pa.nulls(n, pa.int32()),
            "text": pa.array(["PASS"] * n),
            "truth": pa.array([True] * n),
            "bytes": pa.array([b"\0\1"] * n),
            "float": pa.array([0.5] * n),
            "decimal": pa.array([0.5, None, *([1.25, 3.0] * 31)]),
            "dictionary": pa.array(["A", "C"] * 32),
            "number": pa.array(["rs1", "rs77", None, "."] + [f"rs{9 * i}" for i in range(60)]),
            "date": pa.array([1, 2, 8, 9] * 16, pa.date32()),
            "time": pa.array([1, None, 86_400_000_000, 3] * 16, pa.timestamp("us")),
        }
    )
    shrunk = shrink(table)
    assert shrunk.num_columns < table.num_columns
    (tmp_path / "body").write_bytes(to_body(shrunk, 1))
    assert loaded_by(_RESTORE, ("pandas",), str(tmp_path / "body")) == []
