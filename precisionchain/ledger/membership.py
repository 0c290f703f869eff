"""Who may say what: what the NETWORK stream says, asked item by item.

The rules, and the words of findings where one is broken, stand in ``docs/reference/streams.md``,
section 6; ``judging`` keeps them. An item that breaks a rule does not exist: it changes nothing and
is reported. Whether an item is entitled is judged at the position where it stands and by the time
the ledger took it, so a key that is removed later keeps what it said before. Only a declaration
that a key is compromised looks back: it has the whole stream judged anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from precisionchain.errors import UsageError
from precisionchain.ledger.base import Finding, Ledger, LedgerItem
from precisionchain.ledger.batches import Entitlement
from precisionchain.ledger.changes import Declaration
from precisionchain.ledger.judging import Judging, judged
from precisionchain.ledger.placed_records import Placed, placed_record
from precisionchain.ledger.public_keys import is_public_key
from precisionchain.ledger.records import (
    NETWORK_STREAM,
    NO_NETWORK,
    BrokenRuleError,
    Member,
    User,
    is_current,
    network_id,
    read_record,
)
from precisionchain.ledger.signing import is_signed
from precisionchain.schemas.items import Item, ItemClass
from precisionchain.schemas.streams import ACCESS, NETWORK, family_of


@dataclass(slots=True)
class Membership:
    """What the NETWORK stream says up to some position.

    ``parameters_body`` is that of the first item.
    """

    network: bytes = NO_NETWORK
    founder: bytes = b""
    parameters_body: bytes = b""
    _beginning: list[Finding] = field(default_factory=list)
    _first: int = -1
    _records: list[Placed] = field(default_factory=list)
    _judging: Judging = field(default_factory=lambda: Judging(NO_NETWORK, b""))

    @classmethod
    def fold(cls, items: Iterable[LedgerItem]) -> Self:
        """Return what the items of the NETWORK stream, in order of position, say."""
        membership = cls()
        for placed in items:
            membership.take(placed)
        return membership

    def take(self, placed: LedgerItem) -> None:
        """Fold the next item."""
        if not self.founder:
            self._found(placed)
            return
        record = placed_record(placed, self.network)
        self._records.append(record)
        if isinstance(record.record, Declaration):
            self._declare(record, record.record)
        else:
            self._judging.take(record)

    def catch_up(self, position: int | None = None) -> None:
        """Know every record before a position; without one, every record there is.

        What was folded from items knows no more than those.
        """

    @property
    def findings(self) -> list[Finding]:
        """The items that do not exist, in order of position."""
        found = self._judging.findings
        return [*self._beginning, *(found[position] for position in sorted(found))]

    # ------------------------------------------------------------------------------------ questions

    def members(self) -> tuple[Member, ...]:
        """Return every site ever admitted, in order, as it stands now."""
        self.catch_up()
        return tuple(self._judging.members.values())

    def users(self) -> tuple[User, ...]:
        """Return every user ever made, in order, as they stand now."""
        self.catch_up()
        return tuple(self._judging.users.values())

    def member(self, public_key: bytes) -> Member | None:
        """Return the site that has, or ever had, this key, as it stands now."""
        if public_key not in self._judging.key_of:
            self.catch_up()
        name, _ = self._judging.key_of.get(public_key, ("", 0))
        return self._judging.members.get(name)

    def site_of(self, public_key: bytes) -> str:
        """Return the name of the site that ever had this key.

        Raises:
            UsageError: none ever did.
        """
        member = self.member(public_key)
        if member is None:
            raise UsageError(f"key {public_key.hex()[:16]} belongs to no member of this network")
        return member.site

    def site_keys(self, site: str) -> tuple[bytes, ...]:
        """Return every key that a site has had, the one in force last."""
        return self.keys_of(site)

    def keys_of(self, name: str) -> tuple[bytes, ...]:
        """Return every key that a site or user has had, the one in force last."""
        self.catch_up()
        return self._keys(name)

    def first_key(self, public_key: bytes) -> bytes:
        """Return the first key of the site that ever had this one; the key itself if none did.

        It names the site in what is kept by key: it stays the same when the key in force is
        replaced.
        """
        member = self.member(public_key)
        return self._keys(member.site)[0] if member else public_key

    def same_site(self, one: bytes, other: bytes) -> bool:
        """Return whether two keys are, or were, one site's."""
        return self.first_key(one) == self.first_key(other)

    def site_at(self, public_key: bytes, position: int, time: datetime) -> Member | None:
        """Return the site whose key this is for an item at a position, taken at a time.

        Declarations of compromised keys are not looked at.
        """
        self.catch_up(position)
        member = self._judging.site_at(public_key, position)
        return member if member and is_current(member, time) else None

    def member_at(self, placed: LedgerItem) -> Member | None:
        """Return the site that an item's publisher was, where and when the item was taken."""
        member = self.site_at(placed.item.publisher, placed.position, placed.time)
        trusted = self._judging.is_trusted(placed.item.publisher, placed.position)
        return member if trusted else None

    def user_at(self, placed: LedgerItem) -> User | None:
        """Return the user that an item's publisher was, where and when the item was taken.

        A key declared compromised keeps its user until the declaration: what was asked with it was
        answered. `is_doubtful` says so.
        """
        self.catch_up(placed.position)
        key = placed.item.publisher
        user = self._judging.user_at(key, placed.position)
        if user is None or not is_current(user, placed.time):
            return None
        if not self._judging.is_trusted(key, placed.position) and placed.position > min(
            at for at, said in self._judging.declared.items() if said.public_key == key
        ):
            return None
        site = self._judging.standing_of_site(user.site, placed.position)
        return user if site and is_current(site, placed.time) else None

    def is_doubtful(self, placed: LedgerItem) -> bool:
        """Return whether an item's publisher is declared compromised where the item stands."""
        self.catch_up()
        return not self._judging.is_trusted(placed.item.publisher, placed.position)

    def is_compromised(self, public_key: bytes) -> bool:
        """Return whether a key is declared compromised, from whatever position on."""
        self.catch_up()
        return public_key in self._judging.cuts

    def current_site(self, name: str, now: datetime) -> Member | None:
        """Return a site of this name that is a member now, with a key that is trusted."""
        self.catch_up()
        member = self._judging.members.get(name)
        if member is None or member.public_key in self._judging.cuts:
            return None
        return member if is_current(member, now) else None

    def current_user(self, name: str, now: datetime) -> User | None:
        """Return a user of this name who is one now, and whose site is a member now."""
        self.catch_up()
        user = self._judging.users.get(name.casefold())
        if user is None or not is_current(user, now) or user.public_key in self._judging.cuts:
            return None
        return user if self.current_site(user.site, now) else None

    def lasting_administrators(self) -> tuple[Member, ...]:
        """Return the administrators without expiry whose key is trusted; never none."""
        self.catch_up()
        return tuple(self._judging.lasting(2**63))

    def name_of(self, public_key: bytes) -> str | None:
        """Return the site or user that has, or ever had, a key."""
        self.catch_up()
        return self._judging.key_of.get(public_key, (None, 0))[0]

    def number_of(self, name: str) -> int:
        """Return the number of the newest change of a site or user that counts; 0 before any."""
        self.catch_up()
        return self._judging.number(name)

    def breach(self, item: Item, position: int, time: datetime) -> BrokenRuleError | None:
        """Return the rule that a record would break if it landed here; None where it would count.

        Args:
            item: signed.
            position: where the ledger would put it.
            time: when it would take it.
        """
        self.catch_up()
        records, present = [*self._records], self._judging
        trial = Membership(self.network, self.founder, _first=self._first, _records=records)
        trial._judging, _ = judged(
            records, self.network, self.founder, present.declared, present.refused
        )
        trial.take(LedgerItem(position, time, item))
        found = trial._judging.findings.get(position)
        return None if found is None else BrokenRuleError(found.check, found.message)

    def next_number(self, name: str) -> int:
        """Return the number of the next change of a site or user."""
        return self.number_of(name) + 1

    def has_user(self, name: str) -> bool:
        """Return whether there is, or ever was, a user of this name."""
        self.catch_up()
        return name.casefold() in self._judging.users

    def is_taken(self, name: str) -> bool:
        """Return whether a site's name or code, whatever its case, is or was in use."""
        self.catch_up()
        return self._judging.is_taken(name)

    def has_key(self, public_key: bytes) -> bool:
        """Return whether a key is, or was, a site's or a user's."""
        self.catch_up()
        return public_key in self._judging.key_of

    def newest_declaration(self) -> int:
        """Return the position of the newest declaration of a compromised key that counts, or -1.

        What was concluded from the ledger before it may not hold any more.
        """
        self.catch_up()
        return max(self._judging.declared, default=-1)

    @property
    def is_entitled(self) -> Entitlement:
        """Whether an item's publisher could say it, there and then; called with the item."""
        return Entitlement(self._is_entitled, self.first_key)

    def _is_entitled(self, placed: LedgerItem) -> bool:
        """Return whether an item's publisher could say this, there and then.

        Access entries are a user's, everything else is a site's. A single item must carry its
        publisher's signature; a batch item is answered for by its batch's manifest.
        """
        item, family = placed.item, family_of(placed.item.stream)
        if family == NETWORK:
            self.catch_up(placed.position)
            return placed.position == self._first or placed.position in self._judging.accepted
        if item.item_class is ItemClass.SINGLE and not is_signed(item, self.network):
            return False
        if family == ACCESS:
            return item.item_class is ItemClass.SINGLE and self.user_at(placed) is not None
        return self.member_at(placed) is not None

    # ---------------------------------------------------------------------------------- the judging

    def _keys(self, site: str) -> tuple[bytes, ...]:
        return tuple(key for key, (name, _) in self._judging.key_of.items() if name == site)

    def _found(self, placed: LedgerItem) -> None:
        item = placed.item
        try:
            if item.payload.kind != "parameters" or not is_signed(item, NO_NETWORK):
                said = "the network does not begin with its parameters"
                raise BrokenRuleError("parameters", said)
            read_record(item)
            if not is_public_key(item.publisher):
                raise BrokenRuleError("key", "anybody could sign for the founder, or nobody")
        except BrokenRuleError as broken:
            found = Finding(broken.rule, broken.message, item.stream, placed.position)
            self._beginning.append(found)
            return
        self.founder, self.network = item.publisher, network_id(item)
        self.parameters_body, self._first = item.payload.body, placed.position
        self._judging = Judging(self.network, self.founder)

    def _declare(self, placed: Placed, said: Declaration) -> None:
        """Judge the stream anew with a declaration, if it may be made.

        Declarations that nobody could have made then fall, one after the other; if this one is
        among them, all stays as it was.
        """
        present = self._judging
        broken = present.breach(placed, said)
        declared, refused = dict(present.declared), dict(present.refused)
        if broken is None:
            trial, fallen = {**declared, placed.position: said}, refused
            while broken is None:
                judging, fell = judged(self._records, self.network, self.founder, trial, fallen)
                if not fell:
                    self._judging = judging
                    return
                broken = fell.get(placed.position)
                fallen = {**fallen, **fell}
                trial = {at: kept for at, kept in trial.items() if at not in fell}
        present.refused = {**refused, placed.position: broken}
        present.take(placed)


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
