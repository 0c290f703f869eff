"""Reading the log: what counts as an entry, how a question ends, and what each frame says."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from precisionchain.access import entries
from precisionchain.access.entries import Failed, Request, Result
from precisionchain.access.entry_bodies import Sealing, encode_outcome, encode_request
from precisionchain.access.evaluated import Evaluated, evaluated_frame, evaluated_value
from precisionchain.access.gate import Gate
from precisionchain.access.log import AccessLog
from precisionchain.access.log_keys import log_key_item
from precisionchain.access.sealing import LogKey, seal
from precisionchain.access.search import (
    ENTRY_COLUMNS,
    SEEN_BY_COLUMNS,
    WHO_SAW_COLUMNS,
    AuditSearch,
)
from precisionchain.access.zstd_json import pack
from precisionchain.errors import AccessRefusedError, IntegrityError, RegionError, UsageError
from precisionchain.ledger.base import Finding, Head
from precisionchain.ledger.signing import Signer, single_item
from precisionchain.schemas.canonical import canonical_json
from precisionchain.schemas.items import Codec, Payload
from precisionchain.schemas.variant import Variant
from tests.lib.audited_network import AuditedNetwork, key
from tests.lib.memory_ledger import MemoryLedger

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
QUESTION = "0f" * 16
PERSONS = pl.DataFrame({"site": ["A", "A", "B"], "person_id": [42, 43, 42]})


class Ticking:
    """A clock that moves a minute each time it is read."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


@pytest.fixture
def net() -> AuditedNetwork:
    network = AuditedNetwork(MemoryLedger(clock=Ticking()))
    network.add_user("ada@A")
    network.add_user("bob@B")
    return network


def log_of(net: AuditedNetwork) -> AccessLog:
    return AccessLog(net.ledger, net.membership(), net.keyring())


def search_of(net: AuditedNetwork) -> AuditSearch:
    return AuditSearch(net.ledger, net.membership(), None, net.keyring())


def shows(frame: pl.DataFrame, **more: Any) -> Callable[[], Evaluated[pl.DataFrame]]:
    return lambda: evaluated_frame(frame, **more)


def publish(
    net: AuditedNetwork,
    payload: Payload,
    batch: bytes,
    *,
    signer: Signer | None = None,
    keys: tuple[str, ...] = ("u:ada@A", f"q:{QUESTION}"),
    network: bytes | None = None,
) -> None:
    item = single_item(
        "ACCESS_1",
        keys,
        payload,
        signer=signer or key("ada@A"),
        network=network or net.network,
        batch_id=batch,
    )
    net.ledger.publish(net.ledger.prepare([item]))


def request(user: str = "ada@A") -> Request:
    return Request(
        QUESTION, user, key(user).public_key, START, "domain", "clinical", {"concept": 1}
    )


SEALING = Sealing(key("ada@A"), LogKey.of(key("ada@A"), [key("A").encryption_key]))


def publish_request(net: AuditedNetwork, **more: Any) -> None:
    publish(net, encode_request(request(), SEALING), entries.request_batch(QUESTION), **more)


def publish_failed(net: AuditedNetwork, **more: Any) -> None:
    (payload,) = encode_outcome(Failed(QUESTION, "X"), SEALING)
    publish(net, payload, entries.outcome_batch(QUESTION), **more)


def statuses(net: AuditedNetwork) -> list[str]:
    return search_of(net).entries()["status"].to_list()


def findings(net: AuditedNetwork) -> list[Finding]:
    return list(log_of(net).findings())


# ------------------------------------------------------------------------------------------ frames


