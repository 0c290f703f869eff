"""A reference by its places: what is read, with and without an index, and what cannot be."""

from __future__ import annotations

import base64
import gzip
import hashlib
from pathlib import Path

import pytest

from precisionchain.errors import BuildMismatchError, PrecisionChainError, UnreadableFileError
from precisionchain.founding import Normalised, founding_parameters
from precisionchain.ingest.fasta import Fasta, Reference

TEXT = b">chr1 first\nACGT\nacgt\nAR\n>2\r\nTTT\r\nG\r\n>empty\n>chrM\nGATTACA"


def written(folder: Path, text: bytes = TEXT) -> Path:
    path = folder / "ref.fa"
    path.write_bytes(text)
    return path


def test_bases_by_place(tmp_path: Path) -> None:
    fasta = Fasta.open(written(tmp_path))
    assert {name: contig.length for name, contig in fasta.contigs.items()} == {
        "1": 10,
        "2": 4,
        "empty": 0,
        "MT": 7,
    }
    assert fasta.sequence("1", 1, 10) == "ACGTACGTAA"
    assert fasta.sequence("2", 3, 4) == "TG"
    assert fasta.sequence("MT", 7, 7) == "A"


def test_the_digest_is_that_of_refget(tmp_path: Path) -> None:
    """GA4GH's example: sha512t24u of ACGT."""
    fasta = Fasta.open(written(tmp_path, b">1\nAC\nGT\n>2\nacgT\n"))
    assert fasta.digest("1") == "SQ.aKF498dAxcJAqme6QYQ7EZ07-fiw8Kw2" == fasta.digest("2")
    raw = hashlib.sha512(b"ACGT").digest()[:24]
    assert fasta.digest("1")[3:] == base64.urlsafe_b64encode(raw).decode()


BROKEN = {
    "empty": b"",
    "no FASTA": b"ACGT\n",
    "compressed": gzip.compress(TEXT),
    "lines of different lengths": b">1\nAC\nACGT\nA\n",
    "an empty line inside": b">1\nACGT\n\nACGT\n",
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_has_no_places_is_refused(tmp_path: Path, case: str) -> None:
    with pytest.raises(UnreadableFileError):
        Fasta.open(written(tmp_path, BROKEN[case]))


def test_an_index_of_another_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    (tmp_path / "ref.fa.fai").write_text("1\t1000\t5\t60\t61\n")
    with pytest.raises(UnreadableFileError, match="not of this file"):
        Fasta.open(path)


def test_a_reference_must_be_the_builds(tmp_path: Path) -> None:
    with pytest.raises(BuildMismatchError, match="contig 1 is not as long as GRCh38's"):
        Fasta.open(written(tmp_path)).digests_of("GRCh38")
    with pytest.raises(BuildMismatchError, match="no chromosome"):
        Fasta.open(written(tmp_path, b">scaffold\nACGT\n")).digests_of("GRCh38")


def test_what_a_network_is_founded_with(tmp_path: Path) -> None:
    path = written(tmp_path, b">chrM\n" + b"ACGT" * 4142 + b"A\n")
    steps = ("split", "trim", "left-align")
    found = founding_parameters("GRCh37", None, Normalised(steps, path))
    assert found.normalisation == steps
    assert dict(found.reference) == {"MT": Fasta.open(path).digest("MT")}
    assert type(found).from_body(found.body()) == found
    for wrong in (
        Normalised(steps),
        Normalised(("split",), path),
        Normalised(("trim",)),
        Normalised(("split", "left-align"), path),
    ):
        with pytest.raises(PrecisionChainError):
            founding_parameters("GRCh37", None, wrong)


def test_only_the_sequences_that_the_network_names_are_used(tmp_path: Path) -> None:
    path = written(tmp_path)
    digests = {"1": Fasta.open(path).digest("1")}
    assert set(Reference(path, digests).open(["1", "2"]).contigs) == {"1"}
