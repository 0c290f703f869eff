"""The door for questions: ``connect`` to a network through a site folder.

Thin: each question is parsed, put through the gate, evaluated on one generation of the replica,
and released after its result is on the ledger. No rule of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from precisionchain.access.evaluated import Evaluated, evaluated_frame
from precisionchain.audit import Audit
from precisionchain.concepts import ConceptsDoor
from precisionchain.exports import ExportsDoor
from precisionchain.genetics import GeneticsDoor
from precisionchain.opened import OpenSite
from precisionchain.quality import QualityDoor
from precisionchain.query import persons, typed
from precisionchain.reasons import ReasonsDoor
from precisionchain.records import RecordsDoor
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.person import written
from precisionchain.schemas.variant import Region, Variant

if TYPE_CHECKING:
    import polars as pl

    from precisionchain.query.cohort import Cohort
    from precisionchain.query.cohort_question import Given
    from precisionchain.query.criterion_scope import CriterionScope
    from precisionchain.query.saved_cohorts import SavedCohorts
    from precisionchain.replica.as_of import AsOf, Moment
    from precisionchain.replica.sync import SyncReport
    from precisionchain.verify import Check

T = TypeVar("T")


def connect(path: str | Path, *, user: str | None = None, as_of: Moment | None = None) -> Network:
    """Open the network a site folder belongs to, for questions of one user.

    Args:
        path: the site folder.
        user: a user of the site whose key lies in its ``keys/``; default: the site's own.
        as_of: a position of the ledger, or a time (UTC where it names no offset; a day stands for
            its end), or a text of either: every answer is what it was then, without the persons
            who are withdrawn now.

    Raises:
        NotASiteError: the folder is no site.
        LedgerError: its ledger cannot be opened.
        UsageError: ``as_of`` is no moment, or none of this ledger.
    """
    opened = OpenSite(Path(path), user)
    try:
        return Network(opened, as_of=as_of)
    except BaseException:
        opened.close()
        raise


class Network(ConceptsDoor, ExportsDoor, GeneticsDoor, QualityDoor, ReasonsDoor, RecordsDoor):
    """A network as one user sees it; a context manager.

    Every method that answers writes an entry before it reads and another before it returns.
    Frames' columns: ``docs/reference/frames.md``.
    """

    def __init__(
        self, opened: OpenSite, user: str | None = None, *, as_of: Moment | None = None
    ) -> None:
        self._opened = opened
        self._gate = opened.gate(user)
        self._user = opened.full_name(user or opened.user)
        self._moment = None if as_of is None else opened.position_as_of(as_of)

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

    @property
    def as_of(self) -> AsOf | None:
        """What answers are as of: position, time, and how many were withdrawn since and are left
        out; None where they are as of now.
        """
        if self._moment is None:
            return None
        from precisionchain.replica.as_of import AsOf

        return AsOf(*self._moment, self._snapshot().catalogue.left_out)

    def _snapshot(self) -> Snapshot:
        """Return the generation that answers."""
        if self._moment is None:
            return self._opened.sync_if_behind()
        return self._opened.snapshot_as_of(self._moment[0])

    # -------------------------------------------------------------------------------- questions

    def variant(
        self, variant: str | Variant, *, genotype: Iterable[str | int] | str | int | None = None
    ) -> pl.DataFrame:
        """Return persons by genotype of a variant (Q4); default genotypes 1 and 2.

        A variant may be named by the id that files gave it, ``rs4977574``.

        Raises:
            RegionError: the variant cannot be parsed.
            UsageError: an id that no variant has, or several, which are named.
        """
        from precisionchain.query.asked_variants import variant_or_id
        from precisionchain.query.variant_ids import variant_meant

        asked = {
            "variant": typed.as_logged(variant, variant_or_id),
            "genotype": typed.genotypes(genotype),
        }

        def answer(snapshot: Snapshot) -> Evaluated[pl.DataFrame]:
            from precisionchain.query.variants import variant_calls

            named = variant_or_id(variant) if isinstance(variant, str) else variant
            meant = variant_meant(snapshot, named)
            frame = variant_calls(snapshot, meant, frozenset(typed.genotypes(genotype)))
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
            "person": typed.as_logged(person, written),
            "region": typed.as_logged(region, Region.parse),
            "maf": None if maf is None else [typed.number(bound) for bound in maf],
        }

        def answer(snapshot: Snapshot) -> Evaluated[pl.DataFrame]:
            from precisionchain.query.person_variants import person_variants

            within = typed.region(region)
            typed.checked_range(maf)
            own_site = self._opened.config.site
            site, person_id = persons.published(snapshot, person, own_site=own_site)
            frame = person_variants(snapshot, site, person_id, within, maf)
            return evaluated_frame(frame, contributed={site: [person_id]})

        return self._ask("person-variants", "genetic", asked, answer)

    def maf(self, low: float, high: float, *, region: str | Region | None = None) -> pl.DataFrame:
        """Return the alleles whose minor allele frequency lies in a closed range (Q6).

        Raises:
            UsageError: the range is not within 0 to 0.5.
            RegionError: the region cannot be parsed.
        """
        asked = {
            "low": typed.number(low),
            "high": typed.number(high),
            "region": typed.as_logged(region, Region.parse),
        }

        def answer(snapshot: Snapshot) -> Evaluated[pl.DataFrame]:
            from precisionchain.query.frequencies import allele_frequencies

            typed.checked_range((low, high))
            within = typed.region(region)
            frame = allele_frequencies(snapshot, low, high, within)
            return evaluated_frame(frame, contributed=persons.with_genotypes(snapshot))

        return self._ask("maf", "genetic", asked, answer)

    # --------------------------------------------------------------------------------- cohorts

    def cohort(
        self, criterion: Given, *, save: str | None = None, overwrite: bool = False
    ) -> Cohort:
        """Return the persons of whom a criterion is true (``docs/reference/cohorts.md``).

        Args:
            criterion: a criterion, its text, or its JSON. ``saved(NAME)`` by itself gives the saved
                cohort as it was, as of its own position; a cohort is given back, to be saved.
            save: a name to keep it under in the site folder.
            overwrite: replace a cohort of that name.

        Raises:
            UsageError: it is no criterion, asks for what is not there, or the name is taken.
            IntegrityError: a saved cohort that it names is damaged.
        """
        from precisionchain.query import cohort_question

        kept = self._saved_cohorts
        if save is not None:
            kept.require_free(save, overwrite=overwrite)
        data, asked = cohort_question.as_logged(criterion, kept)

        def answer(snapshot: Snapshot) -> Evaluated[Cohort]:
            return cohort_question.answer(criterion, self._scope(snapshot))

        cohort = self._ask("cohort", data, asked, answer)
        if save is not None:
            kept.save(save, cohort, overwrite=overwrite)
        return cohort

    def cohorts(self) -> pl.DataFrame:
        """Return the cohorts saved in the site folder, by name."""
        from precisionchain.query import cohort_question

        return self._ask(
            "cohorts",
            "clinical+genetic",
            {},
            lambda snapshot: cohort_question.listed(self._saved_cohorts, snapshot),
        )

    def is_current(self, cohort: Cohort) -> bool:
        """Return whether the network's state is still the one at a cohort's positions.

        Asked as of an earlier position: whether that is the state which the cohort is of.
        """
        return cohort.is_as_of(self._snapshot())

    def _scope(self, snapshot: Snapshot) -> CriterionScope:
        from precisionchain.query.criterion_scope import CriterionScope
        from precisionchain.query.universe import universe_of

        site, sites = self._opened.config.site, self._opened.sites()
        universe = universe_of(snapshot)
        return CriterionScope(snapshot, universe, site, sites, self._saved_cohorts.load)

    @property
    def _saved_cohorts(self) -> SavedCohorts:
        from precisionchain.query.saved_cohorts import SavedCohorts

        return SavedCohorts(self._opened.folder.cohorts, self._opened.network.hex())

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
        from precisionchain.query.known_names import KnownNames
        from precisionchain.replica.reading import reading

        def evaluated() -> Evaluated[T]:
            with reading(snapshot):
                return answer(snapshot)

        snapshot = self._snapshot()
        return self._gate.ask(
            operation,
            data,
            KnownNames(self._opened.sites(), snapshot).only(asked),
            evaluated,
            position=snapshot.catalogue.position,
        )
