"""Random logs of several institutions: the summary says exactly what was generated.

The generator remembers every question as plain values. The oracle counts those with sets and
dictionaries; it reads no ledger.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from precisionchain.access import postings, summary
from precisionchain.access.evaluated import Evaluated, evaluated_value
from precisionchain.access.search import AuditSearch
from precisionchain.errors import AccessRefusedError, LedgerUnavailableError, UsageError
from precisionchain.ledger.records import Member, member_item
from tests.lib.audited_network import AuditedNetwork, key
from tests.lib.dying_ledger import DyingLedger
from tests.lib.memory_ledger import MemoryLedger

SITES = ("A", "B", "C")
USERS = ("ada@A", "amy@A", "bob@B", "cleo@C", "carl@C", "noa@B")
WITHOUT_ROLE = "noa@B"
DATA_OF = {
    "domain": "clinical",
    "person-variants": "genetic",
    "cohort": "clinical+genetic",
    "sql": "staging",
    "who-saw": "access-log",
}
ENDINGS = ("answer",) * 6 + ("refuse", "fail", "die before", "die after", "die after")
ADMITTED, REMOVED = 0.2, 0.7
"""When, as parts of the log, institution C is admitted and removed."""

Person = tuple[str, int]
Allele = tuple[str, int, str, str]


@dataclass(frozen=True)
class Asked:
    """One question as it was generated; ``day`` is that of its last entry."""

    user: str
    operation: str
    ending: str
    day: date
    sites: tuple[str, ...]
    rows: int
    returned: frozenset[Person]
    contributed: frozenset[Person]
    variants: frozenset[Allele]

    @property
    def site(self) -> str:
        return self.user[-1]

    @property
    def status(self) -> str:
        if self.ending == "answer" and self.user == WITHOUT_ROLE and self.operation != "who-saw":
            return "not permitted"
        return {
            "answer": "answered",
            "refuse": "refused",
            "fail": "failed",
            "die after": "may have seen",
        }[self.ending]


@dataclass
class Generated:
    """A log, and what it was made of."""

    rng: random.Random
    questions: int
    now: datetime = datetime(2025, 12, 27, 22, tzinfo=UTC)
    truth: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.net = AuditedNetwork(MemoryLedger(clock=lambda: self.now), stream_items=1000)
        for user in USERS[:3]:
            self.net.add_user(user)
        self.net.add_user(WITHOUT_ROLE, roles=("auditor",))
        sites: tuple[str, ...] = ("A", "B")
        for number in range(self.questions):
            if number == int(ADMITTED * self.questions):
                member = Member("C", "cc", *key("C").public, admin=False)
                self.net.publish(member_item(member, key("A"), self.net.network))
                self.net.add_user("cleo@C")
                self.net.add_user("carl@C")
                sites = SITES
            if number == int(REMOVED * self.questions):
                self.net.remove_site("C")
                sites = ("A", "B")
            user = self.rng.choice([user for user in USERS if user[-1] in sites])
            self.now += timedelta(minutes=self.rng.choice((0, 1, 300, 2000)) * 900 / self.questions)
            self.ask(user, sites)

    def ask(self, user: str, sites: tuple[str, ...]) -> None:
        rng, ending = self.rng, self.rng.choice(ENDINGS)
        operation = rng.choice(list(DATA_OF))
        everyone = [(site, number) for site in SITES for number in (-5, 1, 2, 3, 2**60)]
        alleles = [("9", pos, "A", alt) for pos in (7, 8, 9) for alt in "CG"]
        returned = frozenset(rng.sample(everyone, rng.choice((0, 0, 1, 5))))
        contributed = frozenset(rng.sample(everyone, rng.choice((0, 3, 12)))) - returned
        variants = frozenset(rng.sample(alleles, rng.choice((0, 1, 4))))
        rows = rng.randrange(100)

        def evaluate() -> Evaluated[int]:
            self.now += timedelta(minutes=rng.choice((0, 90)))
            if ending == "refuse":
                raise AccessRefusedError("no")
            if ending == "fail":
                raise ZeroDivisionError
            value = evaluated_value(1, rows=rows)
            table = pl.DataFrame(list(variants), schema=postings.ALLELE_SCHEMA, orient="row")
            return Evaluated(
                value.value,
                value.rows,
                value.digest,
                by_site(returned),
                by_site(contributed),
                postings.alleles(table),
            )

        before = self.now
        entries = {"die before": 0, "die after": 1}.get(ending, 2)
        ledger = DyingLedger(self.net.ledger, fail_at=entries)
        with suppress(AccessRefusedError, ZeroDivisionError, LedgerUnavailableError):
            self.net.gate(user, ledger).ask(operation, DATA_OF[operation], {}, evaluate)
        taken = before if ending == "die after" else self.now
        if ending != "die before":
            shown = (rows, returned, contributed, variants)
            self.truth.append(Asked(user, operation, ending, taken.date(), sites, *shown))

    def search(self) -> AuditSearch:
        return AuditSearch(self.net.ledger, self.net.membership(), None, self.net.keyring())


def by_site(some: frozenset[Person]) -> dict[str, Any]:
    return postings.persons({site: [i for s, i in some if s == site] for site in SITES})


def first_day(day: date, period: str) -> date:
    year, week, _ = day.isocalendar()
    return {
        "day": day,
        "week": date.fromisocalendar(year, week, 1),
        "month": date(day.year, day.month, 1),
        "year": date(day.year, 1, 1),
    }[period]


def expected(truth: list[Asked], period: str) -> Iterator[tuple[Any, ...]]:
    """Count plainly: institution by institution, question by question."""
    found: dict[tuple[Any, ...], list[tuple[Asked, bool]]] = {}
    for asked in truth:
        place = (asked.operation, asked.site, asked.status)
        start = first_day(asked.day, period)
        found.setdefault((asked.site, start, "own use", *place), []).append((asked, True))
        for site in SITES:
            shown = any(s == site for s, _ in asked.returned | asked.contributed)
            if asked.ending == "die after":
                data = DATA_OF[asked.operation]
                shown = site in asked.sites and ("clinical" in data or "genetic" in data)
            if site != asked.site and shown and asked.ending in ("answer", "die after"):
                found.setdefault((site, start, "use by others", *place), []).append((asked, False))
    for name, group in found.items():
        site = name[0]
        counts: list[int | None] = [None] * 4
        if group[0][0].ending == "answer":
            returned: set[Person] = set().union(*(asked.returned for asked, _ in group))
            contributed: set[Person] = set().union(*(asked.contributed for asked, _ in group))
            if group[0][1]:
                alleles: set[Allele] = set().union(*(asked.variants for asked, _ in group))
                rows = sum(asked.rows for asked, _ in group)
                counts = [rows, len(returned), len(contributed), len(alleles)]
            else:
                mine = [{p for p in some if p[0] == site} for some in (returned, contributed)]
                counts = [None, len(mine[0]), len(mine[1]), None]
        yield (*name, len(group), len({asked.user for asked, _ in group}), *counts)


@pytest.fixture(scope="module")
def long_log() -> Generated:
    return Generated(random.Random(7), 2_000)


@pytest.mark.parametrize("period", summary.PERIODS)
def test_the_summary_of_a_long_log_is_exact(long_log: Generated, period: str) -> None:
    frame = long_log.search().summary(period=period)
    assert list(frame.schema.items()) == list(pl.Schema(summary.SUMMARY_COLUMNS).items())
    assert sorted(frame.rows(), key=str) == sorted(expected(long_log.truth, period), key=str)
    assert len(set(frame["period"])) > {"day": 30, "week": 8, "month": 2, "year": 1}[period]
    assert set(frame["status"]) == {
        *("answered", "refused", "failed", "may have seen", "not permitted")
    }
    assert set(frame["site"]) == set(SITES)


@pytest.mark.parametrize("seed", range(25))
def test_the_summary_of_a_short_log_is_exact(seed: int) -> None:
    made = Generated(random.Random(seed), seed)
    for period in summary.PERIODS:
        found = made.search().summary(period=period).rows()
        assert sorted(found, key=str) == sorted(expected(made.truth, period), key=str)


def test_days_and_an_institution_are_chosen(long_log: Generated) -> None:
    days = sorted({asked.day for asked in long_log.truth})
    first, last = days[len(days) // 3], days[len(days) // 2]
    frame = long_log.search().summary(period="month", site="B", since=first, until=last)
    chosen = [asked for asked in long_log.truth if first <= asked.day <= last]
    rows = [row for row in expected(chosen, "month") if row[0] == "B"]
    assert sorted(frame.rows(), key=str) == sorted(rows, key=str)
    assert 0 < len(chosen) < len(long_log.truth)


def test_a_period_that_is_none_is_refused(long_log: Generated) -> None:
    with pytest.raises(UsageError, match="not a period"):
        long_log.search().summary(period="fortnight")
