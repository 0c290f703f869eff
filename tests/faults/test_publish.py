"""Publishing is exactly once: every write fails in both ways, at every step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from precisionchain.errors import IntegrityError, LedgerUnavailableError
from precisionchain.ingest.drafts import Draft
from precisionchain.ingest.outbox import Outbox
from precisionchain.ledger.base import Ledger, StreamState
from precisionchain.ledger.batches import heads, sealed_items, seals
from precisionchain.schemas.items import SEAL_ORDINAL
from tests.lib.batches import (
    FAMILIES,
    NETWORK,
    SIGNER,
    SMALL_PUBLISHES,
    STREAMS,
    Job,
    drafts,
    entitled,
    parameters,
    unsealed,
)
from tests.lib.faulty_ledger import Fault, FaultyLedger
from tests.lib.memory_ledger import MemoryLedger

SMALL_STREAMS = parameters(max_stream_items=2)


def fresh_ledger() -> MemoryLedger:
    ledger = MemoryLedger(SMALL_PUBLISHES)
    ledger.create_streams(STREAMS)
    return ledger


def sealed_bodies(ledger: Ledger) -> list[bytes]:
    (seal,) = seals(ledger, entitled)
    found = sorted(sealed_items(ledger, seal, NETWORK), key=lambda item: item.ordinal)
    assert [item.ordinal for item in found] == list(range(seal.manifest.items))
    return [item.payload.body for item in found]


def check_whole(ledger: Ledger) -> None:
    """Check that the one batch is there, once, as its drafts were."""
    assert sealed_bodies(ledger) == [draft.payload.body for draft in drafts()]
    names = Counter((i.item.batch_id, i.item.ordinal) for i in ledger.items())
    assert set(names.values()) == {1}


def writes_of_one_job(tmp_path: Path) -> int:
    counting = FaultyLedger(fresh_ledger())
    job = Job(tmp_path / "count.sqlite", counting, SMALL_STREAMS)
    job.fill(unsealed())
    job.send()
    check_whole(counting)
    return counting.writes


@pytest.mark.parametrize("fault", Fault)
def test_a_write_that_fails_anywhere_leaves_nothing_sealed_or_all_of_it(
    tmp_path: Path, fault: Fault
) -> None:
    writes = writes_of_one_job(tmp_path)
    assert writes >= 6  # publishes of three items, and roll-overs
    for fail_at in range(writes):
        inner = fresh_ledger()
        job = Job(
            tmp_path / f"{fail_at}.sqlite", FaultyLedger(inner, fault, fail_at), SMALL_STREAMS
        )
        job.fill(unsealed())
        with pytest.raises(LedgerUnavailableError):
            job.send()
        last_write_landed = fault is Fault.UNANSWERED and fail_at == writes - 1
        assert bool(list(seals(inner, entitled))) == last_write_landed
        job.send()
        check_whole(inner)
        assert job.send() == []


def test_a_batch_that_is_sealed_already_is_only_forgotten(tmp_path: Path) -> None:
    ledger = fresh_ledger()
    job = Job(tmp_path / "outbox.sqlite", ledger, SMALL_STREAMS)
    job.fill(unsealed())
    (first,) = job.send()
    assert first.new_items == first.items == 12 + 1 + 1  # data, one leaf page, the seal
    position = ledger.head().position
    job.fill(unsealed())
    (second,) = job.send()
    assert second.new_items == 0
    assert ledger.head().position == position


def test_a_job_killed_while_it_encoded_leaves_nothing_to_send(tmp_path: Path) -> None:
    ledger = fresh_ledger()
    job = Job(tmp_path / "outbox.sqlite", ledger, SMALL_STREAMS)

    def killed() -> None:
        def some_then_die() -> Iterator[Draft]:
            yield from drafts(3)
            raise KeyboardInterrupt

        with closing(Outbox(job.path)) as outbox:  # as the end of a process closes it
            outbox.fill(some_then_die(), unsealed(), signer=SIGNER, network=NETWORK)

    with pytest.raises(KeyboardInterrupt):
        killed()
    assert job.send() == []
    assert ledger.head().position == -1
    job.fill(unsealed())
    job.send()
    check_whole(ledger)


def test_full_streams_roll_over_and_every_item_is_found_in_its_bucket(tmp_path: Path) -> None:
    ledger = fresh_ledger()
    job = Job(tmp_path / "outbox.sqlite", ledger, SMALL_STREAMS)
    job.fill(unsealed())
    job.send()
    states = ledger.streams()
    assert max(states[name].items for name in states) <= 2
    assert "CONDITION_0_2k3" in states
    check_whole(ledger)


class SeenLate(MemoryLedger):
    """A ledger on which another job makes a stream after this one has listed them."""

    hidden = ""
    created: list[list[str]]

    def streams(self) -> Mapping[str, StreamState]:
        found = super().streams()
        return {name: state for name, state in found.items() if name != self.hidden}

    def create_streams(self, names: Sequence[str]) -> None:
        super().create_streams(names)
        self.created.append(list(names))


def publish_late(path: Path, hidden: str = "") -> list[list[str]]:
    """Publish the one batch; return the streams that were created, by call."""
    ledger = SeenLate(SMALL_PUBLISHES)
    ledger.created = []
    ledger.create_streams([*STREAMS, *([hidden] if hidden else [])])
    ledger.hidden = hidden
    job = Job(path, ledger, SMALL_STREAMS)
    job.fill(unsealed())
    job.send()
    ledger.hidden = ""
    check_whole(ledger)
    return ledger.created[1:]


def test_streams_are_created_together_and_one_that_another_job_made_is_no_obstacle(
    tmp_path: Path,
) -> None:
    created = publish_late(tmp_path / "alone.sqlite")
    names = [name for together in created for name in together]
    assert len(names) == len(set(names)) > len(created)
    for number, hidden in enumerate(names):
        later = publish_late(tmp_path / f"{number}.sqlite", hidden)
        assert {name for together in later for name in together} == {*names} - {hidden}


def test_the_root_is_the_same_wherever_items_found_room(tmp_path: Path) -> None:
    roots = set()
    for number, settings in enumerate((SMALL_STREAMS, parameters())):
        ledger = fresh_ledger()
        job = Job(tmp_path / f"{number}.sqlite", ledger, settings)
        job.fill(unsealed())
        job.send()
        roots.add(next(seals(ledger, entitled)).manifest.root)
    assert len(roots) == 1


def test_january_february_january_are_three_heads(tmp_path: Path) -> None:
    ledger = fresh_ledger()
    job = Job(tmp_path / "outbox.sqlite", ledger, parameters())
    january = unsealed(content=b"january")
    february = unsealed(content=b"february", parent=january.batch_id)
    again = unsealed(content=b"january", parent=february.batch_id)
    for manifest in (january, february, again):
        job.fill(manifest)
        job.send()
        newest = heads(seals(ledger, entitled))
        assert newest[SIGNER.public_key, "omop"].manifest.batch == manifest.batch
    assert len({january.batch, february.batch, again.batch}) == 3


def test_a_stray_under_our_batch_key_is_not_taken(tmp_path: Path) -> None:
    """A stranger's item, published under the batch's key before ours, unseals nothing."""
    ledger = fresh_ledger()
    job = Job(tmp_path / "outbox.sqlite", ledger, parameters())
    frozen = job.fill(unsealed())
    outbox = Outbox(job.path)
    (family, item), *_ = outbox.items(frozen.batch_id, without=frozenset())
    outbox.close()
    assert family in FAMILIES
    stray = replace(item, publisher=b"\x01" * 32)
    ledger.publish(ledger.prepare([stray]))
    job.send()
    assert sealed_bodies(ledger) == [draft.payload.body for draft in drafts()]


def test_a_batch_with_a_missing_item_is_refused_whole(tmp_path: Path) -> None:
    ledger = fresh_ledger()
    job = Job(tmp_path / "outbox.sqlite", ledger, parameters())
    frozen = job.fill(unsealed())
    outbox = Outbox(job.path)
    kept = [item for _, item in outbox.items(frozen.batch_id, without=frozenset({4}))]
    outbox.close()
    for item in kept:
        ledger.publish(ledger.prepare([item]))
    (seal,) = seals(ledger, entitled)
    assert SEAL_ORDINAL in ledger.ordinals(SIGNER.public_key, frozen.batch_id)
    with pytest.raises(IntegrityError, match="1 of 12 sealed items"):
        list(sealed_items(ledger, seal, NETWORK))
