"""Checkpoints: what they say, how they are handed over, and which are taken, refused, confirmed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from precisionchain.errors import CodecError, IntegrityError, SiteError, UnreadableFileError
from precisionchain.ledger.base import Ledger
from precisionchain.ledger.checkpoints import (
    Checkpoint,
    SignedCheckpoint,
    checkpoint_item,
    published_checkpoint,
)
from precisionchain.ledger.kept_checkpoints import KeptCheckpoints, Witness, require_remembered
from precisionchain.ledger.log_tree import LogTree, read_log_tree
from precisionchain.ledger.membership import LiveMembership
from precisionchain.ledger.signing import Signer, single_item
from precisionchain.schemas.items import ItemClass
from precisionchain.schemas.json_payloads import value_payload
from tests.lib.audited_network import AuditedNetwork, key
from tests.lib.ledger_places import PLACES, LedgerPlace
from tests.unit.test_merkle_proofs import mth

SIGNER = Signer(bytes(range(32)))
SAID = Checkpoint(
    bytes([1]) * 32,
    7,
    bytes([2]) * 32,
    9,
    3,
    bytes([4]) * 32,
    datetime(2026, 5, 1, 12, tzinfo=UTC),
    "A",
)

# ----------------------------------------------------------------------------------- the statement


def test_the_body_is_written_as_the_page_says() -> None:
    assert SAID.body().decode() == (
        '{"block":3,"digest":"' + "04" * 32 + '","network":"' + "01" * 32 + '","position":9,'
        '"root":"' + "02" * 32 + '","site":"A","size":7,'
        '"time":"2026-05-01T12:00:00.000000+00:00"}'
    )


def test_a_line_gives_back_what_was_signed() -> None:
    signed = SignedCheckpoint.make(SAID, SIGNER)
    assert SignedCheckpoint.parse(f"  {signed}\n") == signed
    assert str(signed).startswith("pcpoint1.A.")
    assert "\n" not in str(signed)


def test_a_line_changed_anywhere_is_refused() -> None:
    line = str(SignedCheckpoint.make(SAID, SIGNER))
    rng = random.Random(3)
    for at in range(len(line)):
        other = rng.choice("abcXYZ019-_.")
        if other != line[at]:
            with pytest.raises(CodecError):
                SignedCheckpoint.parse(line[:at] + other + line[at + 1 :])
    for end in range(0, len(line), 7):
        with pytest.raises(CodecError):
            SignedCheckpoint.parse(line[:end])


@pytest.mark.parametrize(
    "changed",
    [
        {"size": 8},
        {"size": 11},
        {"size": 0},
        {"position": 10},
        {"root": bytes(32)},
        {"digest": bytes(32)},
        {"network": bytes(32)},
        {"site": "B"},
        {"time": SAID.time + timedelta(microseconds=1)},
    ],
)
def test_a_statement_nobody_signed_is_refused(changed: dict[str, object]) -> None:
    signed = SignedCheckpoint.make(SAID, SIGNER)
    with pytest.raises(CodecError):
        SignedCheckpoint.parse(str(replace(signed, checkpoint=replace(SAID, **changed))))  # type: ignore[arg-type]


def test_the_same_by_another_site_agrees_and_anything_else_does_not() -> None:
    assert SAID.agrees(SAID.by("B"))
    assert not SAID.agrees(replace(SAID.by("B"), size=6))


def test_publishing_the_same_checkpoint_twice_is_the_same_item() -> None:
    signed = SignedCheckpoint.make(SAID, SIGNER)
    assert checkpoint_item(signed, SIGNER) == checkpoint_item(signed, SIGNER)
    assert checkpoint_item(signed, SIGNER).item_class is ItemClass.SINGLE


# ----------------------------------------------------------------------------------- the log tree


class Members:
    """A network of sites A and B, each with a folder for checkpoints."""

    def __init__(self, folder: Path, place: LedgerPlace) -> None:
        self.folder, self.place = folder, place
        self.net = AuditedNetwork(place.open(key("A")))
        self.ledger: Ledger = self.net.ledger
        self.ledger.create_stream("CHECKPOINT_1")
        self.net.add_user("ada@B")

    def witness(self, site: str, ledger: Ledger | None = None) -> Witness:
        on = self.ledger if ledger is None else ledger
        kept = KeptCheckpoints(self.folder / f"kept_{site}", self.net.network)
        return Witness(on, LiveMembership(on), kept, site, key(site))

    def more(self, count: int = 1) -> None:
        """Put entries on the ledger."""
        for _ in range(count):
            payload = value_payload("access", {"about": "nothing"})
            item = single_item(
                "ACCESS_1", ("u:x",), payload, signer=SIGNER, network=self.net.network
            )
            self.ledger.publish(self.ledger.prepare([item]))


@pytest.fixture(params=PLACES)
def members(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Members]:
    made = Members(tmp_path, PLACES[request.param](tmp_path))
    with closing(made.ledger):
        yield made


def leaves_by_hand(ledger: Ledger, network: bytes) -> list[bytes]:
    """The page's text, from the items."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    leaves = []
    for found in ledger.items():
        time = (found.time - epoch) // timedelta(microseconds=1)
        name = found.item.stream.encode()
        text = b"precisionchain log 1\x00" + found.position.to_bytes(8, "little")
        text += time.to_bytes(8, "little") + found.item.leaf(network)
        text += bytes([len(name)]) + name + found.item.signature
        leaves.append(sha256(b"\x00" + text).digest())
    return leaves


