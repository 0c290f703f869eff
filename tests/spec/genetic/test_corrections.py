"""Genotypes that are withdrawn or replaced: answers are those of a load of only what counts."""

from __future__ import annotations

from collections.abc import Callable
from unittest import mock

import polars as pl
import pytest

from precisionchain.errors import OverlapError, SealRefusedError, UsageError
from tests.lib.drawn_genotypes import assert_answer, ingest_genotypes
from tests.lib.ledger_places import PLACES
from tests.lib.site_builder import BuiltNetwork, BuiltSite
from tests.spec.conftest import Build

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


def test_published_counts_and_their_corrections_are_the_recount(
    told: tuple[BuiltNetwork, str],
) -> None:
    network, _ = told
    checks = {check.name: check for check in network.site().site.verify()}
    assert checks["corrections"].examined > 0
    assert all(check.ok and not check.findings for check in checks.values())


def test_a_batch_that_hides_what_it_meets_is_found(build: Build) -> None:
    """By a program that does not look: a person's position would count twice."""
    network = build()
    panel(network.site())
    with mock.patch("precisionchain.ingest.vcf_batch.overlaps", return_value=[]):
        done = ingest_genotypes(network.site(), RECALLED, source="recalled")
    (check,) = [check for check in network.site().site.verify() if not check.ok]
    assert check.name == "corrections"
    assert done.batch[:16] in check.line()
    assert "9:100" in check.line()


def test_corrections_that_are_not_the_recount_are_found(build: Build) -> None:
    network = build()
    panel(network.site())
    with mock.patch("precisionchain.ingest.withdraw.added_counts", return_value=[]):
        network.site().site.withdraw_persons([2])
    (check,) = [check for check in network.site().site.verify() if not check.ok]
    assert check.name == "corrections"
    assert "VAR_9_1_16777216" in check.line()


def test_genotypes_that_meet_sealed_ones_are_refused_and_told_how_to_replace(build: Build) -> None:
    site = build().site()
    panel(site)
    with pytest.raises(OverlapError, match="9:100") as refused:
        ingest_genotypes(site, RECALLED, source="recalled")
    assert "--replace" in str(refused.value)
    with pytest.raises(SealRefusedError, match="--replace"):
        ingest_genotypes(site, RECALLED)


def test_what_is_said_already_is_not_published_again(build: Build) -> None:
    site = build().site()
    panel(site)
    first = site.site.withdraw_persons([2, 4, 2])
    assert (first.done, first.unchanged, first.counts) == (2, 0, 1)
    second = site.site.withdraw_persons([2])
    assert (second.done, second.unchanged, second.batch) == (0, 1, "")
    assert (site.site.withdraw_persons([2, 3]).unchanged) == 1
    assert site.site.readmit_persons([1]).done == 0
    batch = site.site.withdraw_source("panel")
    assert (batch.done, batch.counts) == (1, 0)
    assert site.site.withdraw_source("panel").done == 0


def test_what_cannot_be_withdrawn_is_refused(build: Build) -> None:
    site = build().site()
    done = ingest_genotypes(site, PANEL)
    with pytest.raises(UsageError, match="site B"):
        site.site.withdraw_persons(["B:1"])
    for name in ("ffffffff", done.batch[:7]):
        with pytest.raises(UsageError, match="not the id of one batch"):
            site.site.withdraw_batch(name)
    with pytest.raises(UsageError, match="nothing under the name"):
        site.site.withdraw_source("elsewhere")
    with pytest.raises(UsageError, match="corrections"):
        ingest_genotypes(site, PANEL, source="corrections")
    site.site.withdraw_persons([1, 2, 3])
    with pytest.raises(SealRefusedError, match="all 2 persons"):
        ingest_genotypes(site, RECALLED, source="recalled")
