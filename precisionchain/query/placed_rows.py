"""Rows that meet a criterion, or may: whose, when, and where they lie to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt

from precisionchain.query.event_rows import NO_DAY, EventRows
from precisionchain.query.event_tables import by_name_of_table
from precisionchain.query.kleene import Bools

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]


def _none() -> Int64s:
    return np.empty(0, np.int64)


def _no_ends() -> Int32s:
    return np.empty(0, np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows that meet some conditions, or may, in the order of person and day.

    The last five are empty where they were not asked for (`is_placed`).

    Attributes:
        person: int32 places in the universe.
        day: int32 start dates in days since 1970-01-01.
        meets: bool; the others may.
        end: int32 end dates; the start where a row has none.
        visit: int64 ids of visits; `NO_VISIT` where a row is linked to none.
        row: int64, a number for each row of the network.
        concept: int64 main concepts.
        key: int64 keys in their tables; 0 where a table has none.
    """

    person: Int32s
    day: Int32s
    meets: Bools
    end: Int32s = field(default_factory=_no_ends)
    visit: Int64s = field(default_factory=_none)
    row: Int64s = field(default_factory=_none)
    concept: Int64s = field(default_factory=_none)
    key: Int64s = field(default_factory=_none)

    @classmethod
    def of(cls, rows: EventRows, possible: Bools, meets: Bools) -> Self:
        """Return those of some rows that meet or may."""
        kept: Bools | slice = slice(None) if possible.all() else possible
        person, day = rows.person[kept], rows.day[kept]
        if "row" not in rows.columns:
            return cls(person, day, meets[kept])
        end = rows.columns["end"][kept]
        placed = (rows.columns[name][kept] for name in ("visit", "row", "concept", "key"))
        return cls(person, day, meets[kept], np.where(end == NO_DAY, day, end), *placed)

    @property
    def is_placed(self) -> bool:
        """Whether ends, visits, numbers, concepts and keys are there."""
        return len(self.row) == len(self.person)

    def __len__(self) -> int:
        return len(self.person)

    def take(self, chosen: Bools | Int64s, meets: Bools | None = None) -> Rows:
        """Return some of the rows, in their order; perhaps with another say on who meets."""
        sure = self.meets[chosen] if meets is None else meets[chosen]
        return Rows(
            self.person[chosen],
            self.day[chosen],
            sure,
            self.end[chosen],
            self.visit[chosen],
            self.row[chosen],
            self.concept[chosen],
            self.key[chosen],
        )


def together(parts: Sequence[Rows]) -> Rows:
    """Return the rows of all parts, each once; it meets where it does so in one of them."""
    row, meets = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("row", "meets")
    )
    # Of a row's copies the one that meets, if one does, comes first.
    order = np.lexsort((~meets, row))
    once = order[np.append(True, row[order][1:] != row[order][:-1])] if len(row) else order
    person, day, end, visit, concept, key = (
        np.concatenate([getattr(part, name) for part in parts])[once]
        for name in ("person", "day", "end", "visit", "concept", "key")
    )
    by_day = np.lexsort((row[once], day, person))
    whole = Rows(person, day, meets[once], end, visit, row[once], concept, key)
    return whole.take(by_day)


def chosen(rows: Rows, which: str) -> Rows:
    """Return of each person's rows the first, the last, or each.

    First is the row of the earliest day; of several the one that ends last, of these the one of the
    smallest visit, then of the smallest concept, of the first table by name, and of the smallest
    key: the same wherever rows are placed. Where an earlier row only may meet, it is not known
    which is first: all that might be are returned, as rows that may. Last is likewise.
    """
    rows = rows.take(rows.day != NO_DAY)
    if which == "each" or not len(rows):
        return rows
    sign = 1 if which == "first" else -1
    day = sign * rows.day.astype(np.int64)
    new = np.append(True, rows.person[1:] != rows.person[:-1])
    person = np.cumsum(new) - 1
    foremost, sure = (np.full(int(person[-1]) + 1, np.iinfo(np.int64).max) for _ in range(2))
    np.minimum.at(foremost, person, day)
    np.minimum.at(sure, person[rows.meets], day[rows.meets])
    known = (foremost == sure)[person]
    candidate = day <= sure[person]
    at = np.flatnonzero(candidate & (rows.meets | ~known))
    settled = at[known[at]]
    order = settled[
        np.lexsort(
            (
                rows.row[settled],
                rows.key[settled],
                by_name_of_table(rows.row[settled]),
                rows.concept[settled],
                rows.visit[settled],
                -rows.end[settled].astype(np.int64),
                day[settled],
                person[settled],
            )
        )
    ]
    one = order[np.append(True, person[order][1:] != person[order][:-1])] if len(order) else order
    kept = np.sort(np.concatenate([one, at[~known[at]]]))
    return rows.take(kept, rows.meets & known)
