"""What rules find is sealed with the batch, told to all members, and may keep it from sealing."""

from __future__ import annotations

import polars as pl
import pytest

from precisionchain.errors import SealRefusedError, UsageError
from precisionchain.ledger.batches import seals
from precisionchain.schemas.quality import QUALITY_KIND, read_quality
from tests.lib.omop_builder import answer_rows, write_omop
from tests.lib.site_builder import BuiltNetwork, BuiltSite
from tests.lib.tables import assert_same
from tests.spec.conftest import Build

_PLANTED = "MRN 4711"


def export(late: int, *, of: int = 40, unknown: int = 0) -> str:
    """Draw an export: conditions, of which some end before they begin, some of nobody known."""
    ends = ["2014-12-31"] * late + ["2015-01-02"] * (of - late)
    people = [9] * unknown + [1] * (of - unknown)
    rows = enumerate(zip(people, ends, strict=True))
    lines = [f"{n} | {person} | 10 | 2015-01-01 | {end}" for n, (person, end) in rows]
    head = "person\nid | year_of_birth\n1 | 1950\n2 | 1960\n\ncondition_occurrence"
    return "\n".join([head, "id | person | concept | start | end", *lines])


def asked(built: BuiltSite, **wanted: object) -> pl.DataFrame:
    with built.network() as network:
        return network.quality(**wanted)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def network(build: Build) -> BuiltNetwork:
    return build()


def test_members_read_what_was_sealed_without_small_counts(network: BuiltNetwork) -> None:
    network.site("A").ingest(export(13), source="many")
    network.site("A").ingest(export(10), source="few")
    network.site("A").ingest(export(0, of=10), source="small")
    answer = asked(network.site("B"), rule="date_order", site="A")
    assert_same(
        answer_rows(answer, ["source", "n_checked", "n_violating", "violating", "verdict"]),
        """
        source | n_checked | n_violating | violating | verdict
        few    | 40        |             | <11       | failed
        many   | 40        | 13          | 13        | failed
        small  |           | 0           | 0         | passed
        """,
    )
    assert set(answer["mode"]) == {"full"}


def test_a_complement_that_is_small_is_not_told_either(network: BuiltNetwork) -> None:
    site = network.site("C")
    folder = write_omop(site.new_folder(), export(0, of=40, unknown=25))
    site.site.ingest_omop(folder, source="halves")
    folder = write_omop(site.new_folder(), export(0, of=40, unknown=30))
    site.site.ingest_omop(folder, source="most", accept_quality=["rows_rejected"])
    answer = asked(site, rule="unknown_person", site="C", table="condition_occurrence")
    assert_same(
        answer_rows(answer, ["source", "n_checked", "violating"]),
        """
        source | n_checked | violating
        halves | 40        | 25
        most   | 40        | all but <11
        """,
    )


def test_results_of_a_refresh_are_of_the_whole_export_and_stay_as_of(network: BuiltNetwork) -> None:
    site = network.site("D")
    site.ingest(export(12), source="ehr")
    ledger = network.ledger()
    before = ledger.head().position
    ledger.close()
    site.site.ingest_omop(write_omop(site.new_folder(), export(14)), source="ehr")
    assert asked(site, rule="date_order", site="D")["n_violating"].to_list() == [14]
    history = asked(site, rule="date_order", site="D", history=True)
    assert history["n_violating"].to_list() == [12, 14]
    with site.network(as_of=before) as then:
        assert then.quality(rule="date_order", site="D")["n_violating"].to_list() == [12]


