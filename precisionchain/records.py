"""The part of the door for clinical records: rows of a concept, and what is on record for a person.

Questions Q1 and Q2 of the paper, and a person's events in the order of time.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING, Any, TypeAlias

from precisionchain.access.evaluated import Evaluated, evaluated_frame, evaluated_record
from precisionchain.doors import QuestionsDoor
from precisionchain.errors import PrecisionChainError
from precisionchain.query import persons, typed
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.person import written

if TYPE_CHECKING:
    import polars as pl

    from precisionchain.query.concept_sets import ConceptSet
    from precisionchain.query.criteria import Events
    from precisionchain.query.criterion_scope import CriterionScope
    from precisionchain.query.saved_cohorts import SavedCohorts

    Asked: TypeAlias = int | Iterable[int] | ConceptSet | Events | str


class RecordsDoor(QuestionsDoor):
    """What `Network` answers about clinical records."""

    @property
    @abstractmethod
    def _saved_cohorts(self) -> SavedCohorts:
        """The cohorts saved in the site folder."""

    @abstractmethod
    def _scope(self, snapshot: Snapshot) -> CriterionScope:
        """Return what criteria are evaluated against."""

    def domain(
        self,
        concept: Asked,
        *,
        table: str | None = None,
        since: date | str | None = None,
        until: date | str | None = None,
        descendants: bool = True,
        **conditions: Any,
    ) -> pl.DataFrame:
        """Return the rows of a concept and, by default, of its descendants (Q1).

        Args:
            concept: an OMOP concept id, several, or a concept set; or events, as a cohort has them,
                or their text: ``pc.measurement(3004410, value__gt=7)``.
            table: one CDM table or its domain; default all event tables but eras.
            since: earliest start date, inclusive.
            until: latest start date, inclusive.
            descendants: whether descendants count.
            conditions: what else a row meets, as an event is asked for in a cohort:
                ``value__gt=7, unit=8840, value_concept=4022057, year=2020, first=True``.

        Raises:
            UnknownConceptError: the concept is in no vocabulary slice and in no row.
            UsageError: no such table or condition, or values in several units.
        """
        if isinstance(concept, int) and not conditions:
            return self._of_concept(concept, table, since, until, descendants=descendants)
        given = {"table": table, "since": since, "until": until, **conditions}
        return self._of_events(concept, given, descendants=descendants)

    def _of_concept(
        self,
        concept: int,
        table: str | None,
        since: date | str | None,
        until: date | str | None,
        *,
        descendants: bool,
    ) -> pl.DataFrame:
        from precisionchain.query.clinical import domain_rows

        first, last = typed.as_days(since, until)
        asked = {
            "concept": typed.number(concept),
            "table": typed.as_logged(table, typed.table_name),
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

    def _of_events(
        self, concept: Asked, given: dict[str, Any], *, descendants: bool
    ) -> pl.DataFrame:
        from precisionchain.query import cohort_question, domain_events

        def read() -> Events:
            return domain_events.asked_for(concept, given, descendants=descendants)

        try:
            data, asked = cohort_question.as_logged(read(), self._saved_cohorts)
        except PrecisionChainError:
            data, asked = cohort_question.unreadable()  # told by the answer, in the log as failed
        return self._ask(
            "domain",
            data,
            asked,
            lambda snapshot: domain_events.answer(self._scope(snapshot), read()),
        )

    def person(
        self,
        person: str | int,
        *,
        table: str | None = None,
        concepts: int | Iterable[int] = (),
        descendants: bool = True,
        since: date | str | None = None,
        until: date | str | None = None,
    ) -> dict[str, pl.DataFrame]:
        """Return a person's clinical record, a frame per CDM table (Q2).

        Args:
            person: the person.
            table: one CDM table; default the whole record.
            concepts: main concepts, one or several: of tables with one, the rows of these alone,
                and no other tables; default any.
            descendants: whether descendants of these count.
            since: earliest start date, inclusive; tables without dates are not asked.
            until: latest start date, inclusive.

        Raises:
            UnknownPersonError: no batch has published the person.
            AmbiguousPersonError: a bare id that several other sites hold.
            UnknownConceptError: a concept is in no vocabulary slice and in no row.
            UsageError: no such table.
        """
        wanted = (concepts,) if isinstance(concepts, int) else tuple(concepts)
        first, last = typed.as_days(since, until)
        asked: dict[str, Any] = {
            "person": typed.as_logged(person, written),
            "table": typed.as_logged(table, typed.table_name),
        }
        if wanted:
            asked |= {"concepts": [typed.number(one) for one in wanted], "descendants": descendants}
        for name, day in (("since", first), ("until", last)):
            if day is not None:
                asked[name] = day.isoformat()

        def answer(snapshot: Snapshot) -> Evaluated[dict[str, pl.DataFrame]]:
            from precisionchain.query import clinical

            own_site = self._opened.config.site
            site, person_id = persons.named(snapshot, person, own_site=own_site)
            among = clinical.among(snapshot, wanted, descendants=descendants)
            record = clinical.person_record(snapshot, site, person_id, table=table)
            record = clinical.within(record, among, first, last)
            return evaluated_record(record, site, person_id)

        return self._ask("person", "clinical", asked, answer)

    def timeline(
        self,
        person: str | int,
        *,
        table: str | Iterable[str] = (),
        concepts: int | Iterable[int] = (),
        descendants: bool = True,
        since: date | str | None = None,
        until: date | str | None = None,
    ) -> pl.DataFrame:
        """Return a person's events of all domains in the order of time.

        Args:
            person: the person.
            table: CDM tables or their domains, one or several; default all event tables but eras.
            concepts: main concepts, one or several; default any.
            descendants: whether descendants of these count.
            since: earliest start date, inclusive.
            until: latest start date, inclusive.

        Raises:
            UnknownPersonError: no batch has published the person.
            AmbiguousPersonError: a bare id that several other sites hold.
            UnknownConceptError: a concept is in no vocabulary slice and in no row.
            UsageError: no such table.
        """
        tables = (table,) if isinstance(table, str) else tuple(table)
        wanted = (concepts,) if isinstance(concepts, int) else tuple(concepts)
        first, last = typed.as_days(since, until)
        asked = {
            "person": typed.as_logged(person, written),
            "table": [typed.as_logged(one, typed.table_name) for one in tables],
            "concepts": [typed.number(one) for one in wanted],
            "descendants": descendants,
            "since": None if first is None else first.isoformat(),
            "until": None if last is None else last.isoformat(),
        }

        def answer(snapshot: Snapshot) -> Evaluated[pl.DataFrame]:
            from precisionchain.query.timeline import Wanted, timeline

            own_site = self._opened.config.site
            site, person_id = persons.named(snapshot, person, own_site=own_site)
            wish = Wanted(tables, wanted, descendants, first, last)
            frame = timeline(snapshot, site, person_id, wish)
            return evaluated_frame(frame, contributed={site: [person_id]})

        return self._ask("timeline", "clinical", asked, answer)
