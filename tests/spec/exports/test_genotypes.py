"""Genotypes of persons and a region as files: through the gate, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from unittest import mock

import polars as pl
import pytest

from precisionchain.access.digest import value_digest
from precisionchain.errors import LedgerUnavailableError, UnknownPersonError, UsageError
from tests.lib.drawn_genotypes import ingest_genotypes
from tests.lib.site_builder import BuiltNetwork
from tests.spec.conftest import Build

ARRAY = """
    place     | ref | alt   | 7   | -8  | 9
    9:100     | A   | G     | 0:1 | 1/1 | ./.
    9:200     | C   | T,G   | 1/2 | 0/0 | 2/2
    9:300     | CT  | C,CTT | 0/0 | 0/1 | 1:2
    X:5000000 | G   | A     | 1   | 0/1 | 0
    """
EXOME = """
    place  | ref | alt | 7   | 11
    9:200  | C   | A   | 0/1 | ./.
    9:5000 | T   | C   | 1:0 | 0/0
    """


@pytest.fixture(scope="module")
def network(build: Build) -> BuiltNetwork:
    """Site A has an array; site B looked at 9:101 to 9:6000, and has another person 7."""
    network = build(genetic=True)
    ingest_genotypes(network.site("A"), ARRAY, sexes={"7": "M", "-8": "F", "9": "M"})
    ingest_genotypes(network.site("B"), EXOME, bed=["9 100 6000"], source="exome")
    network.site("A").site.sync()
    return network


def records(path: Path) -> list[str]:
    """Lines without the header, with blanks for tabs."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.replace("\t", " ") for line in lines if not line.startswith("##")]


def test_everybody_of_both_sites(network: BuiltNetwork, tmp_path: Path) -> None:
    with network.site("A").network() as door:
        exported = door.export_genotypes("9:100-500", output=tmp_path / "x.vcf", to="vcf")
    none = "./.:not_assayed"
    assert records(tmp_path / "x.vcf") == [
        "#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT A:-8 A:7 A:9 B:7 B:11",
        f"9 100 . A G . . AC=3;AN=4 GT:FT 1/1 0|1 ./. {none} {none}",
        "9 200 . C A . . AC=1;AN=8 GT 0/0 0/0 0/0 0/1 ./.",
        "9 200 . C G . . AC=3;AN=8 GT 0/0 0/1 1/1 0/0 ./.",
        "9 200 . C T . . AC=1;AN=8 GT 0/0 0/1 0/0 0/0 ./.",
        "9 300 . C CT . . AC=1;AN=10 GT 0/0 0/0 0|1 0/0 0/0",
        "9 300 . CT C . . AC=2;AN=10 GT 0/1 0/0 1|0 0/0 0/0",
    ]
    assert (exported.persons, exported.alleles) == (5, 6)
    assert (exported.called, exported.missing, exported.not_assayed) == (24, 4, 2)


def test_a_man_s_single_copy_of_x_is_one(network: BuiltNetwork, tmp_path: Path) -> None:
    with network.site("A").network() as door:
        door.export_genotypes("X", output=tmp_path / "x.vcf", persons="A:7,A:-8,A:9")
    assert records(tmp_path / "x.vcf")[1:] == ["X 5000000 . G A . . AC=2;AN=4 GT 0/1 1 0"]


def test_alleles_at_which_none_of_the_persons_was_looked_at_are_counted_and_left_out(
    network: BuiltNetwork, tmp_path: Path
) -> None:
    with network.site("A").network() as door:
        exported = door.export_genotypes(output=tmp_path / "x.vcf", persons=["B:7"])
    assert [line.split()[1] for line in records(tmp_path / "x.vcf")[1:]] == (
        ["200", "200", "200", "300", "300", "5000"]
    )
    assert exported.alleles_nobody_assayed == 2


def test_a_cohort_s_persons_without_genotypes_are_counted_and_left_out(
    network: BuiltNetwork, tmp_path: Path
) -> None:
    cohort = pl.DataFrame({"site": ["A", "A", "B"], "person_id": [7, 4711, 11]})
    with network.site("A").network() as door:
        exported = door.export_genotypes("9:5000", output=tmp_path / "x.vcf", persons=cohort)
    assert records(tmp_path / "x.vcf")[1].endswith("GT:FT ./.:not_assayed 0/0")
    assert (exported.persons, exported.persons_without_genotypes) == (2, 1)


