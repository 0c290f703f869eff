"""Not logged, not answered: what the access log says of each question, and who saw whom."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import polars as pl
import pytest

from precisionchain.errors import (
    AccessRefusedError,
    LedgerUnavailableError,
    UnknownConceptError,
    UsageError,
)
from precisionchain.ledger.base import Ledger, Prepared, Receipt
from precisionchain.query import clinical
from tests.lib.access_entries import read_entries
from tests.lib.faulty_ledger import FaultyLedger
from tests.lib.omop_builder import answer_rows
from tests.lib.site_builder import BuiltNetwork, BuiltSite
from tests.lib.tables import assert_same, drawn
from tests.spec.conftest import Build

TABLES = """
    condition_occurrence
    id | person | concept | start
    1  | 7      | 10      | 2015-01-01
    2  | 8      | 10      | 2015-01-02
    3  | -9     | 20      | 2015-01-03
    """


@pytest.fixture(scope="module")
def network(build: Build) -> BuiltNetwork:
    network = build()
    network.site("A").ingest(TABLES)
    network.site("B").ingest("""
        condition_occurrence
        person | concept
        7      | 30
        """)
    return network


@pytest.fixture
def site(network: BuiltNetwork) -> BuiltSite:
    return network.site("A")


class Since:
    """What the log gained while a test ran."""

    def __init__(self, site: BuiltSite) -> None:
        self._site = site
        self._before = site.entries().height

    def shows(self, expected: str) -> None:
        gained = self._site.entries().slice(self._before)
        assert_same(answer_rows(gained, drawn(expected).headings), expected)


@pytest.fixture
def since(site: BuiltSite) -> Since:
    return Since(site)


# ------------------------------------------------------------------------- what leaves an entry


def test_an_answer_leaves_its_request_and_its_result(site: BuiltSite, since: Since) -> None:
    site.domain(10, since="2015-01-02")
    since.shows("""
        user    | site | kind    | operation | data     | status   | rows | n_persons_returned
        admin@A | A    | request | domain    | clinical | answered |      |
        admin@A | A    | result  | domain    | clinical | answered | 1    | 1
        """)


def test_the_question_stands_in_the_log_as_it_was_asked(site: BuiltSite) -> None:
    site.domain(10, table="condition", since="2015-01-02")
    asked = site.entries().tail(2)["question"].to_list()
    question = (
        '{"concept":10,"descendants":true,"since":"2015-01-02",'
        '"table":"condition_occurrence","until":null}'
    )
    assert asked[0] == question


def test_a_person_s_record_shows_one_person(site: BuiltSite, since: Since) -> None:
    site.person("A:-9")
    since.shows("""
        kind    | operation | rows | n_persons_returned | n_persons_contributed
        request | person    |      |                    |
        result  | person    | 2    | 1                  | 0
        """)


def test_an_empty_answer_is_an_answer(site: BuiltSite, since: Since) -> None:
    site.domain(10, since="2016-01-01")
    since.shows("""
        kind    | status   | rows | n_persons_returned
        request | answered |      |
        result  | answered | 0    | 0
        """)


def test_a_refused_question_is_logged_without_an_answer(site: BuiltSite, since: Since) -> None:
    with pytest.raises(UnknownConceptError):
        site.domain(987_654)
    with pytest.raises(UsageError):
        site.domain(10, table="planets")
    since.shows("""
        kind    | operation | status  | rows | error
        request | domain    | refused |      |
        refused | domain    | refused |      | UnknownConceptError
        request | domain    | refused |      |
        refused | domain    | refused |      | UsageError
        """)


def test_a_question_that_breaks_off_is_logged_as_failed(
    site: BuiltSite, since: Since, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the class of the error: its text might quote a record."""

    def breaks(*_arguments: object, **_options: object) -> pl.DataFrame:
        raise ZeroDivisionError("person 7 has 201826")

    with monkeypatch.context() as patched:
        patched.setattr(clinical, "domain_rows", breaks)
        with pytest.raises(ZeroDivisionError):
            site.domain(10)
    since.shows("""
        kind    | operation | status | rows | error
        request | domain    | failed |      |
        failed  | domain    | failed |      | ZeroDivisionError
        """)


