"""Drawn NETWORK streams: each record and each item judged alike by a slow reading of the rules."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any

import pytest

from precisionchain.ledger.base import LedgerItem
from precisionchain.ledger.changes import (
    Change,
    Declaration,
    Grant,
    Revocation,
    Rotation,
    change_item,
)
from precisionchain.ledger.membership import Membership
from precisionchain.ledger.records import (
    Member,
    User,
    member_item,
    network_id,
    parameters_item,
    user_item,
)
from precisionchain.ledger.signing import Signer, single_item
from precisionchain.schemas.items import Codec, Item, Payload
from tests.lib.rights_oracle import Reading, Said, counts, read

SITES = ("A", "B", "C", "D")
USERS = tuple(f"{who}@{site}" for site in SITES[:3] for who in ("ada", "bob"))
START = datetime(2026, 1, 1, 12, tzinfo=UTC)
MANY = 12


@cache
def signer(key: str) -> Signer:
    return Signer(sha256(key.encode()).digest())


FIRST = parameters_item(b'{"format":1}', signer("A0"))
NETWORK = network_id(FIRST)


def item_of(said: Said) -> Item:
    """The bytes of a record: its keys' names become keys, the old key it replaces a proof."""
    body = dict(said.body)
    if said.kind == "member":
        keys = signer(body.pop("public_key")).public
        member = Member(public_key=keys[0], encryption_key=keys[1], **body)
        return member_item(member, signer(said.by), NETWORK)
    if said.kind == "user":
        keys = signer(body.pop("public_key")).public
        user = User(body.pop("user"), public_key=keys[0], encryption_key=keys[1], **body)
        return user_item(user, signer(said.by), NETWORK)
    change: Change
    if said.kind == "grant":
        change = Grant(**body)
    elif said.kind == "revocation":
        change = Revocation(**body)
    elif said.kind == "rotation":
        new, old = signer(body["public_key"]), signer(body["proof"]).public_key
        change = Rotation.make(
            body["name"], body["number"], new, replaces=old, network=NETWORK,
            addresses=body["addresses"],
        )  # fmt: skip
    else:
        key = signer(body["public_key"]).public_key
        change = Declaration(body["name"], body["number"], key, body["since"])
    return change_item(change, signer(said.by), NETWORK)


@dataclass
class Drawing:
    """Draws a stream; what it draws is often allowed, and often not."""

    rng: random.Random
    position: int = 0
    time: datetime = START
    said: list[Said] = field(default_factory=list)
    in_force: dict[str, str] = field(default_factory=dict)
    old: dict[str, list[str]] = field(default_factory=dict)
    admins: list[str] = field(default_factory=lambda: ["A"])
    numbers: Counter[str] = field(default_factory=Counter)

    def run(self, length: int) -> list[Said]:
        self.say("member", "A0", self.member("A", "A0", admin=True, expires=None))
        for site in SITES[1 : self.rng.randint(1, 4)]:
            self.say("member", "A0", self.member(site, f"{site}0", admin=self.rng.random() < 0.7))
        while len(self.said) < length:
            self.draw()
        return self.said

    def say(self, kind: str, by: str, body: dict[str, Any]) -> None:
        self.position += self.rng.choice((1, 1, 2, 3))
        self.time += timedelta(days=self.rng.choice((0, 0, 0, 0, 1)))
        name = body.get("name") or body.get("user") or body["site"]
        if body.get("admin") is True and body.get("expires") is None and name in self.old:
            self.admins.append(name)
        if kind in ("member", "user", "rotation") and body["public_key"] not in self.old.get(
            name, []
        ):
            self.in_force[name] = body["public_key"]
            self.old.setdefault(name, []).append(body["public_key"])
        if "number" in body:
            self.numbers[name] = max(self.numbers[name], body["number"])
        self.said.append(Said(self.position, self.time, kind, by, body))

    def draw(self) -> None:
        rng = self.rng
        kind = rng.choice(
            ("member", "user", "user", "grant", "grant", "revocation", "revocation", "rotation",
             "rotation", "compromised", "compromised")
        )  # fmt: skip
        name = rng.choice(SITES if rng.random() < 0.7 else USERS)
        if rng.random() < 0.8:
            name = rng.choice([*self.in_force])
        by = self.publisher(name)
        if kind == "member":
            site = rng.choice([s for s in SITES if s not in self.in_force] or SITES)
            key = rng.choice((f"{site}0", f"{site}0", f"{site}9"))
            self.say(kind, by, self.member(site, key, admin=rng.random() < 0.5))
        elif kind == "user":
            user = rng.choice(USERS)
            site = user.partition("@")[2]
            own = self.in_force.get(site, f"{site}0")
            body = {"user": user, "site": site, "public_key": rng.choice((f"{user}0", f"{user}1")),
                    "roles": ("auditor",), "expires": self.expiry(),
                    "addresses": self.addresses(site)}  # fmt: skip
            self.say(kind, own if rng.random() < 0.8 else by, body)
        else:
            body = {
                "name": name,
                "number": max(1, self.numbers[name] + rng.choice((1, 1, 1, 1, 0))),
            }
            self.say(kind, by, {**body, **self.change(kind, name)})

    def change(self, kind: str, name: str) -> dict[str, Any]:
        rng = self.rng
        if kind == "grant" and "@" in name:
            return {"roles": rng.choice(((), ("admin",), ("auditor", "admin"))),
                    "expires": self.expiry()}  # fmt: skip
        if kind == "grant":
            return {"admin": rng.random() < 0.6, "expires": self.expiry()}
        keys = self.old.get(name, [f"{name}0"])
        if kind == "rotation":
            proved = keys[-1] if rng.random() < 0.9 else rng.choice(keys)
            new = f"{name}{len(keys) + 1}" if rng.random() < 0.9 else rng.choice(keys)
            return {"public_key": new, "proof": proved,
                    "addresses": self.addresses(name.partition("@")[2] or name)}  # fmt: skip
        if kind == "compromised":
            near = self.position + rng.choice((1, 0, -1, -2, -3, -5, -8, -12))
            return {"public_key": rng.choice(keys), "since": max(0, near)}
        return {}

    def publisher(self, name: str) -> str:
        site = name.partition("@")[2]
        if site and self.rng.random() < 0.7:
            return self.in_force.get(site, f"{site}0")
        if self.rng.random() < 0.9:
            site = self.rng.choice((*self.admins, *self.admins, *SITES))
            return self.in_force.get(site, "A0")
        return self.rng.choice([key for keys in self.old.values() for key in keys])

    def expiry(self) -> Any:
        if self.rng.random() < 0.7:
            return None
        return (self.time + timedelta(days=self.rng.randint(-1, 9))).date()

    def addresses(self, site: str) -> dict[str, str]:
        if self.rng.random() < 0.7:
            return {}
        return {"publish": f"1{self.rng.choice((site, site, *SITES))}"}

    def member(self, site: str, key: str, *, admin: bool, expires: Any = 0) -> dict[str, Any]:
        return {"site": site, "code": f"{site.lower()}0", "public_key": key, "admin": admin,
                "expires": self.expiry() if expires == 0 else expires,
                "addresses": self.addresses(site)}  # fmt: skip


