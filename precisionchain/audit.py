"""The access log as one user reads it: a question like any other, and logged as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from precisionchain.access.evaluated import Evaluated, evaluated_frame
from precisionchain.config import CONFIG_NAME
from precisionchain.errors import SiteError, UsageError
from precisionchain.opened import OpenSite
from precisionchain.query import typed

if TYPE_CHECKING:
    import polars as pl

    from precisionchain.access.alerts import Rules
    from precisionchain.access.gate import Gate
    from precisionchain.access.search import AuditSearch


class Audit:
    """The access log as one user reads it; reading it is an entry of its own."""

    def __init__(
        self, opened: OpenSite, gate: Gate, progress: Callable[[str], None] | None = None
    ) -> None:
        self._opened, self._gate, self._progress = opened, gate, progress
        self._sealed = 0

    def saying(self, progress: Callable[[str], None]) -> Audit:
        """Return the same log; what takes long is told, a line a step."""
        return Audit(self._opened, self._gate, progress)

    @property
    def sealed(self) -> int:
        """How many questions of the log this site's keys could not open, at the last answer."""
        return self._sealed

    def entries(self, *, user: str | None = None, since: datetime | None = None) -> pl.DataFrame:
        """Return entries, oldest first; columns in ``docs/reference/access-log.md``.

        Args:
            user: entries of this user only.
            since: entries the ledger took at this time or later; UTC where it has no zone.
        """
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
            variant: a variant, ``CHROM:POS:REF:ALT``, or the id that files gave it.

        Raises:
            UsageError: none or several of them, not what it should be, or an id that is not of
                one variant.
        """
        from precisionchain.query.asked_variants import is_id
        from precisionchain.query.known_names import KnownNames

        named = [text for text in (subject, person, variant) if text is not None]
        if len(named) != 1:
            raise UsageError("name one person or one variant", hint="as A:42, or as 9:22098574:A:G")
        known = KnownNames(self._opened.sites(), self._opened.snapshot())
        asked = known.only({"subject": typed.as_logged(named[0], typed.subject)})

        def read(search: AuditSearch) -> pl.DataFrame:
            if not is_id(named[0]):
                return search.who_saw(named[0])
            from precisionchain.query.variant_ids import variant_meant  # reads genotypes

            snapshot = self._opened.sync_if_behind(self._progress)
            return search.who_saw(str(variant_meant(snapshot, named[0])))

        return self._read("who-saw", asked, read)

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

        first, last = typed.as_days(since, until)
        asked = {
            "period": typed.as_logged(period, required_period),
            "site": typed.as_logged(site, self._site),
            "since": None if first is None else first.isoformat(),
            "until": None if last is None else last.isoformat(),
        }

        def read(search: AuditSearch) -> pl.DataFrame:
            named = None if site is None else self._site(site)
            return search.summary(period=period, site=named, since=first, until=last)

        return self._read("audit-summary", asked, read)

    def alerts(
        self,
        *,
        since: date | str | None = None,
        until: date | str | None = None,
        questions_per_hour: int | None = None,
        share: float | None = None,
        share_days: int | None = None,
        opens: int | None = None,
        closes: int | None = None,
        off_hours: int | None = None,
        refusals: int | None = None,
        utc_offset: int | None = None,
    ) -> pl.DataFrame:
        """Return who asked so much, or so oddly, that it is worth a look: a row an alert.

        What is not given is taken from the site's settings, else the default.

        Args:
            since: periods that end after the beginning of this day.
            until: periods that begin on this day or earlier.
            questions_per_hour: questions of a user in an hour.
            share: persons of an institution returned to a user, as a part of all; 0 to 1.
            share_days: days over which they are counted.
            opens: the hour from which asking is usual.
            closes: the hour from which it is not any more.
            off_hours: questions of a user outside these hours in a day.
            refusals: refused questions of a user in a day.
            utc_offset: minutes that clocks are ahead of UTC.

        Raises:
            UsageError: no such date, threshold, hour or offset.
            SiteError: the site's settings hold one.
        """
        from precisionchain.query.universe import universe_of

        first, last = typed.as_days(since, until)
        rules = self._rules(
            {
                "questions_per_hour": questions_per_hour,
                "share": share,
                "share_days": share_days,
                "opens": opens,
                "closes": closes,
                "off_hours": off_hours,
                "refusals": refusals,
                "utc_offset": utc_offset,
            }
        )
        asked = {
            **asdict(rules),
            "since": None if first is None else first.isoformat(),
            "until": None if last is None else last.isoformat(),
        }

        def read(search: AuditSearch) -> pl.DataFrame:
            universe = universe_of(self._opened.sync_if_behind(self._progress))
            persons = {site: len(ids) for site, ids in universe.ids.items()}
            return search.alerts(rules, persons, since=first, until=last)

        return self._read("audit-alerts", asked, read)

    def _rules(self, given: Mapping[str, Any]) -> Rules:
        from precisionchain.access.alerts import Rules

        try:
            settings = Rules().but(self._opened.config.alerts)
        except UsageError as error:
            raise SiteError(error.message, where=CONFIG_NAME, hint=error.hint) from error
        return settings.but(given)

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
        self, operation: str, asked: Mapping[str, Any], read: Callable[[AuditSearch], pl.DataFrame]
    ) -> pl.DataFrame:
        from precisionchain.access.search import AuditSearch

        def answer() -> Evaluated[pl.DataFrame]:
            opened, folder = self._opened, self._opened.folder.access_index
            search = AuditSearch(
                opened.ledger,
                opened.membership,
                folder,
                opened.keyring(),
                progress=self._progress,
            )
            answer = evaluated_frame(read(search))
            self._sealed = search.sealed
            return answer

        return self._gate.ask(operation, "access-log", asked, answer)
