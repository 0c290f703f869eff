"""Any history of corrections is answered as by a slow reading of it, now and as of any position."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from precisionchain.replica.as_of import snapshot_as_of
from precisionchain.replica.catalogue import Snapshot, read_snapshot
from precisionchain.replica.superseded_places import invalid_places
from precisionchain.replica.sync import sync
from tests.lib.batches import NETWORK
from tests.lib.drafted_history import (
    COLUMNS,
    DOMAIN,
    MAPPED,
    PERSONS,
    VOCABULARY,
    History,
    Person,
    Sealed,
    Step,
    Withdrawn,
    entitled,
    site_of,
)
from tests.lib.memory_ledger import MemoryLedger

PERSON_IDS = st.integers(-1, 1)
CONCEPTS = st.integers(5, 6)
EVENTS = st.tuples(st.integers(1, 9), PERSON_IDS, CONCEPTS)
ROWS = {
    DOMAIN: EVENTS,
    PERSONS: EVENTS,
    MAPPED: st.tuples(PERSON_IDS, st.just("CLIN_PERSON_1")),
    VOCABULARY: st.tuples(CONCEPTS, st.sampled_from(["one", "two"])),
}
SITES = st.sampled_from("AAB")


@st.composite
def histories(draw: st.DrawFn) -> History:
    steps: list[Step] = []
    for number in range(draw(st.integers(1, 7))):
        site = draw(SITES)
        what = draw(st.sampled_from(["batch", "batch", "person", "person", "withdrawn"]))
        if what == "person":
            action = draw(st.sampled_from(["withdraw", "withdraw", "readmit"]))
            steps.append(Person(site, action, draw(PERSON_IDS)))
        elif what == "withdrawn" and number:
            steps.append(Withdrawn(site, draw(st.integers(0, number - 1))))
        else:
            names = draw(st.lists(st.sampled_from(sorted(ROWS)), min_size=1, max_size=4))
            items = tuple(
                # One family's items follow each other, as every writer has them.
                (name, tuple(draw(st.lists(ROWS[name], min_size=1, max_size=4))))
                for name in sorted(names)
            )
            known = [
                (step, ordinal, row)
                for step, one in enumerate(steps)
                if isinstance(one, Sealed)
                for ordinal, (_, rows) in enumerate(one.items)
                for row in range(len(rows))
            ]
            wrong = st.tuples(st.integers(0, number), st.integers(0, 5), st.integers(0, 5))
            places = st.one_of(st.sampled_from(known), wrong) if known else wrong
            gone = draw(st.sets(places, max_size=8)) if number else set()
            source = draw(st.sampled_from(["ehr", "ehr", "registry"]))
            steps.append(Sealed(site, source, items, tuple(sorted(gone))))
    return History(tuple(steps))


@given(histories(), st.data())
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
def test_what_counts_is_what_a_slow_reading_finds(history: History, data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        ledger, root = MemoryLedger(), Path(folder) / "replica"
        sealed = history.write(ledger, Path(folder))
        snapshot = _synced(ledger, root)
        assert _rows(snapshot) == history.counting(len(history.steps))
        found = Counter({(one.batch, one.why): one.places for one in invalid_places(snapshot)})
        due = {(sealed[step][0], why): places for (step, why), places in history.invalid().items()}
        assert found == due
        now = history.withdrawn(len(history.steps))
        for until in data.draw(st.permutations(range(len(sealed) + 1)))[:3]:
            last = sealed[until - 1][1] if until else -1
            until_next = sealed[until][1] - 1 if until < len(sealed) else last
            position = data.draw(st.integers(last, until_next))
            earlier = snapshot_as_of(ledger, snapshot, position, entitled=entitled, site_of=site_of)
            assert earlier.catalogue.position == position
            assert _rows(earlier) == history.counting(until)
            since = now - history.withdrawn(until)
            assert earlier.catalogue.left_out == len(history.persons(until) & since)


@given(histories())
@settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow])
def test_a_replica_that_follows_step_by_step_is_the_one_made_at_the_end(history: History) -> None:
    with TemporaryDirectory() as folder:
        ledger, followed = MemoryLedger(), Path(folder) / "followed"
        history.write(ledger, Path(folder), lambda: _synced(ledger, followed))
        step_by_step, at_once = _synced(ledger, followed), _synced(ledger, Path(folder) / "at_once")
        assert _rows(step_by_step) == _rows(at_once)
        assert step_by_step.catalogue.files == at_once.catalogue.files
        assert step_by_step.catalogue.state == at_once.catalogue.state


def _synced(ledger: MemoryLedger, root: Path) -> Snapshot:
    sync(ledger, root, network=NETWORK, entitled=entitled, site_of=site_of)
    return read_snapshot(root, NETWORK)


def _rows(snapshot: Snapshot) -> dict[str, Counter[Any]]:
    found: dict[str, Counter[Any]] = {}
    for name, path in snapshot.paths("").items():
        columns = list(COLUMNS[name])
        rows = pl.read_parquet(path)
        if name == VOCABULARY:
            found[name] = Counter(rows.select(columns).unique().rows())
        else:
            columns.append("site")
            found[name] = Counter(rows.with_columns(pl.col("site").cast(pl.String))[columns].rows())
    return found
