"""A cohort as a question: read from what was given, as the log may hold it, answered, and shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import polars as pl

from precisionchain.access import postings
from precisionchain.access.evaluated import Evaluated, evaluated_frame
from precisionchain.access.postings import ALLELE_SCHEMA
from precisionchain.errors import PrecisionChainError, UsageError
from precisionchain.query.cohort import Cohort
from precisionchain.query.criteria import (
    Age,
    Assayed,
    AtLeast,
    Born,
    Carries,
    CarriesIn,
    CarriesStructural,
    CohortDefinition,
    Criterion,
    Demographic,
    Events,
    Everyone,
    Genotype,
    Observed,
    Saved,
    Sequenced,
    WithinDays,
)
from precisionchain.query.criterion_scope import CriterionScope
from precisionchain.query.evaluate import Evaluation, inside_out
from precisionchain.query.index_dates import index_dates
from precisionchain.query.resolved_criteria import resolved
from precisionchain.query.saved_cohorts import SavedCohorts
from precisionchain.query.spelling import criterion as spelled
from precisionchain.query.spelling import from_json
from precisionchain.query.typed import NOT_LOGGED
from precisionchain.query.universe import persons_frame, universe_from
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.variant import Variant

Given: TypeAlias = "Criterion | Cohort | str | Mapping[str, Any]"
"""A criterion as a value, as text, as JSON or its text; or a cohort, to be kept."""

CLINICAL: Final = "clinical"
GENETIC: Final = "genetic"

_CLINICAL: Final = (
    *(Events, AtLeast, WithinDays, Observed, Demographic, Age, Born),
    CohortDefinition,
)
_GENETIC: Final = (Genotype, Carries, Assayed, CarriesIn, CarriesStructural, Sequenced)


def read(given: Given) -> Criterion:
    """Return the criterion that was given.

    Raises:
        UsageError: it is none.
    """
    if isinstance(given, Cohort):
        return given.criterion
    if isinstance(given, Criterion):
        return given
    if isinstance(given, str) and given.lstrip().startswith("{"):
        try:
            return from_json(json.loads(given))
        except (json.JSONDecodeError, RecursionError):
            raise UsageError("neither a criterion nor JSON of one") from None
    if isinstance(given, str | Mapping):
        return spelled(given)
    raise UsageError("a cohort is asked for by a criterion", hint="as condition(201826)")


def as_logged(given: Given, saved: SavedCohorts) -> tuple[str, dict[str, Any]]:
    """Return what kinds of data are asked for, and the question as every member may read it.

    The criterion stands as JSON; a saved cohort by its digest, because a name could hold a value of
    a person. What cannot be read is not logged: it may hold one, too.
    """
    try:
        criterion = read(given)
        data = data_of(criterion)
        logged = _without_names(criterion.json, saved)
    except PrecisionChainError:
        return unreadable()
    question = {"criterion": logged}
    return data, {**question, "cohort": given.digest} if isinstance(given, Cohort) else question


def unreadable() -> tuple[str, dict[str, Any]]:
    """Return what is logged of a question that cannot be read."""
    return f"{CLINICAL}+{GENETIC}", {"criterion": NOT_LOGGED}


def data_of(criterion: Criterion) -> str:
    """Return the kinds of data a criterion reads; both where it names none, or a saved cohort."""
    kinds = set()
    for part in inside_out(criterion):
        match part:
            case Everyone(what="recorded"):
                kinds.add(CLINICAL)
            case Everyone(what="genotyped"):
                kinds.add(GENETIC)
            case Saved():
                kinds |= {CLINICAL, GENETIC}
            case _ if isinstance(part, _CLINICAL):
                kinds.add(CLINICAL)
            case _ if isinstance(part, _GENETIC):
                kinds.add(GENETIC)
    return "+".join(sorted(kinds or {CLINICAL, GENETIC}))


def answer(given: Given, scope: CriterionScope) -> Evaluated[Cohort]:
    """Return the cohort of a criterion, with what it shows.

    Its criterion names the variants that ids stand for. ``saved(NAME)`` by itself, and a cohort,
    are given back as they are, without the persons who are withdrawn by now.

    Raises:
        UsageError: it is no criterion, or asks for what is not there.
        IntegrityError: a saved cohort that it names is damaged.
    """
    criterion = read(given)
    if isinstance(given, Cohort):
        cohort = given.without(scope.snapshot.catalogue.withdrawn)
        if cohort.network != scope.snapshot.catalogue.network:
            raise UsageError("the cohort is of another network")
    elif isinstance(criterion, Saved):
        cohort = scope.saved(criterion.name).without(scope.snapshot.catalogue.withdrawn)
    else:
        catalogue = scope.snapshot.catalogue
        criterion = resolved(scope.snapshot, criterion)
        evaluation = Evaluation.of(scope, criterion)
        truth = evaluation.truth(criterion)
        dates = index_dates(evaluation, criterion, truth)
        position = (catalogue.position,)
        cohort = Cohort(criterion, catalogue.network, position, scope.universe, truth, dates)
    return Evaluated(
        cohort,
        len(cohort),
        cohort.digest,
        postings.persons(cohort.members_by_site()),
        postings.persons(cohort.everyone.ids),
        _named_variants(cohort.criterion),
    )


def listed(saved: SavedCohorts, snapshot: Snapshot) -> Evaluated[pl.DataFrame]:
    """Return the list of saved cohorts, whose numbers rest on everyone in their universes."""
    frame, cohorts = saved.listed(snapshot)
    everyone = pl.concat([persons_frame({}), *(cohort.everyone.frame for cohort in cohorts)])
    return evaluated_frame(frame, contributed=universe_from(everyone).ids)


def _named_variants(criterion: Criterion) -> postings.Alleles:
    named = [
        (part.variant.chrom, part.variant.pos, part.variant.ref, part.variant.alt)
        for part in inside_out(criterion)
        if isinstance(part, Genotype | Carries | Assayed) and isinstance(part.variant, Variant)
    ]
    return postings.alleles(pl.DataFrame(named, schema=ALLELE_SCHEMA, orient="row"))


def _without_names(value: Any, saved: SavedCohorts) -> Any:
    """Return a criterion's JSON with the digests of saved cohorts in place of their names."""
    if isinstance(value, list):
        return [_without_names(one, saved) for one in value]
    if not isinstance(value, dict):
        return value
    if "saved" in value:
        return {"saved": [saved.digest_of(name) for name in value["saved"]]}
    return {name: _without_names(one, saved) for name, one in value.items()}
