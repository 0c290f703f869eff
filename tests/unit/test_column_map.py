"""A site's own names for files and columns: taken as the map says, or refused with the nearest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from precisionchain.errors import OmopFormatError, UnreadableFileError
from precisionchain.ingest.column_map import ColumnMap, read_column_map
from precisionchain.ingest.omop_reading import Reading
from precisionchain.ingest.stage_omop import stage_omop
from precisionchain.ingest.staging import Run, Staging
from precisionchain.ingest.validate import summary, validate_omop

MAP = """
[files]
"DX.csv" = "condition_occurrence"

[condition_occurrence]
ID = "condition_occurrence_id"
pat = "person_id"
cond_concept = "condition_concept_id"
onset = "condition_start_date"

[condition_occurrence.constants]
condition_type_concept_id = 32817
condition_end_date = 2020-12-31
stop_reason = "none"
"""
ROWS = "id,PAT,cond_concept,onset,ward\n1,7,201826,2020-01-01,W\n2,7,x,2020-01-02,W\n3,7\n"


class Mapped:
    """An export that has its own names, and a map of them."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "omop"
        self.folder.mkdir()
        self.folder.joinpath("person.csv").write_text("person_id\n7\n")
        self.folder.joinpath("dx.csv").write_text(ROWS)
        self.map = root / "map.toml"
        self.staging = Staging.open(root / "site" / "staging")

    def read(self, text: str) -> ColumnMap:
        self.map.write_text(text)
        return read_column_map(self.map)

    def stage(self, text: str, place: Path | None = None) -> Run:
        reading = Reading(column_map=self.read(text))
        return stage_omop(self.staging, place or self.folder, reading=reading)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with self.staging.database() as database:
            return database.execute(query).fetchall()


@pytest.fixture
def mapped(tmp_path: Path) -> Mapped:
    return Mapped(tmp_path)


def test_files_and_columns_are_those_of_the_map_and_constants_are_in_every_row(
    mapped: Mapped,
) -> None:
    run = validate_omop(mapped.staging, mapped.stage(MAP))
    assert mapped.ask(
        "select condition_occurrence_id, person_id, condition_concept_id,"
        " condition_start_date::varchar, condition_type_concept_id, condition_end_date::varchar,"
        " stop_reason, _file from condition_occurrence"
    ) == [(1, 7, 201826, "2020-01-01", 32817, "2020-12-31", "none", "dx.csv")]
    assert mapped.ask("select record, rule, column_name from rejected order by 1") == [
        (2, "type:Integer64", "condition_concept_id"),
        (3, "ragged", None),
    ]
    assert [row["n_rejected"] for row in summary(run).to_pylist()] == [0, 2]
    assert run.description["unrecognised_columns"] == {"condition_occurrence": ["ward"]}


def test_a_database_takes_the_same_map(mapped: Mapped, tmp_path: Path) -> None:
    file = tmp_path / "export.duckdb"
    with duckdb.connect(str(file)) as database:
        database.execute("create schema ehr")
        database.execute(
            "create table ehr.dx as select 1 as id, 7 as pat, 201826 as cond_concept,"
            " date '2020-01-01' as onset"
        )
    for name in ("ehr.dx", "DX"):
        run = mapped.stage(MAP.replace("DX.csv", name), file)
        assert [entry["file"] for entry in run.description["inputs"]] == ["ehr.dx"]
    assert mapped.ask(
        "select person_id, condition_type_concept_id from raw_condition_occurrence"
    ) == [("7", "32817")]


def test_the_map_shapes_the_identity_but_names_of_files_do_not(mapped: Mapped) -> None:
    first = mapped.stage(MAP)
    other = mapped.stage(MAP.replace("32817", "32818"))
    assert first.source_id != other.source_id
    mapped.folder.joinpath("dx.csv").rename(mapped.folder / "problems.csv")
    assert mapped.stage(MAP.replace("DX.csv", "problems.csv")).source_id == first.source_id
    # What leaves with the batch says that there was a map, and not what a site calls its columns.
    assert "onset" not in str(first.description["settings"])
    assert read_column_map(mapped.map).digest() == first.description["settings"]["columns"]
    assert mapped.read("").digest() is None


REFUSED = {
    "a file that is not there": (
        '[files]\n"dy.csv" = "death"',
        r"no 'dy\.csv'.*did you mean dx\.csv",
    ),
    "no table": ('[files]\n"dx.csv" = "conditions"', "no table 'conditions'"),
    "a section for no table": ('[persn]\na = "person_id"', "'persn'.*did you mean person"),
    "no column of the CDM": ('[person]\na = "persn_id"', "'persn_id'.*did you mean person_id"),
    "no column of the file": ('[person]\nid = "gender_concept_id"', r"\[person\].*no file.*'id'"),
    "one target twice": ('[person]\na = "person_id"\nb = "person_id"', "two columns become"),
    "a target that is there": (
        MAP + '\n[person]\nperson_id = "person_source_value"',
        "no row can be accepted",
    ),
    "outside a table": ('a = "person_id"', "outside any table"),
    "no text": ("[person]\na = 1", "quotation marks"),
    "a constant key": ("[person.constants]\nperson_id = 1", "the key"),
    "a constant of no type": ('[person.constants]\nyear_of_birth = "x"', "Integer64"),
    "a constant for a column": (
        MAP + '\n[death]\na = "death_date"\n[death.constants]\nperson_id = 7\ndeath_date = "2020"',
        "not of its type, Date",
    ),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_unknown_names_are_refused_with_the_nearest(mapped: Mapped, name: str) -> None:
    text, message = REFUSED[name]
    with pytest.raises(OmopFormatError, match=message) as refused:
        mapped.stage(text)
    assert mapped.staging.runs() == []
    assert "map.toml" in str(refused.value) or name == "a target that is there"


def test_a_constant_for_a_column_that_the_file_has_is_refused(mapped: Mapped) -> None:
    with pytest.raises(
        OmopFormatError, match="a constant for condition_start_date, which the file"
    ):
        mapped.stage(MAP.replace("condition_end_date", "condition_start_date"))


def test_a_map_that_is_no_toml_or_absent_is_refused(mapped: Mapped) -> None:
    with pytest.raises(UnreadableFileError, match=r"map\.toml: is no TOML"):
        mapped.read("[person\n")
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        read_column_map(mapped.folder / "none.toml")
