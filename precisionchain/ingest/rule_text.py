"""A rule of data quality, and how one is read from a file of SQL with a comment on top.

::

    -- rule: date_order
    -- severity: warning
    -- family: plausibility
    -- finds: an end before its start
    -- for each: end date
    -- threshold: 0.01; drug_exposure 0.05
    -- block above: 0.5
    SELECT ...

The rules that come with the package and those of a site are read alike; theirs have no ``for each``
(``docs/reference/quality.md``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Final, Literal, cast, get_args

from precisionchain.errors import UsageError
from precisionchain.ingest.nearest_names import did_you_mean
from precisionchain.schemas.omop import TABLES

Severity = Literal["error", "warning", "measure"]
"""``error`` rejects the row, ``warning`` counts it and keeps it, ``measure`` is a share only."""
Family = Literal["conformance", "completeness", "plausibility"]

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_LINE: Final = re.compile(r"--\s*(?P<member>[A-Za-z ]+?)\s*:\s*(?P<text>.*?)\s*")
_REQUIRED: Final = ("rule", "severity", "family", "finds")
_MEMBERS: Final = (*_REQUIRED, "for each", "ohdsi", "needs", "threshold", "block above")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: what is found fault with, in words that complete "the row has ...".

    Attributes:
        name: as in ``rejected``, ``warnings`` and ``quality``.
        severity: what becomes of a row that breaks it.
        family: OHDSI's.
        description: what it finds.
        ohdsi: the checks of DataQualityDashboard that ask the same; empty for none.
        each: of what it is asked, a name of ``quality_scopes.SCOPES``; empty where it says itself.
        needs: tables that it looks at beside its own.
        threshold: the share of what was checked that may violate it; above, it has failed.
        thresholds: by table, where another one holds.
        block: the share above which the batch is not sealed; None for never.
        definition: SQL, or the expressions that decide.
        file: where it is written, for messages; empty for those in Python.
        line: of that file in which its SQL begins.
    """

    name: str
    severity: Severity
    family: Family
    description: str
    ohdsi: str = ""
    each: str = ""
    needs: tuple[str, ...] = ()
    threshold: float = 0.0
    thresholds: Mapping[str, float] = field(default_factory=dict)
    block: float | None = None
    definition: str = ""
    file: str = ""
    line: int = 1

    def __str__(self) -> str:
        return f"{self.name}  {self.severity}  {self.family}  {self.description}"

    def threshold_of(self, table: str) -> float:
        """Return the threshold that holds for a table."""
        return self.thresholds.get(table, self.threshold)


def rule_of_text(text: str, file: str) -> Rule:
    """Return the rule that a file of SQL states.

    Args:
        text: of the file.
        file: its name, for messages.

    Raises:
        UsageError: a member of its header is absent, unknown or of no such value; or no SQL.
    """
    members: dict[str, str] = {}
    places: dict[str, str] = {}
    lines = text.splitlines()
    start = 0
    for number, line in enumerate(lines, start=1):
        found = _LINE.fullmatch(line)
        if line.strip() and not line.startswith("--"):
            break
        start = number
        if found:
            where = f"{PurePath(file).name}, line {number}"
            if member := _member(found["member"], where):
                members[member], places[member] = found["text"], where
    sql = "\n".join(lines[start:]).strip().removesuffix(";")
    for member in _REQUIRED:
        if not members.get(member):
            raise UsageError(
                f"no line `-- {member}: ...`", where=places.get(member, file), hint=_HEADER
            )
    if not sql:
        raise UsageError("no SQL below the header", where=file, hint=_HEADER)
    first = next(n for n, line in enumerate(lines[start:], start=start + 1) if line.strip())
    shares = _thresholds(members.get("threshold", "0"), places.get("threshold", file))
    block = members.get("block above")
    return Rule(
        name=_named(members["rule"], places["rule"]),
        severity=cast("Severity", _one_of(members, "severity", get_args(Severity), places)),
        family=cast("Family", _one_of(members, "family", get_args(Family), places)),
        description=members["finds"],
        ohdsi=members.get("ohdsi", ""),
        each=members.get("for each", ""),
        needs=tuple(members["needs"].split(", ")) if "needs" in members else (),
        threshold=shares.pop(""),
        thresholds=shares,
        block=_share(block, places["block above"]) if block else None,
        definition=sql,
        file=file,
        line=first,
    )


_HEADER: Final = (
    "a rule begins with `-- rule: name`, `-- severity: error|warning|measure`,"
    " `-- family: conformance|completeness|plausibility`, `-- finds: ...`"
)


def _member(name: str, where: str) -> str:
    """Return which member a line is; nothing of a comment, as ``-- Author: ...`` is one."""
    if name.lower() not in _MEMBERS:
        if name != name.lower():
            return ""
        raise UsageError(
            f"`-- {name}:` is no line of a rule's header",
            where=where,
            hint=f"one of {', '.join(_MEMBERS)}",
        )
    return name.lower()


def _named(name: str, where: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(
            "a rule's name is not small letters, digits and underscores", where=where, hint=_HEADER
        )
    return name


def _one_of(
    members: Mapping[str, str], member: str, known: tuple[str, ...], places: Mapping[str, str]
) -> str:
    if members[member].lower() not in known:
        raise UsageError(
            f"a {member} that there is not",
            where=places[member],
            hint=f"one of {', '.join(known)}",
        )
    return members[member].lower()


def _thresholds(text: str, where: str) -> dict[str, float]:
    """Return shares by table, "" for all others: of ``0.95; observation_period 0``."""
    shares = {"": 0.0}
    for part in text.split(";"):
        table, _, share = part.strip().rpartition(" ")
        table = table.strip()
        if table and table not in TABLES:
            raise UsageError(
                f"a threshold of a table that there is not: {table}",
                where=where,
                hint=did_you_mean(table, TABLES) or "a table of the CDM, as drug_exposure",
            )
        shares[table] = _share(share, where)
    return shares


def _share(text: str, where: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise UsageError("a threshold that is no share from 0 to 1", where=where, hint="as 0.05")
    return share
