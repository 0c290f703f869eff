"""How much of a source one export may undo, unless somebody says that it is meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

from precisionchain.errors import SealRefusedError, UsageError

if TYPE_CHECKING:
    from precisionchain.ingest.quality_policy import QualityPolicy

Mode = Literal["full", "delta"]
"""Whether an export is the whole of its source, or rows to add to it or replace by key."""

MAX_VANISHING: Final = 0.05
"""Share of a source's persons, or of a table's rows, that may vanish between two exports."""
MAX_CHURN: Final = 0.5
"""Share of a table's keys whose rows may be others than before."""


@dataclass(frozen=True, slots=True)
class Refresh:
    """How an export follows the one before.

    Attributes:
        mode: whether it is the whole of its source.
        allow_shrinking: accept that many persons, or rows of a table, vanish.
        allow_churn: accept that most keys of a table have other rows.
        allow_empty: accept that tables are empty now.
        quality: what is accepted of data quality; None for the rules' own thresholds.
    """

    mode: Mode = "full"
    allow_shrinking: bool = False
    allow_churn: bool = False
    allow_empty: bool = False
    quality: QualityPolicy | None = None

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise UsageError(f"{self.mode!r} is no mode", hint="full, or delta")


WHOLE: Final = Refresh()


@dataclass(frozen=True, slots=True)
class TableChange:
    """What an export changes in one table; numbers are rows.

    Attributes:
        old: in the state before, not counting withdrawn persons'.
        changed: of one key with other contents; rows without a key are gone and new instead.
        unchanged: of the export that the state has.
        withheld: of withdrawn persons, left out.
        keyed: whether rows were told by their key.
        empty: whether the file is there without a record.
        renumbered: whether rows stand under other keys than before, and were told by content.
    """

    old: int = 0
    new: int = 0
    changed: int = 0
    gone: int = 0
    unchanged: int = 0
    withheld: int = 0
    keyed: bool = True
    empty: bool = False
    renumbered: bool = False

    def counts(self) -> dict[str, int]:
        """Return the counts that a manifest states."""
        return {name: getattr(self, name) for name in COUNTED}

    @property
    def vanished(self) -> int:
        """Rows that nothing came for; without keys a corrected row is gone and new."""
        return self.gone if self.keyed else max(0, self.gone - self.new)

    @property
    def churned(self) -> int:
        """Rows in whose place there are others."""
        return self.changed + min(self.gone, self.new)


COUNTED: Final = ("new", "changed", "gone", "unchanged", "withheld")


def refuse_excess(
    source: str,
    refresh: Refresh,
    changes: Mapping[str, TableChange],
    persons: tuple[int, int],
) -> None:
    """Refuse an export that undoes more than it may: more likely a wrong folder than a change.

    Args:
        source: its name.
        refresh: what is accepted.
        changes: by table.
        persons: how many of the source's persons vanish, of how many.

    Raises:
        SealRefusedError: naming what, how much of it, and the option that accepts it.
    """
    where, delta = f"source {source}", refresh.mode == "delta"
    empty = [name for name, one in changes.items() if one.empty and one.old]
    if empty and not refresh.allow_empty and not delta:
        raise SealRefusedError(
            f"no record in {', '.join(empty)}, which had rows before",
            where=where,
            hint="leave the file out to keep its rows, or accept it with --allow-empty",
        )
    vanished, before = persons
    if vanished > MAX_VANISHING * before and not refresh.allow_shrinking:
        raise SealRefusedError(
            f"{vanished} of {before} persons of this source are not in the new export",
            where=where,
            hint="name another source with --source, or accept it with --allow-shrinking",
        )
    for name, one in changes.items():
        if one.churned > MAX_CHURN * one.old and not refresh.allow_churn:
            raise SealRefusedError(
                f"{one.churned} of {one.old} rows of {name} ({one.churned / one.old:.0%}) stand"
                " under their keys with other contents, or were exchanged for others",
                where=where,
                hint="name another system's export with --source, or accept it with --allow-churn",
            )
        if one.vanished > MAX_VANISHING * one.old and not (refresh.allow_shrinking or one.empty):
            raise SealRefusedError(
                f"{one.vanished} of {one.old} rows of {name} ({one.vanished / one.old:.0%}) are"
                " not in the new export",
                where=where,
                hint="leave a partial file out, use --mode delta, or accept it with"
                " --allow-shrinking",
            )