def test_the_entries_of_an_answer_a_refusal_a_failure_and_a_death(net: AuditedNetwork) -> None:
    ada, bob = net.gate("ada@A"), net.gate("bob@B")
    variant = Variant("9", 22098574, "A", "G")
    ada.ask(
        "variant",
        "genetic",
        {"variant": str(variant)},
        shows(PERSONS, variants=[variant], contributed={"A": [42, 50], "B": [9]}),
        purpose="study 7",
        position=3,
    )

    def fail(error: Exception) -> Evaluated[int]:
        raise error

    with pytest.raises(AccessRefusedError):
        bob.ask("domain", "clinical", {"concept": 1}, lambda: fail(AccessRefusedError("no")))
    with pytest.raises(ZeroDivisionError):
        bob.ask("domain", "clinical", {"concept": 2}, lambda: fail(ZeroDivisionError("no")))
    publish_request(net)

    frame = search_of(net).entries()
    assert dict(frame.schema) == {
        name: kind() if isinstance(kind, type) else kind for name, kind in ENTRY_COLUMNS.items()
    }
    # 5 and 8 hold the log keys of ada and bob.
    assert frame["entry"].to_list() == [6, 7, 9, 10, 11, 12, 13]
    assert frame["user"].to_list() == [*["ada@A"] * 2, *["bob@B"] * 4, "ada@A"]
    assert frame["site"].to_list() == [*"AABBBBA"]
    assert frame["kind"].to_list() == [
        *("request", "result"),
        *("request", "refused"),
        *("request", "failed"),
        "request",
    ]
    assert frame["status"].to_list() == [
        *["answered"] * 2,
        *["refused"] * 2,
        *["failed"] * 2,
        "may have seen",
    ]
    assert frame["time"].is_sorted()
    assert frame["time"][0] == START + timedelta(minutes=6)
    assert json.loads(frame["question"][1]) == {"variant": "9:22098574:A:G"}
    assert frame["purpose"].to_list() == ["study 7", "study 7", *[None] * 5]
    assert frame["position"].to_list() == [3, 3, *[None] * 5]
    assert frame["rows"].to_list() == [None, 3, *[None] * 5]
    assert frame["n_persons_returned"].to_list() == [None, 3, *[None] * 5]
    assert frame["n_persons_contributed"].to_list() == [None, 2, *[None] * 5]
    assert frame["n_variants_returned"].to_list() == [None, 1, *[None] * 5]
    errors = [None, None, None, "AccessRefusedError", None, "ZeroDivisionError", None]
    assert frame["error"].to_list() == errors
    assert frame["digest"][1] == evaluated_frame(PERSONS).digest
    assert frame["question_id"].n_unique() == 4
    assert findings(net) == []


def test_entries_are_filtered_by_user_operation_and_time(net: AuditedNetwork) -> None:
    for user, operation in [("ada@A", "maf"), ("bob@B", "maf"), ("ada@A", "domain")]:
        net.gate(user).ask(operation, "genetic", {}, lambda: evaluated_value(1))
    log = search_of(net)
    assert log.entries(user="ada@A").height == 4
    assert log.entries(user="eve@A").height == 0
    assert log.entries(user="ada@A", operation="maf").height == 2
    times = log.entries()["time"].to_list()
    assert log.entries(since=times[2])["time"].to_list() == times[2:]
    assert log.entries(since=times[2].replace(tzinfo=None))["time"].to_list() == times[2:]
    assert log.entries(until=times[2])["time"].to_list() == times[:3]
    assert log.entries(since=times[-1] + timedelta(microseconds=1)).height == 0


def test_seen_by_lists_what_each_question_showed(net: AuditedNetwork) -> None:
    ada = net.gate("ada@A")
    ada.ask("domain", "clinical", {"concept": 1}, shows(PERSONS))
    ada.ask("maf", "genetic", {}, lambda: evaluated_value(2, contributed={"B": [-1, 7]}))
    with pytest.raises(UsageError):
        ada.ask("domain", "clinical", {}, shows(PERSONS.drop("site")))
    net.gate("bob@B").ask("domain", "clinical", {"concept": 1}, shows(PERSONS))
    publish_request(net)
    frame = search_of(net).seen_by("ada@A")
    assert frame.columns == list(SEEN_BY_COLUMNS)
    assert frame["status"].to_list() == ["answered", "answered", "may have seen"]
    assert frame["persons_returned"].to_list() == [["A:42", "A:43", "B:42"], [], None]
    assert frame["persons_contributed"].to_list() == [[], ["B:-1", "B:7"], None]
    assert frame["rows"].to_list() == [3, 1, None]
    assert search_of(net).seen_by("eve@A").height == 0


