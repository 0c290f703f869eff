"""A file of sequencing metadata: types by the lexical rule, and what stays at the site."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precisionchain.errors import CodecError, MetadataFormatError, UnreadableFileError
from precisionchain.ingest.sequencing import drafts_of
from precisionchain.ingest.sequencing_file import read_sequencing_file
from precisionchain.schemas.column_names import folded
from precisionchain.schemas.exclusions import EXCLUDED, excluded_payload
from precisionchain.schemas.sequencing import read_sequencing


def written(folder: Path, text: str) -> Path:
    path = folder / "metadata.csv"
    path.write_text(text, encoding="utf-8")
    return path


COLUMNS = {
    "1 0 -7": "integer",
    "1 NA .": "integer",
    "9223372036854775807 1": "integer",
    "9223372036854775808 1": "float",
    "1 2.5": "float",
    "1e3 -0.5E-2": "float",
    "1e999 1": "text",
    "007 1": "text",
    "1. .5": "text",
    "+1 2": "text",
    "1_000 2": "text",
    "٣ 2": "text",
    "nan 1": "text",
    "inf 1": "text",
    "true false": "text",
    "2015-01-01 NA": "text",
}


@pytest.mark.parametrize("cells", COLUMNS)
def test_a_column_s_type_is_that_of_all_its_known_cells(tmp_path: Path, cells: str) -> None:
    rows = "".join(f"s{n},{cell}\n" for n, cell in enumerate(cells.split()))
    found = read_sequencing_file(written(tmp_path, f"sample_id,column\n{rows}"))
    assert found.columns == {"column": COLUMNS[cells]}
    kept = found.rows["column"].to_list()
    assert [value is None for value in kept] == [cell in ("NA", ".") for cell in cells.split()]


def test_what_tells_who_somebody_is_stays_unless_it_is_named(tmp_path: Path) -> None:
    """Texts of their own, free text, names that say it; numbers and shared texts leave."""
    rows = [
        f"s{n},run{n},m{n % 2},{n}.5,{'x' * 65 if n == 3 else 'y'},41.{n},\n" for n in range(12)
    ]
    text = "Sample ID,run,machine,coverage,remark,latitude,empty\n" + "".join(rows)
    path = written(tmp_path, text)
    found = read_sequencing_file(path)
    assert found.columns == {"machine": "text", "coverage": "float"}
    assert found.left_out == ("run", "remark", "latitude")
    named = read_sequencing_file(path, ["Run", "LATITUDE"])
    assert named.columns == {"run": "text", "latitude": "float"}
    assert named.left_out == ("machine", "coverage", "remark")
    with pytest.raises(MetadataFormatError, match="remark holds free text"):
        read_sequencing_file(path, ["remark"])
    with pytest.raises(MetadataFormatError, match="no column depth"):
        read_sequencing_file(path, ["depth"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("sample_id,a\n", "names no sample"),
        ("name,a\ns,1\n", "does not name sample_id"),
        ("sample_id,a,A\ns,1,2\n", "one by name: a, A"),
        ("sample_id,a b,a-b\ns,1,2\n", "one by name"),
        ("sample_id,--\ns,1\n", "no usable name"),
        ("sample_id,a\ns,1\ns,2\n", r"twice in the file: 1 sample \(s\)"),
        ("sample_id,a\n,1\n", "no sample_id"),
        ("## a\nsample_id,a\ns,1,2\n", ":3: has 3 columns, not 2"),
        ('sample_id,a\ns,"1\n', "is not CSV"),
    ],
)
def test_a_file_that_is_none_says_what_and_where(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(MetadataFormatError, match=message):
        read_sequencing_file(written(tmp_path, text))


def test_a_file_that_cannot_be_read_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError):
        read_sequencing_file(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes(b"sample_id,a\ns,\xe9\n")
    with pytest.raises(UnreadableFileError, match="UTF-8"):
        read_sequencing_file(tmp_path / "latin.csv")


def test_messages_name_samples_and_columns_and_no_value(tmp_path: Path) -> None:
    found = read_sequencing_file(written(tmp_path, "sample_id,mrn\nnobody,MRN-00777\n"))
    with pytest.raises(MetadataFormatError, match="nobody") as error:
        found.require_known(["somebody"])
    assert "00777" not in str(error.value)


@given(st.text(max_size=20))
def test_a_folded_name_is_an_identifier_that_folds_to_itself(name: str) -> None:
    once = folded(name)
    assert folded(once) == once
    assert "__" not in once
    assert not once or once.isidentifier()


def test_items_hold_the_rows_in_pieces_that_fit(tmp_path: Path) -> None:
    rows = "".join(f"s{n},{n * 7919 % 10007},text {n * 31 % 97}\n" for n in range(400))
    found = read_sequencing_file(written(tmp_path, f"sample_id,a,b\n{rows}"))
    table = found.rows.with_row_index("person_id").drop("sample_id").cast({"person_id": int})
    drafts = list(drafts_of(table, "wgs", 700))
    assert len(drafts) > 1
    assert {draft.keys for draft in drafts} == {("m:a", "m:b")}
    read = [read_sequencing(draft.payload) for draft in drafts]
    assert {source for _, source in read} == {"wgs"}
    rows_back = [row for part, _ in read for row in part.to_pylist()]
    assert rows_back == table.to_dicts()


def test_other_payloads_are_no_metadata() -> None:
    with pytest.raises(CodecError):
        read_sequencing(excluded_payload(EXCLUDED.empty_table(), {}))
