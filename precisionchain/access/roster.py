"""Members and users as frames, for people: who is here, as what, since when and until when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl

from precisionchain.ledger.membership import Membership
from precisionchain.ledger.records import Member, User, fingerprint, has_expired

_TIME = pl.Datetime("us", "UTC")
_STANDING: dict[str, Any] = {
    "status": pl.String,
    "since": _TIME,
    "until": _TIME,
    "expires": pl.Date,
    "since_position": pl.Int64,
    "until_position": pl.Int64,
    "fingerprint": pl.String,
    "public_key": pl.String,
    "keys": pl.List(pl.String),
}
MEMBER_COLUMNS: dict[str, Any] = {
    "site": pl.String,
    "code": pl.String,
    "admin": pl.Boolean,
    **_STANDING,
}
USER_COLUMNS: dict[str, Any] = {
    "user": pl.String,
    "site": pl.String,
    "roles": pl.List(pl.String),
    **_STANDING,
}


def members_frame(membership: Membership) -> pl.DataFrame:
    """Return a row a site ever admitted, in order."""
    rows = [
        (member.site, member.code, member.admin, *_standing(membership, member, member))
        for member in membership.members()
    ]
    return pl.DataFrame(rows, schema=MEMBER_COLUMNS, orient="row")


def users_frame(membership: Membership) -> pl.DataFrame:
    """Return a row a user ever made, in order."""
    sites = {member.site: member for member in membership.members()}
    rows = [
        (user.name, user.site, list(user.roles), *_standing(membership, user, sites[user.site]))
        for user in membership.users()
    ]
    return pl.DataFrame(rows, schema=USER_COLUMNS, orient="row")


def _standing(membership: Membership, entry: Member | User, site: Member) -> tuple[Any, ...]:
    now = datetime.now(UTC)
    expired = has_expired(entry, now) or has_expired(site, now)
    ended = entry if entry.until is not None else site
    status = "removed" if ended.until is not None else "expired" if expired else "current"
    if status == "current" and membership.is_compromised(entry.public_key):
        status = "compromised"
    name = entry.site if isinstance(entry, Member) else entry.name
    return (
        status,
        entry.admitted,
        ended.removed,
        entry.expires,
        entry.since,
        ended.until,
        fingerprint(entry.public_key),
        entry.public_key.hex(),
        [key.hex() for key in membership.keys_of(name)],
    )
