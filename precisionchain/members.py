"""The part of the door for work that says who is here: join, admit, remove, make users."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from precisionchain.doors import WorkDoor

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from precisionchain.ledger.records import Member, User


class MembersDoor(WorkDoor):
    """What `Site` does about members and users; who acts needs the role ``admin``."""

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

    def grant(
        self,
        site: str,
        *,
        admin: bool | None = None,
        expires: date | None = None,
        for_good: bool = False,
    ) -> Member:
        """Change a site's standing from here on, renew it, or take a removed site in again.

        Args:
            site: its name.
            admin: whether it may admit and remove others; None leaves that as it is.
            expires: the last day (UTC) it is a member; None leaves that as it is.
            for_good: no last day any more.

        Raises:
            UsageError: no such site, or the expiry has passed.
            AccessRefusedError: not an administrator, or none that lasts would be left.
        """
        from precisionchain.ledger.renewal import grant_site

        with self._opened() as opened:
            by = opened.registrar("grant")
            return grant_site(by, site, admin=admin, expires=expires, for_good=for_good)

    def grant_user(
        self,
        name: str,
        *,
        roles: Sequence[str] | None = None,
        expires: date | None = None,
        for_good: bool = False,
    ) -> User:
        """Change a user's roles or last day from here on, or take a removed user in again.

        Args:
            name: ``someone`` or ``someone@SITE`` of this site.
            roles: all the roles from now on; None leaves them as they are.
            expires: the last day (UTC) the user may ask; None leaves that as it is.
            for_good: no last day any more.

        Raises:
            UsageError: no such user or role, or the expiry has passed.
            AccessRefusedError: the acting user has not the role ``admin``.
        """
        from precisionchain.ledger.renewal import grant_user

        with self._opened() as opened:
            by, full = opened.registrar("user-grant"), opened.full_name(name)
            return grant_user(by, full, roles=roles, expires=expires, for_good=for_good)

    def rotate_key(self) -> Member:
        """Put a new key in the place of this site's; name, users and batches go on under it.

        The old key file stays in ``keys/``. Where an administrator has put in a new key for this
        site already (``rekey``), it is taken into use.

        Raises:
            SiteError: a publication is not finished: it is signed with the old key.
            AccessRefusedError: the acting user has not the role ``admin``.
        """
        from precisionchain.config import writing_job
        from precisionchain.ledger.key_change import has_new_key, new_key, use_new_key
        from precisionchain.ledger.renewal import rotate

        with self._opened() as opened, writing_job(opened.folder):
            site, path = opened.config.site, opened.folder.site_key
            known = opened.membership.site_keys(site)
            if not has_new_key(path) or (new_key(path).public_key,) != known[-1:]:
                by = opened.registrar("rotate-key")
                _refuse_unfinished(opened.folder.outbox)
                new = new_key(path)
                if new.public_key not in known:
                    rotate(by, site, new)
            use_new_key(path)
        with self._opened() as opened:
            return opened.member()

    def rotate_user_key(self, name: str) -> User:
        """Put a new key in ``keys/`` in the place of a user's; the old file stays beside it.

        Raises:
            UsageError: no user of this site has this name.
            AccessRefusedError: the acting user has not the role ``admin``.
        """
        from precisionchain.ledger.key_change import has_new_key, new_key, use_new_key
        from precisionchain.ledger.renewal import rotate

        with self._opened() as opened:
            name = opened.full_name(name)
            path = opened.folder.user_key(name)
            done = has_new_key(path) and opened.membership.name_of(new_key(path).public_key) == name
            if not done:
                by = opened.registrar("user-rotate-key")
                by.known_user(name)
                rotate(by, name, new_key(path))
            use_new_key(path)
            return next(user for user in opened.membership.users() if user.name == name)

    def key_token(self) -> str:
        """Return the line by which an administrator gives this site, once removed, a new key.

        It names the addresses that the site writes to a chain from; new ones, if it has lost them.
        """
        from precisionchain.ledger.key_change import new_key
        from precisionchain.ledger.opening import prepare_to_join
        from precisionchain.ledger.renewal import KeyToken, rotation_to

        with self._opened() as opened:
            url, root = opened.config.ledger, opened.folder.root
        prepare_to_join(url, root)
        with self._opened() as opened:
            new, own = new_key(opened.folder.site_key), opened.ledger.addresses()
            site = opened.config.site
            return str(KeyToken(rotation_to(opened.membership, site, new, addresses=own)))

    def rekey(self, token: str) -> Member:
        """Give a removed site the new key of its token, and its place back.

        Args:
            token: the line that the site's ``key_token`` gave.

        Raises:
            JoinTokenError: it is none, or damaged.
            AccessRefusedError: not an administrator, the site is not removed, or the token is of
                another network or older than another change of the site.
        """
        from precisionchain.ledger.renewal import KeyToken, rekey

        with self._opened() as opened:
            return rekey(opened.registrar("rekey"), KeyToken.parse(token))

    def declare_compromised(self, public_key: str, *, since: int) -> str:
        """Declare that a key is not to be trusted from a position on; return whose it is.

        What it signed there or later no longer counts for any reader. That cannot be taken back.

        Args:
            public_key: 64 hex digits.
            since: the first position that is not trusted.

        Raises:
            UsageError: nobody has, or had, this key.
            AccessRefusedError: not for this site to say, or it would rest on what it undoes.
        """
        from precisionchain.errors import UsageError
        from precisionchain.ledger.renewal import declare

        if len(public_key) != 64 or not set(public_key) <= set("0123456789abcdef"):
            raise UsageError("that is no public key", hint="64 hex digits: `members --json`")
        with self._opened() as opened:
            return declare(opened.registrar("compromised"), bytes.fromhex(public_key), since)

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


def _refuse_unfinished(outbox: Path) -> None:
    """Refuse a new key while a frozen batch waits: its items carry the old one.

    Raises:
        SiteError: one does.
    """
    from contextlib import closing

    from precisionchain.errors import SiteError
    from precisionchain.ingest.outbox import Outbox

    if not outbox.exists():
        return
    with closing(Outbox(outbox)) as waiting:
        if waiting.frozen():
            raise SiteError(
                "a publication is not finished, and its items carry the key in use",
                where=str(outbox),
                hint="precisionchain publish finishes it",
            )
