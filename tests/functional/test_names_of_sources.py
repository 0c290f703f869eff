"""What a source may be called, and that its exports stay of one kind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.functional.conftest import SmallSite
from tests.lib.typed_commands import refused, run, typed


def vcf(own_site: SmallSite, source: str, *more: str) -> tuple[str, ...]:
    files = Path(*own_site.path.parts[:-1])
    return (
        *("-C", "site_a", "ingest", "vcf", str(files / "first.vcf")),
        *("--samples", str(files / "map.csv"), "--build", "GRCh37", "--source", source, *more),
    )


@pytest.fixture
def folder(own_site: SmallSite, original_site: Path) -> Path:
    """A folder with the small site and its files."""
    for name in ("first.vcf", "map.csv"):
        (own_site.path.parent / name).write_bytes((original_site.parent / name).read_bytes())
    (own_site.path.parent / "omop").symlink_to(original_site.parent / "omop")
    return own_site.path.parent


@pytest.mark.parametrize("name", ["", " ", "a\nerror: all is lost", "a\x1b[2J", "e" * 101, " ward"])
def test_a_name_is_a_line_of_text(folder: Path, own_site: SmallSite, name: str) -> None:
    """A name stands in messages, tables and logs of every member."""
    before = own_site.ledger.state()
    line = refused(folder, 2, "-C", "site_a", "ingest", "omop", "omop", "--source", name)
    assert "no name of a source" in line
    assert name.strip() == "" or name not in line
    assert "no name of a source" in refused(folder, 2, *vcf(own_site, name))
    assert own_site.ledger.state() == before
    assert len(list((own_site.path / "staging" / "runs").iterdir())) == 2


def test_names_in_other_scripts_are_taken(folder: Path) -> None:
    done = run(
        folder, "-C", "site_a", "ingest", "omop", "omop", "--source", "Überweisung 2", "--json"
    )
    assert json.loads(done)["source"] == "Überweisung 2"


@pytest.mark.parametrize("more", [(), ("--replace",)])
def test_genotypes_do_not_follow_clinical_records(
    folder: Path, own_site: SmallSite, more: tuple[str, ...]
) -> None:
    before = own_site.ledger.state()
    line = refused(folder, 5, *vcf(own_site, "ehr", *more))
    assert "source ehr" in line
    assert "clinical records" in line
    assert "--source" in line
    assert own_site.ledger.state() == before
    run(folder, "-C", "site_a", "verify")


def test_clinical_records_do_not_follow_genotypes(folder: Path, own_site: SmallSite) -> None:
    before = own_site.ledger.state()
    ingest = ("-C", "site_a", "ingest", "omop", "omop", "--source", "array")
    line = refused(folder, 5, *ingest)
    assert "hold genotypes, the export holds clinical records" in line
    code, _, err = typed(folder, "-q", *ingest, "--dry-run")
    assert code == 0
    (line,) = err.splitlines()  # however quiet
    assert line.startswith("warning: would be refused: ")
    assert "hold genotypes" in line
    assert own_site.ledger.state() == before
