"""The ledger contract as tests: each sentence of ``precisionchain.ledger.base``, for any back end.

A back end's test file inherits ``LedgerContract`` and says, in a fixture named ``ledger``, how an
empty one is made. After every test the ledger's own findings must be empty.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from precisionchain.errors import (
    ConflictError,
    LedgerUnavailableError,
    LimitError,
    StreamExistsError,
    UnknownStreamError,
)
from precisionchain.ledger.base import Ledger, LedgerItem, Prepared, StreamState
from precisionchain.ledger.publish_rules import in_chunks
from precisionchain.schemas.items import Codec, Item, ItemClass, Payload
from tests.lib.faulty_ledger import Fault, FaultyLedger

SITE_A, SITE_B = bytes([1]) * 32, bytes([2]) * 32
BATCH_1, BATCH_2 = bytes([11]) * 32, bytes([12]) * 32
A, B, C = "CONDITION_1_1", "CONDITION_2_1", "DRUG_0_1"


def item(
    ordinal: int,
    stream: str = A,
    *keys: str,
    body: bytes | None = None,
    batch: bytes = BATCH_1,
    publisher: bytes = SITE_A,
) -> Item:
    """A batch item; a test says only what matters to it."""
    body = b"body %d" % ordinal if body is None else body
    payload = Payload("clinical", Codec.ARROW, body)
    return Item(stream, tuple(sorted(keys)), ItemClass.BATCH, publisher, batch, ordinal, payload)


def publish(ledger: Ledger, *items: Item) -> tuple[int | None, ...]:
    return ledger.publish(ledger.prepare(items)).positions


def contents(ledger: Ledger) -> list[Item]:
    """Every item, in order."""
    return [found.item for found in ledger.items()]


class Junk(Item):
    """An item whose stored bytes are no item: what a stranger could write to a ledger."""

    __slots__ = ()

    @property
    def stored(self) -> bytes:
        return b"not an item of ours"


class LedgerContract:
    """Inherit this, and give a fixture ``ledger``."""

    @pytest.fixture
    def streams(self, ledger: Ledger) -> Iterator[Ledger]:
        """A ledger with three streams."""
        ledger.create_streams([A, B, C])
        yield ledger
        assert list(ledger.findings()) == []

    # ------------------------------------------------------------------------------------- streams

    def test_a_new_ledger_is_empty(self, ledger: Ledger) -> None:
        assert dict(ledger.streams()) == {}
        assert contents(ledger) == []
        assert ledger.head().position == -1
        assert ledger.extends(ledger.head())
        assert ledger.ordinals(SITE_A, BATCH_1) == frozenset()
        assert list(ledger.findings()) == []

    def test_streams_are_listed_in_the_order_of_creation(self, ledger: Ledger) -> None:
        ledger.create_stream("ZEBRA_1")
        ledger.create_streams(["ANT_1", "MOUSE_1"])

        assert list(ledger.streams()) == ["ZEBRA_1", "ANT_1", "MOUSE_1"]
        assert set(ledger.streams().values()) == {StreamState(0, 0)}

    @pytest.mark.parametrize("taken", [A, A.lower(), A.swapcase()])
    def test_names_are_compared_case_folded(self, streams: Ledger, taken: str) -> None:
        with pytest.raises(StreamExistsError, match=taken):
            streams.create_stream(taken)

    def test_of_many_streams_all_are_created_or_none(self, streams: Ledger) -> None:
        with pytest.raises(StreamExistsError):
            streams.create_streams(["NEW_1", A])
        with pytest.raises(StreamExistsError):
            streams.create_streams(["NEW_1", "new_1"])
        with pytest.raises(LimitError):
            streams.create_streams(["NEW_1", ""])

        assert list(streams.streams()) == [A, B, C]

    def test_no_streams_are_created_by_an_empty_list(self, streams: Ledger) -> None:
        before = streams.head()
        streams.create_streams([])

        assert streams.head() == before

    @pytest.mark.parametrize("name", ["", "N" * 33, "é" * 17, "*", "1-2-3"])
    def test_names_that_some_ledger_cannot_hold_are_refused(
        self, ledger: Ledger, name: str
    ) -> None:
        with pytest.raises(LimitError):
            ledger.create_stream(name)
        assert dict(ledger.streams()) == {}

    @pytest.mark.parametrize("name", ["N" * 32, "é" * 16, "a b", "1-2"])
    def test_names_up_to_the_limit_are_taken(self, ledger: Ledger, name: str) -> None:
        ledger.create_stream(name)

        assert list(ledger.streams()) == [name]

    def test_many_streams_at_once(self, ledger: Ledger) -> None:
        names = [f"CONDITION_{number}_1" for number in range(1500)]
        ledger.create_streams(names)

        assert list(ledger.streams()) == names

    def test_a_stream_knows_how_full_it_is(self, streams: Ledger) -> None:
        items = [item(0, A), item(1, B), item(2, A, body=b"x" * 1000)]
        publish(streams, *items)
        publish(streams, *items)
        publish(streams, item(3, A))

        sizes = [len(one.stored) for one in (items[0], items[2], item(3, A))]
        assert dict(streams.streams()) == {
            A: StreamState(3, sum(sizes)),
            B: StreamState(1, len(items[1].stored)),
            C: StreamState(0, 0),
        }

    # --------------------------------------------------------------------------------------- order

    def test_items_come_back_as_they_were_given(self, streams: Ledger) -> None:
        single = replace(
            item(7, B, "u:x", publisher=SITE_B),
            item_class=ItemClass.SINGLE,
            signature=bytes(range(64)),
        )
        encrypted = replace(
            item(8, C), payload=Payload("k" * 32, Codec.JSON_ZSTD, b"", b"key", b"nonce")
        )
        items = [item(0, A, "c:1", "p:-2", "y:2020"), item(1, A), single, encrypted]
        publish(streams, *items)

        assert contents(streams) == items

    def test_one_publish_keeps_its_order_and_positions_only_grow(self, streams: Ledger) -> None:
        first = publish(streams, item(5, B), item(1, A), item(3, C))
        second = publish(streams, item(0, A))

        assert [one.ordinal for one in contents(streams)] == [5, 1, 3, 0]
        assert [found.position for found in streams.items()] == [*first, *second]
        positions = [found.position for found in streams.items()]
        assert positions == sorted(set(positions))
        assert positions[0] >= 0
        assert streams.head().position == positions[-1]

    def test_times_are_utc_and_do_not_go_back(self, streams: Ledger) -> None:
        before = datetime.now(UTC) - timedelta(minutes=5)
        for ordinal in range(5):
            publish(streams, item(ordinal))
        times = [found.time for found in streams.items()]

        assert times == sorted(times)
        assert all(time.utcoffset() == timedelta(0) for time in times)
        assert before < times[0] <= times[-1] < datetime.now(UTC) + timedelta(minutes=5)

    # -------------------------------------------------------------------------------- exactly once

    def test_publishing_again_stores_nothing(self, streams: Ledger) -> None:
        items = [item(0, A, "c:1"), item(1, B)]
        prepared = streams.prepare(items)
        first = streams.publish(prepared)
        head = streams.head()
        again = streams.publish(prepared)

        assert (first.new, again.new) == (2, 0)
        assert first.positions == again.positions
        assert contents(streams) == items
        assert streams.head() == head

    def test_publishing_some_again_stores_the_rest(self, streams: Ledger) -> None:
        publish(streams, item(1), item(3))
        receipt = streams.publish(streams.prepare([item(n) for n in range(5)]))

        assert receipt.new == 3
        assert [one.ordinal for one in contents(streams)] == [1, 3, 0, 2, 4]
        placed = {found.item.ordinal: found.position for found in streams.items()}
        assert receipt.positions == tuple(placed[n] for n in range(5))

    @pytest.mark.parametrize(
        "other",
        [
            item(1, A, "c:1", body=b"other"),
            item(1, B, "c:1", body=b"body 1"),
            item(1, A, "c:2", body=b"body 1"),
            item(1, A, body=b"body 1"),
            item(1, A, "c:1", "c:2", body=b"body 1"),
            replace(
                item(1, A, "c:1"), payload=Payload("clinical", Codec.ARROW, b"body 1", b"", b"n")
            ),
        ],
        ids=["bytes", "stream", "key", "no key", "more keys", "nonce"],
    )
    def test_other_content_under_a_name_is_a_conflict_and_nothing_lands(
        self, streams: Ledger, other: Item
    ) -> None:
        publish(streams, item(1, A, "c:1"))
        before, head = contents(streams), streams.head()

        with pytest.raises(ConflictError, match="ordinal 1"):
            publish(streams, item(0), other, item(2))
        assert contents(streams) == before
        assert streams.head() == head

    def test_publisher_batch_and_ordinal_make_the_name(self, streams: Ledger) -> None:
        items = [
            item(0),
            item(0, publisher=SITE_B),
            item(0, batch=BATCH_2),
            item(0, batch=BATCH_2, publisher=SITE_B),
            item(0xFFFF_FFFF),
        ]
        publish(streams, *items)

        assert contents(streams) == items
        assert streams.ordinals(SITE_A, BATCH_1) == {0, 0xFFFF_FFFF}
        assert streams.ordinals(SITE_B, BATCH_2) == {0}
        assert streams.ordinals(SITE_B, bytes(32)) == frozenset()

    def test_one_publish_cannot_hold_a_name_twice(self, streams: Ledger) -> None:
        with pytest.raises(ConflictError):
            streams.prepare([item(0), item(0, B)])
        with pytest.raises(ConflictError):
            streams.prepare([item(0), item(0)])

    def test_nothing_to_publish_is_no_publish(self, streams: Ledger) -> None:
        head = streams.head()
        receipt = streams.publish(streams.prepare([]))

        assert (receipt.positions, receipt.new) == ((), 0)
        assert streams.head() == head

    # ----------------------------------------------------------------------------------- atomicity

    def test_an_unknown_stream_stops_the_whole_publish(self, streams: Ledger) -> None:
        with pytest.raises(UnknownStreamError, match="NOWHERE_1"):
            streams.prepare([item(0), item(1, "NOWHERE_1")])
        with pytest.raises(UnknownStreamError, match="NOWHERE_1"):
            streams.publish(Prepared((item(0), item(1, "NOWHERE_1"))))
        assert contents(streams) == []

    def test_preparing_stores_nothing(self, streams: Ledger) -> None:
        head = streams.head()
        streams.prepare([item(0)])

        assert streams.head() == head
        assert streams.ordinals(SITE_A, BATCH_1) == frozenset()

    def test_what_was_prepared_can_be_rebuilt_from_its_parts(self, streams: Ledger) -> None:
        prepared = streams.prepare([item(0), item(1)])
        streams.publish(Prepared(tuple(prepared.items), bytes(prepared.ticket)))

        assert contents(streams) == [item(0), item(1)]

    # -------------------------------------------------------------------------------------- limits

    def test_an_item_up_to_the_limit_is_taken_and_a_byte_more_refused(
        self, streams: Ledger
    ) -> None:
        header = len(item(0, body=b"").stored)
        largest = item(0, body=bytes(streams.limits.max_item_bytes - header))
        publish(streams, largest)

        assert contents(streams) == [largest]
        with pytest.raises(LimitError, match="ordinal 1"):
            streams.prepare([item(1, body=bytes(streams.limits.max_item_bytes - header + 1))])

    def test_a_publish_up_to_the_limits_is_taken(self, streams: Ledger) -> None:
        limits = streams.limits
        many = [item(n) for n in range(limits.max_items_per_publish)]
        publish(streams, *many)
        assert contents(streams) == many

        with pytest.raises(LimitError, match="in_chunks"):
            streams.prepare([*many, item(limits.max_items_per_publish)])

        size = min(limits.max_item_bytes, limits.max_publish_bytes // 2) - 200
        large = [item(n, batch=BATCH_2, body=bytes([n]) * size) for n in range(3)]
        assert len(large[0].stored) * 3 > limits.max_publish_bytes
        publish(streams, *large[:2])
        with pytest.raises(LimitError, match="in_chunks"):
            streams.prepare(large)

    def test_keys_up_to_the_limit(self, streams: Ledger) -> None:
        longest = item(0, A, "k" * 256, "é" * 128, " ", "\n", "A", "a", "nul\x00l")
        publish(streams, longest)
        assert contents(streams) == [longest]
        for key in longest.keys:
            assert [found.item for found in streams.items(A, key)] == [longest]
        assert list(streams.items(A, "nul")) == []

        for keys in (("k" * 257,), ("é" * 129,), ("",), ("*",), ("b", "a"), ("a", "a")):
            with pytest.raises(LimitError):
                streams.prepare([replace(item(1), keys=keys)])

    def test_chunks_keep_order_and_fit(self, streams: Ledger) -> None:
        rng = random.Random(5)
        items = [
            item(
                n,
                rng.choice([A, B, C]),
                *(f"p:{k}" for k in range(rng.choice([0, 3, 2000]))),
                body=bytes(rng.choice([0, 100, 500_000])),
            )
            for n in range(300)
        ]
        chunks = list(in_chunks(items, streams.limits))

        assert [one for chunk in chunks for one in chunk] == items
        assert len(chunks) > 3
        for chunk in chunks:
            publish(streams, *chunk)
        assert contents(streams) == items

    # ------------------------------------------------------------------------------------- reading

    def test_items_by_stream_key_position_and_limit(self, streams: Ledger) -> None:
        rng = random.Random(7)
        names = ["c:1", "c:2", "p:1", "p:2"]
        for ordinals in ([0, 1, 2], [3], list(range(4, 34)), list(range(34, 42))):
            publish(
                streams,
                *(
                    item(n, rng.choice([A, B]), *rng.sample(names, rng.randrange(4)))
                    for n in ordinals
                ),
            )
        everything = list(streams.items())
        positions = [-1, *(found.position for found in everything)]
        for stream in (None, A, B, C):
            for key in (None, "c:1", "p:2", "c:9") if stream else (None,):
                for after in (positions[0], positions[1], positions[20], positions[-1]):
                    for limit in (None, 0, 1, 5):
                        expected = [
                            found
                            for found in everything
                            if stream in (None, found.item.stream)
                            and (key is None or key in found.item.keys)
                            and found.position > after
                        ][:limit]
                        asked = streams.items(stream, key, after=after, limit=limit)
                        assert list(asked) == expected

    def test_items_by_ordinal(self, streams: Ledger) -> None:
        last = 0xFFFF_FFFF
        publish(streams, item(0), item(1, A, "c:1"), item(1, B, batch=BATCH_2))
        publish(streams, item(last, A, "c:1"), item(2), item(1, A, publisher=SITE_B))
        publish(streams, *(item(n, A, body=bytes(5000)) for n in range(3, 20)))
        publish(streams, item(last, A, batch=BATCH_2))
        everything = list(streams.items())
        for ordinal in (0, 1, 19, 20, last):
            for stream, key in ((None, None), (A, None), (B, None), (A, "c:1")):
                for after in (-1, everything[0].position, everything[-1].position):
                    expected = [
                        found
                        for found in everything
                        if found.item.ordinal == ordinal
                        and stream in (None, found.item.stream)
                        and (key is None or key in found.item.keys)
                        and found.position > after
                    ]
                    asked = streams.items(stream, key, ordinal=ordinal, after=after)
                    assert list(asked) == expected
                    first = streams.items(stream, key, ordinal=ordinal, after=after, limit=1)
                    assert list(first) == expected[:1]

    def test_reading_an_unknown_stream_is_an_error_at_once(self, streams: Ledger) -> None:
        with pytest.raises(UnknownStreamError):
            streams.items("NOWHERE_1")
        with pytest.raises(UnknownStreamError):
            streams.items("NOWHERE_1", "c:1")

    def test_a_key_is_looked_up_in_a_stream(self, streams: Ledger) -> None:
        with pytest.raises(ValueError, match="stream"):
            streams.items(None, "c:1")

    def test_items_shows_what_was_there_at_the_call(self, streams: Ledger) -> None:
        publish(streams, *(item(n) for n in range(30)))
        reading = streams.items()
        first = next(reading)
        publish(streams, item(30))

        assert [found.item for found in [first, *reading]] == [item(n) for n in range(30)]
        assert len(contents(streams)) == 31

    def test_bytes_that_are_no_item_are_left_out_and_reported(self, ledger: Ledger) -> None:
        ledger.create_stream(A)
        junk = Junk(**{name: getattr(item(1), name) for name in Item.__slots__})
        positions = publish(ledger, item(0), junk, item(2))

        assert contents(ledger) == [item(0), item(2)]
        assert list(ledger.items(A, limit=2)) == list(ledger.items())
        found = [(one.check, one.stream, one.position) for one in ledger.findings()]
        assert found == [("item", A, positions[1])]

    # ------------------------------------------------------------------------------ heads and ends

    def test_every_head_that_was_ever_shown_stays_in_the_history(self, streams: Ledger) -> None:
        heads = [streams.head()]
        for ordinal in range(5):
            publish(streams, item(ordinal))
            heads.append(streams.head())
        streams.create_stream("LATER_1")
        heads.append(streams.head())

        assert len(set(heads)) == 7
        assert all(streams.extends(head) for head in heads)
        for head in heads:
            assert not streams.extends(replace(head, digest=bytes(31) + b"x"))
        assert not streams.extends(replace(heads[-1], block=heads[-1].block + 1))

    def test_after_close_nothing_works_and_closing_again_does(self, ledger: Ledger) -> None:
        ledger.create_stream(A)
        prepared = ledger.prepare([item(0)])
        ledger.close()
        ledger.close()
        for use in (
            lambda: ledger.create_stream("NEW_1"),
            ledger.streams,
            lambda: ledger.publish(prepared),
            lambda: list(ledger.items()),
            lambda: ledger.ordinals(SITE_A, BATCH_1),
            ledger.head,
        ):
            with pytest.raises(LedgerUnavailableError, match="closed"):
                use()

    # ------------------------------------------------------------------------------ random and many

    def test_any_split_order_and_repetition_is_one_load(self, streams: Ledger) -> None:
        rng = random.Random(11)
        model: dict[tuple[bytes, int], Item] = {}
        pool = [
            item(
                n,
                rng.choice([A, B, C]),
                *rng.sample(["c:1", "c:2", "p:1"], rng.randrange(3)),
                batch=rng.choice([BATCH_1, BATCH_2]),
            )
            for n in range(80)
        ]
        for _ in range(60):
            chunk = rng.sample(pool, rng.randrange(1, 12))
            fresh = [one for one in chunk if (one.batch_id, one.ordinal) not in model]
            receipt = streams.publish(streams.prepare(chunk))
            model.update({(one.batch_id, one.ordinal): one for one in fresh})

            assert receipt.new == len(fresh)
            assert contents(streams) == list(model.values())
        for stream, state in streams.streams().items():
            there = [one for one in model.values() if one.stream == stream]
            assert state == StreamState(len(there), sum(len(one.stored) for one in there))
        for batch in (BATCH_1, BATCH_2):
            wanted = {ordinal for other, ordinal in model if other == batch}
            assert streams.ordinals(SITE_A, batch) == wanted

    @pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.value)
    def test_a_write_that_fails_either_way_is_repeated_to_the_same_content(
        self, streams: Ledger, fault: Fault
    ) -> None:
        chunks = [[item(n, B, "c:1") for n in range(start, start + 4)] for start in (0, 4, 8)]
        for failing in range(3):
            batch = bytes([100 + failing]) * 32
            faulty = FaultyLedger(streams, fault, failing)
            for chunk in chunks:
                prepared = faulty.prepare([replace(one, batch_id=batch) for one in chunk])
                try:
                    faulty.publish(prepared)
                except LedgerUnavailableError:
                    faulty.publish(prepared)
            written = [one for one in contents(streams) if one.batch_id == batch]
            assert written == [replace(one, batch_id=batch) for chunk in chunks for one in chunk]
            assert faulty.writes == 4

    def another(self, ledger: Ledger) -> Ledger:
        """The same ledger as another program would open it, where the back end can."""
        return ledger

    def test_many_writers_of_overlapping_work_make_one_load(self, streams: Ledger) -> None:
        work = [item(n, stream, f"c:{n}") for n, stream in enumerate([A, B, C] * 20)]

        def run(seed: int) -> None:
            mine = self.another(streams)
            order = list(range(0, len(work), 5))
            random.Random(seed).shuffle(order)
            for start in order:
                publish(mine, *work[start : start + 5])

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(run, range(4)))

        assert sorted(contents(streams), key=lambda one: one.ordinal) == work
        self.check_whole(list(streams.items()))

    @staticmethod
    def check_whole(found: list[LedgerItem]) -> None:
        """Publishes of five landed whole: each five neighbours are one multiple of five on."""
        for start in range(0, len(found), 5):
            ordinals = [one.item.ordinal for one in found[start : start + 5]]
            assert ordinals == list(range(ordinals[0], ordinals[0] + 5))
            assert ordinals[0] % 5 == 0