def test_who_saw_a_person(net: AuditedNetwork) -> None:
    net.gate("ada@A").ask("domain", "clinical", {"concept": 1}, shows(PERSONS))
    counted = evaluated_value(2, contributed={"A": [42]})
    net.gate("bob@B").ask("cohort", "clinical+genetic", {}, lambda: counted)
    net.gate("bob@B").ask("domain", "clinical", {"concept": 2}, shows(PERSONS[2:]))
    publish_request(net)
    with pytest.raises(UsageError):
        net.gate("bob@B").ask("domain", "clinical", {}, shows(PERSONS.drop("site")))
    frame = search_of(net).who_saw("A:42")
    assert frame.columns == list(WHO_SAW_COLUMNS)
    assert frame.select("user", "operation", "status", "how").rows() == [
        ("ada@A", "domain", "answered", "returned"),
        ("bob@B", "cohort", "answered", "contributed"),
        ("ada@A", "domain", "may have seen", None),
    ]
    assert search_of(net).who_saw("B:42")["user"].to_list() == ["ada@A", "bob@B", "ada@A"]
    assert search_of(net).who_saw("A:99")["status"].to_list() == ["may have seen"]


def test_who_saw_a_variant(net: AuditedNetwork) -> None:
    alleles = pl.DataFrame(
        {"chrom": ["9", "9", "X"], "pos": [5, 5, 5], "ref": ["A"] * 3, "alt": ["G", "T", "G"]}
    )
    net.gate("ada@A").ask("maf", "genetic", {}, shows(alleles))
    net.gate("bob@B").ask("maf", "genetic", {}, shows(alleles[2:]))
    who_saw = search_of(net).who_saw
    assert who_saw("9:5:A:G")["user"].to_list() == ["ada@A"]
    assert who_saw("chr9:5:a:g")["user"].to_list() == ["ada@A"]
    assert who_saw("9:4:CA:CG")["user"].to_list() == ["ada@A"]  # trimmed to the first
    assert who_saw(Variant("X", 5, "A", "G"))["user"].to_list() == ["ada@A", "bob@B"]
    assert who_saw("X:5:A:T").height == 0
    assert who_saw("9:5:A:G")["how"].to_list() == ["returned"]


@pytest.mark.parametrize(
    ("data", "own_person", "other_person", "variant"),
    [
        ("clinical", True, True, False),
        ("genetic", True, True, True),
        ("staging", True, False, True),
        ("access-log", False, False, False),
        ("clinical+access-log", True, True, False),
    ],
)
def test_an_unresolved_request_counts_by_its_kind_of_data(
    net: AuditedNetwork, data: str, own_person: bool, other_person: bool, variant: bool
) -> None:
    asked = replace(request(), data=data)
    publish(net, encode_request(asked, SEALING), entries.request_batch(QUESTION))
    who_saw = search_of(net).who_saw
    found = [who_saw(subject).height == 1 for subject in ("A:1", "B:1", "9:5:A:G")]
    assert found == [own_person, other_person, variant]


@pytest.mark.parametrize("text", ["42", "A:", "A:x", ":1", "A:99999999999999999999", ""])
def test_a_subject_that_is_no_person_is_refused(net: AuditedNetwork, text: str) -> None:
    with pytest.raises(UsageError, match="not a person"):
        search_of(net).who_saw(text)
    with pytest.raises(RegionError):
        search_of(net).who_saw("9:5:A")


# ---------------------------------------------------------------------------------- what is ignored


