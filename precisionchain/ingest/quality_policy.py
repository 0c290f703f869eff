"""Thresholds of data quality: what has failed, what keeps a batch from sealing, what is sealed.

A site says its own in ``quality.toml`` (``quality_file.py``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from precisionchain.errors import SealRefusedError, UsageError
from precisionchain.ingest.drafts import Draft
from precisionchain.ingest.nearest_names import did_you_mean
from precisionchain.ingest.run_tables import QUALITY as FOUND
from precisionchain.schemas.quality import (
    ACCEPTED,
    ALL_BUT_FEW,
    FAILED,
    FEW,
    NOT_CHECKED,
    PASSED,
    QUALITY,
    quality_payload,
)
from precisionchain.schemas.streams import QUALITY as QUALITY_FAMILY

SUPPRESS_BELOW: Final = 11
"""Counts from 1 to 10 are not told: what health statistics commonly withhold."""

ENOUGH: Final = 100
"""What must have been checked for a share to keep a batch from sealing."""
_CERTAIN: Final = {"lines_swallowed"}
"""Rules whose share says something of few, too: that lines are lost is seen, and not estimated."""

RULE_SECONDS: Final = 600
"""A rule of a site's own is stopped when it takes longer."""

_SHOWN: Final = 3

Found = Mapping[str, Any]
"""A row of ``quality.parquet``."""


@dataclass(frozen=True, slots=True)
class QualityPolicy:
    """How results are judged, and told.

    Attributes:
        thresholds: by RULE or RULE:TABLE, where it is not the rule's own.
        block: likewise; None for never.
        suppress_below: counts from 1 to this, exclusive, are not told.
        accepted: RULE or RULE:TABLE that must not keep this batch from sealing.
        rule_seconds: that a rule of the site's own may take.
        places: file and line of what was written, for messages.
    """

    thresholds: Mapping[str, float] = field(default_factory=dict)
    block: Mapping[str, float | None] = field(default_factory=dict)
    suppress_below: int = SUPPRESS_BELOW
    accepted: tuple[str, ...] = ()
    rule_seconds: float = RULE_SECONDS
    places: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def said(self) -> dict[str, Any]:
        """What the manifest says: what differs from the defaults; empty where nothing does."""
        said = {
            "thresholds": dict(self.thresholds),
            "block": dict(self.block),
            "accepted": sorted(self.accepted),
        }
        return {name: value for name, value in said.items() if value}

    def threshold(self, row: Found) -> float:
        """Return the share above which a rule has failed for a table."""
        share: float = _of(self.thresholds, row, row["threshold"])
        return share

    def limit(self, row: Found) -> float | None:
        """Return the share above which it keeps the batch from sealing; None for no share."""
        share: float | None = _of(self.block, row, row["block"])
        return share

    def blocks(self, row: Found) -> bool:
        """Whether a result is above that share; but for 0, a share of few mostly says nothing."""
        limit = self.limit(row)
        enough = ENOUGH if limit and row["rule"] not in _CERTAIN else 1
        if limit is None or row["n_checked"] < enough:
            return False
        return _share(row) > limit

    def accepts(self, row: Found) -> bool:
        """Whether it was said that this result is accepted."""
        return bool({row["rule"], _name(row)} & {*self.accepted})

    def verdict(self, row: Found) -> str:
        """Return what a sealed batch says of a result; one that blocks unaccepted has none."""
        if not row["n_checked"]:
            return NOT_CHECKED
        if self.blocks(row):
            return ACCEPTED
        return FAILED if _share(row) > self.threshold(row) else PASSED

    def require_known(self, own: Collection[str]) -> None:
        """Refuse what names a rule or table that there is not.

        Args:
            own: names of rules beside those of the package.

        Raises:
            UsageError: naming it, and where it stands.
        """
        # Most sites name nothing, and one that has genotypes alone loads neither.
        from precisionchain.ingest.rules import RULES
        from precisionchain.schemas.omop import TABLES

        known = {*RULES, *own}
        for name in (*self.thresholds, *self.block, *self.accepted):
            if name in known:  # type:Date is a rule of its own; type:Date:person is of a table
                continue
            rule, _, table = name.rpartition(":")
            if rule not in known:
                wrong, near = f"no rule {name}", did_you_mean(rule or name, known)
            elif table not in TABLES:
                wrong, near = f"no table {table}", did_you_mean(table, TABLES)
            else:
                continue
            listed = "`precisionchain rules` lists the rules; RULE, or RULE:TABLE"
            raise UsageError(
                wrong,
                where=self.places.get(name, f"--accept-quality {name}"),
                hint=f"{near} {listed}" if near else listed,
            )


