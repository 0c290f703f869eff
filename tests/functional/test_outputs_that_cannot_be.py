"""Outputs on a full disk, in places that are none, and cohorts of odd names."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest

from precisionchain.errors import UsageError
from precisionchain.query.output_files import OutputFiles
from tests.functional.conftest import SmallSite
from tests.functional.test_cli import ok, run


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, shared_site: SmallSite) -> Iterator[Path]:
    """A folder for outputs beside a site with three persons, as ``-C site``."""
    (tmp_path / "site").symlink_to(shared_site.path)
    with chdir(tmp_path):
        yield tmp_path


@pytest.mark.parametrize("output", ["/proc/x.csv", "/proc/x.parquet", "n" * 250 + ".csv"])
def test_a_place_where_nothing_can_be_written_is_a_named_error(output: str) -> None:
    done = run(f"-C site query maf 0-0.5 --output {output}")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {output}: the output cannot be written (")


@pytest.mark.parametrize("output", ["/proc/x.vcf", "/proc/x.vcf.gz", "/proc/x --to bed"])
def test_genotypes_that_cannot_be_written_are_a_named_error(output: str) -> None:
    done = run(f"-C site export genotypes --output {output}")
    assert (done.code, done.out) == (2, "")
    assert "the output cannot be written (" in done.err


def test_a_disk_that_fills_up_leaves_nothing(folder: Path) -> None:
    target = folder / "answer.csv"
    before = set(folder.iterdir())
    full = OSError(errno.ENOSPC, "No space left on device")

    def write() -> None:
        with OutputFiles([target]) as files:
            files.partial(target).write_text("half")
            raise full

    with pytest.raises(UsageError, match="No space left"):
        write()
    assert set(folder.iterdir()) == before


def test_of_two_at_once_one_wins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = folder / "answer.csv"
    looked = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: path != target and looked(path))

    def write(text: str) -> None:
        with OutputFiles([target]) as files:
            files.partial(target).write_text(text)
            files.release()

    write("first")
    with pytest.raises(UsageError, match="exists already"):
        write("second")
    assert target.read_text() == "first"
    assert {path.name for path in folder.iterdir()} == {"site", "answer.csv"}


def test_an_error_about_another_file_stays_what_it_is(folder: Path) -> None:
    with pytest.raises(FileNotFoundError), OutputFiles([folder / "a.csv"]):
        (folder / "something else").read_text()


def test_the_number_of_a_cohort_has_64_bits() -> None:
    command = "-C site export cohort everybody --definition-id 99999999999999999999"
    assert run(command).code == 2


def test_a_name_of_a_saved_cohort_is_a_name_and_nothing_else() -> None:
    ok("-C site cohort 'everyone()' --save or --overwrite")
    assert ok("-C site export genotypes --cohort or --output x.vcf").code == 0
    Path("site/cohorts/or.parquet").unlink()
    done = run("-C site export genotypes --cohort 'or) | everyone(' --output y.vcf")
    assert done.code == 2
    assert "not a name of a saved cohort" in done.err
