"""The door for questions: ``connect`` to a network through a site folder.

Thin: each question is parsed, put through the gate, evaluated on one generation of the replica,
and released after its result is on the ledger. No rule of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from precisionchain.access import postings
from precisionchain.access.digest import frame_digest, value_digest
from precisionchain.access.evaluated import Evaluated, evaluated_frame
from precisionchain.errors import (
    AmbiguousPersonError,
    PrecisionChainError,
    UnknownPersonError,
    UsageError,
)
from precisionchain.opened import OpenSite
from precisionchain.query import persons
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.variant import Region, Variant

if TYPE_CHECKING:
    import polars as pl

    from precisionchain.access.gate import Gate
    from precisionchain.replica.sync import SyncReport
    from precisionchain.verify import Check

T = TypeVar("T")


def connect(path: str | Path, *, user: str | None = None) -> Network:
    """Open the network a site folder belongs to, for questions of one user.

    Args:
        path: the site folder.
        user: a user of the site whose key lies in its ``keys/``; default: the site's own.

    Raises:
        NotASiteError: the folder is no site.
        LedgerError: its ledger cannot be opened.
    """
    return Network(OpenSite(Path(path)), user)


class Network:
    """A network as one user sees it; a context manager.

    Every method that answers writes an entry before it reads and another before it returns.
    Frames' columns: ``docs/reference/frames.md``.
    """

    def __init__(self, opened: OpenSite, user: str | None = None) -> None:
        self._opened = opened
        self._gate = opened.gate(user)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the ledger."""
        self._opened.close()

    # -------------------------------------------------------------------------------- questions

    def domain(
        self,
        concept: int,
        *,
        table: str | None = None,
        since: date | str | None = None,
        until: date | str | None = None,
        descendants: bool = True,
    ) -> pl.DataFrame:
        """Return the rows of a concept and, by default, of its descendants (Q1).

        Args:
            concept: an OMOP concept id.
            table: one CDM table or its domain; default all event tables but eras.
            since: earliest start date, inclusive.
            until: latest start date, inclusive.
            descendants: whether descendants count.

        Raises:
            UnknownConceptError: the concept is in no vocabulary slice and in no row.
        """
        from precisionchain.query.clinical import domain_rows

        first, last = _as_date(since), _as_date(until)
        asked = {
            "concept": concept,
            "table": _as_logged(table, _table),
            "since": None if first is None else first.isoformat(),
            "until": None if last is None else last.isoformat(),
            "descendants": descendants,
        }
        return self._ask(
            "domain",
            "clinical",
            asked,
            lambda snapshot: evaluated_frame(
                domain_rows(
                    snapshot,
                    concept,
                    table=table,
                    since=first,
                    until=last,
                    descendants=descendants,
                )
            ),
        )

    def person(self, person: str | int, *, table: str | None = None) -> dict[str, pl.DataFrame]:
        """Return a person's clinical record, a frame per CDM table (Q2).

        Raises:
            UnknownPersonError: no batch has published the person.
            AmbiguousPersonError: a bare id that several other sites hold.
        """
        asked = {
            "person": _as_logged(person, persons.written),
            "table": _as_logged(table, _table),
        }

        def answer(snapshot: Snapshot) -> Evaluated[dict[str, pl.DataFrame]]:
            from precisionchain.query.clinical import person_record

            site, person_id = self._person(snapshot, person)
            record = person_record(snapshot, site, person_id, table=table)
            return _evaluated_record(record, site, person_id)

        return self._ask("person", "clinical", asked, answer)

    def variant(
        self, variant: str | Variant, *, genotype: Iterable[str | int] | str | int | None = None
    ) -> pl.DataFrame:
        """Return persons by genotype of a variant (Q4); default genotypes 1 and 2.

        Raises:
            RegionError: the variant cannot be parsed.
        """
        asked = {
            "variant": _as_logged(variant, Variant.parse),
            "genotype": _genotypes(genotype),
        }

        def answer(snapshot: Snapshot) -> Evaluated[pl.DataFrame]:
            from precisionchain.query.variants import variant_calls

            meant = Variant.parse(variant) if isinstance(variant, str) else variant
            frame = variant_calls(snapshot, meant, frozenset(_genotypes(genotype)))
            return evaluated_frame(frame, variants=[meant])

        return self._ask("variant", "genetic", asked, answer)

    def person_variants(
        self,
        person: str | int,
        region: str | Region | None = None,
        *,
        maf: tuple[float, float] | None = None,
    ) -> pl.DataFrame:
        """Return a person's non-reference genotypes, in a region and frequency range (Q5).

        Raises:
            RegionError: the region cannot be parsed.
            UnknownPersonError: no batch has published the person.
        """
        asked = {
            "person": _as_logged(person, persons.written),
            "region": _as_logged(region, Region.parse),
            "maf": None if maf is None else list(maf),
        }

        def answer(snapshot: Snapshot) -> Evaluated[pl.DataFrame]:
            from precisionchain.query.person_variants import person_variants

            within = Region.parse(region) if isinstance(region, str) else region
            _checked_range(maf)
            site, person_id = self._person(snapshot, person)
            persons.require_known(snapshot, site, person_id)
            frame = person_variants(snapshot, site, person_id, within, maf)
            return evaluated_frame(frame, contributed={site: [person_id]})

        return self._ask("person-variants", "genetic", asked, answer)

    def maf(self, low: float, high: float, *, region: str | Region | None = None) -> pl.DataFrame:
        """Return the alleles whose minor allele frequency lies in a closed range (Q6).

        Raises:
            UsageError: the range is not within 0 to 0.5.
            RegionError: the region cannot be parsed.
        """
        asked = {"low": low, "high": high, "region": _as_logged(region, Region.parse)}

        def answer(snapshot: Snapshot) -> Evaluated[pl.DataFrame]:
            from precisionchain.query.frequencies import allele_frequencies

            _checked_range((low, high))
            within = Region.parse(region) if isinstance(region, str) else region
            frame = allele_frequencies(snapshot, low, high, within)
            return evaluated_frame(frame, contributed=persons.with_genotypes(snapshot))

        return self._ask("maf", "genetic", asked, answer)

    # ------------------------------------------------------------------------- audit and upkeep

    @property
    def audit(self) -> Audit:
        """The access log."""
        return Audit(self._opened, self._gate)

    def sync(self) -> SyncReport:
        """Bring the replica up to the ledger."""
        return self._opened.sync()

    def verify(self, progress: Callable[[str], None] | None = None) -> list[Check]:
        """Check ledger and replica from the bytes up; see ``precisionchain.verify``."""
        return self._opened.verify(progress)

    # ---------------------------------------------------------------------------------- the gate

    def _ask(
        self,
        operation: str,
        data: str,
        asked: Mapping[str, Any],
        answer: Callable[[Snapshot], Evaluated[T]],
    ) -> T:
        snapshot = self._opened.sync_if_behind()
        return self._gate.ask(
            operation,
            data,
            asked,
            lambda: answer(snapshot),
            position=snapshot.catalogue.position,
        )

    def _person(self, snapshot: Snapshot, person: str | int) -> tuple[str, int]:
        """Return (site, person_id); a bare id is the own site's, or the only other one's.

        Raises:
            AmbiguousPersonError: several other sites hold the id.
            UnknownPersonError: nobody does.
        """
        site, person_id = persons.parse_person(str(person))
        if site is not None:
            return site, person_id
        holding = persons.sites_of(snapshot, person_id)
        if self._opened.config.site in holding:
            return self._opened.config.site, person_id
        if len(holding) > 1:
            raise AmbiguousPersonError(
                f"sites {', '.join(holding)} hold a person of that id", hint="write SITE:person_id"
            )
        if not holding:
            raise UnknownPersonError("no site has published a person of that id")
        return holding[0], person_id