def test_entries_of_strangers_are_ignored_and_found(net: AuditedNetwork) -> None:
    net.gate("eve@A").ask("domain", "clinical", {}, shows(PERSONS))
    assert search_of(net).entries().height == 0
    assert search_of(net).who_saw("A:42").height == 0
    assert [finding.position for finding in findings(net)] == [5, 6, 7]
    assert all(finding.check == "access" for finding in findings(net))
    assert all(finding.stream == "ACCESS_1" for finding in findings(net))


def test_a_site_cannot_write_for_its_users(net: AuditedNetwork) -> None:
    publish_request(net, signer=key("A"))
    assert statuses(net) == []
    assert len(findings(net)) == 1


def test_a_user_cannot_write_as_another(net: AuditedNetwork) -> None:
    publish_request(net, signer=key("bob@B"))
    assert statuses(net) == []
    (finding,) = findings(net)
    assert "not registered for the user it names" in finding.message


def test_a_user_cannot_end_the_question_of_another(net: AuditedNetwork) -> None:
    publish_request(net)
    publish_failed(net, signer=key("bob@B"))
    assert statuses(net) == ["may have seen"]
    (finding,) = findings(net)
    assert "not asked" in finding.message


def test_a_forged_signature_is_ignored(net: AuditedNetwork) -> None:
    publish_request(net, network=bytes(32))
    assert statuses(net) == []
    (finding,) = findings(net)
    assert "not signed" in finding.message


def test_an_entry_under_other_keys_is_ignored(net: AuditedNetwork) -> None:
    publish_request(net, keys=("u:bob@B", f"q:{QUESTION}"))
    assert statuses(net) == []
    assert "keys of another" in findings(net)[0].message


def test_an_entry_under_a_batch_id_of_its_own_is_ignored(net: AuditedNetwork) -> None:
    publish_request(net)
    (payload,) = encode_outcome(Failed(QUESTION, "X"), SEALING)
    publish(net, payload, bytes(32))
    assert statuses(net) == ["may have seen"]
    assert "does not follow" in findings(net)[0].message


def test_an_outcome_before_its_question_is_ignored(net: AuditedNetwork) -> None:
    publish_failed(net)
    publish_request(net)
    assert statuses(net) == ["may have seen"]
    assert len(findings(net)) == 1


def test_bytes_that_are_no_entry_are_found(net: AuditedNetwork) -> None:
    publish(net, Payload("access", Codec.JSON, b"no json"), bytes([1]) * 32)
    publish(net, Payload("manifest", Codec.JSON, b"{}"), bytes([2]) * 32)
    assert statuses(net) == []
    assert len(findings(net)) == 2


def test_a_result_that_is_not_complete_is_no_answer(net: AuditedNetwork) -> None:
    net.publish(log_key_item(SEALING, "ada@A", net.network))
    publish_request(net)
    ids = np.arange(131_072) * 2**23
    payloads = encode_outcome(Result(QUESTION, 1, "", {"A": ids}), SEALING)
    assert len(payloads) > 1
    for part, payload in enumerate(payloads):
        assert statuses(net) == ["may have seen"]
        assert search_of(net).who_saw("A:0")["status"].to_list() == ["may have seen"]
        publish(net, payload, entries.outcome_batch(QUESTION, part))
    assert statuses(net) == ["answered", "answered"]
    assert search_of(net).entries()["entry"].to_list() == [6, 6 + len(payloads)]
    for person_id in (ids[0], ids[77_777], ids[-1]):
        assert search_of(net).who_saw(f"A:{person_id}")["how"].to_list() == ["returned"]
    assert search_of(net).who_saw("A:1").height == 0
    assert findings(net) == []


