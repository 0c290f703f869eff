"""``sequenced(...)``: conditions on columns of metadata, in one source of a person's genotypes."""

from __future__ import annotations

from difflib import get_close_matches
from functools import reduce
from operator import and_

import numpy as np
import polars as pl

from precisionchain.errors import UsageError
from precisionchain.query.criteria import ColumnBound, Sequenced
from precisionchain.query.criterion_scope import CriterionScope
from precisionchain.query.kleene import Truth
from precisionchain.query.sequencing import Sequencing, sequencing_of


def of_sequenced(scope: CriterionScope, asked: Sequenced) -> Truth:
    """Return of whom all conditions hold in one source.

    Unknown where a person has no source, and where in some source they may hold and in none do.

    Raises:
        UsageError: a column that no batch has.
    """
    known = sequencing_of(scope.snapshot)
    for one in asked.conditions:
        _require_column(known, one.column)
    of_units = reduce(and_, (_of_condition(known, one) for one in asked.conditions))
    places = scope.universe.places_of(known.units)
    size = len(scope.universe)
    true, unknown, has = (np.zeros(size, np.bool_) for _ in range(3))
    has[places] = True
    true[places[of_units.true]] = True
    unknown[places[of_units.unknown]] = True
    return Truth.of(true, unknown | ~has)


def _require_column(known: Sequencing, column: str) -> None:
    if column not in known.asked:
        near = get_close_matches(column, known.asked, n=1)
        listed = f"{near[0]} is meant?" if near else f"one of {', '.join(sorted(known.asked))}"
        hint = listed if known.asked else "no batch has sequencing metadata"
        raise UsageError("no batch has a column of that name", hint=hint)


def _of_condition(known: Sequencing, asked: ColumnBound) -> Truth:
    """Return what a condition is of each unit; unknown without a value of the kind asked for."""
    size = known.units.height
    true, valued = np.zeros(size, np.bool_), np.zeros(size, np.bool_)
    cells = known.by_column.get(asked.column)
    if cells is not None:
        number, text = pl.col("number"), pl.col("text")
        numbers = [value for value in asked.values if not isinstance(value, str)]
        texts = [value for value in asked.values if isinstance(value, str)]
        comparable = pl.lit(value=False)
        holds = pl.lit(value=False)
        if numbers:
            comparable |= number.is_not_null()
            holds |= _compared(number, asked.comparison, pl.Series(numbers, dtype=pl.Float64))
        if texts:
            comparable |= text.is_not_null()
            holds |= _compared(text, asked.comparison, pl.Series(texts, dtype=pl.String))
        rows = cells.select(
            "unit", comparable.alias("comparable"), holds.fill_null(value=False).alias("holds")
        ).filter("comparable")
        units = rows["unit"].to_numpy()
        valued[units] = True
        true[units] = rows["holds"].to_numpy()
    return Truth.of(true, ~valued)


def _compared(column: pl.Expr, comparison: str, values: pl.Series) -> pl.Expr:
    if comparison == "in":
        return column.is_in(values.implode())
    first = pl.lit(values[0], dtype=values.dtype)
    compared: pl.Expr = getattr(column, comparison)(first)
    return compared
