"""``quality.toml``: what a site says of data quality; what is wrong with it is told with its line.

::

    suppress_below = 11                  # counts under it are not published
    rule_seconds = 600                   # a rule of the site's own is stopped after it
    [thresholds]                         # above: failed
    outside_period = 0.10
    "outside_period:drug_exposure" = 0.2
    [block]                              # above: not sealed; false for never
    date_order = 0.02
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from precisionchain.errors import UsageError
from precisionchain.ingest.quality_policy import RULE_SECONDS, SUPPRESS_BELOW, QualityPolicy

_TABLES: Final = ("thresholds", "block")
_MEMBERS: Final = ("suppress_below", "rule_seconds", *_TABLES)
_FORM: Final = (
    "suppress_below, rule_seconds, and tables [thresholds] and [block] of RULE or"
    ' "RULE:TABLE" = share'
)
_AT_LINE: Final = re.compile(r" \(at line (\d+), column \d+\)$")
_HEADER: Final = re.compile(r"\s*\[\s*(?P<table>\w+)\s*\]\s*(#.*)?")
_KEY: Final = re.compile(r"""\s*(?P<quote>["']?)(?P<key>[\w:]+)(?P=quote)\s*=.*""")


def read_policy(path: Path, accepted: tuple[str, ...] = ()) -> QualityPolicy:
    """Return the policy of a site; the default where it has no file.

    Args:
        path: its ``quality.toml``.
        accepted: RULE or RULE:TABLE, as given for one publication.

    Raises:
        UsageError: the file cannot be read, or what it says cannot be; naming the line.
    """
    if not path.exists():
        return QualityPolicy(accepted=accepted)
    file = _read(path)
    for name in file.said:
        if name not in _MEMBERS:
            raise UsageError(f"unknown: {name}", where=file.where(name), hint=_FORM)
    least = file.said.get("suppress_below", SUPPRESS_BELOW)
    if not isinstance(least, int) or isinstance(least, bool) or least < 1:
        raise UsageError(
            "suppress_below is no whole number above 0", where=file.where("suppress_below")
        )
    seconds = file.said.get("rule_seconds", RULE_SECONDS)
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not seconds > 0:
        raise UsageError("rule_seconds is no number above 0", where=file.where("rule_seconds"))
    thresholds, block = (_shares(file, table) for table in _TABLES)
    return QualityPolicy(
        {name: share for name, share in thresholds.items() if share is not None},
        block,
        least,
        accepted,
        rule_seconds=seconds,
        places={
            name: file.where(name, table)
            for table, shares in zip(_TABLES, (thresholds, block), strict=True)
            for name in shares
        },
    )


@dataclass(frozen=True, slots=True)
class _File:
    """What the file says, and in which line each key of each table (empty: of none) stands."""

    name: str
    said: Mapping[str, Any]
    lines: Mapping[tuple[str, str], int]

    def where(self, key: str, table: str = "") -> str:
        """Return the file with the line of a key, or with that of its table."""
        places = ((table, key), (key, ""), ("", table), (table, ""))
        line = next((self.lines[one] for one in places if one in self.lines), None)
        return f"{self.name}, line {line}" if line else self.name


def _read(path: Path) -> _File:
    try:
        text = path.read_text(encoding="utf-8")
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _AT_LINE.search(str(error))
        raise UsageError(
            f"the file is not TOML: {_AT_LINE.sub('', str(error))}",
            where=f"{path.name}, line {found[1]}" if found else path.name,
            hint=_FORM,
        ) from error
    except (OSError, ValueError) as error:
        raise UsageError("the file cannot be read as text in UTF-8", where=path.name) from error
    # tomllib does not say where a key stands; keys that are written in other ways have no line
    lines: dict[tuple[str, str], int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.fullmatch(line):
            table = header["table"]
            lines.setdefault((table, ""), number)
        elif key := _KEY.fullmatch(line):
            lines.setdefault((table, key["key"]), number)
    return _File(path.name, said, lines)


def _shares(file: _File, table: str) -> dict[str, float | None]:
    """Return the shares of a table; None, never, may be of ``[block]`` alone."""
    said = file.said.get(table, {})
    if not isinstance(said, dict):
        raise UsageError(f"[{table}] is no table", where=file.where(table), hint=_FORM)
    shares: dict[str, float | None] = {}
    for key, share in said.items():
        number = isinstance(share, int | float) and not isinstance(share, bool)
        if share is False and table == "block":
            shares[key] = None
        elif number and 0 <= share <= 1:
            shares[key] = float(share)
        else:
            raise UsageError(
                f"[{table}] {key} is no share from 0 to 1",
                where=file.where(key, table),
                hint="quote RULE:TABLE; of [block], false is never",
            )
    return shares
