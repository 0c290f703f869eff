"""What searches of a generated log must say, counted plainly from what was generated.

Reads no ledger and no index: dictionaries, sets and loops over `GeneratedLog.truth`.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from tests.lib.generated_log import OPEN, REFUSED, SITES, Asked, GeneratedLog

_RECORDS = ("clinical", "genetic")


@dataclass(frozen=True)
class LogOracle:
    """Answers from the truth of a log, as it is now."""

    log: GeneratedLog

    # ---------------------------------------------------------------------------- single questions

    def holds(self, asked: Asked, site: str, place: int) -> str | None:
        """How a question's answer shows a person."""
        if not asked.answered:
            return None
        if _among(place, asked.returned.get(site, ())):
            return "returned"
        if site in asked.rest or _among(place, asked.contributed.get(site, ())):
            return "contributed"
        return None

    def who_saw_person(self, site: str, place: int) -> dict[int, tuple[str, str | None]]:
        """Status and how, by the number of the question."""
        found: dict[int, tuple[str, str | None]] = {}
        for asked in self.log.truth:
            how = self.holds(asked, site, place)
            own_staging = asked.data == "staging" and asked.site == site
            could = own_staging or any(kind in asked.data for kind in _RECORDS)
            if how is not None or (asked.state == OPEN and could):
                found[asked.number] = (asked.state, how)
        return found

    def who_saw_variant(self, at: int) -> dict[int, tuple[str, str | None]]:
        """Status and how, by the number of the question."""
        found: dict[int, tuple[str, str | None]] = {}
        for asked in self.log.truth:
            could = asked.data == "staging" or "genetic" in asked.data
            if asked.answered and at in asked.variants:
                found[asked.number] = (asked.state, "returned")
            elif asked.state == OPEN and could:
                found[asked.number] = (asked.state, None)
        return found

    def seen_by(self, user: str) -> dict[int, tuple[str, Any, Any, Any]]:
        """Status, persons returned, persons contributed and variants, as written, in order."""
        found: dict[int, tuple[str, Any, Any, Any]] = {}
        for asked in self.log.truth:
            if asked.user != user or not (asked.answered or asked.state == OPEN):
                continue
            shown: tuple[Any, Any, Any] = (None, None, None)
            if asked.answered:
                returned = {site: list(places) for site, places in asked.returned.items()}
                contributed = {site: list(places) for site, places in asked.contributed.items()}
                for site in asked.rest:
                    everybody = range(self.log.ids[site].size)
                    contributed[site] = sorted(set(everybody) - set(returned.get(site, ())))
                variants = [":".join(map(str, self.log.alleles[at])) for at in asked.variants]
                shown = (self._written(returned), self._written(contributed), variants)
            found[asked.number] = (asked.state, *shown)
        return found

    def _written(self, some: dict[str, list[int]]) -> list[str]:
        return [f"{site}:{self.log.ids[site][at]}" for site in sorted(some) for at in some[site]]

    def entries(self) -> list[tuple[Any, ...]]:
        """Position, time, user, kind, operation, number, status, rows and numbers shown."""
        rows: list[tuple[Any, ...]] = []
        for asked in self.log.truth:
            same = (asked.operation, asked.number, asked.state)
            nothing: tuple[int | None, ...] = (None,) * 4
            rows.append((asked.entry, asked.time, asked.user, "request", *same, *nothing))
            if asked.ended is None:
                continue
            kind, shown = asked.status, nothing
            if asked.answered:
                kind = "result"
                returned = sum(map(len, asked.returned.values()))
                contributed = sum(map(len, asked.contributed.values()))
                for site in asked.rest:
                    size = self.log.ids[site].size
                    contributed += size - len(asked.returned.get(site, ()))
                shown = (asked.rows, returned, contributed, len(asked.variants))
            rows.append((asked.ended, asked.ended_time, asked.user, kind, *same, *shown))
        return sorted(rows)

    # --------------------------------------------------------------------------------- the summary

    def summary(self, period: str) -> Iterator[tuple[Any, ...]]:
        """The rows of a summary, in any order."""
        groups: dict[tuple[Any, ...], list[Asked]] = defaultdict(list)
        for asked in self.log.truth:
            day = _first_day(asked.last_time.date(), period)
            groups[day, asked.operation, asked.site, asked.state].append(asked)
        for (day, operation, user_site, status), some in groups.items():
            users = {asked.user for asked in some}
            counts: tuple[Any, ...] = (None,) * 4
            returned: dict[str, set[int]] = {}
            contributed: dict[str, set[int]] = {}
            if some[0].answered:
                returned, contributed = self._distinct(some)
                counts = (
                    sum(asked.rows or 0 for asked in some),
                    sum(map(len, returned.values())),
                    sum(map(len, contributed.values())),
                    len({at for asked in some for at in asked.variants}),
                )
            place = (operation, user_site, status)
            yield (user_site, day, "own use", *place, len(some), len(users), *counts)
            for site in SITES:
                used = [asked for asked in some if site != user_site and self._used(asked, site)]
                if not used:
                    continue
                seen: tuple[Any, ...] = (None,) * 4
                if some[0].answered:
                    of_site = (len(returned.get(site, ())), len(contributed.get(site, ())))
                    seen = (None, *of_site, None)
                users = {asked.user for asked in used}
                yield (site, day, "use by others", *place, len(used), len(users), *seen)

    def _used(self, asked: Asked, site: str) -> bool:
        if asked.state == OPEN:
            return any(kind in asked.data for kind in _RECORDS)
        everybody_returned = len(asked.returned.get(site, ())) == self.log.ids[site].size
        rest = site in asked.rest and not everybody_returned
        shown = site in asked.returned or site in asked.contributed or rest
        return asked.answered and shown

    def _distinct(self, some: Sequence[Asked]) -> tuple[dict[str, set[int]], dict[str, set[int]]]:
        returned: dict[str, set[int]] = defaultdict(set)
        contributed: dict[str, set[int]] = defaultdict(set)
        for asked in some:
            for site, places in asked.returned.items():
                returned[site].update(places)
            for site, places in asked.contributed.items():
                contributed[site].update(places)
            for site in asked.rest:
                left = set(range(self.log.ids[site].size))
                left.difference_update(asked.returned.get(site, ()))
                contributed[site] |= left
        return returned, contributed

    # ------------------------------------------------------------------------------------- alerts

    def alerts(self, rules: Any, persons: dict[str, int]) -> Iterator[tuple[Any, ...]]:
        """The rows of alerts, in any order; ``rules`` are `access.alerts.Rules`."""
        offset = timedelta(minutes=rules.utc_offset)
        hours: dict[tuple[str, datetime], int] = defaultdict(int)
        off: dict[tuple[str, datetime], int] = defaultdict(int)
        refused: dict[tuple[str, datetime], int] = defaultdict(int)
        windows: dict[tuple[str, datetime], list[Asked]] = defaultdict(list)
        for asked in self.log.truth:
            local = asked.time.replace(tzinfo=None) + offset
            midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
            hours[asked.user, local.replace(minute=0, second=0, microsecond=0)] += 1
            if not _usual(local.hour, rules.opens, rules.closes):
                off[asked.user, midnight] += 1
            if asked.state == REFUSED:
                refused[asked.user, midnight] += 1
            if asked.answered:
                days = midnight.toordinal() - date(1970, 1, 1).toordinal()
                begun = midnight - timedelta(days=days % rules.share_days)
                windows[asked.user, begun].append(asked)
        day, hour = timedelta(days=1), timedelta(hours=1)
        for name, counted, length, threshold in (
            ("rate", hours, hour, rules.questions_per_hour),
            ("off-hours", off, day, rules.off_hours),
            ("refusals", refused, day, rules.refusals),
        ):
            for (user, start), n in counted.items():
                if n >= threshold:
                    site = user.partition("@")[2]
                    when = (start - offset, start + length - offset)
                    yield (name, user, site, *when, float(n), float(threshold), n)
        for (user, start), some in windows.items():
            returned, _ = self._distinct(some)
            when = (start - offset, start + rules.share_days * day - offset)
            for site, places in returned.items():
                value = len(places) / persons[site]
                n = sum(site in asked.returned for asked in some)
                if value >= rules.share:
                    yield ("share", user, site, *when, value, rules.share, n)


def _usual(hour: int, opens: int, closes: int) -> bool:
    """Walk the clock from the opening hour until it closes."""
    if opens == closes:
        return True
    at = opens
    while at != closes:
        if at == hour:
            return True
        at = (at + 1) % 24
    return False


def _among(place: int, places: Sequence[int]) -> bool:
    at = bisect_left(places, place)
    return at < len(places) and places[at] == place


def _first_day(day: date, period: str) -> date:
    year, week, _ = day.isocalendar()
    return {
        "day": day,
        "week": date.fromisocalendar(year, week, 1),
        "month": date(day.year, day.month, 1),
        "year": date(day.year, 1, 1),
    }[period]


def number_of(question: str) -> int:
    """Return the number of a question from its JSON text."""
    return int(json.loads(question)["number"])
