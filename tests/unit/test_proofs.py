"""Proofs of items and of growth hold for what they say, for nothing else, and show no record."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import precisionchain
from precisionchain.errors import IntegrityError, UsageError
from precisionchain.ledger.checkpoints import SignedCheckpoint
from precisionchain.ledger.log_tree import LogTree
from precisionchain.ledger.proofs import (
    check_consistency,
    check_inclusion,
    prove_consistency,
    prove_inclusion,
)
from precisionchain.schemas.canonical import canonical_json
from tests.lib.audited_network import key
from tests.lib.ledger_places import PLACES
from tests.unit.test_checkpoints import Members


@pytest.fixture(params=PLACES)
def members(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Members]:
    made = Members(tmp_path, PLACES[request.param](tmp_path))
    with closing(made.ledger):
        yield made


def tree_of(members: Members) -> LogTree:
    return LogTree(members.net.network).catch_up(members.ledger)


def test_every_item_of_every_size_is_proved(members: Members) -> None:
    signed = []
    for _ in range(6):
        members.more()
        signed.append(members.witness("A").make())
    tree, items = tree_of(members), list(members.ledger.items())
    for word in signed:
        for found in items[: word.checkpoint.size]:
            proof = json.loads(json.dumps(prove_inclusion(tree, found, word)))
            for trusted in (word, str(word)):
                proved = check_inclusion(proof, trusted)
                assert (proved.position, proved.time) == (found.position, found.time)
                assert proved.stream == found.item.stream
                assert proved.leaf == found.item.leaf(members.net.network)
        for found in items[word.checkpoint.size :]:
            with pytest.raises(UsageError, match="came after"):
                prove_inclusion(tree, found, word)


def test_every_growth_is_proved(members: Members) -> None:
    signed = []
    for _ in range(6):
        members.more()
        signed.append(members.witness("A").make())
    tree = tree_of(members)
    for at, later in enumerate(signed):
        for earlier in signed[: at + 1]:
            proof = json.loads(json.dumps(prove_consistency(tree, earlier, later)))
            check_consistency(proof, earlier, str(later))
        for earlier in signed[at + 1 :]:
            with pytest.raises(UsageError, match="later than"):
                prove_consistency(tree, earlier, later)


Change = Callable[[dict[str, Any]], None]
CHANGES: dict[str, Change] = {
    "index": lambda proof: proof.update(index=proof["index"] + 1),
    "size": lambda proof: proof.update(size=proof["size"] + 1),
    "position": lambda proof: proof.update(position=proof["position"] + 1),
    "time": lambda proof: proof.update(time="2100" + proof["time"][4:]),
    "stream": lambda proof: proof.update(stream="ACCESS_2b0"),
    "leaf": lambda proof: proof.update(leaf="00" * 32),
    "signature": lambda proof: proof.update(signature="00" * 64),
    "no signature": lambda proof: proof.update(signature=""),
    "a node": lambda proof: proof["path"].__setitem__(0, "00" * 32),
    "a node less": lambda proof: proof["path"].pop(),
    "a node more": lambda proof: proof["path"].append("00" * 32),
    "nodes exchanged": lambda proof: proof["path"].reverse(),
    "format": lambda proof: proof.update(format=2),
    "kind": lambda proof: proof.update(kind="consistency"),
    "a member more": lambda proof: proof.update(more=1),
    "a member less": lambda proof: proof.pop("leaf"),
    "words for numbers": lambda proof: proof.update(index=str(proof["index"])),
    "a large number": lambda proof: proof.update(position=2**80),
    "truth for numbers": lambda proof: proof.update(index=True),
    "no list": lambda proof: proof.update(path=7),
    "no hashes": lambda proof: proof.update(path=["x"]),
    "no time": lambda proof: proof.update(time="yesterday"),
    "a long name": lambda proof: proof.update(stream="A" * 300),
    "no name": lambda proof: proof.update(stream=None),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_proof_of_an_item_does_not_hold(tmp_path: Path, name: str) -> None:
    members = Members(tmp_path, PLACES["memory"](tmp_path))
    members.more(7)
    signed = members.witness("A").make()
    found = list(members.ledger.items())[5]
    proof = prove_inclusion(tree_of(members), found, signed)
    check_inclusion(proof, signed)
    CHANGES[name](proof)
    with pytest.raises(IntegrityError):
        check_inclusion(proof, signed)


def test_a_proof_holds_for_no_other_checkpoint(tmp_path: Path) -> None:
    members = Members(tmp_path, PLACES["memory"](tmp_path))
    members.more(3)
    signed = members.witness("A").make()
    proof = prove_inclusion(tree_of(members), next(members.ledger.items()), signed)
    members.more()
    later = members.witness("A").make()
    with pytest.raises(IntegrityError, match="is for"):
        check_inclusion(proof, later)
    forked = SignedCheckpoint.make(replace(signed.checkpoint, root=bytes(32)), key("A"))
    with pytest.raises(IntegrityError, match="does not hold"):
        check_inclusion(proof, forked)
    unsigned = replace(signed, signature=bytes(64))
    with pytest.raises(IntegrityError, match="not signed"):
        check_inclusion(proof, unsigned)


def test_a_forked_ledger_has_no_proof_that_it_grew(tmp_path: Path) -> None:
    first = Members(tmp_path, PLACES["embedded"](tmp_path))
    first.more(4)
    first.ledger.close()
    (tmp_path / "b").mkdir()
    shutil.copy(tmp_path / "ledger.sqlite", tmp_path / "b" / "ledger.sqlite")
    first.ledger = first.place.open(key("A"))
    first.more(4)
    kept = first.witness("A").make()
    forked = PLACES["embedded"](tmp_path / "b").open(key("A"))
    first.ledger.close()
    first.ledger = second = forked
    first.more(9)
    offered = first.witness("B", second).make()
    rng = random.Random(2)
    tree = tree_of(first)
    for size in range(1, offered.checkpoint.size + 1):
        path = [node.hex() for node in tree.tree.consistency(size)]
        rng.shuffle(path)
        for tried in (path, path[::-1], path[1:], []):
            proof = prove_consistency(tree, offered, offered) | {"path": tried}
            with pytest.raises(IntegrityError, match="does not hold"):
                check_consistency(proof, kept, offered)
    other = SignedCheckpoint.make(replace(offered.checkpoint, network=bytes(32)), key("A"))
    with pytest.raises(IntegrityError, match="different networks"):
        check_consistency(prove_consistency(tree, offered, offered), offered, other)
    second.close()


def test_a_proof_shows_no_key_and_no_body(members: Members) -> None:
    members.more()
    signed = members.witness("A").make()
    found = list(members.ledger.items())[-1]
    text = canonical_json(prove_inclusion(tree_of(members), found, signed))
    assert b"u:x" not in text
    assert found.item.payload.body not in text
    assert len(text) < 2_500


def test_the_checks_are_public_names() -> None:
    assert precisionchain.check_inclusion is check_inclusion
    assert precisionchain.check_consistency is check_consistency
