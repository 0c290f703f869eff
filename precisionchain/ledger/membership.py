"""Who may say what: the rules of the NETWORK stream, folded in order of position.

The rules, each with the word a finding carries when it is broken:

1. ``parameters``: the first item holds the network's parameters. Its publisher's key, the
   *founder's*, signs it; the network's id is not known yet, so its leaf takes 32 zero bytes for it.
   The id is the SHA-256 of this item's frame. There are no second parameters.
2. ``signature``: every other item is signed by its publisher, in this network.
3. ``founder``: the first member is the founder, admitted by itself, as an administrator without
   expiry.
4. ``entitled``: members are admitted and removed by an administrator's site key; a user is made and
   removed by the key of the user's own site. Removed and expired keys entitle to nothing from there
   on, and a site's users go with it.
5. ``taken``: a site's name, its code and every key are used once, and so is a user's name, also
   after their removal; names that differ only in case are the same; a key is removed once.
6. ``last``: the last administrator without expiry is not removed.
7. ``record``: the body is canonical JSON with exactly the members of its kind (``records``).

An item that breaks a rule does not exist: it changes nothing and is reported. Whether an item is
entitled is judged at the position where it stands and by the time the ledger took it, so a key that
is removed later keeps what it said before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self, TypeVar

from precisionchain.errors import UsageError
from precisionchain.ledger.base import Finding, Ledger, LedgerItem
from precisionchain.ledger.records import (
    NETWORK_STREAM,
    NO_NETWORK,
    BrokenRuleError,
    Member,
    User,
    counts,
    has_expired,
    is_current,
    network_id,
    read_member,
    read_record,
    read_revocation,
    read_user,
)
from precisionchain.ledger.signing import is_signed
from precisionchain.schemas.items import Item, ItemClass
from precisionchain.schemas.streams import ACCESS, NETWORK, family_of

_Entry = TypeVar("_Entry", Member, User)


@dataclass(slots=True)
class Membership:
    """What the NETWORK stream says up to some position.

    ``parameters_body`` is that of the first item; ``findings`` the items that do not exist.
    """

    network: bytes = NO_NETWORK
    founder: bytes = b""
    parameters_body: bytes = b""
    findings: list[Finding] = field(default_factory=list)
    _members: dict[bytes, Member] = field(default_factory=dict)
    _users: dict[bytes, User] = field(default_factory=dict)
    _accepted: set[int] = field(default_factory=set)

    @classmethod
    def fold(cls, items: Iterable[LedgerItem]) -> Self:
        """Return what the items of the NETWORK stream, in order of position, say."""
        membership = cls()
        for placed in items:
            membership.take(placed)
        return membership

    def take(self, placed: LedgerItem) -> None:
        """Fold the next item."""
        try:
            self._apply(placed)
        except BrokenRuleError as broken:
            self.findings.append(
                Finding(broken.rule, broken.message, placed.item.stream, placed.position)
            )

    def catch_up(self, position: int | None = None) -> None:
        """Know every record before a position; without one, every record there is.

        What was folded from items knows no more than those.
        """

    # ------------------------------------------------------------------------------------ questions

    def members(self) -> tuple[Member, ...]:
        """Return every site ever admitted, in order."""
        self.catch_up()
        return tuple(self._members.values())

    def users(self) -> tuple[User, ...]:
        """Return every user ever made, in order."""
        self.catch_up()
        return tuple(self._users.values())

    def member(self, public_key: bytes) -> Member | None:
        """Return the site that ever had this key."""
        if public_key not in self._members:
            self.catch_up()
        return self._members.get(public_key)

    def site_of(self, public_key: bytes) -> str:
        """Return the name of the site that ever had this key.

        Raises:
            UsageError: none ever did.
        """
        member = self.member(public_key)
        if member is None:
            raise UsageError(f"key {public_key.hex()[:16]} belongs to no member of this network")
        return member.site

    def member_at(self, placed: LedgerItem) -> Member | None:
        """Return the site that an item's publisher was, where and when the item was taken."""
        self.catch_up(placed.position)
        member = self._members.get(placed.item.publisher)
        return member if member and counts(member, placed.position, placed.time) else None

    def user_at(self, placed: LedgerItem) -> User | None:
        """Return the user that an item's publisher was, where and when the item was taken."""
        self.catch_up(placed.position)
        user = self._users.get(placed.item.publisher)
        if user is None or not counts(user, placed.position, placed.time):
            return None
        site = self._site(user.site)
        return user if site and counts(site, placed.position, placed.time) else None

    def current_site(self, name: str, now: datetime) -> Member | None:
        """Return a site of this name that is a member now."""
        self.catch_up()
        member = self._site(name)
        return member if member and is_current(member, now) else None

    def current_user(self, name: str, now: datetime) -> User | None:
        """Return a user of this name who is one now, and whose site is a member now."""
        self.catch_up()
        user = self._user(name)
        if user is None or not is_current(user, now):
            return None
        return user if self.current_site(user.site, now) else None

    def has_user(self, name: str) -> bool:
        """Return whether there is, or ever was, a user of this name."""
        self.catch_up()
        return self._user(name) is not None

    def is_taken(self, name: str) -> bool:
        """Return whether a site's name or code, whatever its case, is or was in use."""
        self.catch_up()
        return name.casefold() in self._names()

    def has_key(self, public_key: bytes) -> bool:
        """Return whether a key is, or was, a site's or a user's."""
        self.catch_up()
        return self._has_key(public_key)

    def is_entitled(self, placed: LedgerItem) -> bool:
        """Return whether an item's publisher could say this, there and then.

        Access entries are a user's, everything else is a site's. A single item must carry its
        publisher's signature; a batch item is answered for by its batch's manifest.
        """
        item, family = placed.item, family_of(placed.item.stream)
        if family == NETWORK:
            self.catch_up(placed.position)
            return placed.position in self._accepted
        if item.item_class is ItemClass.SINGLE and not is_signed(item, self.network):
            return False
        if family == ACCESS:
            return item.item_class is ItemClass.SINGLE and self.user_at(placed) is not None
        return self.member_at(placed) is not None

    # ------------------------------------------------------------------------------------ the rules

    def _apply(self, placed: LedgerItem) -> None:
        item = placed.item
        if not self.founder:
            self._found(item)
        elif item.payload.kind == "parameters":
            raise BrokenRuleError("parameters", "a network has its parameters once")
        elif not is_signed(item, self.network):
            raise BrokenRuleError("signature", "not signed by its publisher in this network")
        elif item.payload.kind == "member":
            self._admit(placed)
        elif item.payload.kind == "user":
            self._make_user(placed)
        elif item.payload.kind == "revocation":
            self._revoke(placed)
        else:
            raise BrokenRuleError("record", "a record of a kind this release does not know")
        self._accepted.add(placed.position)

    def _found(self, item: Item) -> None:
        if item.payload.kind != "parameters" or not is_signed(item, NO_NETWORK):
            raise BrokenRuleError("parameters", "the network does not begin with its parameters")
        read_record(item)
        self.founder = item.publisher
        self.network = network_id(item)
        self.parameters_body = item.payload.body

    def _admit(self, placed: LedgerItem) -> None:
        member = read_member(placed)
        if not self._members:
            lasting = member.admin and member.expires is None
            if not member.public_key == placed.item.publisher == self.founder or not lasting:
                raise BrokenRuleError("founder", "the first member is not the founder")
        elif not self._by_admin(placed):
            raise BrokenRuleError("entitled", "members are admitted by an administrator")
        wanted = {member.site.casefold(), member.code}
        if self._has_key(member.public_key) or wanted & self._names():
            raise BrokenRuleError("taken", "the site's name, code or key is taken")
        self._members[member.public_key] = member

    def _make_user(self, placed: LedgerItem) -> None:
        user = read_user(placed)
        if not self._by_site(placed, user.site):
            raise BrokenRuleError("entitled", "a user is made by the user's own site")
        if self._has_key(user.public_key) or self._user(user.name):
            raise BrokenRuleError("taken", "the user's name or key is taken")
        self._users[user.public_key] = user

    def _revoke(self, placed: LedgerItem) -> None:
        key = read_revocation(placed.item)
        member, user = self._members.get(key), self._users.get(key)
        if member and self._by_admin(placed):
            if member.until is None and self._lasting_admins() == [member]:
                raise BrokenRuleError("last", "the last administrator is not removed")
            self._members[key] = _ended(member, placed)
            for other in [u for u in self._users.values() if u.site == member.site]:
                if other.until is None:
                    self._users[other.public_key] = _ended(other, placed)
        elif user and self._by_site(placed, user.site):
            self._users[key] = _ended(user, placed)
        else:
            raise BrokenRuleError("entitled", "the publisher may not remove this key")

    def _by_admin(self, placed: LedgerItem) -> bool:
        member = self._members.get(placed.item.publisher)
        return member is not None and member.admin and _still(member, placed)

    def _by_site(self, placed: LedgerItem, site: str) -> bool:
        member = self._members.get(placed.item.publisher)
        return member is not None and member.site == site and _still(member, placed)

    def _lasting_admins(self) -> list[Member]:
        """Those who are there without expiry; one of them always is, so no network is locked."""
        found = self._members.values()
        return [m for m in found if m.admin and m.until is None and m.expires is None]

    def _site(self, name: str) -> Member | None:
        return next((m for m in self._members.values() if m.site == name), None)

    def _user(self, name: str) -> User | None:
        folded = name.casefold()
        return next((u for u in self._users.values() if u.name.casefold() == folded), None)

    def _names(self) -> set[str]:
        taken = self._members.values()
        return {m.site.casefold() for m in taken} | {m.code for m in taken}

    def _has_key(self, public_key: bytes) -> bool:
        return public_key in self._members or public_key in self._users


class LiveMembership(Membership):
    """What a ledger's NETWORK stream says, read on as it grows.

    An item is judged by every record before it, also by those that came while this was open.

    Args:
        ledger: read only.
    """

    __slots__ = ("_known", "_last", "_ledger")

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger
        self._last = self._known = -1
        self.catch_up()

    def catch_up(self, position: int | None = None) -> None:
        """See `Membership.catch_up`."""
        if position is not None and position <= self._known:
            return
        head = self._ledger.head().position
        if head == self._known:
            return
        for placed in self._ledger.items(NETWORK_STREAM, after=self._last):
            self.take(placed)
            self._last = placed.position
        self._known = max(head, self._last)


def _still(member: Member, placed: LedgerItem) -> bool:
    return member.until is None and not has_expired(member, placed.time)


def _ended(entry: _Entry, placed: LedgerItem) -> _Entry:
    if entry.until is not None:
        raise BrokenRuleError("taken", "the key was removed before")
    return replace(entry, until=placed.position, removed=placed.time)
