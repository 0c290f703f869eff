"""What a site or user key may do now; the one place where a program refuses itself.

Readers judge again, item by item (``membership``, ``access.log``): a program that skips this can
write, and what it writes does not count.
"""

from __future__ import annotations

from datetime import UTC, datetime

from precisionchain.errors import AccessRefusedError, NotAdmittedError
from precisionchain.ledger.membership import Membership
from precisionchain.ledger.records import Member, User, has_expired
from precisionchain.schemas.roles import ROLE_OF, may

ONE_ADMINISTRATOR = (
    "this network has one administrator without an expiry date: if that key is lost, nobody is"
    " admitted or renewed again. Admit a second one: admit TOKEN --admin, or grant SITE --admin"
)
"""What a network with fewer than two lasting administrators is told."""


def site_now(membership: Membership, public_key: bytes, now: datetime) -> Member:
    """Return the member that a site key is now.

    Raises:
        NotAdmittedError: it never was one.
        AccessRefusedError: it was removed, its membership has expired, or another key is in force.
    """
    membership.catch_up()
    member = membership.member(public_key)
    if member is None:
        raise NotAdmittedError(
            "this site is not admitted to its network yet",
            hint="give the line that `precisionchain join-token` prints to an administrator",
        )
    if member.public_key != public_key:
        raise AccessRefusedError(
            f"the key of site {member.site} in this folder was replaced by another",
            hint="bring the newer key into keys/; what this one signs does not count",
        )
    if membership.is_compromised(public_key):
        raise AccessRefusedError(
            f"the key of site {member.site} is declared compromised",
            hint="an administrator removes the site, gives it a new key and grants it again",
        )
    if member.until is not None:
        raise AccessRefusedError(
            f"site {member.site} was removed from this network", hint="ask an administrator"
        )
    if has_expired(member, now):
        raise AccessRefusedError(
            f"the membership of site {member.site} has expired", hint="ask an administrator"
        )
    return member


def user_now(membership: Membership, name: str, public_key: bytes, now: datetime) -> User:
    """Return the user whom a name and key are now.

    Raises:
        AccessRefusedError: there is none: never registered, removed or expired, or with another
            key.
    """
    user = membership.current_user(name, now)
    if user is None or user.public_key != public_key:
        raise AccessRefusedError(
            f"{name} is not registered in this network with this key, or no longer",
            hint="`precisionchain members` lists users; `user add` makes one",
        )
    return user


def require_user_role(membership: Membership, name: str, public_key: bytes, operation: str) -> None:
    """Refuse an operation to whom a name and key are now, if they have no role for it.

    Raises:
        AccessRefusedError: there is no such user, or the role is missing.
    """
    require_role(user_now(membership, name, public_key, datetime.now(UTC)), operation)


def require_role(user: User, operation: str) -> None:
    """Refuse an operation for which a user has no role.

    Raises:
        AccessRefusedError: the role is missing, or nobody may do the operation.
    """
    if may(operation, user.roles):
        return
    role = ROLE_OF.get(operation)
    if role is None:
        raise AccessRefusedError(f"no role may do {operation!r}")
    raise AccessRefusedError(
        f"{operation} takes the role {role}; {user.name} has {', '.join(user.roles) or 'none'}",
        hint="ask as another user with --user, or have one made with `precisionchain user add`",
    )
