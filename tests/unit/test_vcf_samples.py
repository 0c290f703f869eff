"""The sample map, and whom the columns of a batch's files belong to."""

from __future__ import annotations

from pathlib import Path

import pytest

from precisionchain.errors import SampleMapError, UnreadableFileError
from precisionchain.ingest.vcf_samples import Sample, match_samples, read_sample_map
from precisionchain.ingest.vcf_scan import scan
from tests.lib.vcf_builder import write_map, write_vcf


def text_map(folder: Path, text: str, name: str = "map.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


def test_a_map_with_everything(tmp_path: Path) -> None:
    path = text_map(
        tmp_path, "Sample_ID,person_id,SEX,father,mother\r\na,-7,M,,0\r\nb,8,female,a,x\r\n"
    )
    assert read_sample_map(path) == {
        "a": Sample("a", -7, 1),
        "b": Sample("b", 8, 2, father="a", mother="x"),
    }


def test_ids_of_64_bits_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = text_map(tmp_path, "\ufeffsample_id\tperson_id\na\t-9223372036854775808\n")
    assert read_sample_map(path) == {"a": Sample("a", -(2**63))}


def test_quoted_names_may_hold_commas(tmp_path: Path) -> None:
    assert set(read_sample_map(write_map(tmp_path / "m.csv", '"a,1",1,M'))) == {"a,1"}


@pytest.mark.parametrize(
    ("text", "sex"),
    [("M", 1), ("male", 1), ("1", 1), ("f", 2), ("FEMALE", 2), ("2", 2), ("0", 0), ("", 0)],
)
def test_spellings_of_sex(tmp_path: Path, text: str, sex: int) -> None:
    assert read_sample_map(write_map(tmp_path / "m.csv", f"a,1,{text}"))["a"].sex == sex


def test_fam_and_psam(tmp_path: Path) -> None:
    fam = text_map(tmp_path, "f1 11 0 0 1 -9\nf1\t12\t11 0 2 -9\n", "set.fam")
    expected = {"11": Sample("11", 11, 1), "12": Sample("12", 12, 2, father="11")}
    assert read_sample_map(fam) == expected
    psam = text_map(tmp_path, "##note\n#IID\tPAT\tMAT\tSEX\n11\t0\t0\t1\n12\t11\t0\t2\n", "s.psam")
    assert read_sample_map(psam) == expected
    named = text_map(tmp_path, "#FID IID SEX PERSON_ID\nf HG1 NA 5\n", "n.psam")
    assert read_sample_map(named) == {"HG1": Sample("HG1", 5)}


BAD_MAPS = {
    "no person_id": ("sample_id,sex\na,M\n", "does not name sample_id and person_id", 1),
    "empty": ("", "empty", None),
    "only a header": ("sample_id,person_id\n", "names no sample", None),
    "a column twice": ("sample_id,person_id,sex,sex\na,1,M,M\n", "not of a sample map", 1),
    "ragged": ("sample_id,person_id\na,1\nb,2,M\n", "3 columns, not 2", 3),
    "no name": ("sample_id,person_id\n,1\n", "sample_id is empty", 2),
    "person not a number": ("sample_id,person_id\na,1\nb,x9\n", "integer of 64 bits", 3),
    "person too large": ("sample_id,person_id\na,9223372036854775808\n", "64 bits", 2),
    "a sex of another kind": ("sample_id,person_id,sex\na,1,W\n", "sex is not one of", 2),
    "a sample twice": ("sample_id,person_id\na,1\nb,2\na,3\n", "in the map: 1 sample .a.", None),
}


@pytest.mark.parametrize("case", BAD_MAPS)
def test_bad_maps(tmp_path: Path, case: str) -> None:
    text, message, line = BAD_MAPS[case]
    path = text_map(tmp_path, text)
    with pytest.raises(SampleMapError, match=message) as caught:
        read_sample_map(path)
    assert caught.value.where == (f"{path}:{line}" if line else str(path))
    assert "x9" not in str(caught.value)
    assert "9223372036854775808" not in str(caught.value)


def test_a_map_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes(b"sample_id,person_id\n\xe9,1\n")
    for name in ("latin.csv", "absent.csv"):
        with pytest.raises(UnreadableFileError):
            read_sample_map(tmp_path / name)


def matched(folder: Path, rows: list[str], *samples: tuple[str, ...], **options: bool) -> list[int]:
    scans = [
        scan(write_vcf(folder / f"{i}.vcf", "9:5 A G" + " 0/0" * len(names), samples=names))
        for i, names in enumerate(samples)
    ]
    path = write_map(folder / "map.csv", *rows)
    found = match_samples(scans, read_sample_map(path), path, **options)
    return [int(person) for person in found.person_ids]


def test_persons_stand_in_the_order_of_the_columns(tmp_path: Path) -> None:
    assert matched(tmp_path, ["a,1,M", "b,2,F", "c,3,"], ("c", "a", "b")) == [3, 1, 2]


def test_other_files_may_order_their_columns_otherwise(tmp_path: Path) -> None:
    assert matched(tmp_path, ["a,1,M", "b,2,F"], ("b", "a"), ("a", "b")) == [2, 1]


def test_unknown_samples_are_named(tmp_path: Path) -> None:
    names = tuple(f"s{i}" for i in range(15))
    with pytest.raises(SampleMapError) as caught:
        matched(tmp_path, ["s3,3,"], names)
    assert "not in the sample map: 14 samples (s0, s1, s2, s4" in caught.value.message
    assert caught.value.message.endswith("s10 and 4 more)")


def test_samples_named_by_the_ids_of_persons_are_counted_and_not_named(tmp_path: Path) -> None:
    """As a .fam has them whose IIDs are person ids."""
    for rows, names in (
        (["471100,471100,"], ("471100", "471200")),
        (["471100,471100,", "471200,471200,"], ("471100",)),
        (["471100,471100,", "471200,471100,"], ("471100", "471200")),
    ):
        with pytest.raises(SampleMapError) as caught:
            matched(tmp_path, rows, names)
        assert "ids of persons" in caught.value.message
        assert "4711" not in str(caught.value)
        assert "4712" not in str(caught.value)


def test_missing_samples_are_named_unless_allowed(tmp_path: Path) -> None:
    rows = ["a,1,M", "b,2,F", "c,3,"]
    with pytest.raises(SampleMapError, match=r"in the map and in no file: 1 sample \(c\)"):
        matched(tmp_path, rows, ("a", "b"))
    assert matched(tmp_path, rows, ("a", "b"), allow_missing=True) == [1, 2]


def test_one_person_twice_is_named_by_sample(tmp_path: Path) -> None:
    with pytest.raises(SampleMapError, match=r"another sample: 2 samples \(a, c\)") as caught:
        matched(tmp_path, ["a,4711,M", "b,2,F", "c,4711,M"], ("a", "b", "c"))
    assert "4711" not in str(caught.value)


def test_files_of_other_samples_are_no_batch(tmp_path: Path) -> None:
    with pytest.raises(SampleMapError, match=r"not in both: 2 samples \(b, c\)"):
        matched(tmp_path, ["a,1,M", "b,2,F", "c,3,"], ("a", "b"), ("a", "c"))