class Audit:
    """The access log as one user reads it; reading it is an entry of its own."""

    def __init__(self, opened: OpenSite, gate: Gate) -> None:
        self._opened, self._gate = opened, gate

    def entries(self, *, user: str | None = None, since: datetime | None = None) -> pl.DataFrame:
        """Return entries, oldest first; columns in ``docs/reference/access-log.md``."""
        asked = {
            "user": _as_logged(user, self._user),
            "since": None if since is None else since.isoformat(),
        }
        return self._read(
            "audit-entries", asked, lambda search: search.entries(user=user, since=since)
        )

    def seen_by(self, user: str) -> pl.DataFrame:
        """Return what a user has seen, question by question."""
        asked = {"user": _as_logged(user, self._user)}
        return self._read("seen-by", asked, lambda search: search.seen_by(user))

    def who_saw(self, subject: str) -> pl.DataFrame:
        """Return which questions returned, or rest on, a person (``A:42``) or a variant."""
        asked = {"subject": _as_logged(subject, _subject)}
        return self._read("who-saw", asked, lambda search: search.who_saw(subject))

    def _user(self, text: str) -> str:
        if self._opened.membership.user_key(text) is None:
            raise UsageError("no user of that name")
        return text

    def _read(
        self, operation: str, asked: Mapping[str, Any], read: Callable[[Any], pl.DataFrame]
    ) -> pl.DataFrame:
        from precisionchain.access.search import AuditSearch

        def answer() -> Evaluated[pl.DataFrame]:
            search = AuditSearch(self._opened.ledger, self._opened.membership)
            return evaluated_frame(read(search))

        return self._gate.ask(operation, "access-log", asked, answer)


