"""The cohort of a definition: its events, the rules they meet, and when persons are in it.

The steps are those of Circe's SQL, in its order; ``docs/reference/circe.md`` is what they are
written from.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from precisionchain.query.circe.groups import EVENTS, Groups
from precisionchain.query.circe.rows import ROWS, days_of, records_of
from precisionchain.query.circe.values import Json
from precisionchain.query.criteria import CohortDefinition
from precisionchain.query.kleene import Truth
from precisionchain.query.universe import Universe
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.kept import Kept

ENTRIES: Final = {"person": pl.Int32, "start": pl.Int32, "end": pl.Int32}
"""A time in a cohort: place in the universe, first and last day."""

_EXPOSURES: Final = "DrugExposure"


@dataclass(frozen=True, slots=True, eq=False)
class Defined:
    """What a definition gives.

    Attributes:
        entries: `ENTRIES`, in order.
        truth: who is in the cohort at some time; of nobody is it unknown.
    """

    entries: pl.DataFrame
    truth: Truth


_KEPT_BYTES: Final = 32 * 2**20
_defined: Final = Kept[Defined](
    _KEPT_BYTES, lambda found: 12 * found.entries.height + 2 * len(found.truth.true)
)


def defined(snapshot: Snapshot, universe: Universe, criterion: CohortDefinition) -> Defined:
    """Return the cohort of a definition, kept once made."""
    key = (universe.key, criterion.definition)
    return _defined.get(key, lambda: _made(snapshot, universe, json.loads(criterion.definition)))


def _made(snapshot: Snapshot, universe: Universe, definition: Json) -> Defined:
    groups = Groups(records_of(snapshot, universe, definition))
    events = _included(groups, definition, _qualified(groups, definition))
    ended = _ended(groups, definition, events)
    entries = _collapsed(ended, definition.get("CollapseSettings", {}).get("EraPad", 0))
    entries = _censored(entries, definition.get("CensorWindow", {}))
    members = np.zeros(len(universe), np.bool_)
    members[entries["person"].to_numpy()] = True
    return Defined(entries, Truth.known(members))


# ---------------------------------------------------------------------------------------- events


def _qualified(groups: Groups, definition: Json) -> pl.DataFrame:
    """Return the events that start a definition, of which its own criteria are true."""
    primary = definition["PrimaryCriteria"]
    around = primary["ObservationWindow"]
    none = pl.DataFrame(schema=dict(ROWS))
    found = [groups.rows(one).select(*ROWS) for one in primary["CriteriaList"]]
    rows = groups.observed(
        pl.concat([none, *found]), around.get("PriorDays", 0), around.get("PostDays", 0)
    )
    limit = primary.get("PrimaryCriteriaLimit", {}).get("Type", "First")
    # Circe orders by day and key; what else may tell events apart makes the choice the same always.
    by = ("start", "id", "end", "visit", "op_start")
    downward = [False, limit == "Last", *(False for _ in by[1:])]
    rows = rows.sort("person", *by, descending=downward, nulls_last=True)
    if limit != "All":
        rows = rows.unique("person", keep="first", maintain_order=True)
    events = rows.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias("key")).select(*EVENTS)
    if "AdditionalCriteria" not in definition:
        return events
    met = groups.met(events, definition["AdditionalCriteria"], events.height)
    return _limited(events.filter(pl.Series(met)), definition.get("QualifiedLimit", {}))


def _included(groups: Groups, definition: Json, events: pl.DataFrame) -> pl.DataFrame:
    """Return the events that meet every inclusion rule, as many as are kept of each person."""
    events = events.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias("key"))
    kept = np.ones(events.height, np.bool_)
    for rule in definition.get("InclusionRules", ()):
        kept &= groups.met(events, rule["expression"], events.height)
    return _limited(events.filter(pl.Series(kept)), definition.get("ExpressionLimit", {}))


def _limited(events: pl.DataFrame, limit: Json) -> pl.DataFrame:
    """Return of each person's events the first, the last or all; of one day the first in order."""
    which = limit.get("Type", "First")
    if which == "All":
        return events
    ordered = events.sort("person", "start", "key", descending=[False, which == "Last", False])
    return ordered.unique("person", keep="first", maintain_order=True)


# ------------------------------------------------------------------------------------------ ends


