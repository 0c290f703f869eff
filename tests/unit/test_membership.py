"""The NETWORK stream's rules: what breaks one does not exist, and is reported with the rule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precisionchain.ledger.base import LedgerItem
from precisionchain.ledger.changes import Change, Revocation
from precisionchain.ledger.membership import LiveMembership, Membership
from precisionchain.ledger.records import (
    NO_NETWORK,
    Member,
    User,
    network_id,
)
from precisionchain.ledger.signing import Signer, single_item
from precisionchain.schemas.canonical import canonical_json
from precisionchain.schemas.items import Codec, Item, ItemClass, Payload
from tests.lib.memory_ledger import MemoryLedger


def signer(name: str) -> Signer:
    """One key per name, the same in every run."""
    return Signer(sha256(name.encode()).digest())


A, B, C = signer("A"), signer("B"), signer("C")
ALICE, BOB = signer("alice"), signer("bob")
PARAMETERS = single_item(
    "NETWORK_1",
    (),
    Payload("parameters", Codec.JSON, b'{"format":1}'),
    signer=A,
    network=NO_NETWORK,
)
NETWORK = network_id(PARAMETERS)


def record(kind: str, body: bytes, by: Signer, network: bytes = NETWORK) -> Item:
    payload = Payload(kind, Codec.JSON, body)
    return single_item("NETWORK_1", (), payload, signer=by, network=network)


def member(
    site: str,
    code: str,
    key: Signer,
    by: Signer = A,
    *,
    admin: bool = False,
    expires: date | None = None,
) -> Item:
    return record("member", Member(site, code, *key.public, admin, expires).body(), by)


def user(
    name: str, site: str, key: Signer, by: Signer, *roles: str, expires: date | None = None
) -> Item:
    return record("user", User(name, site, *key.public, roles, expires).body(), by)


NAMES = {A: "A", B: "B", C: "C", ALICE: "alice@A", BOB: "bob@B"}


def revocation(key: Signer, by: Signer, number: int = 1) -> Item:
    return changed(Revocation(NAMES[key], number), by)


def changed(change: Change, by: Signer) -> Item:
    return record(change.KIND, canonical_json(change.value()), by)


FOUNDING = (
    PARAMETERS,
    member("A", "a0", A, admin=True),
    member("B", "b0", B),
    user("alice@A", "A", ALICE, A, "admin"),
    user("bob@B", "B", BOB, B, "researcher"),
)
"""Positions 0 to 4."""


DAY_0 = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def placed(items: Iterable[Item], days: int = 0) -> list[LedgerItem]:
    """Items in order, all taken on one day, or each so many days after the one before."""
    return [
        LedgerItem(position, DAY_0 + position * timedelta(days), item)
        for position, item in enumerate(items)
    ]


def folded(*items: Item) -> Membership:
    return Membership.fold(placed(items))


def said(
    stream: str, by: Signer, at: int, *, network: bytes = NETWORK, time: datetime = DAY_0
) -> LedgerItem:
    item = single_item(stream, (), Payload("access", Codec.JSON, b"{}"), signer=by, network=network)
    return LedgerItem(at, time, item)


def site_key(network: Membership, name: str, now: datetime = NOW) -> bytes | None:
    found = network.current_site(name, now)
    return None if found is None else found.public_key


def user_key(network: Membership, name: str, now: datetime = NOW) -> bytes | None:
    found = network.current_user(name, now)
    return None if found is None else found.public_key


def made(network: Membership, name: str) -> User:
    return next(one for one in network.users() if one.name == name)


def test_a_founded_network_knows_its_members_and_users() -> None:
    network = folded(*FOUNDING)

    assert network.findings == []
    assert network.network == NETWORK == sha256(PARAMETERS.frame).digest()
    assert network.founder == A.public_key
    assert network.parameters_body == b'{"format":1}'
    assert [m.site for m in network.members()] == ["A", "B"]
    assert network.member(B.public_key) == Member("B", "b0", *B.public, admin=False, since=2)
    assert made(network, "bob@B") == User("bob@B", "B", *BOB.public, ("researcher",), since=4)
    assert [u.name for u in network.users()] == ["alice@A", "bob@B"]
    assert site_key(network, "B") == B.public_key
    assert user_key(network, "alice@A") == ALICE.public_key
    assert site_key(network, "C") is user_key(network, "eve@A") is None
    assert network.member(ALICE.public_key) is None
    assert network.has_key(ALICE.public_key)
    assert network.has_user("alice@A")
    assert network.is_taken("b")
    assert not network.has_key(C.public_key)
    assert not network.has_user("eve@A")
    assert not network.is_taken("C")


def test_a_member_s_addresses_are_those_of_its_record() -> None:
    addresses = {"access": "1b", "publish": "1A"}
    network = folded(*FOUNDING, addressed(canonical_json(addresses)))

    found = network.member(C.public_key)
    assert found == Member("C", "c0", *C.public, admin=False, addresses=addresses, since=5)
    assert network.findings == []


def test_nothing_is_said_in_an_empty_network() -> None:
    network = folded()

    assert (network.network, network.founder, network.findings) == (NO_NETWORK, b"", [])
    assert not network.is_entitled(said("BATCH_1", A, 5))


BODY = Member("C", "c0", *C.public, admin=False).body()
USER = User("carl@A", "A", *C.public, ()).body()


def tampered(item: Item) -> Item:
    return replace(item, payload=replace(item.payload, body=item.payload.body + b" "))


def addressed(addresses: bytes) -> Item:
    return record("member", BODY.replace(b'"addresses":{}', b'"addresses":' + addresses), A)


# name -> the item that comes after FOUNDING, and the rule it breaks
REFUSED: dict[str, tuple[Item, str]] = {
    "second parameters": (
        record("parameters", b"{}", A, NO_NETWORK),
        "parameters",
    ),
    "second parameters, signed in this network": (record("parameters", b"{}", A), "parameters"),
    "a member admitted by no administrator": (member("C", "c0", C, by=B), "entitled"),
    "a member admitted by itself": (member("C", "c0", C, by=C), "entitled"),
    "a member admitted by a user": (member("C", "c0", C, by=ALICE), "entitled"),
    "a member signed in another network": (record("member", BODY, A, bytes(32)), "signature"),
    "a member whose record was changed": (tampered(member("C", "c0", C)), "signature"),
    "a member signed by nobody": (member("C", "c0", C).with_signature(b""), "signature"),
    "a batch item": (
        replace(member("C", "c0", C), item_class=ItemClass.BATCH),
        "signature",
    ),
    "a site's name again": (member("B", "c0", C), "taken"),
    "a site's name in another case": (member("b", "c0", C), "taken"),
    "a site's code for a name": (member("b0", "c0", C), "taken"),
    "a site's code again": (member("C", "b0", C), "taken"),
    "a site's key again": (member("C", "c0", B), "taken"),
    "a user's key for a site": (member("C", "c0", BOB), "taken"),
    "a user of another site": (user("carl@B", "B", C, A), "entitled"),
    "a user by an administrator, not the own site": (user("carl@B", "B", C, by=A), "entitled"),
    "a user of no site": (user("carl@C", "C", C, by=A), "entitled"),
    "a user whose name is of another site": (user("carl@B", "A", C, by=A), "record"),
    "a user made by a user": (user("carl@A", "A", C, by=ALICE), "entitled"),
    "a user's name again": (user("alice@A", "A", C, by=A), "taken"),
    "a user's key again": (user("carl@A", "A", ALICE, by=A), "taken"),
    "a site's key for a user": (user("carl@A", "A", B, by=A), "taken"),
    "a revocation by no administrator": (revocation(A, by=B), "entitled"),
    "a revocation of another site's user": (revocation(ALICE, by=B), "entitled"),
    "a revocation of another site's user by an administrator": (
        revocation(BOB, by=A),
        "entitled",
    ),
    "a revocation of nobody": (revocation(C, by=A), "entitled"),
    "a revocation of the last administrator": (revocation(A, by=A), "last"),
    "a site that cannot be written in A:42": (member("C.1", "c0", C), "record"),
    "a site without a letter first": (member("1C", "c0", C), "record"),
    "an expiry that is no date": (
        record("member", BODY.replace(b'"expires":null', b'"expires":"2026-02-30"'), A), "record",
    ),
    "an expiry that is no text": (
        record("member", BODY.replace(b'"expires":null', b'"expires":20260101'), A), "record",
    ),
    "an expiry with a time": (
        record("user", USER.replace(b'"expires":null', b'"expires":"2026-01-01T00:00"'), A),
        "record",
    ),
    "an unknown kind": (record("election", b"{}", A), "record"),
    "no JSON": (record("member", b"{", A), "record"),
    "JSON that is not canonical": (record("member", b" " + BODY, A), "record"),
    "a list": (record("member", b"[]", A), "record"),
    "a field missing": (record("member", BODY.replace(b'"admin":false,', b""), A), "record"),
    "a field more": (record("member", BODY.replace(b"{", b'{"a":1,'), A), "record"),
    "admin that is no truth value": (record("member", BODY.replace(b"false", b"1"), A), "record"),
    "a site that is no name": (member("C:1", "c0", C), "record"),
    "a code in capitals": (member("C", "C0", C), "record"),
    "a key in capitals": (
        record("member", canonical_json({
            "addresses": {}, "admin": False, "code": "c0", "expires": None, "site": "C",
            "encryption_key": C.encryption_key.hex(), "public_key": C.public_key.hex().upper(),
        }), A),
        "record",
    ),
    "a key too short": (record("member", BODY.replace(C.public_key.hex().encode(), b"00"), A),
                        "record"),
    "a key that anybody can sign for": (
        record("member", BODY.replace(C.public_key.hex().encode(), b"00" * 32), A), "key",
    ),
    "a user's key that is no point of the curve": (
        record("user", USER.replace(C.public_key.hex().encode(), b"ff" * 32), A), "key",
    ),
    "a key that anybody can read for": (
        record("member", BODY.replace(C.encryption_key.hex().encode(), b"00" * 32), A), "key",
    ),
    "a user's key that anybody can read for": (
        record("user", USER.replace(C.encryption_key.hex().encode(), b"01" + b"00" * 31), A), "key",
    ),
    "addresses that are no mapping": (addressed(b'[]'), "record"),
    "an address for nothing we do": (addressed(b'{"mine":"1abc"}'), "record"),
    "an address that is no text": (addressed(b'{"publish":1}'), "record"),
    "an address that is none": (addressed(b'{"publish":"1 a"}'), "record"),
    "roles that are no list": (record("user", USER.replace(b"[]", b'"admin"'), A), "record"),
    "a role that is no word": (record("user", USER.replace(b"[]", b"[1]"), A), "record"),
    "a body that is compressed": (
        single_item("NETWORK_1", (), Payload("member", Codec.JSON_ZSTD, BODY), signer=A,
                    network=NETWORK),
        "record",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_breaks_a_rule_changes_nothing_and_is_reported(name: str) -> None:
    item, rule = REFUSED[name]
    before, after = folded(*FOUNDING), folded(*FOUNDING, item)

    assert [(f.check, f.stream, f.position) for f in after.findings] == [(rule, "NETWORK_1", 5)]
    assert after.members() == before.members()
    assert after.users() == before.users()
    assert not after.is_entitled(placed([*FOUNDING, item])[5])
    assert all(after.is_entitled(one) for one in placed(FOUNDING))


# name -> a whole beginning, the rules broken in order, and the sites there in the end
BEGINNINGS: dict[str, tuple[list[Item], list[str], list[str]]] = {
    "a member before the parameters": (
        [member("A", "a0", A, admin=True), PARAMETERS, member("A", "a0", A, admin=True)],
        ["parameters"],
        ["A"],
    ),
    "parameters signed for a network": (
        [record("parameters", b'{"format":1}', A, bytes(31) + b"x")],
        ["parameters"],
        [],
    ),
    "parameters that are no record": ([record("parameters", b"[]", A, NO_NETWORK)], ["record"], []),
    "a first member who is not the founder": (
        [PARAMETERS, member("B", "b0", B, by=B, admin=True), member("A", "a0", A, admin=True)],
        ["founder"],
        ["A"],
    ),
    "a first member admitted by the founder": (
        [PARAMETERS, member("B", "b0", B, by=A, admin=True)],
        ["founder"],
        [],
    ),
    "a founder who expires": (
        [PARAMETERS, member("A", "a0", A, admin=True, expires=date(2030, 1, 1))],
        ["founder"],
        [],
    ),
    "a founder who is no administrator": ([PARAMETERS, member("A", "a0", A)], ["founder"], []),
    "a user before the founder": (
        [PARAMETERS, user("alice@A", "A", ALICE, A), member("A", "a0", A, admin=True)],
        [],
        ["A"],
    ),
}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_a_network_begins_with_parameters_and_founder(name: str) -> None:
    items, rules, sites = BEGINNINGS[name]
    network = folded(*items)

    assert [finding.check for finding in network.findings] == rules
    assert [m.site for m in network.members()] == sites


def test_an_administrator_admits_others_who_can_then_admit() -> None:
    network = folded(*FOUNDING, member("C", "c0", C, admin=True), member("D", "d0", signer("D"), C))

    assert network.findings == []
    assert [m.site for m in network.members()] == ["A", "B", "C", "D"]


def test_a_removed_user_keeps_what_was_said_before() -> None:
    network = folded(*FOUNDING, revocation(BOB, by=B))  # at position 5

    assert network.findings == []
    assert made(network, "bob@B") == User(
        "bob@B", "B", *BOB.public, ("researcher",), since=4, until=5
    )
    assert user_key(network, "bob@B") is None
    assert network.has_user("bob@B")
    entitled = [at for at in range(9) if network.is_entitled(said("ACCESS_1", BOB, at))]
    assert entitled == [5]  # 4 is the record itself, and 5 the last place up to the removal
    known = [at for at in range(9) if network.user_at(said("ACCESS_1", ALICE, at))]
    assert known == [4, 5, 6, 7, 8]


def test_a_removed_site_takes_its_users_with_it() -> None:
    later = [revocation(B, by=A), user("carl@B", "B", C, by=B), member("C", "c0", C, by=B)]
    network = folded(*FOUNDING, *later)

    assert [(f.check, f.position) for f in network.findings] == [("entitled", 6), ("entitled", 7)]
    assert site_key(network, "B") is None
    assert user_key(network, "bob@B") is None
    assert [at for at in range(9) if network.is_entitled(said("BATCH_1", B, at))] == [3, 4, 5]
    assert user_key(network, "alice@A") == ALICE.public_key


def test_a_key_is_removed_once() -> None:
    network = folded(*FOUNDING, revocation(BOB, by=B), revocation(BOB, B, 2), revocation(B, by=A))

    assert [(f.check, f.position) for f in network.findings] == [("taken", 6)]
    assert made(network, "bob@B").until == 5
    again = folded(*FOUNDING, revocation(B, by=A), revocation(B, A, 2))
    assert [(f.check, f.position) for f in again.findings] == [("taken", 6)]


def test_a_removed_administrator_admits_nobody() -> None:
    network = folded(
        *FOUNDING,
        member("C", "c0", C, admin=True),
        revocation(A, by=C),
        member("D", "d0", signer("D"), by=A),
    )

    assert [finding.check for finding in network.findings] == ["entitled"]


def test_names_and_keys_of_the_removed_stay_taken() -> None:
    network = folded(*FOUNDING, revocation(B, by=A), member("B", "b1", C), member("E", "e0", B))

    assert [finding.check for finding in network.findings] == ["taken", "taken"]


ENTITLED = {
    "a manifest by a site": (said("BATCH_1", A, 9), True),
    "a checkpoint by a site": (said("MAF_0_500_1", B, 9), True),
    "a manifest by a user": (said("BATCH_1", ALICE, 9), False),
    "a manifest by a stranger": (said("BATCH_1", C, 9), False),
    "a manifest in another network": (said("BATCH_1", A, 9, network=bytes(32)), False),
    "a manifest before its site was there": (said("BATCH_1", B, 2), False),
    "an entry by a user": (said("ACCESS_1", ALICE, 9), True),
    "an entry in a later bucket": (said("ACCESS_2a0", ALICE, 9), True),
    "an entry by a site": (said("ACCESS_1", A, 9), False),
    "an entry by a stranger": (said("ACCESS_1", C, 9), False),
    "an entry before its user was there": (said("ACCESS_1", ALICE, 3), False),
    "an item of NETWORK that was not folded": (said("NETWORK_1", A, 9), False),
}


@pytest.mark.parametrize("name", ENTITLED)
def test_who_is_entitled(name: str) -> None:
    found, expected = ENTITLED[name]

    assert folded(*FOUNDING).is_entitled(found) is expected


def test_batch_items_are_a_members_and_answered_for_by_the_manifest() -> None:
    network = folded(*FOUNDING)
    for by, stream, expected in (
        (A, "DRUG_0_1", True),
        (C, "DRUG_0_1", False),
        (ALICE, "ACCESS_1", False),
        (A, "ACCESS_1", False),
    ):
        found = said(stream, by, 9)
        item = replace(found.item, item_class=ItemClass.BATCH, signature=b"")
        assert network.is_entitled(replace(found, item=item)) is expected


# ------------------------------------------------------------------------------------------ expiry

LAST_DAY = date(2026, 1, 6)
LAST_MOMENT = datetime(2026, 1, 6, 23, 59, 59, 999999, tzinfo=UTC)
NEXT_DAY = datetime(2026, 1, 7, tzinfo=UTC)


def test_an_expired_site_says_nothing_and_its_users_neither() -> None:
    network = folded(
        *FOUNDING[:2],
        member("B", "b0", B, expires=LAST_DAY),
        *FOUNDING[3:],
    )
    assert network.findings == []
    for by, stream in ((B, "BATCH_1"), (BOB, "ACCESS_1")):
        assert network.is_entitled(said(stream, by, 9, time=LAST_MOMENT))
        assert not network.is_entitled(said(stream, by, 9, time=NEXT_DAY))
    assert network.is_entitled(said("ACCESS_1", ALICE, 9, time=NEXT_DAY))
    assert site_key(network, "B", LAST_MOMENT) == B.public_key
    assert site_key(network, "B", NEXT_DAY) is user_key(network, "bob@B", NEXT_DAY) is None


def test_the_day_a_key_expires_is_a_day_of_the_ledger_in_utc() -> None:
    network = folded(*FOUNDING[:4], user("bob@B", "B", BOB, B, expires=LAST_DAY))
    elsewhere = timezone(timedelta(hours=-5))

    assert network.is_entitled(said("ACCESS_1", BOB, 9, time=LAST_MOMENT.astimezone(elsewhere)))
    assert not network.is_entitled(said("ACCESS_1", BOB, 9, time=NEXT_DAY.astimezone(elsewhere)))


def test_an_expired_administrator_admits_nobody_and_an_expired_site_makes_no_user() -> None:
    items = [
        *FOUNDING[:2],
        member("B", "b0", B, admin=True, expires=date(2026, 1, 4)),  # on January 3
        member("C", "c0", C, by=B),  # on January 4
        member("D", "d0", signer("D"), by=B),  # on January 5
        user("bob@B", "B", BOB, B),
        revocation(C, by=B),
    ]
    network = Membership.fold(placed(items, days=1))

    assert [(f.check, f.position) for f in network.findings] == [
        ("entitled", 4),
        ("entitled", 5),
        ("entitled", 6),
    ]
    assert [one.site for one in network.members()] == ["A", "B", "C"]


# name -> what comes after FOUNDING, and the rules broken
LAST_ADMINISTRATORS: dict[str, tuple[list[Item], list[str]]] = {
    "the only one": ([revocation(A, by=A)], ["last"]),
    "beside one who expires": (
        [member("C", "c0", C, admin=True, expires=date(2099, 1, 1)), revocation(A, by=C)],
        ["last"],
    ),
    "beside another": ([member("C", "c0", C, admin=True), revocation(A, by=A)], []),
    "the other one then": (
        [member("C", "c0", C, admin=True), revocation(A, by=A), revocation(C, by=C)],
        ["last"],
    ),
    "one who expires": (
        [member("C", "c0", C, admin=True, expires=date(2099, 1, 1)), revocation(C, by=A)],
        [],
    ),
}


@pytest.mark.parametrize("name", LAST_ADMINISTRATORS)
def test_a_network_keeps_an_administrator(name: str) -> None:
    items, rules = LAST_ADMINISTRATORS[name]
    assert [finding.check for finding in folded(*FOUNDING, *items).findings] == rules


def test_an_open_membership_judges_by_records_that_came_later() -> None:
    ledger = MemoryLedger()
    ledger.create_streams(["NETWORK_1", "BATCH_1"])
    for item in FOUNDING:
        ledger.publish(ledger.prepare([item]))
    network = LiveMembership(ledger)
    for item in (
        member("C", "c0", C),
        said("BATCH_1", C, 6).item,
        said("BATCH_1", B, 7).item,
        revocation(B, by=A),
        said("BATCH_1", B, 9).item,
    ):
        ledger.publish(ledger.prepare([item]))

    found = {one.position: network.is_entitled(one) for one in ledger.items("BATCH_1")}
    assert found == {6: True, 7: True, 9: False}
    assert network.findings == []


@given(st.permutations([*FOUNDING[2:], *(item for item, _ in REFUSED.values())]))
def test_in_any_order_only_what_keeps_the_rules_counts(items: list[Item]) -> None:
    network = folded(PARAMETERS, FOUNDING[1], *items)

    sites = [m.site for m in network.members()]
    assert sites[0] == "A"
    assert len(sites) == len(set(sites))
    everyone: list[Member | User] = [*network.members(), *network.users()]
    keys = [entry.public_key for entry in everyone]
    assert len(keys) == len(set(keys))
    accepted = len(network.members()) + len(network.users()) + 1
    removed = sum(entry.until is not None for entry in everyone)
    assert len(network.findings) == len(items) + 2 - accepted - removed
