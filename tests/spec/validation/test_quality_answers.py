"""Which exports answer for the data quality of a source, and names that nobody has."""

from __future__ import annotations

import polars as pl
import pytest

from precisionchain.errors import UsageError
from precisionchain.ingest.changes_limits import Mode
from tests.lib.omop_builder import write_omop
from tests.lib.site_builder import BuiltNetwork, BuiltSite
from tests.spec.conftest import Build


def export(late: int, *, of: int = 40) -> str:
    """Draw an export: conditions of one person, of which some end before they begin."""
    ends = ["2014-12-31"] * late + ["2015-01-02"] * (of - late)
    lines = [f"{n} | 1 | 10 | 2015-01-01 | {end}" for n, end in enumerate(ends)]
    head = "person\nid | year_of_birth\n1 | 1950\n2 | 1960\n\ncondition_occurrence"
    return "\n".join([head, "id | person | concept | start | end", *lines])


def asked(built: BuiltSite, **wanted: object) -> pl.DataFrame:
    with built.network() as network:
        return network.quality(**wanted)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def network(build: Build) -> BuiltNetwork:
    return build()


DELTA = """
    condition_occurrence
    id | person | concept | start      | end
    90 | 1      | 10      | 2015-01-01 | 2014-12-31
    91 | 1      | 10      | 2015-01-01 | 2015-01-02
    """


def test_deltas_stand_after_the_newest_full_export_and_never_in_its_place(
    network: BuiltNetwork,
) -> None:
    site = network.site("H")

    def ingest(text: str, mode: Mode) -> None:
        folder = write_omop(site.new_folder(), text)
        site.site.ingest_omop(folder, source="ehr", mode=mode, allow_shrinking=True)

    def shown(**wanted: object) -> list[tuple[object, ...]]:
        answer = asked(site, site="H", rule="date_order", **wanted)
        return answer.select("mode", "n_checked", "violating").rows()

    ingest(export(12), "full")
    ingest(export(20), "full")
    ingest(DELTA, "delta")
    ingest(DELTA.replace("90", "92").replace("91", "93"), "delta")
    # what a delta finds is told of its own two rows: both counts are small
    deltas = [("delta", None, "<11")] * 2
    assert shown() == [("full", 40, "20"), *deltas]
    assert shown(mode="full") == [("full", 40, "20")]
    assert shown(mode="delta") == deltas
    assert shown(history=True) == [("full", 40, "12"), ("full", 40, "20"), *deltas]
    assert asked(site, site="H")["batch"].n_unique() == 3
    ingest(export(15, of=50), "full")
    assert shown() == [("full", 50, "15")]
    ingest(DELTA, "delta")
    newest = asked(site, site="H")["batch"][0]
    site.site.withdraw_batch(newest)
    assert shown() == [("full", 40, "20"), *deltas, deltas[0]]


def test_a_source_of_deltas_alone_shows_all_of_them(network: BuiltNetwork) -> None:
    site = network.site("J")
    for late in (13, 14):
        folder = write_omop(site.new_folder(), export(late))
        site.site.ingest_omop(folder, source="daily", mode="delta")
    answer = asked(site, site="J", rule="date_order")
    assert answer.select("mode", "n_violating").rows() == [("delta", 13), ("delta", 14)]


def test_names_that_nobody_has_are_errors_that_say_which_there_are(network: BuiltNetwork) -> None:
    site = network.site("A")
    site.ingest(export(13), source="many")
    network.site("D").ingest(export(13), source="ehr")
    for wanted, said, hint in (
        ({"site": "NOWHERE"}, "NOWHERE is no site of this network", "A"),
        ({"source": "nowhere"}, "no batch of OMOP tables is of a source of that name", "many"),
        ({"site": "A", "source": "ehr"}, "tables of site A is of a source of that name", "many"),
        ({"rule": "date_oder"}, "no sealed batch has a result of a rule of that", "date_order"),
        ({"table": "conditions"}, "no such table of the CDM", "condition_occurrence"),
        ({"verdict": "fine"}, "no such verdict", "passed"),
        ({"mode": "export"}, "no such mode", "delta"),
    ):
        with pytest.raises(UsageError, match=said) as refused:
            asked(site, **wanted)
        assert hint in str(refused.value.hint)


def test_a_rule_that_others_have_results_of_and_a_domain_are_known(network: BuiltNetwork) -> None:
    site = network.site("K")
    site.ingest("person\nid | year_of_birth\n1 | 1950", source="persons")
    network.site("D").ingest(export(13), source="ehr")
    assert asked(site, site="K", rule="date_order").is_empty()
    by_domain = asked(site, site="D", table="condition")
    assert by_domain.equals(asked(site, site="D", table="condition_occurrence"))
    assert by_domain.height > 3
    with site.network() as opened, pytest.raises(UsageError, match="X is no site"):
        opened.concept_counts("condition", site="X")