NOT_LOGGED = "?"
"""What stands in the log for something typed that is not what it should be."""


def _as_logged(typed: object, parse: Callable[[str], object]) -> str | None:
    """Return what was typed as it is logged: in its canonical form, or not at all.

    Every member reads the log, and what somebody types by mistake may be a value of a person.
    """
    if typed is None:
        return None
    try:
        return str(parse(str(typed)))
    except PrecisionChainError:
        return NOT_LOGGED


def _table(text: str) -> str:
    """Return the CDM table a text names, by table or by domain.

    Raises:
        UsageError: there is none.
    """
    from precisionchain.query.clinical import event_table, person_table

    try:
        return event_table(text).name
    except UsageError:
        return person_table(text).name


def _subject(text: str) -> str:
    """Return a person or variant in its canonical form.

    Raises:
        UsageError: the text is neither.
    """
    return persons.written(text) if text.count(":") < 2 else str(Variant.parse(text))


def _evaluated_record(
    record: dict[str, pl.DataFrame], site: str, person_id: int
) -> Evaluated[dict[str, pl.DataFrame]]:
    """Return a record with what it shows: one person, all of its rows."""
    parts = {name: frame_digest(rows) for name, rows in record.items()}
    return Evaluated(
        record,
        sum(rows.height for rows in record.values()),
        value_digest(parts),
        postings.persons({site: [person_id]}),
    )


def _as_date(day: date | str | None) -> date | None:
    if not isinstance(day, str):
        return day
    try:
        return date.fromisoformat(day)
    except ValueError:
        raise UsageError("not a date", hint="YYYY-MM-DD") from None


def _genotypes(genotype: Iterable[str | int] | str | int | None) -> list[str]:
    if genotype is None:
        return ["1", "2"]
    asked = [genotype] if isinstance(genotype, str | int) else list(genotype)
    states = sorted({str(state) for state in asked})
    if not states or not set(states) <= persons.STATES:
        raise UsageError(
            "not a genotype", hint=f"one or more of {', '.join(sorted(persons.STATES))}"
        )
    return states


def _checked_range(maf: tuple[float, float] | None) -> None:
    if maf is not None and not 0 <= maf[0] <= maf[1] <= 0.5:
        raise UsageError("not a range of minor allele frequencies", hint="0 <= LO <= HI <= 0.5")
