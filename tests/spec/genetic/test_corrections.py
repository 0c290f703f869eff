"""Genotypes that are withdrawn or replaced: answers are those of a load of only what counts."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from tests.lib.drawn_genotypes import assert_answer, ingest_genotypes
from tests.lib.ledger_places import PLACES
from tests.lib.site_builder import BuiltNetwork, BuiltSite
from tests.lib.tables import drawn

PANEL = """
    place | ref | alt | 1   | 2   | 3
    9:100 | A   | G   | 0/1 | 1/1 | 0/0
    9:200 | C   | T,G | 1/2 | 0/2 | ./.
    9:300 | AT  | AC  | 0/1 | 0/0 | 1/1
    """
RECALLED = """
    place | ref | alt | 2   | 1
    9:100 | A   | G   | 0/0 | 1/1
    9:301 | T   | C   | 1/1 | ./.
    """
EVERY_STATE = ("0", "1", "2", "missing", "not_assayed")
ALLELES = ("9:100:A:G", "9:200:C:T", "9:200:C:G", "9:301:T:C")

Event = Callable[[BuiltSite], object]


def panel(site: BuiltSite) -> object:
    return ingest_genotypes(site, PANEL)


def recalled(site: BuiltSite) -> object:
    return ingest_genotypes(site, RECALLED, source="recalled", replace=True)


def without(person: int) -> Event:
    return lambda site: site.site.withdraw_persons([person])


def again(person: int) -> Event:
    return lambda site: site.site.readmit_persons([f"A:{person}"])


def no(source: str) -> Event:
    return lambda site: site.site.withdraw_source(source)


HISTORIES: dict[str, tuple[tuple[Event, ...], str]] = {
    "a person is withdrawn": (
        (panel, without(2)),
        """
        allele     | 1 | 3       | ac | an
        9:100:A:G  | 1 | 0       | 1  | 4
        9:200:C:T  | 1 | missing | 1  | 2
        9:200:C:G  | 1 | missing | 1  | 2
        9:301:T:C  | 1 | 2       | 3  | 4
        """,
    ),
    "and readmitted": (
        (panel, without(2), again(2)),
        """
        allele     | 1 | 2 | 3       | ac | an
        9:100:A:G  | 1 | 2 | 0       | 3  | 6
        9:200:C:T  | 1 | 0 | missing | 1  | 4
        9:200:C:G  | 1 | 1 | missing | 2  | 4
        9:301:T:C  | 1 | 0 | 2       | 3  | 6
        """,
    ),
    "withdrawn before anything is loaded": (
        (without(2), panel),
        """
        allele     | 1 | 3       | ac | an
        9:100:A:G  | 1 | 0       | 1  | 4
        9:200:C:T  | 1 | missing | 1  | 2
        9:200:C:G  | 1 | missing | 1  | 2
        9:301:T:C  | 1 | 2       | 3  | 4
        """,
    ),
    "withheld, readmitted and loaded again": (
        (without(2), panel, again(2), panel, panel),
        """
        allele     | 1 | 2 | 3       | ac | an
        9:100:A:G  | 1 | 2 | 0       | 3  | 6
        9:200:C:T  | 1 | 0 | missing | 1  | 4
        9:200:C:G  | 1 | 1 | missing | 2  | 4
        9:301:T:C  | 1 | 0 | 2       | 3  | 6
        """,
    ),
    "two persons are called anew": (
        (panel, recalled),
        """
        allele     | 1       | 2 | 3       | ac | an
        9:100:A:G  | 2       | 0 | 0       | 2  | 6
        9:200:C:T  | 1       | 0 | missing | 1  | 4
        9:200:C:G  | 1       | 1 | missing | 2  | 4
        9:301:T:C  | missing | 2 | 2       | 4  | 4
        """,
    ),
    "one of them is withdrawn after that": (
        (panel, recalled, without(2)),
        """
        allele     | 1       | 3       | ac | an
        9:100:A:G  | 2       | 0       | 2  | 4
        9:200:C:T  | 1       | missing | 1  | 2
        9:200:C:G  | 1       | missing | 1  | 2
        9:301:T:C  | missing | 2       | 2  | 2
        """,
    ),
    "one is withdrawn before, and comes back with the older calls": (
        (panel, without(2), recalled, again(2)),
        """
        allele     | 1       | 2 | 3       | ac | an
        9:100:A:G  | 2       | 2 | 0       | 4  | 6
        9:200:C:T  | 1       | 0 | missing | 1  | 4
        9:200:C:G  | 1       | 1 | missing | 2  | 4
        9:301:T:C  | missing | 0 | 2       | 2  | 4
        """,
    ),
    "who is withdrawn and readmitted after that has the newer calls": (
        (panel, recalled, without(2), again(2)),
        """
        allele     | 1       | 2 | 3       | ac | an
        9:100:A:G  | 2       | 0 | 0       | 2  | 6
        9:200:C:T  | 1       | 0 | missing | 1  | 4
        9:200:C:G  | 1       | 1 | missing | 2  | 4
        9:301:T:C  | missing | 2 | 2       | 4  | 4
        """,
    ),
    "the newer batch is withdrawn: what it replaced stays replaced": (
        (panel, recalled, no("recalled")),
        """
        allele     | 1           | 2           | 3       | ac | an
        9:100:A:G  | not_assayed | not_assayed | 0       | 0  | 2
        9:200:C:T  | 1           | 0           | missing | 1  | 4
        9:200:C:G  | 1           | 1           | missing | 2  | 4
        9:301:T:C  | not_assayed | not_assayed | 2       | 2  | 2
        """,
    ),
    "the older batch is withdrawn": (
        (panel, recalled, no("panel")),
        """
        allele     | 1       | 2 | ac | an
        9:100:A:G  | 2       | 0 | 2  | 4
        9:301:T:C  | missing | 2 | 2  | 2
        """,
    ),
    "a withdrawn batch is loaded again": (
        (panel, no("panel"), panel),
        """
        allele     | 1 | 2 | 3       | ac | an
        9:100:A:G  | 1 | 2 | 0       | 3  | 6
        9:200:C:T  | 1 | 0 | missing | 1  | 4
        9:200:C:G  | 1 | 1 | missing | 2  | 4
        9:301:T:C  | 1 | 0 | 2       | 3  | 6
        """,
    ),
}


@pytest.fixture(scope="module", params=HISTORIES)
def told(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[BuiltNetwork, str]:
    """A network in which the events of a history came one after the other.

    On the ledger in memory alone: what counts follows from the items, wherever these are.
    """
    events, expected = HISTORIES[request.param]
    folder = tmp_path_factory.mktemp("network")
    network = BuiltNetwork(folder, PLACES["memory"](folder))
    for event in events:
        event(network.site())
    return network, expected


def test_states_and_counts_are_those_of_what_counts(told: tuple[BuiltNetwork, str]) -> None:
    network, expected = told
    with network.site().network() as asked:
        counts = {
            f"{row['chrom']}:{row['pos']}:{row['ref']}:{row['alt']}": row
            for row in asked.maf(0, 0.5).iter_rows(named=True)
        }
        rows = []
        for allele in ALLELES:
            states = asked.variant(allele, genotype=EVERY_STATE)
            row = {str(one["person_id"]): one["genotype"] for one in states.iter_rows(named=True)}
            known = counts.get(allele)
            if known is not None:
                rows.append({"allele": allele, **row, "ac": known["ac"], "an": known["an"]})
    assert_answer(pl.DataFrame(rows), expected)


def test_cohorts_and_persons_are_those_of_what_counts(told: tuple[BuiltNetwork, str]) -> None:
    network, expected = told
    table = drawn(expected)
    persons = [name for name in table.headings if name.isdigit()]
    with network.site().network() as asked:
        for row in table.rows:
            due = {int(one) for one in persons if row[one] in ("1", "2")}
            cohort = asked.cohort(f"carries({row['allele']})")
            assert set(cohort.persons["person_id"]) == due
            for one in persons:
                carried = asked.person_variants(f"A:{one}").rows(named=True)
                texts = {f"{v['chrom']}:{v['pos']}:{v['ref']}:{v['alt']}" for v in carried}
                assert (row["allele"] in texts) == (int(one) in due)
        everybody = asked.cohort("genotyped()")
        assert set(everybody.persons["person_id"]) == {int(one) for one in persons}


def test_published_counts_and_their_corrections_are_the_recount(
    told: tuple[BuiltNetwork, str],
) -> None:
    network, _ = told
    checks = {check.name: check for check in network.site().site.verify()}
    assert checks["corrections"].examined > 0
    assert all(check.ok and not check.findings for check in checks.values())
