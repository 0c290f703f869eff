"""Compare searches of a generated log with what the oracle counts."""

from __future__ import annotations

import random
from typing import Any

import polars as pl

from precisionchain.access import alerts
from precisionchain.access.search import AuditSearch
from tests.lib.generated_log import SITES, GeneratedLog
from tests.lib.log_oracle import LogOracle, number_of

RULES = (
    alerts.Rules(questions_per_hour=6, share=0.05, share_days=1, off_hours=4, refusals=2),
    alerts.Rules(
        questions_per_hour=9,
        share=0.4,
        share_days=3,
        opens=20,
        closes=5,
        off_hours=7,
        refusals=1,
        utc_offset=-330,
    ),
)


def compare(
    log: GeneratedLog, search: AuditSearch, *, persons: int = 12, variants: int = 6, users: int = 4
) -> int:
    """Compare every kind of search; return how many questions of persons were found."""
    oracle, rng = LogOracle(log), random.Random(len(log.truth))
    compare_entries(search, oracle)
    found = 0
    for _ in range(persons):
        site = rng.choice(SITES)
        place = rng.randrange(log.ids[site].size)
        frame = search.who_saw(f"{site}:{log.ids[site][place]}")
        assert how_by_number(frame) == oracle.who_saw_person(site, place)
        found += frame.height
    for _ in range(variants):
        at = rng.randrange(len(log.alleles))
        frame = search.who_saw(":".join(map(str, log.alleles[at])))
        assert how_by_number(frame) == oracle.who_saw_variant(at)
    for user in rng.sample(log.users, users):
        assert seen(search.seen_by(user)) == oracle.seen_by(user)
    for period in ("day", "week", "month", "year"):
        rows = search.summary(period=period).rows()
        assert sorted(rows, key=str) == sorted(oracle.summary(period), key=str)
    sizes = {site: log.ids[site].size for site in SITES}
    for rules in RULES:
        frame = search.alerts(rules, sizes)
        plain = frame.with_columns(pl.col("start", "end").dt.replace_time_zone(None))
        expected = sorted(oracle.alerts(rules, sizes), key=str)
        assert sorted(plain.rows(), key=str) == expected
        if len(log.truth) > 800:  # else a rule may find nothing
            assert {row[0] for row in expected} == {"rate", "share", "off-hours", "refusals"}
    return found


def compare_entries(search: AuditSearch, oracle: LogOracle) -> None:
    """Compare the entries, all of them and a user's."""
    columns = ("entry", "time", "user", "kind", "operation", "question", "status")
    shown = ("rows", "n_persons_returned", "n_persons_contributed", "n_variants_returned")
    everything = oracle.entries()
    for user in (None, oracle.log.users[1]):
        frame = search.entries(user=user).select(*columns, *shown)
        numbers = [number_of(text) for text in frame["question"]]
        frame = frame.with_columns(pl.Series("question", numbers))
        assert frame.rows() == [row for row in everything if user in (None, row[2])]


def how_by_number(frame: pl.DataFrame) -> dict[int, tuple[str, str | None]]:
    """Return status and how by question; each question stands once."""
    rows = frame.select("question", "status", "how").rows()
    found = {number_of(question): (status, how) for question, status, how in rows}
    assert len(found) == frame.height
    return found


def seen(frame: pl.DataFrame) -> dict[int, tuple[Any, ...]]:
    """Return status and lists by question."""
    lists = ("persons_returned", "persons_contributed", "variants_returned")
    rows = frame.select("question", "status", *lists).rows()
    assert frame["entry"].is_sorted()
    return {number_of(question): tuple(row) for question, *row in rows}