def test_the_log_tree_is_that_of_the_page(members: Members) -> None:
    members.more(5)
    leaves = leaves_by_hand(members.ledger, members.net.network)
    tree = LogTree(members.net.network).catch_up(members.ledger)
    assert [tree.tree.root(size) for size in range(len(leaves) + 1)] == [
        mth(leaves[:size]) for size in range(len(leaves) + 1)
    ]
    assert tree.head == members.ledger.head()
    for index, found in enumerate(members.ledger.items()):
        assert tree.index_of(found.position) == index
        assert tree.size_at(found.position) == index + 1
    assert tree.index_of(10**6) is None


def test_kept_hashes_are_gone_on_with_and_not_believed_when_damaged(members: Members) -> None:
    kept = members.witness("A").kept
    kept.tree(members.ledger)
    members.more(3)
    whole = LogTree(members.net.network).catch_up(members.ledger).tree.nodes
    assert kept.tree(members.ledger).tree.nodes == whole
    path = kept.folder / "log-tree"
    content = path.read_bytes()
    rng = random.Random(5)
    for at in rng.sample(range(len(content)), 60):
        damaged = bytearray(content)
        damaged[at] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        assert read_log_tree(kept.folder, members.ledger, members.net.network).tree.nodes == whole
    for end in range(0, len(content), 97):
        path.write_bytes(content[:end])
        assert read_log_tree(kept.folder, members.ledger, members.net.network).tree.nodes == whole


# ------------------------------------------------------------------------------------ as a member


def test_a_checkpoint_says_what_the_ledger_holds(members: Members) -> None:
    members.more(2)
    said = members.witness("A").make().checkpoint
    items = list(members.ledger.items())
    assert (said.size, said.position, said.time) == (
        len(items),
        items[-1].position,
        items[-1].time,
    )
    assert said.root == mth(leaves_by_hand(members.ledger, members.net.network))
    assert said.head == members.ledger.head()


