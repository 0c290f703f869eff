"""Groups of criteria asked of events: which events have enough rows where each criterion says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.query.circe.members import AGE, CHOSEN, CONCEPTS, DATES, GENDER, WHOLE
from precisionchain.query.circe.rows import Records, days_of, in_range, years_of
from precisionchain.query.circe.values import Json
from precisionchain.query.event_rows import NO_DAY
from precisionchain.query.person_rows import observation_periods

Bools = npt.NDArray[np.bool_]
Int64s = npt.NDArray[np.int64]

_PAIRS: Final = 4_000_000  # of an event and a row, looked at together
_DOMAIN: Final = "DOMAIN_CONCEPT"
_DAYS: Final = {"start": pl.Int32, "end": pl.Int32, "op_start": pl.Int32, "op_end": pl.Int32}

EVENTS: Final = {"key": pl.Int64, "person": pl.Int32, **_DAYS, "visit": pl.Int64}
"""An event in an observation period: ``key`` tells events apart. One in several periods has a row
for each, of one key."""


@dataclass(frozen=True, slots=True)
class Groups:
    """What asks groups of events.

    Attributes:
        records: where rows are found.
    """

    records: Records

    def rows(self, criterion: Json, column: str | None = None) -> pl.DataFrame:
        """Return the rows of a criterion that meet its correlated criteria as well.

        Args:
            criterion: one of a definition.
            column: by what they are counted (``what``).
        """
        rows = self.records.rows(criterion, column)
        ((_, asked),) = criterion.items()
        if "CorrelatedCriteria" not in asked:
            return rows
        # Rows of one person and key are one event, as they are to Circe.
        rows = rows.with_columns(
            pl.struct("person", "id").rank("dense").cast(pl.Int64).alias("key")
        )
        rows = rows.with_columns(pl.col("key").fill_null(0) - 1)
        events = self.observed(rows).select(*EVENTS)
        met = self.met(events, asked["CorrelatedCriteria"], _size(rows))
        return rows.filter(pl.Series(met[rows["key"].to_numpy()])).drop("key")

    def observed(self, rows: pl.DataFrame, before: int = 0, after: int = 0) -> pl.DataFrame:
        """Return rows with each observation period that holds all these days around their start."""
        found = observation_periods(self.records.snapshot, self.records.universe)
        periods = pl.DataFrame(
            {"person": found.person, "op_start": found.start, "op_end": found.end},
            schema={"person": pl.Int32, "op_start": pl.Int32, "op_end": pl.Int32},
        )
        dated = pl.all_horizontal(pl.col("op_start", "op_end") != int(NO_DAY))
        start = pl.col("start").cast(pl.Int64)
        return rows.join(periods.filter(dated), on="person").filter(
            (pl.col("op_start") <= start)
            & (start <= pl.col("op_end"))
            & (pl.col("op_start") + before <= start)
            & (start + after <= pl.col("op_end"))
        )

    def met(self, events: pl.DataFrame, group: Json, size: int) -> Bools:
        """Return which events meet a group.

        Args:
            events: `EVENTS`.
            group: a group; an empty one is met by each event.
            size: how many keys there are; events have one each below it.
        """
        some = np.zeros(size, np.bool_)
        some[events["key"].to_numpy()] = True
        parts: list[Bools] = [
            self._counted(events, one, size) for one in group.get("CriteriaList", ())
        ]
        parts += [
            self._of_person(events, one, size) for one in group.get("DemographicCriteriaList", ())
        ]
        parts += [self.met(events, one, size) for one in group.get("Groups", ())]
        if not parts:
            return some
        count = np.sum(parts, axis=0)
        limit = group.get("Count", 0)
        enough: Bools = {
            "ALL": count == len(parts),
            "ANY": count > 0,
            "AT_LEAST": count >= limit,
            "AT_MOST": count <= limit,
        }[group["Type"]]
        return some & enough

    # ------------------------------------------------------------------------------------- parts

    def _counted(self, events: pl.DataFrame, asked: Json, size: int) -> Bools:
        """Return which events have as many rows of a criterion where it says."""
        occurrence = asked["Occurrence"]
        distinct = occurrence.get("IsDistinct", False)
        column = occurrence.get("CountColumn", _DOMAIN) if distinct else None
        rows = self.rows(asked["Criteria"], column)
        where = _placed(asked)
        count: Int64s = np.zeros(size, np.int64)
        for some_events, some_rows in _blocks(events, rows):
            pairs = some_events.join(some_rows, on="person", suffix="_row").filter(where)
            counted = pl.col("what").drop_nulls().n_unique() if distinct else pl.len()
            found = pairs.group_by("key").agg(counted.cast(pl.Int64).alias("n"))
            # An event is in one block: blocks are of persons.
            count[found["key"].to_numpy()] = found["n"].to_numpy()
        wanted = occurrence["Count"]
        met: Bools = (count == wanted, count <= wanted, count >= wanted)[occurrence["Type"]]
        return met

    def _of_person(self, events: pl.DataFrame, asked: Json, size: int) -> Bools:
        """Return which events are of such a person, or of such a day."""
        person, records = events["person"], self.records
        rows = events.with_columns(
            records.said_of("sex", person).alias(GENDER),
            records.said_of("race", person).alias("race"),
            records.said_of("ethnicity", person).alias("ethnicity"),
            (years_of(pl.col("start")) - records.said_of("year", person)).alias(AGE),
        )
        # Circe joins the person rows: an event of a person without one meets nothing.
        rows = rows.filter(pl.any_horizontal(pl.col(GENDER, AGE).is_not_null()))
        for name, said in asked.items():
            of, kind = _DEMOGRAPHIC[name]
            value = pl.col(of)
            if kind == CONCEPTS:
                holds = value.is_in([one["CONCEPT_ID"] for one in said])
            elif kind == CHOSEN:
                holds = records.chosen(value, said)
            else:
                holds = in_range(value, said, days_of if kind == DATES else float)
            rows = rows.filter(holds)
        found = np.zeros(size, np.bool_)
        found[rows["key"].to_numpy()] = True
        return found


_DEMOGRAPHIC: Final = {
    "Age": (AGE, WHOLE),
    "Gender": (GENDER, CONCEPTS),
    "GenderCS": (GENDER, CHOSEN),
    "Race": ("race", CONCEPTS),
    "Ethnicity": ("ethnicity", CONCEPTS),
    "OccurrenceStartDate": ("start", DATES),
    "OccurrenceEndDate": ("end", DATES),
}


def _size(rows: pl.DataFrame) -> int:
    highest = rows["key"].max()
    return int(highest) + 1 if isinstance(highest, int) else 0


def _blocks(
    events: pl.DataFrame, rows: pl.DataFrame
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Yield events and the rows of the same persons, so many that their pairs fit in memory."""
    counts = (
        events.group_by("person")
        .len("events")
        .join(rows.group_by("person").len("rows"), on="person")
        .sort("person")
    )
    pairs = counts["events"].cast(pl.Int64) * counts["rows"].cast(pl.Int64)
    blocks = counts.select("person", (pairs.cum_sum() // _PAIRS).alias("block"))
    for (_,), block in blocks.group_by("block", maintain_order=True):
        persons = block.select("person")
        yield (
            events.join(persons, on="person", how="semi"),
            rows.join(persons, on="person", how="semi"),
        )


def _placed(asked: Json) -> pl.Expr:
    """Return where a row lies to an event, as a condition on pairs (``_row`` is the row's)."""
    ignores = asked.get("IgnoreObservationPeriod", False)
    holds = []
    if not ignores:
        day = pl.col("start_row")
        holds.append((day >= pl.col("op_start")) & (day <= pl.col("op_end")))
    # Circe's defaults differ: without a word the end window is of the row's end.
    for name, of_end in (("StartWindow", False), ("EndWindow", True)):
        if name in asked:
            holds += _in_window(asked[name], of_end=of_end, ignores=ignores)
    if asked.get("RestrictVisit"):
        holds.append(pl.col("visit_row") == pl.col("visit"))
    return pl.all_horizontal(holds) if holds else pl.lit(True)


def _in_window(window: Json, *, of_end: bool, ignores: bool) -> Iterator[pl.Expr]:
    index = pl.col("end" if window.get("UseIndexEnd", False) else "start")
    row = pl.col("end_row" if window.get("UseEventEnd", of_end) else "start_row")
    for name in ("Start", "End"):
        point = window[name]
        if "Days" in point:
            bound = index + point["Coeff"] * point["Days"]
        elif ignores:
            continue
        else:
            bound = pl.col("op_start" if point["Coeff"] == -1 else "op_end")
        yield row >= bound if name == "Start" else row <= bound
