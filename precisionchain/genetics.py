"""The part of the door for questions about how persons were sequenced, counts by group, and
structural variants.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from precisionchain.access.evaluated import Evaluated, evaluated_frame
from precisionchain.doors import QuestionsDoor
from precisionchain.errors import UsageError
from precisionchain.query import persons, typed
from precisionchain.query.asked_variants import is_id, variant_or_id
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.column_names import folded
from precisionchain.schemas.variant import Region, Variant

if TYPE_CHECKING:
    import polars as pl

    from precisionchain.query.cohort_question import Given
    from precisionchain.query.saved_cohorts import SavedCohorts

Where = str | Region | Variant | Iterable[str | Variant]


class GeneticsDoor(QuestionsDoor):
    """What `Network` does about sequencing metadata, counts by group and structural variants."""

    @property
    @abstractmethod
    def _saved_cohorts(self) -> SavedCohorts:
        """The cohorts saved in the site folder."""

    def sequencing(self) -> pl.DataFrame:
        """Return the columns of sequencing metadata and their values, by site and source (Q9).

        Who was sequenced how is a criterion: ``net.cohort(pc.sequenced(coverage__ge=30))``.
        """

        def answer(snapshot: Snapshot) -> Evaluated[pl.DataFrame]:
            from precisionchain.query.sequencing import sequencing_values

            frame = sequencing_values(snapshot)
            return evaluated_frame(frame, contributed=persons.with_genotypes(snapshot))

        return self._ask("sequencing", "genetic", {}, answer)

    def frequencies(
        self,
        where: Where,
        *,
        by: str | None = None,
        within: Given | None = None,
    ) -> pl.DataFrame:
        """Return allele counts and frequencies by group of persons.

        Args:
            where: a region, a variant, or variants; of a variant also the id that files gave it.
            by: ``sex`` (of the sample maps), or a column of sequencing metadata; None counts all.
            within: a criterion, its text or JSON, or a cohort: whom to count.

        Raises:
            RegionError: a region or variant that cannot be parsed.
            UsageError: no batch has that column, the criterion is none, or an id is not of one
                variant.
        """
        from precisionchain.query import cohort_question

        if not isinstance(where, str | Region | Variant):
            where = list(where)
        asked: dict[str, Any] = {**_as_logged(where), "by": None if by is None else folded(by)}
        data = "genetic"
        if within is not None:
            data, question = cohort_question.as_logged(within, self._saved_cohorts)
            data = "+".join(sorted({*data.split("+"), "genetic"}))
            asked |= {"within": question}

        def answer(snapshot: Snapshot) -> Evaluated[pl.DataFrame]:
            from precisionchain.query.group_frequencies import group_frequencies

            among = None if within is None else self._members(snapshot, within)
            frame, counted = group_frequencies(snapshot, _place(snapshot, where), by, among)
            return evaluated_frame(frame, contributed=counted)

        return self._ask("frequencies", data, asked, answer)

    def structural(
        self,
        region: str | Region,
        *,
        svtype: str | Iterable[str] | None = None,
        overlap: str = "any",
        reciprocal: float | None = None,
    ) -> pl.DataFrame:
        """Return the structural variants that reach a region, with counts (F27).

        Args:
            region: the region.
            svtype: one type or several, of DEL, DUP, INV, INS, CNV, BND; default any.
            overlap: ``any``, ``within``, ``covers`` or ``start``.
            reciprocal: the least share of the region, and of the variant, that both have.

        Raises:
            RegionError: the region cannot be parsed.
            UsageError: a type, an overlap or a share that is none.
        """
        from precisionchain.query.reach import reach_of

        types = svtype if svtype is None or isinstance(svtype, str) else list(svtype)
        asked: dict[str, Any] = {"region": typed.as_logged(region, Region.parse)}
        try:
            reach = reach_of(Region("1", 1, 1), types, overlap, reciprocal)
            asked |= {
                "svtype": list(reach.svtypes),
                "overlap": reach.overlap,
                "reciprocal": reach.reciprocal,
            }
        except UsageError:
            asked |= dict.fromkeys(("svtype", "overlap", "reciprocal"), typed.NOT_LOGGED)

        def answer(snapshot: Snapshot) -> Evaluated[pl.DataFrame]:
            from precisionchain.query.structural import structural_variants

            place = Region.parse(region) if isinstance(region, str) else region
            frame = structural_variants(snapshot, reach_of(place, types, overlap, reciprocal))
            return evaluated_frame(frame, contributed=persons.with_genotypes(snapshot))

        return self._ask("structural", "genetic", asked, answer)

    def kinship_sites(self) -> pl.DataFrame:
        """Return how much of the network's list of kinship sites each batch has."""
        return self._coverage("kinship")

    def pc_sites(self) -> pl.DataFrame:
        """Return how much of the network's list of PC-loading sites each batch has."""
        return self._coverage("pc")

    def _coverage(self, name: str) -> pl.DataFrame:
        def answer(snapshot: Snapshot) -> Evaluated[pl.DataFrame]:
            from precisionchain.query.site_dosages import persons_at_sites, site_coverage

            rows = persons_at_sites(snapshot, name)
            counted = {
                str(site): of["person_id"].to_numpy() for (site,), of in rows.group_by("site")
            }
            return evaluated_frame(site_coverage(snapshot, name), contributed=counted)

        return self._ask("sites", "genetic", {"list": name}, answer)

    def _members(self, snapshot: Snapshot, given: Given) -> pl.DataFrame:
        """Return the persons of whom a criterion is true."""
        from precisionchain.query import cohort_question
        from precisionchain.query.criterion_scope import CriterionScope
        from precisionchain.query.universe import universe_of

        scope = CriterionScope(
            snapshot,
            universe_of(snapshot),
            self._opened.config.site,
            self._opened.sites(),
            self._saved_cohorts.load,
        )
        return cohort_question.answer(given, scope).value.persons


def _region_or_variants(where: Where) -> str | Region | list[str | Variant]:
    """Return a region, or variants, as they were given."""
    if isinstance(where, Region):
        return where
    if isinstance(where, str):
        is_place = where.count(":") < 2 and not is_id(where.strip())
        return where if is_place else [where]
    return [where] if isinstance(where, Variant) else list(where)


def _place(snapshot: Snapshot, where: Where) -> Region | list[Variant]:
    """Return a region, or variants.

    Raises:
        RegionError: one of them cannot be parsed.
        UsageError: there is none, or an id is not of one variant.
    """
    from precisionchain.query.variant_ids import variant_meant

    given = _region_or_variants(where)
    if not isinstance(given, list):
        return Region.parse(given) if isinstance(given, str) else given
    if not given:
        raise UsageError("no variant is named", hint="9:22098574:A:G, or a region")
    return [variant_meant(snapshot, one) for one in given]


def _as_logged(where: Where) -> dict[str, Any]:
    given = _region_or_variants(where)
    if isinstance(given, list):
        return {"variant": [typed.as_logged(one, variant_or_id) for one in given]}
    return {"region": typed.as_logged(given, Region.parse)}