def test_kept_files_are_private(members: Members) -> None:
    members.witness("A").make()
    kept = members.witness("A").kept
    assert kept.folder.stat().st_mode & 0o777 == 0o700
    files = sorted(kept.folder.iterdir())
    assert [path.name for path in files] == ["A.checkpoint", "log-tree"]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_members_confirm_each_other_and_come_to_an_end(members: Members) -> None:
    a, b = members.witness("A"), members.witness("B")
    first = a.publish()
    second = b.publish()
    size = members.ledger.head().position
    for _ in range(3):
        assert a.publish() == first
        assert b.publish() == second
    assert members.ledger.head().position == size, "the same word again is the same item"
    assert second.checkpoint.agrees(first.checkpoint)
    assert [kept.checkpoint.site for kept in b.kept.all()] == ["A", "B"]
    members.more()
    third = a.publish()
    assert third.checkpoint.size > first.checkpoint.size
    b.pick_up()
    kept = b.kept.of("A")
    assert kept == third


def test_a_line_handed_over_is_compared_kept_and_confirmed(members: Members) -> None:
    line = str(members.witness("A").make())
    members.more()
    b = members.witness("B")
    (confirmed,) = b.take([line])
    assert confirmed.checkpoint.site == "B"
    assert confirmed.public_key == key("B").public_key
    assert confirmed.checkpoint.agrees(SignedCheckpoint.parse(line).checkpoint)
    assert str(b.kept.of("A")) == line
    assert b.take([line]) == [confirmed]


def test_an_older_checkpoint_is_refused_naming_both(members: Members) -> None:
    a, b = members.witness("A"), members.witness("B")
    old = a.make()
    members.more()
    new = a.make()
    b.take([str(new)])
    with pytest.raises(IntegrityError, match="older") as caught:
        b.take([str(old)])
    for said in (old.checkpoint, new.checkpoint):
        assert f"position {said.position}" in str(caught.value)
        assert said.root.hex()[:16] in str(caught.value)
    assert b.kept.of("A") == new


@pytest.mark.parametrize("change", ["root", "digest", "size"])
def test_a_forked_checkpoint_is_refused_naming_both(members: Members, change: str) -> None:
    members.more(2)
    said = members.witness("A").make().checkpoint
    other = {"root": bytes(32), "digest": bytes(32), "size": said.size - 1}[change]
    forked = replace(said, **{change: other})  # type: ignore[arg-type]
    b = members.witness("B")
    with pytest.raises(IntegrityError, match="another history") as caught:
        b.take([str(SignedCheckpoint.make(forked, key("A")))])
    assert forked.root.hex()[:16] in str(caught.value)
    root = LogTree(members.net.network).catch_up(members.ledger).tree.root(forked.size)
    assert root.hex()[:16] in str(caught.value)
    assert b.kept.of("A") is None


def test_two_words_of_a_site_on_as_many_items_are_both_named(members: Members) -> None:
    said = members.witness("A").make().checkpoint
    b = members.witness("B")
    b.kept.keep(SignedCheckpoint.make(replace(said, root=bytes(32)), key("A")))
    with pytest.raises(IntegrityError, match="another history") as caught:
        b.take([str(SignedCheckpoint.make(said, key("A")))])
    assert said.root.hex()[:16] in str(caught.value)
    assert "0000000000000000" in str(caught.value)


def test_a_checkpoint_that_knows_more_than_the_ledger_is_refused(members: Members) -> None:
    said = members.witness("A").make().checkpoint
    more = replace(said, size=said.size + 1, position=said.position + 1)
    with pytest.raises(IntegrityError, match="cut off, or behind"):
        members.witness("B").take([str(SignedCheckpoint.make(more, key("A")))])


def test_a_stranger_s_checkpoint_is_refused(members: Members) -> None:
    said = members.witness("A").make().checkpoint
    b = members.witness("B")
    for signer in (SIGNER, key("B"), key("ada@B")):
        with pytest.raises(IntegrityError, match="not that site's"):
            b.take([str(SignedCheckpoint.make(said, signer))])
    other = replace(said, network=bytes(32))
    with pytest.raises(IntegrityError, match="another network"):
        b.take([str(SignedCheckpoint.make(other, key("A")))])


