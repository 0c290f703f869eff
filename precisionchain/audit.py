"""The access log as one user reads it: a question like any other, and logged as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from precisionchain.access.evaluated import Evaluated, evaluated_frame
from precisionchain.errors import UsageError
from precisionchain.opened import OpenSite
from precisionchain.query import typed

if TYPE_CHECKING:
    import polars as pl

    from precisionchain.access.gate import Gate


class Audit:
    """The access log as one user reads it; reading it is an entry of its own."""

    def __init__(self, opened: OpenSite, gate: Gate) -> None:
        self._opened, self._gate = opened, gate

    def entries(self, *, user: str | None = None, since: datetime | None = None) -> pl.DataFrame:
        """Return entries, oldest first; columns in ``docs/reference/access-log.md``."""
        asked = {
            "user": typed.as_logged(user, self._user),
            "since": None if since is None else since.isoformat(),
        }
        return self._read(
            "audit-entries", asked, lambda search: search.entries(user=user, since=since)
        )

    def seen_by(self, user: str) -> pl.DataFrame:
        """Return what a user has seen, question by question."""
        asked = {"user": typed.as_logged(user, self._user)}
        return self._read("seen-by", asked, lambda search: search.seen_by(user))

    def who_saw(
        self,
        subject: str | None = None,
        *,
        person: str | None = None,
        variant: str | None = None,
    ) -> pl.DataFrame:
        """Return which questions returned, or rest on, a person (``A:42``) or a variant.

        Args:
            subject: either of them, as it is written.
            person: a person.
            variant: a variant, ``CHROM:POS:REF:ALT``.

        Raises:
            UsageError: none or several of them, or not what it should be.
        """
        from precisionchain.query.known_names import KnownNames

        named = [text for text in (subject, person, variant) if text is not None]
        if len(named) != 1:
            raise UsageError("name one person or one variant", hint="as A:42, or as 9:22098574:A:G")
        known = KnownNames(self._opened.sites(), self._opened.snapshot())
        asked = known.only({"subject": typed.as_logged(named[0], typed.subject)})
        return self._read("who-saw", asked, lambda search: search.who_saw(named[0]))

    def summary(
        self,
        *,
        period: str = "month",
        site: str | None = None,
        since: date | str | None = None,
        until: date | str | None = None,
    ) -> pl.DataFrame:
        """Return what each institution asked, and how often others asked about its persons.

        Args:
            period: ``day``, ``week`` (from Monday), ``month`` or ``year``, in UTC.
            site: of this institution only.
            since: earliest day, inclusive.
            until: latest day, inclusive.

        Raises:
            UsageError: no such period, institution or date.
        """
        from precisionchain.access.summary import required_period

        first, last = typed.as_date(since), typed.as_date(until)
        asked = {
            "period": typed.as_logged(period, required_period),
            "site": typed.as_logged(site, self._site),
            "since": None if first is None else first.isoformat(),
            "until": None if last is None else last.isoformat(),
        }

        def read(search: Any) -> pl.DataFrame:
            named = None if site is None else self._site(site)
            frame: pl.DataFrame = search.summary(period=period, site=named, since=first, until=last)
            return frame

        return self._read("audit-summary", asked, read)

    def _site(self, text: str) -> str:
        if text not in {member.site for member in self._opened.membership.members()}:
            raise UsageError(
                "no institution of that name", hint="`precisionchain members` lists them"
            )
        return text

    def _user(self, text: str) -> str:
        if not self._opened.membership.has_user(text):
            raise UsageError("no user of that name", hint="`precisionchain members` lists users")
        return text

    def _read(
        self, operation: str, asked: Mapping[str, Any], read: Callable[[Any], pl.DataFrame]
    ) -> pl.DataFrame:
        from precisionchain.access.search import AuditSearch

        def answer() -> Evaluated[pl.DataFrame]:
            search = AuditSearch(self._opened.ledger, self._opened.membership)
            return evaluated_frame(read(search))

        return self._gate.ask(operation, "access-log", asked, answer)