def test_quality_above_its_limit_keeps_a_batch_from_sealing(network: BuiltNetwork) -> None:
    site = network.site("E")
    folder = write_omop(site.new_folder(), export(63, of=120))
    with pytest.raises(SealRefusedError) as refused:
        site.site.ingest_omop(folder, source="late")
    said = str(refused.value)
    assert "date_order finds 63 of 120 in condition_occurrence.condition_end_date" in said
    assert "52.5%, at most 50.0%" in said
    assert "--accept-quality date_order:condition_occurrence" in str(refused.value.hint)
    assert asked(site, site="E").is_empty()
    with pytest.raises(UsageError, match="no rule date_oder"):
        site.site.publish(source="late", accept_quality=["date_oder"])
    with pytest.raises(SealRefusedError):
        site.site.publish(source="late", accept_quality=["date_order:drug_exposure"])
    site.site.publish(source="late", accept_quality=["date_order:condition_occurrence"])
    answer = asked(site, site="E", verdict="accepted")
    assert answer.select("rule", "table", "n_violating").rows() == [
        ("date_order", "condition_occurrence", 63)
    ]
    assert _settings(network, "late")["quality"] == {
        "accepted": ["date_order:condition_occurrence"]
    }


def test_a_site_says_its_own_thresholds_and_least_count(network: BuiltNetwork) -> None:
    site = network.site("F")
    site.folder.quality.write_text(
        "suppress_below = 5\n[thresholds]\ndate_order = 0.6\n[block]\ndate_order = false\n"
        '"rows_rejected:condition_occurrence" = 0.1\n',
        encoding="utf-8",
    )
    site.ingest(export(63, of=120), source="late")
    assert asked(site, rule="date_order", site="F")["verdict"].to_list() == ["passed"]
    site.ingest(export(4), source="few")
    assert asked(site, rule="date_order", source="few", site="F")["violating"].to_list() == ["<5"]
    with pytest.raises(SealRefusedError, match="rows_rejected finds 15 of 120"):
        site.ingest(export(0, of=120, unknown=15), source="strangers")
    assert _settings(network, "few")["quality"] == {
        "thresholds": {"date_order": 0.6},
        "block": {"date_order": None, "rows_rejected:condition_occurrence": 0.1},
    }


def test_what_would_be_refused_is_said_before(network: BuiltNetwork) -> None:
    site = network.site("G")
    site.site.stage_omop(write_omop(site.new_folder(), export(120, of=120)), source="late")
    site.site.validate(source="late")
    said = _Said()
    site.site.changes(source="late", progress=said)
    assert any("date_order finds 120 of 120" in line for line in said.warned)


def test_no_source_value_and_no_small_count_is_in_a_sealed_item(network: BuiltNetwork) -> None:
    """Source values of rows that are found, and of some concept 0, which is told of by number."""
    lines = [
        f"{n} | 1 | {10 * (n > 12)} | 2015-01-01 | {2014 + (n > 11)}-12-31 | {_PLANTED} {n}"
        for n in range(40)
    ]
    head = "person\nid | year_of_birth\n1 | 1950\n\ncondition_occurrence"
    columns = "id | person | concept | start | end | condition_source_value"
    site = network.site("H")
    site.ingest("\n".join([head, columns, *lines]), source="planted")
    site.ingest("\n".join([head, columns, *lines[8:]]), source="few")  # 4 that end too early
    ledger, found = network.ledger(), 0
    for stream in ledger.streams():
        for placed in ledger.items(stream) if stream.startswith("QUALITY") else ():
            assert placed.item.payload.kind == QUALITY_KIND
            rows, said = read_quality(placed.item.payload)  # refuses counts below said["k"]
            assert _PLANTED not in f"{rows.to_pylist()} {said}"
            found += rows.num_rows
            assert said["mode"] == "full"
    assert found > 60
    ledger.close()
    answer = asked(site, rule="date_order", site="H", table="condition_occurrence")
    assert answer.select("source", "violating").rows() == [("few", "<11"), ("planted", "12")]


class _Said:
    def __init__(self) -> None:
        self.warned: list[str] = []

    def step(self, _text: str) -> None:
        pass

    def warn(self, text: str) -> None:
        self.warned.append(text)

    def advance(self, _done: int, _all: int) -> None:
        pass


def _settings(network: BuiltNetwork, source: str) -> dict[str, object]:
    ledger = network.ledger()
    found = [s.manifest for s in seals(ledger, lambda *_: True) if s.manifest.source == source]
    ledger.close()
    return dict(found[-1].settings)
