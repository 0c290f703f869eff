"""Cohorts kept by name: what a file holds, who may read it, and what is logged of it."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

import precisionchain as pc
from precisionchain.errors import IntegrityError, PrecisionChainError, UsageError
from precisionchain.query.cohort import Cohort
from tests.lib.site_builder import BuiltNetwork
from tests.spec.conftest import Build

FIRST = """
    person
    person_id | gender_concept_id | year_of_birth
    1         | 8507              | 1950
    2         | 8532              | 1960
    3         |                   | 1970

    condition_occurrence
    person | concept | start
    1      | 10      | 2015-01-01
    2      | 10      | 2016-01-01
    """
LATER = """
    person
    person_id | gender_concept_id | year_of_birth
    4         | 8532              | 1980
    """


def rows(frame: pl.DataFrame) -> list[str]:
    return [f"{site}:{person}" for site, person in frame.select("site", "person_id").rows()]


def told(cohort: Cohort) -> tuple[list[str], list[str], int]:
    return rows(cohort.persons), rows(cohort.unknown), cohort.universe


@pytest.fixture
def network(build: Build) -> BuiltNetwork:
    network = build()
    network.site().ingest(FIRST)
    return network


def test_a_cohort_says_what_it_is(network: BuiltNetwork) -> None:
    with network.site().network() as door:
        cohort = door.cohort("condition(10) & sex(male)")
        assert told(cohort) == (["A:1"], [], 3)
        assert told(~cohort) == (["A:2", "A:3"], [], 3)
        other = door.cohort(pc.sex("male"))
        assert told(other) == (["A:1"], ["A:3"], 3)
        assert (len(other), other.n_unknown) == (1, 1)
        assert cohort.criterion == pc.condition(10) & pc.sex("male")
        assert door.cohort({"and": [{"condition": [10]}, {"sex": [8507]}]}) == cohort
        assert door.cohort('{"and": [{"condition": [10]}, {"sex": ["male"]}]}') == cohort
        assert door.cohort(cohort.criterion) == cohort
    read = json.loads(other.to_json())
    assert read["persons"] == {"members": {"A": [1]}, "unknown": {"A": [3]}}
    assert read["criterion"] == {"sex": ["male"]}
    assert (read["universe"], read["digest"]) == (3, other.digest)


def test_a_saved_cohort_comes_back_as_it_was(network: BuiltNetwork) -> None:
    site = network.site()
    with site.network() as door:
        cohort = door.cohort(pc.sex("male"), save="men")
        assert door.is_current(cohort)
        site.ingest(LATER, source="other")
        network.site("B").ingest(FIRST)
        again = door.cohort(pc.saved("men"))
        assert (again, again.criterion) == (cohort, cohort.criterion)
        assert told(again) == told(cohort)
        assert again.positions == cohort.positions
        assert not door.is_current(again)
        inside = door.cohort(pc.saved("men") | ~pc.everyone())
        assert told(inside) == (["A:1"], ["A:3", "A:4", "B:1", "B:2", "B:3"], 7)
        assert told(door.cohort(~pc.saved("men")))[0] == ["A:2"]
        assert door.is_current(inside)
        assert door.cohorts().select("name", "members", "unknown", "universe", "state").rows() == [
            ("men", 1, 1, 3, "older")
        ]


def test_names_are_not_taken_twice(network: BuiltNetwork) -> None:
    with network.site().network() as door:
        first = door.cohort(pc.condition(10), save="x")
        before = network.site().entries().height
        for name in ("x", "../x", "", "x y", "1"):
            with pytest.raises(UsageError):
                door.cohort(pc.sex("male"), save=name)
        assert network.site().entries().height == before
        assert door.cohort(pc.saved("x")) == first
        second = door.cohort(pc.sex("male"), save="x", overwrite=True)
        assert door.cohort(pc.saved("x")) == second
        with pytest.raises(UsageError, match="no cohort is saved"):
            door.cohort(pc.saved("y") | pc.everyone())
        assert door.cohorts()["name"].to_list() == ["x"]


def test_files_are_private_and_nothing_half_made_stays(network: BuiltNetwork) -> None:
    site = network.site()
    with site.network() as door:
        door.cohort(pc.condition(10), save="x")
    folder = site.folder.cohorts
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [path.name for path in folder.iterdir()] == ["x.parquet"]
    assert stat.S_IMODE((folder / "x.parquet").stat().st_mode) == 0o600


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


def _promote(path: Path) -> None:
    table = pq.read_table(path)
    metadata = table.schema.metadata
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    changed = frame.with_columns(pl.lit("true").alias("state")).to_arrow()
    pq.write_table(changed.replace_schema_metadata(metadata), path)


def _restate(change: Callable[[dict[str, object]], object]) -> Callable[[Path], None]:
    def restate(path: Path) -> None:
        table = pq.read_table(path)
        said = json.loads(table.schema.metadata[b"cohort"])
        change(said)
        text = json.dumps(said, sort_keys=True, separators=(",", ":"))
        pq.write_table(table.replace_schema_metadata({"cohort": text}), path)

    return restate


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a byte": _flip,
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "emptied": lambda path: path.write_bytes(b""),
    "members added": _promote,
    "another criterion": _restate(lambda said: said.update(criterion={"everyone": []})),
    "no criterion": _restate(lambda said: said.pop("criterion")),
    "a criterion that is none": _restate(lambda said: said.update(criterion="x")),
    "another position": _restate(lambda said: said.update(positions=[1])),
    "no position": _restate(lambda said: said.update(positions=[])),
    "another format": _restate(lambda said: said.update(format=2)),
    "no digest": _restate(lambda said: said.update(digest=None)),
    "nothing said": lambda path: pq.write_table(
        pq.read_table(path).replace_schema_metadata({}), path
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused(network: BuiltNetwork, damage: str) -> None:
    site = network.site()
    with site.network() as door:
        door.cohort(pc.sex("male"), save="x")
        DAMAGES[damage](site.folder.cohorts / "x.parquet")
        for criterion in (pc.saved("x"), pc.saved("x") | pc.everyone()):
            with pytest.raises(IntegrityError, match="damaged") as refused:
                door.cohort(criterion)
            assert refused.value.where == "cohorts/x.parquet"
        assert door.cohorts().select("name", "state").rows() == [("x", "damaged")]
        repaired = door.cohort(pc.sex("male"), save="x", overwrite=True)
        assert door.cohort(pc.saved("x")) == repaired


def test_a_cohort_of_another_network_is_refused(network: BuiltNetwork, build: Build) -> None:
    other = build()
    other.site().ingest(FIRST)
    with other.site().network() as door:
        foreign = door.cohort(pc.sex("male"), save="men")
    with network.site().network() as door:
        own = door.cohort(pc.sex("male"), save="own")
        shutil.copy(other.site().folder.cohorts / "men.parquet", network.site().folder.cohorts)
        with pytest.raises(UsageError, match="another network"):
            door.cohort(pc.saved("men"))
        with pytest.raises(UsageError, match="network"):
            door.cohort(foreign, save="foreign")
        assert door.cohorts()["state"].to_list() == ["of another network", "current"]
    with pytest.raises(UsageError, match="network"):
        _ = own & foreign


def test_what_the_log_has(network: BuiltNetwork) -> None:
    site = network.site()
    with site.network() as door:
        cohort = door.cohort(pc.condition(10) & pc.carries("9:100:A:G") | pc.sex("male"))
        door.cohort(pc.sex("male"), save="Smith")
        saved = door.cohort("saved(Smith) | recorded()")
        with pytest.raises(PrecisionChainError):
            door.cohort("condition(10) and Smith")
        door.cohort(cohort, save="both")
        log = door.audit
        assert log.who_saw("A:2").filter(pl.col("operation") == "cohort")["how"].to_list() == [
            *("contributed", "contributed", "returned", "contributed")
        ]
        assert log.who_saw("9:100:A:G").filter(pl.col("how") == "returned").height == 2
        entries = log.entries().filter(pl.col("operation") == "cohort")
    asked = entries.filter(pl.col("kind") == "request")
    assert asked["data"].to_list() == [
        *("clinical+genetic", "clinical", "clinical+genetic", "clinical+genetic"),
        "clinical+genetic",
    ]
    questions = [json.loads(text) for text in asked["question"]]
    smith = questions[2]["criterion"]["or"][0]["saved"]
    assert questions[3] == {"criterion": "?"}
    assert questions[4]["cohort"] == cohort.digest
    assert "Smith" not in " ".join(asked["question"])
    results = entries.filter(pl.col("kind") == "result")
    assert results["digest"].to_list()[1:3] == [smith[0], saved.digest]
    assert results.select("rows", "n_persons_returned", "n_persons_contributed").rows() == [
        *((1, 1, 2), (1, 1, 2), (3, 3, 0), (1, 1, 2))
    ]
    assert entries.filter(pl.col("kind") == "refused").height == 1


def test_cohorts_combine_over_both_universes(network: BuiltNetwork) -> None:
    site = network.site()
    with site.network() as door:
        men = door.cohort(pc.sex("male"))
        ill = door.cohort(pc.condition(10))
        site.ingest(LATER, source="other")
        women = door.cohort(pc.sex("female"))
        assert told(men & ill) == (["A:1"], [], 3)
        assert told(men | ill) == (["A:1", "A:2"], ["A:3"], 3)
        assert told(ill - men) == (["A:2"], [], 3)
        assert told(~men) == (["A:2"], ["A:3"], 3)
        both = men | women
        assert told(both) == (["A:1", "A:2", "A:4"], ["A:3"], 4)
        assert told(men & women) == ([], ["A:3", "A:4"], 4)
        assert told(~men & women) == (["A:2"], ["A:3", "A:4"], 4)
        assert both.criterion == pc.sex("male") | pc.sex("female")
        assert both.positions == (men.position, women.position)
        assert both.position == men.position
        assert (men | ill).positions == men.positions
        assert not door.is_current(both)
        kept = door.cohort(both, save="both")
        assert kept == both
        assert door.cohort(pc.saved("both")) == both
        assert both != door.cohort(both.criterion)