def folded(said: list[Said]) -> Membership:
    first = LedgerItem(0, START, FIRST)
    return Membership.fold([first, *(LedgerItem(s.position, s.time, item_of(s)) for s in said)])


def probes(said: list[Said], rng: random.Random) -> list[tuple[str, int, datetime]]:
    """Keys before, at and after records, at the times there and around the ends of days."""
    keys = sorted(
        {one.by for one in said} | {str(k) for s in said if (k := s.body.get("public_key"))}
    )
    places = [(one.position + step, one.time) for one in said for step in (-1, 0, 1)]
    found = []
    for _ in range(120):
        position, time = rng.choice(places)
        midnight = time.replace(hour=0) + timedelta(days=rng.choice((0, 1, 3)))
        nearly = midnight - timedelta(microseconds=1)
        found.append((rng.choice(keys), position, rng.choice((time, midnight, nearly))))
    return found


def probe(key: str, position: int, time: datetime, *, access: bool) -> LedgerItem:
    item = single_item(
        "ACCESS_1" if access else "BATCH_1",
        (),
        Payload("probe", Codec.JSON, b"{}"),
        signer=signer(key),
        network=NETWORK,
    )
    return LedgerItem(position, time, item)


def same(said: list[Said], rng: random.Random) -> Counter[str]:
    """Compare a stream with its slow reading; return how often each word was given."""
    reading, network = read(said), folded(said)
    words = {one.position: one.check for one in network.findings}
    assert words == reading.words, [(s.position, s.kind, s.by, s.body) for s in said]
    for key, position, time in probes(said, rng):
        for access in (False, True):
            expected = counts(reading, key, position, time, access=access)
            found = network.is_entitled(probe(key, position, time, access=access))
            assert found is expected, (key, position, time, access)
    _same_now(reading, network, said)
    return Counter([*words.values(), *("counts" for _ in reading.counting)])


def _same_now(reading: Reading, network: Membership, said: list[Said]) -> None:
    end, now = 2**60, said[-1].time
    for name in SITES:
        keys = [key for key, _ in reading.keys(name, end)]
        assert network.site_keys(name) == tuple(signer(key).public_key for key in keys)
        there = bool(keys) and reading.is_there(name, end, now)
        distrusted = bool(keys) and not reading.trusts(keys[-1], end)
        assert (network.current_site(name, now) is not None) == (there and not distrusted)
    assert {m.site for m in network.lasting_administrators()} == set(reading.lasting(end, end))


@pytest.mark.parametrize("seed", range(MANY))
def test_every_record_and_item_is_judged_as_the_text_has_it(seed: int) -> None:
    rng = random.Random(seed)
    given: Counter[str] = Counter()
    for _ in range(12):
        given += same(Drawing(rng).run(rng.randint(3, 34)), rng)
    assert given["counts"] > sum(given.values()) / 5


def test_what_is_drawn_breaks_every_rule_that_records_can() -> None:
    given: Counter[str] = Counter()
    for seed in range(150):
        given.update(read(Drawing(random.Random(seed)).run(30)).words.values())
    assert given.keys() == {
        "compromised", "entitled", "number", "taken", "proof", "since", "last"
    }  # fmt: skip
