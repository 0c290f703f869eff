"""The part of the door for work that says who is here: join, admit, remove, make users."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from precisionchain.ledger.records import Member, User
    from precisionchain.opened import OpenSite


class MembersDoor(ABC):
    """What `Site` does about members and users; who acts needs the role ``admin``."""

    @abstractmethod
    def _opened(self) -> AbstractContextManager[OpenSite]:
        """Open the site's ledger for a while."""

    def is_admitted(self) -> bool:
        """Return whether the site is, or ever was, a member of its network."""
        with self._opened() as opened:
            return opened.membership.member(opened.signer.public_key) is not None

    def join_token(self) -> str:
        """Return the line an administrator admits this site by; it holds no secret."""
        with self._opened() as opened:
            return str(opened.join_token())

    def admit(
        self,
        token: str,
        *,
        admin: bool = False,
        expires: date | None = None,
        dry_run: bool = False,
    ) -> Member:
        """Admit the site that made a join token, with its first user.

        Args:
            token: the line that the joining site's ``join_token`` gave.
            admin: whether it may admit and remove others.
            expires: the last day (UTC) it is a member.
            dry_run: check everything and write nothing.

        Raises:
            JoinTokenError: damaged, of another network, or of a site, name or key in use.
            AccessRefusedError: this site is no administrator, or the acting user has no such role.
        """
        from precisionchain.ledger.join_token import JoinToken

        with self._opened() as opened:
            registrar, made = opened.registrar("admit"), JoinToken.parse(token)
            return registrar.admit(made, admin=admin, expires=expires, dry_run=dry_run)

    def revoke(self, site: str) -> Member:
        """Remove a site and its users from here on; what it published before stays.

        Raises:
            UsageError: no member has this name.
            AccessRefusedError: not an administrator, or the last one is meant.
        """
        with self._opened() as opened:
            return opened.registrar("revoke").revoke(site)

    def add_user(
        self,
        name: str,
        roles: Sequence[str],
        *,
        public_key: str | None = None,
        expires: date | None = None,
    ) -> User:
        """Make a user of this site, with a new key in ``keys/`` or the public key given.

        Args:
            name: ``someone`` or ``someone@SITE``.
            roles: some of ``institution``, ``researcher``, ``auditor``, ``admin``.
            public_key: 128 hex digits, both public keys; the user keeps the private ones elsewhere.
            expires: the last day (UTC) the user may ask.

        Raises:
            UsageError: a name, role or key that cannot be, or that is taken.
            AccessRefusedError: the acting user has not the role ``admin``.
        """
        with self._opened() as opened:
            return opened.add_user(name, roles, public_key=public_key, expires=expires)

    def revoke_user(self, name: str) -> User:
        """Remove a user of this site from here on; the access log keeps what was asked before.

        Raises:
            UsageError: no user of this site has this name.
            AccessRefusedError: not in the role ``admin``, or the last such user is meant.
        """
        with self._opened() as opened:
            return opened.registrar("user-revoke").revoke_user(opened.full_name(name))

    def members(self) -> pl.DataFrame:
        """Return every site ever admitted; columns in ``docs/reference/frames.md``."""
        from precisionchain.access.roster import members_frame

        with self._opened() as opened:
            return members_frame(opened.membership)

    def users(self) -> pl.DataFrame:
        """Return every user ever made; columns in ``docs/reference/frames.md``."""
        from precisionchain.access.roster import users_frame

        with self._opened() as opened:
            return users_frame(opened.membership)