def test_sql_over_the_own_staging_is_logged_with_the_persons_it_shows(
    site: BuiltSite, since: Since
) -> None:
    site.site.sql("select person_id from condition_occurrence where condition_concept_id = 10")
    with pytest.raises(UsageError):
        site.site.sql("drop view condition_occurrence")
    since.shows("""
        kind    | operation | data    | status   | rows | n_persons_returned
        request | sql       | staging | answered |      |
        result  | sql       | staging | answered | 2    | 2
        request | sql       | staging | refused  |      |
        refused | sql       | staging | refused  |      |
        """)


def test_reading_the_log_is_logged_too(site: BuiltSite) -> None:
    with site.network() as network:
        network.audit.entries()
        answer = network.audit.entries()
    last = answer.tail(3)
    assert last["operation"].to_list() == ["audit-entries"] * 3
    assert last["kind"].to_list() == ["request", "result", "request"]


# --------------------------------------------------------------------------- before the answer


def entries_now(ledger: Ledger) -> list[str]:
    return [type(entry).__name__ for entry in read_entries(ledger)]


def test_the_request_is_on_the_ledger_before_a_record_is_read(
    network: BuiltNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    real = clinical.domain_rows

    def watched(*arguments: object, **options: object) -> pl.DataFrame:
        ledger = network.ledger()
        seen.append(entries_now(ledger)[before:])
        ledger.close()
        return real(*arguments, **options)  # type: ignore[arg-type]

    ledger = network.ledger()
    before = len(entries_now(ledger))
    ledger.close()
    monkeypatch.setattr(clinical, "domain_rows", watched)
    assert network.site().domain(10).height == 2
    ledger = network.ledger()
    assert seen == [["Request"]]
    assert entries_now(ledger)[before:] == ["Request", "ResultPart"]
    ledger.close()


class Stopping(FaultyLedger):
    """A ledger that takes so many publishes and then none."""

    def __init__(self, inner: Ledger, takes: int) -> None:
        super().__init__(inner)
        self._left = takes

    def publish(self, prepared: Prepared) -> Receipt:
        if not self._left:
            raise LedgerUnavailableError("the disk is full")
        self._left -= 1
        return self.inner.publish(prepared)


@pytest.fixture
def stopping(network: BuiltNetwork, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """From now on, what is opened takes as many publishes as the list says."""
    takes = [0]
    place = type(network.place)
    real = place.open
    with monkeypatch.context() as patched:
        patched.setattr(place, "open", lambda self, signer: Stopping(real(self, signer), *takes))
        yield takes


@pytest.mark.parametrize("operation", ["domain", "person", "sql"])
def test_what_cannot_be_logged_is_not_read(
    site: BuiltSite,
    since: Since,
    stopping: list[int],
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
) -> None:
    stopping[0] = 0

    def must_not_run(*_arguments: object, **_options: object) -> None:
        raise AssertionError("a record was read")

    monkeypatch.setattr(clinical, "domain_rows", must_not_run)
    monkeypatch.setattr(clinical, "person_record", must_not_run)
    monkeypatch.setattr("precisionchain.ingest.staging_sql.answer", must_not_run)
    ask: dict[str, Callable[[], object]] = {
        "domain": lambda: site.domain(10),
        "person": lambda: site.person("A:7"),
        "sql": lambda: site.site.sql("select 1"),
    }
    with pytest.raises(LedgerUnavailableError, match="not answered"):
        ask[operation]()


def test_a_request_without_an_outcome_may_have_been_seen(
    network: BuiltNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a process that was killed leaves it: the answer is not released, the request stays."""
    site = network.site()
    place = type(network.place)
    real = place.open
    with monkeypatch.context() as patched:
        patched.setattr(place, "open", lambda self, signer: Stopping(real(self, signer), 1))
        with pytest.raises(LedgerUnavailableError, match="not released"):
            site.domain(20)
    last = site.entries().tail(1)
    expected = """
        kind    | operation | status       | rows
        request | domain    | may have seen |
        """
    assert_same(answer_rows(last, drawn(expected).headings), expected)
    with site.network() as asking:
        who = asking.audit.who_saw("B:7").filter(status="may have seen")
        assert who.height == 1  # which persons it showed nobody knows, so it counts for all
        seen = asking.audit.seen_by("admin@A").filter(status="may have seen", operation="domain")
        assert seen.height == 1


# ------------------------------------------------------------------------------ who saw whom


@pytest.fixture(scope="module")
def asked(build: Build) -> BuiltNetwork:
    """Two users ask; what they ask is in the names of the tests."""
    network = build()
    network.site("A").ingest(TABLES)
    site_a, site_b = network.site("A"), network.site("B")
    site_a.domain(10)
    site_b.person("A:8")
    site_b.domain(20)
    with pytest.raises(UsageError):
        site_b.domain(10, table="planets")
    site_a.site.sql("select person_id, condition_concept_id from condition_occurrence")
    return network


WHO_SAW = {
    "A:7": """
        user    | operation | status   | how
        admin@A | domain    | answered | returned
        admin@A | sql       | answered | returned
        """,
    "A:8": """
        user    | operation | status   | how
        admin@A | domain    | answered | returned
        admin@B | person    | answered | returned
        admin@A | sql       | answered | returned
        """,
    "A:-9": """
        user    | operation | status   | how
        admin@B | domain    | answered | returned
        admin@A | sql       | answered | returned
        """,
    "B:7": "user | operation | status | how",
    "A:12345": "user | operation | status | how",
}


@pytest.mark.parametrize("person", WHO_SAW)
@pytest.mark.parametrize("reader", ["A", "B"])
def test_who_saw_a_person(asked: BuiltNetwork, reader: str, person: str) -> None:
    with asked.site(reader).network() as network:
        found = network.audit.who_saw(person)
    assert_same(answer_rows(found, drawn(WHO_SAW[person]).headings), WHO_SAW[person])


SEEN_BY = {
    "admin@A": {"domain": ["A:7", "A:8"], "sql": ["A:-9", "A:7", "A:8"]},
    "admin@B": {"person": ["A:8"], "domain": ["A:-9"]},
    "nobody@A": {},
}


@pytest.mark.parametrize("user", SEEN_BY)
def test_what_a_user_has_seen(asked: BuiltNetwork, user: str) -> None:
    """Refused questions showed nothing and are not listed."""
    with asked.site().network() as network:
        found = network.audit.seen_by(user).filter(pl.col("data") != "access-log")
    seen = {row["operation"]: row["persons_returned"] for row in found.to_dicts()}
    assert seen == SEEN_BY[user]
    assert found.height == len(SEEN_BY[user])


@pytest.mark.parametrize("text", ["42", "A", "", "A:x", "9:100:A"])
def test_who_saw_what_is_neither_person_nor_variant_is_refused(
    asked: BuiltNetwork, text: str
) -> None:
    with asked.site().network() as network, pytest.raises(UsageError):
        network.audit.who_saw(text)


def test_the_entries_of_one_user_and_since_a_time(asked: BuiltNetwork) -> None:
    with asked.site().network() as network:
        everything = network.audit.entries()
        of_b = network.audit.entries(user="admin@B")
        assert set(of_b["user"]) == {"admin@B"}
        assert of_b.height == everything.filter(user="admin@B").height > 0
        moment = everything["time"][3]
        later = network.audit.entries(since=moment)
    assert later["entry"].to_list()[: everything.height - 3] == [
        row["entry"] for row in everything.to_dicts() if row["time"] >= moment
    ]


def test_an_unregistered_user_is_not_answered(network: BuiltNetwork) -> None:
    """The user's entries would be ignored by readers of the log."""
    from precisionchain.ledger.signing import generate_key
    from precisionchain.network import Network
    from tests.lib.site_builder import open_on

    site = network.site("A")
    generate_key(site.folder.user_key("stranger@A"))
    opened = open_on(network.place, site.folder.root)
    try:
        with pytest.raises(AccessRefusedError):
            Network(opened, "stranger@A").domain(10)
    finally:
        opened.close()
