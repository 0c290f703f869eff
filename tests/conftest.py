"""What every test may use: the shared real files, and Hypothesis profiles."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

PROJECT_ROOT = Path(__file__).resolve().parent.parent

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


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real files; a test that wants it is skipped where there is none."""
    folder = shared_data_folder()
    if not folder.is_dir():
        pytest.skip(f"no folder of real files at {folder} (set PRECISIONCHAIN_SHARED_DATA)")
    return folder
