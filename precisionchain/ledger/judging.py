"""One judging of the NETWORK stream, record by record: the rules, and who stands how where.

``membership`` reads the stream and asks; here is what a record does, given which declarations of
compromised keys count. Normative text: ``docs/reference/streams.md``, section 6. No I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from precisionchain.ledger.base import Finding
from precisionchain.ledger.changes import (
    Declaration,
    Grant,
    Revocation,
    Rotation,
    is_user,
)
from precisionchain.ledger.placed_records import Placed
from precisionchain.ledger.records import (
    BrokenRuleError,
    Member,
    User,
    is_current,
    standing_at,
)

COMPROMISED: Final = "compromised"
"""The rule that a record breaks whose signer is declared compromised from before it."""

_Entry = TypeVar("_Entry", Member, User)


@dataclass(slots=True)
class Judging:
    """What records say up to some position, when these declarations count.

    ``declared`` holds the declarations that count, by position; what they undo is left out from the
    beginning. ``refused`` holds why others do not count.
    """

    network: bytes
    founder: bytes
    declared: Mapping[int, Declaration] = field(default_factory=dict)
    refused: Mapping[int, BrokenRuleError] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    key_of: dict[bytes, tuple[str, int]] = field(default_factory=dict)
    """Key -> whose it is or was, and the position of the record that brought it."""
    accepted: set[int] = field(default_factory=set)
    findings: dict[int, Finding] = field(default_factory=dict)
    cuts: dict[bytes, int] = field(default_factory=dict)
    """Key -> the first position where it is not trusted."""
    _numbers: dict[str, int] = field(default_factory=dict)
    _since: dict[bytes, int] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)
    _site_of: dict[str, str] = field(default_factory=dict)
    _waiting: dict[bytes, list[Placed]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for said in self.declared.values():
            before = self.cuts.get(said.public_key, said.since)
            self.cuts[said.public_key] = min(before, said.since)

    def take(self, placed: Placed) -> BrokenRuleError | None:
        """Judge the next record; return the rule it breaks, or None where it counts."""
        try:
            self._apply(placed)
        except BrokenRuleError as broken:
            self.findings[placed.position] = Finding(
                broken.rule, broken.message, placed.at.item.stream, placed.position
            )
            return broken
        self.accepted.add(placed.position)
        return None

    def is_trusted(self, key: bytes, position: int) -> bool:
        """Return whether what a key says at a position is not declared compromised."""
        return self.cuts.get(key, position + 1) > position

    def site_at(self, key: bytes, position: int) -> Member | None:
        """Return the site whose key in force a key is for an item at a position, as it stands."""
        name, _ = self.key_of.get(key, ("", 0))
        member = self.members.get(name)
        there = standing_at(member, position) if member else None
        return there if there and there.public_key == key else None

    def user_at(self, key: bytes, position: int) -> User | None:
        """Return the user whose key in force a key is for an item at a position, as they stand."""
        name, _ = self.key_of.get(key, ("", 0))
        user = self.users.get(name.casefold())
        there = standing_at(user, position) if user else None
        return there if there and there.public_key == key else None

    def standing_of_site(self, name: str, position: int) -> Member | None:
        """Return how a site stands for an item at a position, whoever publishes that."""
        member = self.members.get(name)
        return standing_at(member, position) if member else None

    def breach(self, placed: Placed, said: Declaration) -> BrokenRuleError | None:
        """Return the rule that a declaration breaks as a record like others, whatever it undoes."""
        try:
            self._require_trusted(placed)
            self._check_declaration(placed, said)
        except BrokenRuleError as broken:
            return broken
        return None

    def number(self, name: str) -> int:
        """Return the number of the newest change of a name that counts; 0 before the first."""
        return self._numbers.get(name, 0)

    def is_taken(self, name: str) -> bool:
        """Return whether a site's name or code, whatever its case, is or was in use."""
        return name.casefold() in self._names

    def lasting(self, position: int) -> list[Member]:
        """Return the administrators without expiry whose key in force is trusted at a position."""
        return [
            m
            for m in self.members.values()
            if m.admin
            and m.until is None
            and m.expires is None
            and self.is_trusted(m.public_key, position)
        ]

    # ------------------------------------------------------------------------------------ the rules

    def _apply(self, placed: Placed) -> None:
        if placed.broken is not None:
            raise placed.broken
        record = placed.record
        if placed.position in self.refused:
            raise self.refused[placed.position]
        self._require_trusted(placed)
        match record:
            case Member():
                self._admit(placed, record)
            case User():
                self._make_user(placed, record)
            case Grant():
                self._grant(placed, record)
            case Revocation():
                self._revoke(placed, record)
            case Rotation():
                self._rotate(placed, record)
            case Declaration():
                self._declare(placed, record)

    def _require_trusted(self, placed: Placed) -> None:
        if not self.is_trusted(placed.publisher, placed.position) and not self._hands_on(placed):
            raise BrokenRuleError(COMPROMISED, "signed by a key declared compromised before here")

    def _hands_on(self, placed: Placed) -> bool:
        """Whether a record replaces its own publisher's site key: declarations leave that alone."""
        record = placed.record
        if not isinstance(record, Rotation):
            return False
        member = self.members.get(record.name)
        return member is not None and member.public_key == placed.publisher

    def _admit(self, placed: Placed, member: Member) -> None:
        if not self.members:
            lasting = member.admin and member.expires is None
            if not member.public_key == placed.publisher == self.founder or not lasting:
                raise BrokenRuleError("founder", "the first member is not the founder")
        elif not self._by_admin(placed):
            raise BrokenRuleError("entitled", "members are admitted by an administrator")
        wanted = {member.site.casefold(), member.code}
        if member.public_key in self.key_of or wanted & self._names:
            raise BrokenRuleError("taken", "the site's name, code or key is taken")
        self._take_addresses(member.site, member.addresses)
        self._names |= wanted
        self.members[member.site] = member
        self.key_of[member.public_key] = (member.site, placed.position)
        for early in self._waiting.pop(member.public_key, ()):
            del self.findings[early.position]
            self.take(early)

    def _make_user(self, placed: Placed, user: User) -> None:
        own = self.members.get(user.site)
        if own is not None and placed.position < own.since:
            entitled = own.public_key == placed.publisher  # it waited for this member
        else:
            entitled = self._by_site(placed, user.site)
        if not entitled:
            if placed.publisher not in self.key_of:
                self._waiting.setdefault(placed.publisher, []).append(placed)
            raise BrokenRuleError("entitled", "a user is made by the user's own site")
        if user.public_key in self.key_of or user.name.casefold() in self.users:
            raise BrokenRuleError("taken", "the user's name or key is taken")
        self._take_addresses(user.site, user.addresses)
        self.users[user.name.casefold()] = user
        self.key_of[user.public_key] = (user.name, placed.position)

    def _grant(self, placed: Placed, grant: Grant) -> None:
        self._require_entitled(placed, grant)
        if grant.roles is not None:
            user = self._user(grant.name)
            changed = replace(user, roles=grant.roles, expires=grant.expires)
            self._stand_user(user, replace(changed, until=None, removed=None), placed)
        else:
            member = self.members[grant.name]
            changed_site = replace(member, admin=bool(grant.admin), expires=grant.expires)
            self._stand_site(member, replace(changed_site, until=None, removed=None), placed)
        self._numbers[grant.name] = grant.number

    def _revoke(self, placed: Placed, revocation: Revocation) -> None:
        self._require_entitled(placed, revocation)
        end: dict[str, Any] = {"until": placed.position, "removed": placed.at.time}
        if is_user(revocation.name):
            user = self._user(revocation.name)
            self._stand_user(user, replace(_here(user), **end), placed)
        else:
            member = self.members[revocation.name]
            self._stand_site(member, replace(_here(member), **end), placed)
        self._numbers[revocation.name] = revocation.number

    def _rotate(self, placed: Placed, new: Rotation) -> None:
        """Put new keys in the place of those in force.

        A site does so itself; for one that is removed, an administrator does. A user's site does.
        """
        entry: Member | User | None
        if is_user(new.name):
            entry = self.users.get(new.name.casefold())
            entitled = entry is not None and self._by_site(placed, entry.site)
        else:
            entry = self.members.get(new.name)
            own = entry is not None and self._by_site(placed, entry.site)
            entitled = own or (
                entry is not None and entry.until is not None and self._by_admin(placed)
            )
        if entry is None or not entitled or _name_of(entry) != new.name:
            raise BrokenRuleError("entitled", "the publisher may not replace this key")
        self._require_number(new.name, new.number)
        if new.public_key in self.key_of:
            raise BrokenRuleError("taken", "the new key is, or was, in use")
        if not new.is_proved(entry.public_key, self.network):
            raise BrokenRuleError("proof", "not signed by the new key, in the place of this one")
        self._take_addresses(entry.site, new.addresses)
        keys: dict[str, Any] = {"public_key": new.public_key, "encryption_key": new.encryption_key}
        if isinstance(entry, User):
            changed = replace(entry, **keys, addresses=new.addresses)
            self._stand_user(entry, changed, placed)
        else:
            moved = replace(entry, **keys, addresses=new.addresses)
            self._stand_site(entry, moved, placed)
        self.key_of[new.public_key] = (new.name, placed.position)
        self._numbers[new.name] = new.number

    def _declare(self, placed: Placed, said: Declaration) -> None:
        self._check_declaration(placed, said)
        if placed.position in self.declared and not self.lasting(placed.position):
            raise BrokenRuleError("last", "no administrator that lasts would be left")
        self._numbers[said.name] = said.number
        self._since[said.public_key] = said.since

    def _check_declaration(self, placed: Placed, said: Declaration) -> None:
        if is_user(said.name):
            user = self.users.get(said.name.casefold())
            entitled = user is not None and self._by_site(placed, user.site)
        else:
            known = said.name in self.members
            entitled = known and (self._by_admin(placed) or self._by_site(placed, said.name))
        whose, brought = self.key_of.get(said.public_key, ("", 0))
        if not entitled or whose != said.name:
            raise BrokenRuleError("entitled", "the publisher may not declare this of this key")
        self._require_number(said.name, said.number)
        last = self._since.get(said.public_key, placed.position + 1)
        if not brought < said.since < last:
            raise BrokenRuleError(
                "since", "not between the key's own record and what was declared before"
            )

    # ----------------------------------------------------------------------------- what rules share

    def _require_entitled(self, placed: Placed, change: Grant | Revocation) -> None:
        name = change.name
        if is_user(name):
            user = self.users.get(name.casefold())
            entitled = user is not None and user.name == name and self._by_site(placed, user.site)
        else:
            entitled = name in self.members and self._by_admin(placed)
        if not entitled:
            raise BrokenRuleError("entitled", "the publisher may not say this of this name")
        self._require_number(name, change.number)

    def _require_number(self, name: str, number: int) -> None:
        if number <= self.number(name):
            raise BrokenRuleError("number", "a later change of this name was there before")

    def _by_admin(self, placed: Placed) -> bool:
        member = self._now(placed)
        return member is not None and member.admin

    def _by_site(self, placed: Placed, site: str) -> bool:
        member = self._now(placed)
        return member is not None and member.site == site

    def _now(self, placed: Placed) -> Member | None:
        """Return the site that a record's publisher is, if it is one there and then."""
        name, _ = self.key_of.get(placed.publisher, ("", 0))
        member = self.members.get(name)
        if member is None or member.public_key != placed.publisher:
            return None
        return member if is_current(member, placed.at.time) else None

    def _user(self, name: str) -> User:
        return self.users[name.casefold()]

    def _stand_site(self, before: Member, after: Member, placed: Placed) -> None:
        was = self.lasting(placed.position)
        self.members[after.site] = replace(after, changed=placed.position, before=before)
        if was and not self.lasting(placed.position):
            self.members[after.site] = before
            raise BrokenRuleError("last", "no administrator that lasts would be left")

    def _stand_user(self, before: User, after: User, placed: Placed) -> None:
        changed = replace(after, changed=placed.position, before=before)
        self.users[after.name.casefold()] = changed

    def _take_addresses(self, site: str, addresses: Mapping[str, str]) -> None:
        if any(self._site_of.get(address, site) != site for address in addresses.values()):
            raise BrokenRuleError("taken", "an address is, or was, another site's")
        self._site_of.update(dict.fromkeys(addresses.values(), site))


def _here(entry: _Entry) -> _Entry:
    if entry.until is not None:
        raise BrokenRuleError("taken", "removed before, and not there since")
    return entry


def _name_of(entry: Member | User) -> str:
    return entry.name if isinstance(entry, User) else entry.site


def judged(
    records: Iterable[Placed],
    network: bytes,
    founder: bytes,
    declared: Mapping[int, Declaration],
    refused: Mapping[int, BrokenRuleError],
) -> tuple[Judging, dict[int, BrokenRuleError]]:
    """Return what records say when these declarations count, and which of those may not."""
    judging = Judging(network, founder, declared, refused)
    fallen = {}
    for placed in records:
        broken = judging.take(placed)
        if broken is not None and placed.position in declared:
            fallen[placed.position] = broken
            break
    return judging, fallen
