"""Where imports may go, and what `import precisionchain` costs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import precisionchain

PROJECT_ROOT = Path(__file__).resolve().parents[2]

ENGINES = (
    "cryptography",
    "cyvcf2",
    "duckdb",
    "jinja2",
    "mcrpc",
    "msprime",
    "numba",
    "numpy",
    "pandas",
    "pgenlib",
    "polars",
    "pyarrow",
    "pydantic",
    "rich",
    "statsmodels",
    "typer",
)

# One import that each contract must refuse: file, its only line, what the report then says.
PLANTED = {
    "layer": (
        "schemas/planted.py",
        "import precisionchain.ledger",
        "precisionchain.schemas is not allowed to import precisionchain.ledger",
    ),
    "neighbours": (
        "ingest/planted.py",
        "import precisionchain.query",
        "precisionchain.ingest is not allowed to import precisionchain.query",
    ),
    "room without a layer": ("attic.py", "", "precisionchain.attic"),
    "replica in ingest": (
        "ingest/planted_route.py",
        "import precisionchain.replica",
        "precisionchain.ingest.planted_route -> precisionchain.replica",
    ),
    "engine in schemas": (
        "schemas/planted_engine.py",
        "import duckdb",
        "precisionchain.schemas.planted_engine -> duckdb",
    ),
    "cyvcf2": ("query/planted.py", "import cyvcf2", "precisionchain.query.planted -> cyvcf2"),
    "msprime": (
        "replica/planted.py",
        "import msprime",
        "precisionchain.replica.planted -> msprime",
    ),
    "mcrpc": ("ledger/planted.py", "import mcrpc", "precisionchain.ledger.planted -> mcrpc"),
    "pgenlib": (
        "query/planted_pgen.py",
        "import pgenlib",
        "precisionchain.query.planted_pgen -> pgenlib",
    ),
    "statsmodels": (
        "cli/planted.py",
        "import statsmodels",
        "precisionchain.cli.planted -> statsmodels",
    ),
}


def _lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = (
        "import sys; from importlinter.cli import lint_imports;"
        " sys.exit(lint_imports(config_filename='pyproject.toml', no_cache=True))"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "400"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_imports_keep_every_contract() -> None:
    ended = _lint_imports(PROJECT_ROOT)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def report_of_the_planted_tree(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What import-linter says about a copy of the package with one wrong import per contract."""
    copy = tmp_path_factory.mktemp("planted")
    shutil.copytree(
        PROJECT_ROOT / "precisionchain",
        copy / "precisionchain",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    shutil.copy(PROJECT_ROOT / "pyproject.toml", copy)
    for path, line, _ in PLANTED.values():
        (copy / "precisionchain" / path).write_text(line + "\n", encoding="utf-8")
    ended = _lint_imports(copy)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.parametrize("contract", PLANTED)
def test_a_wrong_import_is_found(contract: str, report_of_the_planted_tree: str) -> None:
    _, _, complaint = PLANTED[contract]
    assert complaint in report_of_the_planted_tree


def test_no_module_has_a_name_that_says_nothing() -> None:
    said_nothing = {"data", "helper", "helpers", "info", "manager", "process", "util", "utils"}
    modules = (PROJECT_ROOT / "precisionchain").rglob("*.py")
    assert [str(path) for path in modules if said_nothing & set(path.stem.split("_"))] == []


def _engines_loaded_by(statement: str) -> list[str]:
    program = (
        f"import sys; {statement}; "
        f"print(*[name for name in {ENGINES!r} if name in sys.modules], sep=',')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return [name for name in ended.stdout.strip().split(",") if name]


def test_importing_the_package_loads_no_engine() -> None:
    assert _engines_loaded_by("import precisionchain") == []


def test_catching_our_errors_loads_no_engine() -> None:
    assert _engines_loaded_by("from precisionchain import PrecisionChainError") == []


def test_asking_for_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'attic'"):
        precisionchain.attic  # noqa: B018  # asking is the point


def test_dir_lists_the_public_names() -> None:
    assert dir(precisionchain) == sorted(precisionchain.__all__)