DEFAULT: Final = QualityPolicy()


def found_in(run: Path) -> list[Found]:
    """Return what the rules found in a run, row by row; nothing of one validated before rules."""
    path = run / f"{FOUND}.parquet"
    return list(pq.read_table(path).to_pylist()) if path.exists() else []


def refuse_quality(source: str, found: list[Found], policy: QualityPolicy) -> None:
    """Refuse to seal an export whose quality is below what the site accepts.

    Args:
        source: its name.
        found: of `found_in`.
        policy: the site's.

    Raises:
        SealRefusedError: naming rules, tables and counts.
    """
    blocking = [row for row in found if policy.blocks(row) and not policy.accepts(row)]
    if not blocking:
        return
    shown = "; ".join(_said(row, policy) for row in blocking[:_SHOWN])
    more = f"; and {len(blocking) - _SHOWN} more" if len(blocking) > _SHOWN else ""
    raise SealRefusedError(
        f"data quality keeps the batch from sealing: {shown}{more}",
        where=f"source {source}",
        hint=f"`precisionchain rules {blocking[0]['rule']}` shows the rule; accept it with"
        f" --accept-quality {_name(blocking[0])}, or raise its share under [block] in quality.toml",
    )


def quality_drafts(found: list[Found], policy: QualityPolicy, mode: str) -> Iterator[Draft]:
    """Yield the item of a batch that holds the results; none where nothing was checked.

    Args:
        found: of `found_in`.
        policy: the site's.
        mode: of the export.
    """
    if found:
        rows = pa.Table.from_pylist([_told(row, policy) for row in found], QUALITY)
        payload = quality_payload(rows, {"mode": mode, "k": policy.suppress_below})
        yield Draft(QUALITY_FAMILY, (), payload)


def _told(row: Found, policy: QualityPolicy) -> dict[str, Any]:
    """Return a result as it leaves the site: without small counts."""
    checked, violating, least = row["n_checked"], row["n_violating"], policy.suppress_below
    hidden = None
    if 0 < violating < least:
        hidden = FEW
    elif violating and 0 < checked - violating < least:
        hidden = ALL_BUT_FEW
    few = 0 < checked < least
    return {
        "rule": row["rule"],
        "severity": row["severity"],
        "family": row["family"],
        "table": row["table_name"],
        "column": row["column_name"],
        "n_checked": None if few else checked,
        "n_violating": None if hidden or (few and violating) else violating,
        "hidden": hidden or (FEW if few and violating else None),
        "threshold": policy.threshold(row),
        "verdict": policy.verdict(row),
    }


def _of(shares: Mapping[str, Any], row: Found, default: Any) -> Any:
    return shares.get(_name(row), shares.get(row["rule"], default))


def _name(row: Found) -> str:
    return f"{row['rule']}:{row['table_name']}"


def _share(row: Found) -> float:
    return float(row["n_violating"] / row["n_checked"])


def _said(row: Found, policy: QualityPolicy) -> str:
    of = f"{row['table_name']}.{row['column_name']}" if row["column_name"] else row["table_name"]
    return (
        f"{row['rule']} finds {row['n_violating']:,} of {row['n_checked']:,} in {of}"
        f" ({_share(row):.1%}, at most {policy.limit(row):.1%})"
    )