def test_nothing_is_kept_when_one_of_several_is_refused(members: Members) -> None:
    good = members.witness("A").make()
    bad = SignedCheckpoint.make(replace(good.checkpoint, root=bytes(32)), key("A"))
    b = members.witness("B")
    with pytest.raises(IntegrityError):
        b.take([str(good), str(bad)])
    assert b.kept.all() == ()


def test_published_nonsense_is_not_kept_and_stops_nobody(members: Members) -> None:
    said = members.witness("A").make().checkpoint
    false = SignedCheckpoint.make(replace(said, root=bytes(32)), key("A"))
    items = [
        checkpoint_item(false, key("A")),
        checkpoint_item(SignedCheckpoint.make(said, key("A")), SIGNER),
        checkpoint_item(SignedCheckpoint.make(said.by("B"), key("A")), key("A")),
        single_item(
            "CHECKPOINT_1",
            (),
            value_payload("checkpoint", ["no", "checkpoint"]),
            signer=key("A"),
            network=members.net.network,
        ),
    ]
    for item in items:
        members.ledger.publish(members.ledger.prepare([item]))
    b = members.witness("B")
    b.pick_up()
    assert b.kept.all() == ()
    b.publish()
    assert [kept.checkpoint.site for kept in b.kept.all()] == ["B"]


def test_what_is_published_can_be_read_back(members: Members) -> None:
    signed = members.witness("A").publish()
    (found,) = members.ledger.items("CHECKPOINT_1")
    assert published_checkpoint(found) == signed
    assert published_checkpoint(found, newer_than=signed.checkpoint.size) is None


# ------------------------------------------------------------------- a ledger that was another one


def test_a_ledger_cut_off_forked_or_written_anew_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    members = Members(tmp_path, PLACES["embedded"](tmp_path))
    members.more()
    members.ledger.close()
    earlier = path.read_bytes()
    with closing(members.place.open(key("A"))) as members.ledger:
        members.more(2)
        a, b = members.witness("A"), members.witness("B")
        b.take([str(a.make())])
        require_remembered(members.ledger, b.kept)
    whole = path.read_bytes()

    for name in ("-wal", "-shm"):
        path.with_name(path.name + name).unlink(missing_ok=True)
    path.write_bytes(earlier)  # cut off
    with closing(members.place.open(key("A"))) as members.ledger:
        with pytest.raises(IntegrityError, match="site A's") as caught:
            require_remembered(members.ledger, b.kept)
        assert "position" in str(caught.value)
        members.more(4)  # and gone on from there: a fork, longer than the first
        with pytest.raises(IntegrityError, match="site A's"):
            require_remembered(members.ledger, b.kept)
        later = members.witness("A", members.ledger)
        with pytest.raises(IntegrityError, match="forked"):
            members.witness("B", members.ledger).take(
                [str(SignedCheckpoint.make(b.kept.all()[0].checkpoint, key("A")))]
            )
        (b.kept.folder / "log-tree").unlink()
        with pytest.raises(IntegrityError, match="site A's"):
            members.witness("B", members.ledger).make()  # signs nothing of a ledger it doubts
        assert later.ledger is members.ledger

    for name in ("-wal", "-shm"):
        path.with_name(path.name + name).unlink(missing_ok=True)
    path.write_bytes(whole)
    with closing(members.place.open(key("A"))) as members.ledger:
        require_remembered(members.ledger, b.kept)


def test_a_damaged_kept_checkpoint_is_named(members: Members) -> None:
    members.witness("A").make()
    kept = members.witness("A").kept
    path = kept.folder / "A.checkpoint"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(UnreadableFileError, match=r"A\.checkpoint"):
        require_remembered(members.ledger, kept)


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("x", encoding="utf-8")
    with pytest.raises(SiteError, match="cannot be read"):
        KeptCheckpoints(tmp_path / "checkpoints", bytes(32)).all()
