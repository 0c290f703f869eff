"""Who may say what, worked out slowly from the text of ``docs/reference/streams.md``, section 6.

Nothing is kept from one record to the next but the list of those that count: whatever a rule needs
is found by reading that list again. Keys are names here, and records are plain values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any


@dataclass(frozen=True)
class Said:
    """A record: where it stands, when it was taken, who signed it, and its members."""

    position: int
    time: datetime
    kind: str
    by: str
    body: dict[str, Any] = field(hash=False)


class Reading:
    """All records, read with these declarations in force from the first position.

    ``words`` says of each position the rule its record breaks; those that count are not in it.
    """

    def __init__(self, records: list[Said], declared: set[int], refused: dict[int, str]) -> None:
        self.declared = [one for one in records if one.position in declared]
        self.refused = refused
        self.counting: list[Said] = []
        self.words: dict[int, str] = {}
        for record in records:
            word = self._word(record)
            if word:
                self.words[record.position] = word
                continue
            self.counting.append(record)
            if record.kind == "member":
                self._judge_early_users(records, record)

    # ------------------------------------------------------------------------ found by reading on

    def trusts(self, key: str, position: int) -> bool:
        return not any(
            one.body["public_key"] == key and one.body["since"] <= position for one in self.declared
        )

    def keys(self, name: str, before: int) -> list[tuple[str, int]]:
        """The keys of a name and where each came from, the one in force last."""
        return [
            (one.body["public_key"], one.position)
            for one in self.counting
            if one.position < before
            and one.kind in ("member", "user", "rotation")
            and _name(one) == name
        ]

    def owner(self, key: str, before: int) -> str | None:
        for one in self.counting:
            brings = one.kind in ("member", "user", "rotation")
            if brings and one.position < before and one.body["public_key"] == key:
                return _name(one)
        return None

    def standing(self, name: str, before: int) -> tuple[dict[str, Any], bool] | None:
        """The last standing given to a name, and whether it is removed."""
        given, removed = None, False
        for one in self.counting:
            if one.position < before and _name(one) == name:
                if one.kind in ("member", "user", "grant"):
                    given, removed = one.body, False
                elif one.kind == "revocation":
                    removed = True
        return None if given is None else (given, removed)

    def is_there(self, name: str, before: int, time: datetime) -> bool:
        found = self.standing(name, before)
        if found is None or found[1]:
            return False
        expires: date | None = found[0]["expires"]
        return expires is None or time.date() <= expires

    def site_of_key(self, key: str, before: int, time: datetime) -> str | None:
        """The site that counts there and then and whose key in force this is."""
        name = self.owner(key, before)
        if name is None or "@" in name or self.keys(name, before)[-1][0] != key:
            return None
        return name if self.is_there(name, before, time) else None

    def lasting(self, before: int, at: int) -> list[str]:
        found = []
        for one in self.counting:
            if one.kind == "member":
                name = one.body["site"]
                given, removed = self.standing(name, before) or ({}, True)
                lasts = not removed and given["admin"] and given["expires"] is None
                if lasts and self.trusts(self.keys(name, before)[-1][0], at):
                    found.append(name)
        return found

    # ------------------------------------------------------------------------------- rule by rule

    def _judge_early_users(self, records: list[Said], member: Said) -> None:
        for one in records:
            early = one.position < member.position and one.by == member.body["public_key"]
            if early and one.kind == "user" and self.words.get(one.position) == "entitled":
                del self.words[one.position]
                word = self._word(one, early=True)
                if word:
                    self.words[one.position] = word
                else:
                    self.counting.append(one)
        self.counting.sort(key=lambda one: one.position)

    def _word(self, record: Said, *, early: bool = False) -> str | None:
        """The first rule, in the order of the page's table, that a record breaks."""
        rules: dict[str, Callable[[], bool]] = {
            "refused": lambda: record.position in self.refused,
            "compromised": lambda: not self._is_trusted(record),
            "founder": lambda: self._is_first(record) and not _founds(record),
            "entitled": lambda: not (self._is_first(record) or self._entitled(record, early=early)),
            "number": lambda: self._is_numbered_low(record),
            "taken": lambda: self._taken(record, 2**60 if early else record.position),
            "proof": lambda: (
                record.kind == "rotation"
                and record.body["proof"] != self.keys(_name(record), record.position)[-1][0]
            ),
            "since": lambda: record.kind == "compromised" and self._is_misplaced(record),
            "last": lambda: self._is_last(record),
        }
        word = next((word for word, is_broken in rules.items() if is_broken()), None)
        return self.refused[record.position] if word == "refused" else word

    def _is_trusted(self, record: Said) -> bool:
        if self.trusts(record.by, record.position):
            return True
        keys = self.keys(_name(record), record.position)
        own = record.kind == "rotation" and "@" not in _name(record)
        return own and bool(keys) and keys[-1][0] == record.by

    def _is_first(self, record: Said) -> bool:
        return record.kind == "member" and not any(o.kind == "member" for o in self.counting)

    def _is_numbered_low(self, record: Said) -> bool:
        return "number" in record.body and any(
            one.body.get("number", 0) >= record.body["number"]
            for one in self.counting
            if _name(one) == _name(record)
        )

    def _is_misplaced(self, record: Said) -> bool:
        key, since = record.body["public_key"], record.body["since"]
        came = dict(self.keys(_name(record), record.position))[key]
        said = [
            one.body["since"]
            for one in self.counting
            if one.kind == "compromised" and one.body["public_key"] == key
        ]
        return not came < since <= record.position or any(since >= one for one in said)

    def _is_last(self, record: Said) -> bool:
        here = record.position
        before = self.lasting(here, here)
        if record.kind == "compromised":
            return record in self.declared and not before
        if record.kind not in ("grant", "revocation") or "@" in _name(record):
            return False
        self.counting.append(record)
        after = self.lasting(here + 1, here)
        self.counting.pop()
        return bool(before) and not after

    def _entitled(self, record: Said, *, early: bool) -> bool:
        here, name = record.position, _name(record)
        by = self.site_of_key(record.by, here, record.time)
        given = self.standing(by, here) if by else None
        admin = given is not None and bool(given[0]["admin"])
        if record.kind == "member":
            return admin
        if record.kind == "user":
            makes = self.owner(record.by, 2**60) if early else by
            return bool(makes == record.body["site"])
        found = self.standing(name, here)
        if found is None:
            return False
        if record.kind == "compromised" and self.owner(record.body["public_key"], here) != name:
            return False
        if "@" in name:
            return by == name.partition("@")[2]
        if record.kind == "rotation":
            return by == name or (admin and found[1])
        return admin or (record.kind == "compromised" and by == name)

    def _taken(self, record: Said, end: int) -> bool:
        body, name = record.body, _name(record)
        brings = record.kind in ("member", "user", "rotation")
        if brings and self.owner(body["public_key"], end) is not None:
            return True
        if record.kind == "member":
            names = {
                text.casefold()
                for one in self.counting
                if one.kind == "member"
                for text in (one.body["site"], one.body["code"])
            }
            if {body["site"].casefold(), body["code"]} & names:
                return True
        if record.kind == "user" and any(
            one.kind == "user" and one.body["user"] == name for one in self.counting
        ):
            return True
        if record.kind == "revocation":
            found = self.standing(name, record.position)
            return found is not None and found[1]
        site = name.partition("@")[2] or name
        return any(
            text in one.body["addresses"].values()
            for text in body.get("addresses", {}).values()
            for one in self.counting
            if one.kind in ("member", "user", "rotation")
            and (_name(one).partition("@")[2] or _name(one)) != site
        )


