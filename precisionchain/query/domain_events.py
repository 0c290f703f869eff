"""Rows that meet what events ask for, as they are published: Q1 with conditions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import numpy as np
import polars as pl

from precisionchain.access.evaluated import Evaluated, evaluated_frame
from precisionchain.errors import UsageError
from precisionchain.query.clinical import answered, event_table, together
from precisionchain.query.criteria import ANY_EVENT, EVENT_TABLES, Event, Events
from precisionchain.query.criterion_scope import CriterionScope
from precisionchain.query.evaluate import Evaluation, require_no_window
from precisionchain.query.event_tables import files_of, places_in_files
from precisionchain.query.expressions import functions
from precisionchain.query.resolved_criteria import resolved
from precisionchain.query.spelling import criterion
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.omop import TABLES, Table

_HINT: Final = "as measurement(3004410, value > 7, unit=8840)"


def asked_for(asked: Any, given: Mapping[str, Any], *, descendants: bool) -> Events:
    """Return the events that somebody asks the rows of.

    Args:
        asked: events or their text; or concepts, with
        given: the table (``table``), and arguments of its function, none of them if None.
        descendants: whether descendants of the concepts count.

    Raises:
        UsageError: it is none of that, or events come with arguments beside their own.
    """
    arguments = {name: value for name, value in given.items() if value is not None}
    if not isinstance(asked, str | Events):
        table = arguments.pop("table", None)
        name = ANY_EVENT if table is None else event_table(table).name
        function = next(each for each, of in EVENT_TABLES.items() if of == name)
        if not descendants:
            arguments["descendants"] = False
        return cast("Events", functions()[function](asked, **arguments))
    if arguments or not descendants:
        raise UsageError("what events ask for stands in their own brackets", hint=_HINT)
    events = criterion(asked) if isinstance(asked, str) else asked
    if not isinstance(events, Events):
        raise UsageError("rows are asked for by a concept or by events", hint=_HINT)
    return events


def answer(scope: CriterionScope, events: Events) -> Evaluated[pl.DataFrame]:
    """Return the rows that meet what events ask for, with whom the answer rests on.

    That is everybody, where rows are chosen by what else is known of their persons.

    Raises:
        UnknownConceptError: of a concept that is asked for there is nothing.
        UsageError: values are asked for in several units; or a window outside of a where.
    """
    rows = rows_meeting(scope, events)
    is_plain = isinstance(events, Event) and events.where is None
    return evaluated_frame(rows, contributed={} if is_plain else scope.universe.ids)


def rows_meeting(scope: CriterionScope, events: Events) -> pl.DataFrame:
    """Return the published rows that meet what events ask for, not those that only may."""
    asked = cast("Events", resolved(scope.snapshot, events))
    require_no_window(asked)
    found = Evaluation(scope, placed=True).rows_of(asked)
    meets = found.row[found.meets]
    if not len(meets) and isinstance(asked, Event) and asked.table != ANY_EVENT:
        return _no_rows(scope.snapshot, TABLES[asked.table])
    return _published(scope.snapshot, meets)


def _no_rows(snapshot: Snapshot, table: Table) -> pl.DataFrame:
    """Return a table's published columns, where a row of it is published."""
    paths = [path for _, path in files_of(snapshot, table, None)[:1]]
    return together([answered(pl.scan_parquet(path).head(0), table.name) for path in paths])


def _published(snapshot: Snapshot, rows: np.ndarray[Any, np.dtype[np.int64]]) -> pl.DataFrame:
    frames = []
    for table, path, places in places_in_files(snapshot, rows):
        frame = pl.scan_parquet(path).with_row_index("_place")
        wanted = pl.Series("_place", places, dtype=pl.get_index_type())
        chosen = frame.filter(pl.col("_place").is_in(wanted.implode())).drop("_place")
        frames.append((table.name, answered(chosen, table.name)))
    frames.sort(key=lambda named: named[0])
    return together([frame for _, frame in frames])