def test_a_bed_and_what_it_cannot_say(network: BuiltNetwork, tmp_path: Path) -> None:
    with network.site("A").network() as door:
        exported = door.export_genotypes("9", output=tmp_path / "x.bed")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.bed", "x.bim", "x.fam"]
    assert (exported.alleles, exported.phased_left_out) == (7, 4)
    alleles = (tmp_path / "x.bim").read_text(encoding="utf-8").splitlines()
    assert alleles[:2] == ["9\t9:100:A:G\t0\t100\tG\tA", "9\t9:200:C:A\t0\t200\tA\tC"]


def test_the_log_says_whose_genotypes_and_which_alleles(
    network: BuiltNetwork, tmp_path: Path
) -> None:
    with network.site("A").network() as door:
        exported = door.export_genotypes(
            "9:100-250", output=tmp_path / "x.pgen", persons=["A:7", "A:9"]
        )
        seen = door.audit.seen_by("admin@A").filter(pl.col("operation") == "export-genotypes")
        entry = seen.row(-1, named=True)
    assert entry["persons_returned"] == ["A:7", "A:9"]
    assert entry["variants_returned"] == ["9:100:A:G", "9:200:C:A", "9:200:C:G", "9:200:C:T"]
    digests = [sha256(Path(name).read_bytes()).hexdigest() for name in exported.files]
    assert [Path(name).suffix for name in exported.files] == [".pgen", ".pvar", ".psam"]
    assert exported.digest == value_digest(digests)
    assert entry["rows"] == exported.alleles


@contextmanager
def results_fail() -> Iterator[None]:
    def fail(*_: object) -> None:
        raise LedgerUnavailableError("no answer from the ledger")

    with mock.patch("precisionchain.access.gate.Gate._log_outcome", fail):
        yield


def test_no_file_has_its_name_before_the_result_is_logged(
    network: BuiltNetwork, tmp_path: Path
) -> None:
    with network.site("A").network() as door, results_fail(), pytest.raises(LedgerUnavailableError):
        door.export_genotypes("9", output=tmp_path / "x.vcf.gz")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_exists_is_refused_before_anything_is_asked(
    network: BuiltNetwork, tmp_path: Path
) -> None:
    (tmp_path / "x.bim").write_text("mine")
    before = network.site("A").entries().height
    with network.site("A").network() as door:
        with pytest.raises(UsageError, match="exists"):
            door.export_genotypes("9:100", output=tmp_path / "x", to="bed")
        assert network.site("A").entries().height == before
        door.export_genotypes("9:100", output=tmp_path / "x", to="bed", overwrite=True)
    assert len((tmp_path / "x.bim").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("output", "to"),
    [
        ("x", None),
        ("x.vcf", "bed"),
        ("x.bed", "pgen"),
        ("x", "vcf"),
        ("x", "bgen"),
        ("x.bcf", None),
    ],
)
def test_an_output_that_does_not_tell_its_format_or_another_is_refused(
    network: BuiltNetwork, tmp_path: Path, output: str, to: str | None
) -> None:
    with network.site("A").network() as door, pytest.raises(UsageError):
        door.export_genotypes("9", output=tmp_path / output, to=to)
    assert list(tmp_path.iterdir()) == []


def test_a_person_nobody_published_or_has_no_genotypes_leaves_no_file(
    network: BuiltNetwork, tmp_path: Path
) -> None:
    nobody = pl.DataFrame({"site": ["A"], "person_id": [4711]})
    with network.site("A").network() as door:
        with pytest.raises(UnknownPersonError):
            door.export_genotypes("9", output=tmp_path / "x.vcf", persons=["A:4711"])
        with pytest.raises(UsageError, match="none of the persons has genotypes"):
            door.export_genotypes("9", output=tmp_path / "x.vcf", persons=nobody)
    assert list(tmp_path.iterdir()) == []