def test_a_result_whose_lists_cannot_be_read_leaves_the_question_open(net: AuditedNetwork) -> None:
    publish_request(net)
    net.publish(log_key_item(SEALING, "ada@A", net.network))
    header = {"entry": "result", "question_id": QUESTION, "part": 0, "parts": 1, "rows": 1}
    keys = SEALING.key.question(QUESTION)
    context = b"precisionchain access section 1\x00" + bytes.fromhex(QUESTION) + b"site A"
    lists = pack("access", {"returned": [["7 -1"]], "contributed": []}).body
    section = seal(keys.of_site("A"), 1, lists, context)
    more = {"totals": [2, 0, 0], "grants": {}, "sections": [["site A", len(section)]]}
    text = canonical_json({**header, **more})
    body = struct.pack("<I", len(text)) + text + section
    payload = Payload("access", Codec.RAW, body, SEALING.key.key_id)
    publish(net, payload, entries.outcome_batch(QUESTION))
    assert statuses(net) == ["may have seen"]
    assert len(findings(net)) == 1


# -------------------------------------------------------------------------------------- membership


def test_entries_count_while_the_user_is_registered(net: AuditedNetwork) -> None:
    log, search = log_of(net), search_of(net)
    net.gate("eve@B").ask("maf", "genetic", {"n": 1}, lambda: evaluated_value(1))
    net.add_user("eve@B")
    net.gate("eve@B").ask("maf", "genetic", {"n": 2}, lambda: evaluated_value(1))
    net.remove_user("eve@B")
    net.gate("eve@B").ask("maf", "genetic", {"n": 3}, lambda: evaluated_value(1))
    # eve was registered after the log was opened, and counts all the same.
    assert search.entries()["question"].to_list() == ['{"n":2}', '{"n":2}']
    assert len(list(log.findings())) == 5  # her log key, and two entries twice


def test_the_gate_takes_only_users_the_network_knows(net: AuditedNetwork) -> None:
    net.add_user("eve@B")
    net.remove_user("eve@B")
    for name, signer in [
        ("eve@B", key("eve@B")),
        ("zoe@A", key("zoe@A")),
        ("ada@A", key("bob@B")),
        ("ada@A", key("A")),
    ]:
        with pytest.raises(AccessRefusedError, match="not registered"):
            Gate(net.ledger, net.network, name, signer, membership=net.membership())
    gate = Gate(net.ledger, net.network, "ada@A", key("ada@A"), membership=net.membership())
    assert gate.ask("maf", "genetic", {}, lambda: evaluated_value(1)) == 1


def test_a_ledger_of_another_network_is_noticed(net: AuditedNetwork) -> None:
    other = AuditedNetwork()
    membership = other.membership()
    membership.network = bytes(32)
    with pytest.raises(IntegrityError, match="another network"):
        AuditSearch(net.ledger, membership).entries()


def test_buckets_are_read_in_one_order() -> None:
    net = AuditedNetwork(stream_items=3)
    net.add_user("ada@A")
    net.add_user("bob@B")
    asked = []
    for number in range(10):
        user = "ada@A" if number % 3 else "bob@B"
        asked.append((user, json.dumps({"n": number}, separators=(",", ":"))))
        net.gate(user).ask("maf", "genetic", {"n": number}, lambda: evaluated_value(1))
    assert len([name for name in net.ledger.streams() if name.startswith("ACCESS")]) > 4
    frame = search_of(net).entries()
    assert frame.filter(pl.col("kind") == "request").select("user", "question").rows() == asked
    assert frame["entry"].is_sorted()
    ends = [question.outcome_entry for question in log_of(net).questions()]
    assert ends == sorted(ends, key=lambda entry: entry or 0)
    assert findings(net) == []


def test_what_lands_while_the_log_is_read_is_left_to_the_next_reading() -> None:
    """Else an outcome might be seen in one bucket whose request was not yet in the other."""

    class Busy(MemoryLedger):
        busy = False

        def head(self) -> Head:
            before = super().head()
            if self.busy:
                audited.gate("ada@A").ask("maf", "genetic", {}, lambda: evaluated_value(1))
            return before

    ledger = Busy()
    audited = AuditedNetwork(ledger, stream_items=3)
    audited.add_user("ada@A")
    log, membership = log_of(audited), audited.membership()
    ledger.busy = True
    heights = [AuditSearch(ledger, membership).entries().height for _ in range(4)]
    assert heights == [0, 2, 4, 6]
    assert list(log.findings()) == []
