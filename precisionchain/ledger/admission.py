"""Writing the NETWORK stream: admit a site, make a user, remove either.

Each refuses what readers would not count, with one clear error, before anything is written; and
looks again afterwards, because somebody else may have written in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import product
from string import ascii_lowercase, digits

from precisionchain.errors import (
    AccessRefusedError,
    JoinTokenError,
    LedgerError,
    UsageError,
)
from precisionchain.ledger.base import Ledger, settle
from precisionchain.ledger.changes import Change, Revocation, change_item
from precisionchain.ledger.join_token import JoinToken
from precisionchain.ledger.membership import Membership
from precisionchain.ledger.public_keys import is_encryption_key, is_public_key
from precisionchain.ledger.records import (
    USER_NAME,
    Member,
    User,
    has_expired,
    member_item,
    user_item,
)
from precisionchain.ledger.signing import PublicKeys, Signer
from precisionchain.ledger.standing import site_now
from precisionchain.schemas.items import Item
from precisionchain.schemas.roles import ADMIN, ROLES

_CODES = ["".join(pair) for pair in product(ascii_lowercase, digits + ascii_lowercase)]
FIRST_CODE = _CODES[0]
"""The founder's two characters in names of streams it opens."""
BOTH_KEYS = "128 hex digits: the user's public key (Ed25519), then the one to encrypt to (X25519)"