def _ended(groups: Groups, definition: Json, events: pl.DataFrame) -> pl.DataFrame:
    """Return the time that begins with each event: to the earliest of its ends that is not before.

    An event of which no end is on or after its start is left out.
    """
    strategy = definition.get("EndStrategy", {})
    ends = [pl.col("op_end")]
    if "DateOffset" in strategy:
        said = strategy["DateOffset"]
        of = pl.col("start" if said["DateField"] == "StartDate" else "end") + said["Offset"]
        ends = [pl.when(of > pl.col("op_end")).then(pl.col("op_end")).otherwise(of)]
    events = events.with_columns(ends[0].cast(pl.Int32).alias("end_0"))
    found = ["end_0"]
    if "CustomEra" in strategy:
        events = _with_era_ends(groups, events, strategy["CustomEra"], "end_1")
        found.append("end_1")
    for number, criterion in enumerate(definition.get("CensoringCriteria", ()), 2):
        events = _with_next(events, groups.rows(criterion), f"end_{number}")
        found.append(f"end_{number}")
    start = pl.col("start")
    earliest = pl.min_horizontal(
        pl.when(pl.col(name) >= start).then(pl.col(name)) for name in found
    )
    return events.select("person", "start", earliest.alias("end")).drop_nulls("end")


def _with_next(events: pl.DataFrame, rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return events with the first start of a row from theirs to the end of their period."""
    starts = rows.select("person", pl.col("start").alias(name)).sort(name)
    joined = events.sort("start").join_asof(
        starts,
        left_on="start",
        right_on=name,
        by="person",
        strategy="forward",
        check_sortedness=False,
        coalesce=False,
    )
    inside = pl.col(name) <= pl.col("op_end")
    return joined.with_columns(pl.when(inside).then(pl.col(name)).alias(name))


def _with_era_ends(groups: Groups, events: pl.DataFrame, said: Json, name: str) -> pl.DataFrame:
    """Return events with the end of the era of exposures that holds their start."""
    number, gap = said["DrugCodesetId"], said.get("GapDays", 0)
    column = "DrugSourceConcept"
    found = [groups.records.rows({_EXPOSURES: {of: number}}) for of in ("CodesetId", column)]
    rows = pl.concat(one.select("person", "start", "end") for one in found)
    if "DaysSupplyOverride" in said:
        rows = rows.with_columns((pl.col("start") + said["DaysSupplyOverride"]).alias("end"))
    moved = (pl.col("end") + said.get("Offset", 0)).cast(pl.Int32).alias("end")
    eras = _collapsed(rows.with_columns(moved), gap).rename({"start": "since", "end": name})
    held = (
        events.select("key", "person", "start")
        .join(eras, on="person")
        .filter((pl.col("since") <= pl.col("start")) & (pl.col("start") <= pl.col(name)))
        .group_by("key")
        .agg(pl.col(name).min())
    )
    return events.join(held, on="key", how="left", maintain_order="left")


def _collapsed(times: pl.DataFrame, pad: int) -> pl.DataFrame:
    """Return times (`ENTRIES`) of which those that meet, or have a gap of ``pad`` days, are one."""
    last = (pl.col("end") + pad).alias("last")
    ordered = times.with_columns(last).sort(
        "person", "start", "last", descending=[False, False, True]
    )
    before = pl.col("last").cum_max().shift(1).over("person")
    begins = (before.is_null() | (before < pl.col("start"))).cast(pl.Int64)
    return (
        ordered.with_columns(begins.cum_sum().alias("era"))
        .group_by("era", maintain_order=True)
        .agg(pl.col("person").first(), pl.col("start").min(), pl.col("last").max() - pad)
        .select("person", "start", pl.col("last").cast(pl.Int32).alias("end"))
    )


def _censored(entries: pl.DataFrame, window: Json) -> pl.DataFrame:
    """Return times within a calendar window."""
    if "StartDate" in window:
        first = pl.lit(days_of(window["StartDate"]), pl.Int32)
        entries = entries.with_columns(pl.max_horizontal("start", first).alias("start"))
    if "EndDate" in window:
        final = pl.lit(days_of(window["EndDate"]), pl.Int32)
        entries = entries.with_columns(pl.min_horizontal("end", final).alias("end"))
    return entries.filter(pl.col("start") <= pl.col("end")) if window else entries
