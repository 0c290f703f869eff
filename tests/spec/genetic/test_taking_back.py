"""What may be withdrawn or replaced, what is refused, and what verify and earlier positions say."""

from __future__ import annotations

from unittest import mock

import pytest

from precisionchain.errors import OverlapError, SealRefusedError, UsageError
from tests.lib.drawn_genotypes import ingest_genotypes
from tests.lib.site_builder import BuiltNetwork
from tests.spec.conftest import Build
from tests.spec.genetic.test_corrections import (
    EVERY_STATE,
    PANEL,
    RECALLED,
    again,
    no,
    panel,
    recalled,
    without,
)

OTHERS = """
    place | ref | alt | 8
    9:100 | A   | G   | 0/1
    """


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


def test_as_of_an_earlier_position_calls_are_older_and_the_withdrawn_stay_out(
    build: Build,
) -> None:
    network = build()
    site = network.site()
    panel(site)
    at = head_of(network)
    recalled(site)
    without(3)(site)
    with site.network(as_of=at) as asked:
        states = asked.variant("9:100:A:G", genotype=EVERY_STATE)
        (row,) = asked.maf(0, 0.5, region="9:100-100").rows(named=True)
        assert asked.as_of is not None
        assert asked.as_of.left_out == 1
    assert dict(states.select("person_id", "genotype").rows()) == {1: "1", 2: "2"}
    assert (row["ac"], row["an"]) == (3, 4)
    no("panel")(site)
    with site.network(as_of=at) as asked:
        assert asked.variant("9:100:A:G", genotype=EVERY_STATE).equals(states)


def head_of(network: BuiltNetwork) -> int:
    ledger = network.ledger()
    position = ledger.head().position
    ledger.close()
    return position


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


def test_a_staged_run_does_not_bring_back_what_was_withdrawn(build: Build) -> None:
    site = build().site()
    panel(site)
    ingest_genotypes(site, OTHERS, source="others")
    no("panel")(site)
    assert [done.source for done in site.site.publish()] == ["others"]
    assert [done.new_items > 0 for done in site.site.publish(source="panel")] == [True]


def test_checkpoints_are_of_what_counts_and_older_ones_are_no_finding(build: Build) -> None:
    network = build()
    site = network.site()
    panel(site)  # which publishes the first
    recalled(site)
    without(3)(site)
    site.site.publish(maf_checkpoint=True)
    checks = {check.name: check for check in site.site.verify()}
    assert all(check.ok for check in checks.values()), [c.line() for c in checks.values()]
    assert checks["maf-checkpoints"].examined > 0
    again(3)(site)
    checks = {check.name: check for check in site.site.verify()}
    assert all(check.ok for check in checks.values())


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
