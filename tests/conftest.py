"""What every test may use: real files, other programs, and Hypothesis profiles.

Real files and other programs are not part of the project. An ordinary test that wants one is
skipped, with the reason, where it is absent. A validation test is not: `make validate` stops and
names all that is absent, because a run that skipped everything would look green. `ALLOW_MISSING=1`
says that the gaps are known, and turns them into skips.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

PROJECT_ROOT = Path(__file__).resolve().parent.parent
VALIDATION_FOLDER = PROJECT_ROOT / "tests" / "validation"

# The programs that validation compares with, under the names Debian gives them.
ORACLE_PROGRAMS = ("bcftools", "tabix", "plink1.9", "plink2", "bedtools")

# In CI a generative test must give the same verdict twice; on a laptop, and at night, it explores.
settings.register_profile(
    "default",
    max_examples=50,
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "nightly", parent=settings.get_profile("default"), max_examples=2_000, derandomize=False
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def shared_data_folder() -> Path:
    """The folder of real files: PRECISIONCHAIN_SHARED_DATA, else beside the project."""
    named = os.environ.get("PRECISIONCHAIN_SHARED_DATA")
    return Path(named) if named else PROJECT_ROOT.parent / "shared" / "data"


def absent_for_validation() -> list[str]:
    """What validation needs and this machine lacks, in words."""
    absent = [f"program {name}" for name in ORACLE_PROGRAMS if shutil.which(name) is None]
    if not shared_data_folder().is_dir():
        absent.append(f"real files in {shared_data_folder()} (or PRECISIONCHAIN_SHARED_DATA)")
    return absent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies in tests/validation, and refuse to run it with half of its oracles."""
    validations = [item for item in items if VALIDATION_FOLDER in item.path.parents]
    for item in validations:
        item.add_marker(pytest.mark.validation)
    absent = absent_for_validation() if validations else []
    if absent and os.environ.get("ALLOW_MISSING") != "1":
        pytest.exit(
            "validation needs, and does not find: "
            + "; ".join(absent)
            + ". Set ALLOW_MISSING=1 to run what is left.",
            returncode=pytest.ExitCode.USAGE_ERROR,
        )


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real files; a test that wants it is skipped where there is none."""
    folder = shared_data_folder()
    if not folder.is_dir():
        pytest.skip(f"no folder of real files at {folder} (set PRECISIONCHAIN_SHARED_DATA)")
    return folder


@pytest.fixture(scope="session")
def oracle_program() -> Callable[[str], str]:
    """Give the path of another program, by name; skip where it is not installed."""

    def find(name: str) -> str:
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not installed")
        return found

    return find
