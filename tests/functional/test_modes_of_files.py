"""Who may read a site folder, as `privacy.md` says: modes that are made, and modes refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lib.omop_builder import write_omop
from tests.lib.typed_commands import refused, run

FOLDERS = ("keys", "replica", "cohorts", "staging", "reports")
FILES = ("keys/site.key", "keys/admin@A.key", "cohorts/everybody.parquet", "../maf.csv")

OMOP = """
    condition_occurrence
    person | concept | start
    42     | 201826  | 2015-03-02
    """
COHORT = ("-C", "site_a", "cohort", "saved(everybody)")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A site with a little of everything, made by somebody whose umask forbids nothing."""
    before = os.umask(0)
    try:
        run(tmp_path, "init", "site_a", "--site", "A")
        write_omop(tmp_path / "omop", OMOP)
        run(tmp_path, "-C", "site_a", "ingest", "omop", "omop")
        run(tmp_path, "-C", "site_a", "cohort", "everyone()", "--save", "everybody")
        run(tmp_path, "-C", "site_a", "report")
        run(tmp_path, "-C", "site_a", "query", "maf", "0-0.5", "--output", "maf.csv")
        yield tmp_path
    finally:
        os.umask(before)


def test_what_holds_records_is_made_for_its_owner_alone(folder: Path) -> None:
    modes = {name: (folder / "site_a" / name).stat().st_mode & 0o777 for name in FOLDERS + FILES}
    assert modes == {**dict.fromkeys(FOLDERS, 0o700), **dict.fromkeys(FILES, 0o600)}


def test_only_keys_are_refused_when_they_have_become_looser(folder: Path) -> None:
    for name in FOLDERS[1:]:
        (folder / "site_a" / name).chmod(0o755)
    run(folder, *COHORT)
    for name in ("keys/site.key", "keys/admin@A.key", "keys"):
        path = folder / "site_a" / name
        kept = path.stat().st_mode
        path.chmod(kept | 0o044)
        assert "a private key is open to others" in refused(folder, 3, *COHORT)
        path.chmod(kept)
    run(folder, *COHORT)