@dataclass(frozen=True, slots=True)
class Registrar:
    """One site as it writes records: its ledger, who is who, and the site's key."""

    ledger: Ledger
    membership: Membership
    signer: Signer

    def site(self) -> Member:
        """Return this site as a member.

        Raises:
            NotAdmittedError: it never was one.
            AccessRefusedError: it was removed, or its membership has expired.
        """
        return site_now(self.membership, self.signer.public_key, datetime.now(UTC))

    # ------------------------------------------------------------------------------------- sites

    def admit(
        self,
        token: JoinToken,
        *,
        admin: bool = False,
        expires: date | None = None,
        dry_run: bool = False,
    ) -> Member:
        """Admit a site, with its first user, in one publish.

        Args:
            token: the site's.
            admin: whether it may admit and remove others.
            expires: the last day (UTC) it is a member.
            dry_run: check everything and write nothing.

        Raises:
            AccessRefusedError: this site is no administrator of the network.
            JoinTokenError: the token is of another network, or its site, name or key is taken.
            UsageError: the expiry has passed.
        """
        self.require_admin()
        refuse_past(expires)
        if token.network != self.membership.network:
            raise JoinTokenError(
                "the join token is of another network than this site's",
                hint="the joining site's --ledger must name this network's ledger",
            )
        self._refuse_taken(token)
        code = next((code for code in _CODES if not self.membership.is_taken(code)), None)
        if code is None:
            raise LedgerError("the network has no two-character code left for another site")
        member = Member(token.site, code, *token.keys, admin, expires, token.addresses)
        if dry_run:
            return member
        network = self.membership.network
        self.ledger.admit(token.addresses, admin=admin)  # first: repeating the command completes it
        self.write(member_item(member, self.signer, network), token.first_user())
        self.membership.catch_up()
        admitted = self.membership.member(token.public_key)
        if admitted is None:  # another administrator wrote at the same moment
            raise LedgerError(
                f"site {token.site} was not admitted: another record took its name or code first",
                hint="repeat the command",
            )
        return admitted

    def revoke(self, site: str) -> Member:
        """Remove a site, and its users with it; what it published before stays.

        Raises:
            AccessRefusedError: this site is no administrator, or the site is the last lasting one.
            UsageError: no member has this name.
        """
        self.require_admin()
        member = next((m for m in self.membership.members() if m.site == site), None)
        if member is None or member.until is not None:
            raise UsageError(
                f"{site} is no member of this network",
                hint="`precisionchain members` lists them",
            )
        if {m.site for m in self.membership.lasting_administrators()} == {site}:
            raise AccessRefusedError(
                f"{site} is the last administrator without an expiry date and cannot be removed",
                hint="admit another administrator first",
            )
        self.ledger.dismiss(member.addresses)
        self._change(Revocation(site, self.membership.next_number(site)))
        return self.membership.member(member.public_key) or member

    def require_admin(self) -> None:
        """Check that this site is an administrator.

        Raises:
            NotAdmittedError, AccessRefusedError: it is not.
        """
        site = self.site()
        if not site.admin:
            raise AccessRefusedError(
                f"site {site.site} is no administrator of this network",
                hint="ask an administrator; `precisionchain members` says who is one",
            )

    def _refuse_taken(self, token: JoinToken) -> None:
        known = self.membership.member(token.public_key)
        if known is not None:
            when = "is a member already" if known.until is None else "was removed before"
            raise JoinTokenError(
                f"site {known.site} {when}, with this key",
                hint="`precisionchain members` lists every site",
            )
        if self.membership.is_taken(token.site):
            raise JoinTokenError(
                f"the name {token.site} is, or was, another site's",
                hint="the joining site makes its folder anew with another --site",
            )
        if any(self.membership.has_key(key.public_key) for key in (token.keys, token.user_keys)):
            raise JoinTokenError("a key in the join token is in use by somebody else")

    # ------------------------------------------------------------------------------------- users

    def add_user(
        self, name: str, keys: PublicKeys, roles: Sequence[str], *, expires: date | None = None
    ) -> User:
        """Make a user of this site.

        Args:
            name: ``someone@SITE``.
            keys: the user's.
            roles: some of `roles.ROLES`.
            expires: the last day (UTC) the user may ask.

        Raises:
            UsageError: a name, role or key that cannot be, or that is taken.
        """
        self.refuse_user(name, roles, expires)
        if not is_public_key(keys.public_key):
            raise UsageError(
                f"the key for {name} is no Ed25519 public key: anybody signs for it, or nobody",
                hint=BOTH_KEYS,
            )
        if not is_encryption_key(keys.encryption_key):
            raise UsageError(
                f"what {name} is sent could be read by anybody: that is no key to encrypt to",
                hint=BOTH_KEYS,
            )
        if self.membership.has_key(keys.public_key):
            raise UsageError(f"the key for {name} is in use by somebody else")
        ordered = tuple(role for role in ROLES if role in roles)
        user = User(name, self.site().site, *keys, ordered, expires)
        self.write(user_item(user, self.signer, self.membership.network))
        users = self.membership.users()
        made = next((u for u in users if u.public_key == keys.public_key), None)
        if made is None:  # the same command, run twice at the same moment
            raise UsageError(f"{name} was made by somebody else just now")
        return made

    def refuse_user(self, name: str, roles: Sequence[str], expires: date | None) -> None:
        """Refuse a user that cannot be made, before a key is.

        Raises:
            UsageError: a name or role that cannot be, or that is taken.
        """
        site = self.site().site
        if not USER_NAME.fullmatch(name) or not name.endswith(f"@{site}"):
            raise UsageError(
                f"{name!r} cannot name a user of this site",
                hint=f"someone@{site}: small letters, digits, dots, dashes and underscores",
            )
        unknown = sorted(set(roles) - set(ROLES))
        if unknown or not roles:
            what = f"no role {unknown[0]!r}" if unknown else "a user needs a role"
            raise UsageError(what, hint=f"roles are {', '.join(ROLES)}")
        if self.membership.has_user(name):
            raise UsageError(
                f"{name} is, or was, a user: names are used once", hint="choose another name"
            )
        refuse_past(expires)

    def revoke_user(self, name: str) -> User:
        """Remove a user of this site; what the user asked before stays on the log.

        Raises:
            UsageError: no user of this site has this name.
            AccessRefusedError: the site's last user with the role ``admin``.
        """
        site, now = self.site().site, datetime.now(UTC)
        user = self.known_user(name)
        own = [u for u in self.membership.users() if u.site == site and u.until is None]
        admins = [u for u in own if ADMIN in u.roles and not has_expired(u, now)]
        if admins == [user]:
            raise AccessRefusedError(
                f"{name} is the last user of site {site} with the role admin",
                hint="add another one first: precisionchain user add NAME --role admin",
            )
        self._change(Revocation(name, self.membership.next_number(name)))
        return next(u for u in self.membership.users() if u.public_key == user.public_key)

    def _change(self, change: Change) -> None:
        self.write(change_item(change, self.signer, self.membership.network))

    def known_user(self, name: str) -> User:
        """Return a user of this site who is not removed.

        Raises:
            UsageError: there is none of this name.
        """
        site = self.site().site
        for user in self.membership.users():
            if (user.name, user.site, user.until) == (name, site, None):
                return user
        raise UsageError(
            f"{name} is no user of site {site}", hint="`precisionchain members` lists them"
        )

    def write(self, *items: Item) -> None:
        """Put records on the ledger, all or none."""
        """Publish records and wait until they are final: what comes next is judged by them."""
        self.ledger.publish(self.ledger.prepare(items))
        for item in items:
            settle(self.ledger, item.publisher, item.batch_id)


def refuse_past(expires: date | None) -> None:
    """Refuse an expiry that has passed.

    Raises:
        UsageError: so it has.
    """
    if expires is not None and expires < datetime.now(UTC).date():
        raise UsageError(f"{expires.isoformat()} has passed", hint="--expires YYYY-MM-DD, in UTC")
