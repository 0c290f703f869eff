"""Where entries go, and what the gate asks of a question; failures are in tests/faults."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime

import pytest

from precisionchain.access.entries import Request
from precisionchain.access.entry_bodies import ResultPart
from precisionchain.access.evaluated import Evaluated, evaluated_value
from precisionchain.access.gate import Gate
from precisionchain.access.place import AccessStreams
from precisionchain.access.sealing import LOG_KEY_KIND
from precisionchain.errors import CodecError, LedgerUnavailableError, LimitError, UsageError
from precisionchain.ledger.base import Ledger
from precisionchain.ledger.buckets import LAST_BUCKET
from precisionchain.ledger.signing import Signer, is_signed
from tests.lib.access_entries import read_entries
from tests.lib.audited_network import KnownUser, parameters
from tests.lib.faulty_ledger import Fault, FaultyLedger
from tests.lib.memory_ledger import MemoryLedger

NETWORK = bytes(range(32))
USER = Signer(bytes([1]) * 32)
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def answer() -> Evaluated[int]:
    return evaluated_value(1)


class Counted:
    """An evaluation that counts its calls."""

    calls = 0

    def __call__(self) -> Evaluated[int]:
        self.calls += 1
        return answer()


@pytest.fixture
def ledger() -> MemoryLedger:
    memory = MemoryLedger()
    memory.create_streams(["NETWORK_1", "ACCESS_1"])
    return memory


def gate_on(
    ledger: Ledger, streams: AccessStreams | None = None, purpose: str | None = None
) -> Gate:
    return Gate(
        ledger,
        NETWORK,
        "ada",
        USER,
        membership=KnownUser("ada", USER.public),
        streams=streams,
        purpose=purpose,
        clock=lambda: NOON,
        pauses=(0.0,),
    )


def filled(ledger: Ledger) -> dict[str, int]:
    """How many entries each bucket has; log keys, always in the first, are none."""
    return {
        name: sum(found.item.payload.kind != LOG_KEY_KIND for found in ledger.items(name))
        for name in ledger.streams()
        if name.startswith("ACCESS")
    }


def test_entries_are_signed_by_the_user_under_user_and_question(ledger: MemoryLedger) -> None:
    gate_on(ledger).ask("maf", "genetic", {"low": 0.1}, answer)
    key, *items = [found.item for found in ledger.items("ACCESS_1")]
    assert (key.payload.kind, key.keys) == (LOG_KEY_KIND, ("k:log-keys", "u:ada"))
    assert is_signed(key, NETWORK)
    assert len(items) == 2
    for item, entry in zip(items, read_entries(ledger, USER), strict=True):
        question_id = entry.question_id
        assert item.keys == (f"q:{question_id}", "u:ada")
        assert item.publisher == USER.public_key
        assert is_signed(item, NETWORK)
        assert not is_signed(item, bytes(32))


def test_the_purpose_of_the_gate_holds_unless_a_question_has_its_own(ledger: MemoryLedger) -> None:
    gate = gate_on(ledger, purpose="care")
    gate.ask("maf", "genetic", {}, answer)
    gate.ask("maf", "genetic", {}, answer, purpose="study 7")
    requests = read_entries(ledger, USER)[::2]
    assert [entry.purpose for entry in requests if isinstance(entry, Request)] == [
        "care",
        "study 7",
    ]
    assert all(entry.time == NOON for entry in requests if isinstance(entry, Request))


@pytest.mark.parametrize("data", ["", "clinical+", "notes", "clinical,genetic"])
def test_an_unknown_kind_of_data_is_refused_at_once(ledger: MemoryLedger, data: str) -> None:
    with pytest.raises(UsageError, match="kind of data"):
        gate_on(ledger).ask("domain", data, {}, answer)
    assert filled(ledger) == {"ACCESS_1": 0}


def test_a_question_that_is_no_json_is_not_asked(ledger: MemoryLedger) -> None:
    evaluate = Counted()
    with pytest.raises(CodecError):
        gate_on(ledger).ask("domain", "clinical", {"since": NOON}, evaluate)
    assert evaluate.calls == 0
    assert filled(ledger) == {"ACCESS_1": 0}


def test_the_digest_of_an_answer_from_staging_is_salted_by_the_user(ledger: MemoryLedger) -> None:
    for data in ("clinical+genetic", "staging"):
        gate_on(ledger).ask("sql", data, {}, answer)
    found = read_entries(ledger, USER)
    plain, salted = [entry for entry in found if isinstance(entry, ResultPart)]
    assert plain.digest == answer().digest
    label = b"precisionchain answer salt 1\0"
    salt = USER.sign(label + bytes.fromhex(salted.question_id))
    expected = hmac.new(salt, bytes.fromhex(answer().digest), hashlib.sha256).hexdigest()
    assert salted.digest == expected != plain.digest


# ------------------------------------------------------------------------------------------ buckets


def test_a_full_stream_is_followed_by_buckets_of_the_site(ledger: MemoryLedger) -> None:
    gate = gate_on(ledger, AccessStreams(ledger, code="k3", parameters=parameters(items=5)))
    for _ in range(6):
        gate.ask("maf", "genetic", {}, answer)
    assert filled(ledger) == {"ACCESS_1": 5, "ACCESS_2k3": 5, "ACCESS_3k3": 2}


def test_two_sites_open_buckets_of_their_own(ledger: MemoryLedger) -> None:
    for code in ("aa", "bb", "aa"):
        gate = gate_on(ledger, AccessStreams(ledger, code=code, parameters=parameters(items=3)))
        gate.ask("maf", "genetic", {}, answer)
        gate.ask("maf", "genetic", {}, answer)
    assert filled(ledger) == {
        "ACCESS_1": 3,
        "ACCESS_2aa": 3,
        "ACCESS_2bb": 3,
        "ACCESS_3bb": 1,
        "ACCESS_3aa": 2,
    }


def test_streams_roll_over_by_bytes_too(ledger: MemoryLedger) -> None:
    limits = parameters(stored_bytes=1500)
    gate = gate_on(ledger, AccessStreams(ledger, code="k3", parameters=limits))
    for _ in range(4):
        gate.ask("maf", "genetic", {}, answer)
    assert len(filled(ledger)) > 1
    for name in filled(ledger):
        entries = [found.item for found in ledger.items(name)]
        stored = [len(e.stored) for e in entries if e.payload.kind != LOG_KEY_KIND]
        assert sum(stored) <= 1500


def test_entries_of_others_are_noticed_in_the_end(ledger: MemoryLedger) -> None:
    mine = AccessStreams(ledger, code="aa", parameters=parameters(items=300))
    other = AccessStreams(ledger, code="bb", parameters=parameters(items=300))
    for _ in range(200):
        gate_on(ledger, mine).ask("maf", "genetic", {}, answer)
        gate_on(ledger, other).ask("maf", "genetic", {}, answer)
    first = filled(ledger)["ACCESS_1"]
    assert 300 <= first <= 300 + 2 * 64
    assert sum(filled(ledger).values()) == 800


@pytest.mark.parametrize("fault", Fault)
def test_opening_a_bucket_is_repeated(ledger: MemoryLedger, fault: Fault) -> None:
    limits = parameters(items=2)
    gate_on(ledger).ask("maf", "genetic", {}, answer)
    faulty = FaultyLedger(ledger, fault, 0)
    gate = gate_on(faulty, AccessStreams(faulty, code="k3", parameters=limits))
    gate.ask("maf", "genetic", {}, answer)
    assert filled(ledger) == {"ACCESS_1": 2, "ACCESS_2k3": 2}


def test_a_bucket_that_another_program_opened_meanwhile_is_used(ledger: MemoryLedger) -> None:
    class Late(FaultyLedger):
        def create_stream(self, name: str) -> None:
            self.inner.create_stream(name)
            self.inner.create_stream(name)

    late = Late(ledger)
    gate_on(ledger).ask("maf", "genetic", {}, answer)
    gate = gate_on(late, AccessStreams(late, code="k3", parameters=parameters(items=2)))
    gate.ask("maf", "genetic", {}, answer)
    assert filled(ledger) == {"ACCESS_1": 2, "ACCESS_2k3": 2}


def test_the_last_bucket_is_the_end(ledger: MemoryLedger) -> None:
    ledger.create_stream(f"ACCESS_{LAST_BUCKET}k3")
    streams = AccessStreams(ledger, code="k3", parameters=parameters(items=1))
    evaluate = Counted()
    for _ in range(2):
        with pytest.raises(LimitError, match="no bucket left"):
            gate_on(ledger, streams).ask("maf", "genetic", {}, evaluate)
        assert evaluate.calls == 1  # the first request took the last place, and got no answer


def test_without_limits_bucket_1_is_never_full(ledger: MemoryLedger) -> None:
    for _ in range(100):
        gate_on(ledger).ask("maf", "genetic", {}, answer)
    assert filled(ledger) == {"ACCESS_1": 200}


def test_a_ledger_that_cannot_even_be_listed_answers_nothing() -> None:
    closed = MemoryLedger()
    closed.close()
    with pytest.raises(LedgerUnavailableError, match="not answered"):
        gate_on(closed).ask("maf", "genetic", {}, answer)