def read(records: list[Said]) -> Reading:
    """Read records, deciding at each declaration, in order, which declarations count."""
    declared: set[int] = set()
    refused: dict[int, str] = {}
    for number, record in enumerate(records, start=1):
        if record.kind != "compromised":
            continue
        plain = Reading(records[:number], declared, refused).words.get(record.position)
        if plain:
            refused[record.position] = plain
            continue
        trial, fallen = declared | {record.position}, dict(refused)
        while True:
            words = Reading(records[:number], trial, fallen).words
            breaking = sorted(trial & words.keys())
            if not breaking:
                declared, refused = trial, fallen
                break
            fallen[breaking[0]] = words[breaking[0]]
            trial = trial - {breaking[0]}
            if record.position == breaking[0]:
                refused[record.position] = words[record.position]
                break
    return Reading(records, declared, refused)


def counts(reading: Reading, key: str, position: int, time: datetime, *, access: bool) -> bool:
    """Whether an item signed by a key counts at a position, taken at a time."""
    if not access:
        trusted = reading.trusts(key, position)
        return trusted and reading.site_of_key(key, position, time) is not None
    name = reading.owner(key, position)
    if name is None or "@" not in name or reading.keys(name, position)[-1][0] != key:
        return False
    if not reading.trusts(key, position) and any(
        one.position < position for one in reading.declared if one.body["public_key"] == key
    ):
        return False
    site = name.partition("@")[2]
    return reading.is_there(name, position, time) and reading.is_there(site, position, time)


def _founds(record: Said) -> bool:
    body = record.body
    lasts = body["admin"] and body["expires"] is None
    return bool(record.by == body["public_key"] == "A0" and lasts)


def _name(record: Said) -> str:
    body = record.body
    return str(body.get("name") or body.get("user") or body["site"])
