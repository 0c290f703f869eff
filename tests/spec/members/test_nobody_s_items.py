"""Items of those who are no members, or no longer, do not exist: not for any answer, count or log.

The programs of these tests are changed: they publish and ask although their keys may not.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from precisionchain.errors import UnknownConceptError, UnknownPersonError
from precisionchain.ledger.records import Member, member_item
from tests.lib.drawn_genotypes import ingest_genotypes
from tests.lib.omop_builder import answer_rows
from tests.lib.site_builder import BuiltNetwork, BuiltSite, without_scruples
from tests.lib.tables import assert_same
from tests.spec.conftest import Build

OMOP = """
    condition_occurrence
    person | concept
    42     | 10
    """
MORE = """
    condition_occurrence
    person | concept
    42     | 10
    43     | 10
    44     | 11
    """
CALLS = """
    place | ref | alt | 42
    9:500 | A   | G   | 0/1
    """
MORE_CALLS = """
    place | ref | alt | 43  | 44
    9:500 | A   | G   | 1/1 | 0/0
    """


def never_admitted(network: BuiltNetwork) -> BuiltSite:
    return network.stranger("B")


def expired(network: BuiltNetwork) -> BuiltSite:
    """Admitted until a day that was over before the ledger began."""
    site, ledger = network.stranger("B", "b0"), network.ledger()
    member = Member("B", "b0", *site.signer.public, admin=False, expires=date(2020, 1, 1))
    item = member_item(member, network.founder.signer, network.id)
    ledger.publish(ledger.prepare([item]))
    ledger.close()
    return site


def removed(network: BuiltNetwork) -> BuiltSite:
    site = network.site("B")
    network.revoke("B")
    return site


NOBODIES = (never_admitted, expired, removed)
Nobody = Callable[[BuiltNetwork], BuiltSite]


def failures(site: BuiltSite) -> dict[str, list[str]]:
    return {
        check.name: [finding.message for finding in check.findings]
        for check in site.site.verify()
        if check.findings
    }


@pytest.fixture(scope="module", params=NOBODIES, ids=lambda nobody: nobody.__name__)
def network(request: pytest.FixtureRequest, build: Build) -> BuiltNetwork:
    """Site A has a person; a site that is nobody's has published three of each kind, and asked."""
    network = build(genetic=True)
    network.site("A").ingest(OMOP)
    ingest_genotypes(network.site("A"), CALLS)
    nobody: BuiltSite = request.param(network)
    with without_scruples(nobody):
        nobody.ingest(MORE)
        ingest_genotypes(nobody, MORE_CALLS)
        nobody.domain(10)
    return network


def test_no_answer_holds_them(network: BuiltNetwork) -> None:
    site = network.site("A")
    assert_same(
        answer_rows(site.domain(10), ("person",)),
        """
        person
        A:42
        """,
    )
    with pytest.raises(UnknownConceptError):
        site.domain(11)
    with site.network() as asked:
        for person in ("B:43", "B:44"):
            with pytest.raises(UnknownPersonError):
                asked.person_variants(person)
        assert asked.variant("9:500:A:G").select("site", "person_id").rows() == [("A", 42)]
        assert asked.variant("9:500:A:G", genotype="0").height == 0


def test_no_count_holds_them(network: BuiltNetwork) -> None:
    with network.site("A").network() as asked:
        (row,) = asked.maf(0, 0.5).iter_rows(named=True)
    assert (row["ac"], row["an"], row["batches"]) == (1, 2, 1)


def test_the_access_log_does_not_count_what_they_asked(network: BuiltNetwork) -> None:
    site = network.site("A")
    assert set(site.entries()["user"]) <= {"admin@A"}
    with site.network() as asked:
        assert "admin@B" not in set(asked.audit.who_saw("A:42")["user"])


def test_verify_reports_them(network: BuiltNetwork) -> None:
    found = failures(network.site("A"))
    ledger = network.ledger()
    blocks_are_signed = any(True for _ in ledger.writers())
    ledger.close()

    assert found.pop("signatures") == ["not signed by a member or user entitled to it"] * 5
    assert found.pop("access-log") == [
        "a log key by no user, or in a place or under keys of another",
        "an entry by a key that is not registered for the user it names",
        "an outcome of a question that was not asked, or has its outcome",
    ]
    assert set(found.pop("strays")) == {"an item that no seal commits to"}
    assert set(found.pop("checkpoints")) == {"not signed by a member entitled to it"}
    if blocks_are_signed:
        assert set(found.pop("writers")) == {"written by a key that was no member's"}
    assert found == {}


# ------------------------------------------------------------------------------- before and after


def test_what_a_site_published_before_its_removal_stays_as_it_was(build: Build) -> None:
    network = build()
    network.site("A").ingest(OMOP)
    site_b = network.site("B")
    site_b.ingest(OMOP, source="ehr")
    site_b.domain(10)
    network.revoke("B")
    with without_scruples(site_b):
        site_b.ingest(MORE, source="ehr")  # would replace the batch before
        site_b.ingest(MORE, source="later")
    site = network.site("A")
    assert_same(
        answer_rows(site.domain(10), ("person",)),
        """
        person
        A:42
        B:42
        """,
    )
    with pytest.raises(UnknownConceptError):
        site.domain(11)
    assert "admin@B" in set(site.entries()["user"])


def test_what_a_user_asked_before_the_removal_stays(build: Build) -> None:
    network = build()
    site = network.site("A")
    site.ingest(OMOP)
    site.site.add_user("alice", ["researcher"])
    with site.network("alice@A") as alice:
        alice.domain(10)
        site.site.revoke_user("alice@A")
        with without_scruples(site, "alice@A"):
            alice.domain(10)
    asked = [user for user in site.entries()["user"] if user == "alice@A"]
    assert len(asked) == 2  # the request and the result of the first question
    assert set(failures(site)) == {"signatures", "access-log"}


def test_sites_that_were_open_learn_of_a_removal_and_an_admission(build: Build) -> None:
    """A replica made by a program that was open meanwhile holds neither too much nor too little."""
    network = build()
    site_a, site_b = network.site("A"), network.site("B")
    site_a.ingest(OMOP)
    with site_a.network() as asked:
        assert asked.domain(10).height == 1
        site_b.ingest(OMOP)
        assert asked.domain(10).height == 2
        network.site("C").ingest(OMOP)
        assert asked.domain(10).height == 3
        network.revoke("B")
        with without_scruples(site_b):
            site_b.ingest(MORE)
        assert asked.domain(10).height == 3
