"""When the members of a cohort entered it, and when they leave: the dates of its index."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.query.criteria import And, CohortDefinition, Criterion, Index
from precisionchain.query.evaluate import Evaluation
from precisionchain.query.event_rows import NO_DAY
from precisionchain.query.kleene import Truth
from precisionchain.query.observation import spans_of
from precisionchain.query.placed_rows import Rows
from precisionchain.query.universe import PERSONS

INDEX_DATES: Final = {**PERSONS, "index_date": pl.Date, "end_date": pl.Date}
"""Columns of a frame of index dates."""

_NEVER: Final = np.iinfo(np.int32).max


def index_dates(evaluation: Evaluation, criterion: Criterion, truth: Truth) -> pl.DataFrame | None:
    """Return when members were at the index of a criterion (`INDEX_DATES`), in order.

    None where the criterion has no index: where it is none, and no *and* of which one part is. A
    cohort definition is one, of the times that it gives.
    """
    index = _index_of(criterion)
    if index is None:
        return None
    if isinstance(index, CohortDefinition):
        return _of_definition(evaluation, index, truth)
    rows = evaluation.rows_of(index)
    rows = rows.take(rows.meets & truth.true[rows.person])
    end = _ends(evaluation, index, rows)
    universe = evaluation.scope.universe
    return (
        universe.frame[rows.person.astype(np.int64)]
        .with_columns(_dates("index_date", rows.day), _dates("end_date", end))
        .unique(maintain_order=True)
        .sort(*INDEX_DATES)
    )


def _of_definition(
    evaluation: Evaluation, definition: CohortDefinition, truth: Truth
) -> pl.DataFrame:
    """Return the times of members in the cohort of a definition."""
    from precisionchain.query.circe.cohorts import defined

    universe = evaluation.scope.universe
    entries = defined(evaluation.scope.snapshot, universe, definition).entries
    person = entries["person"].to_numpy()
    entries = entries.filter(pl.Series(truth.true[person]))
    return (
        universe.frame[entries["person"].to_numpy().astype(np.int64)]
        .with_columns(
            _dates("index_date", entries["start"].to_numpy()),
            _dates("end_date", entries["end"].to_numpy()),
        )
        .sort(*INDEX_DATES)
    )


def _index_of(criterion: Criterion) -> Index | CohortDefinition | None:
    parts = criterion.of if isinstance(criterion, And) else (criterion,)
    found = [part for part in parts if isinstance(part, Index | CohortDefinition)]
    return found[0] if len(found) == 1 else None


def _ends(evaluation: Evaluation, index: Index, rows: Rows) -> npt.NDArray[np.int64]:
    """Return the days on which time in the cohort ends, `NO_DAY` where that is not known."""
    spans = spans_of(evaluation.scope, rows.person, rows.day)
    if index.ends == "period":
        end = np.where(spans.any, spans.end, _NEVER).astype(np.int64)
    else:
        end = (rows.day if index.ends == "start" else rows.end).astype(np.int64) + index.offset
        end = np.where(spans.any, np.minimum(end, spans.end), end)
    if index.censor is not None:
        censors = evaluation.rows_of(index.censor)
        censors = censors.take(censors.meets & (censors.day != NO_DAY))
        end = np.minimum(end, _next_day(censors, rows))
    return np.where(end == _NEVER, NO_DAY, end)


def _next_day(others: Rows, rows: Rows) -> npt.NDArray[np.int64]:
    """Return of each row the first day on or after it of a row of others, of the same person."""
    if not len(others) or not len(rows):
        return np.full(len(rows), _NEVER, np.int64)
    span = 2**33  # so far apart that no day of one person is another's
    keys = others.person.astype(np.int64) * span + others.day
    own = rows.person.astype(np.int64) * span + rows.day
    at = np.searchsorted(keys, own)
    found = np.minimum(at, len(keys) - 1)
    is_own = (at < len(keys)) & (others.person[found] == rows.person)
    return np.where(is_own, others.day[found], _NEVER)


def _dates(name: str, days: npt.NDArray[np.integer]) -> pl.Series:
    known = pl.Series(name, days.astype(np.int32), pl.Int32)
    return known.set(known == int(NO_DAY), None).cast(pl.Date)
