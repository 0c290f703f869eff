"""Rules as they are shown to people: of what they are asked, how much may violate them, SQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from precisionchain.errors import UsageError
from precisionchain.ingest.quality_policy import QualityPolicy
from precisionchain.ingest.quality_scopes import Delivered, subjects
from precisionchain.ingest.rule_text import Rule
from precisionchain.schemas.omop import TABLES

EVERY: Final = "every table"
COLUMNS: Final = (
    *("rule", "severity", "family", "finds", "ohdsi", "tables", "threshold", "thresholds"),
    *("block_above", "file", "sql"),
)
"""Members of a rule as it is listed."""


def listed(
    rules: Iterable[Rule], policy: QualityPolicy, table: str | None
) -> Iterator[dict[str, Any]]:
    """Yield rules, a mapping each; of one table, a mapping for each column that a rule is asked of.

    Args:
        rules: which.
        policy: the site's thresholds.
        table: of the CDM; None for SQL with what is filled in in braces.

    Raises:
        UsageError: no such table.
    """
    if table is not None and table not in TABLES:
        raise UsageError(f"no table {table} in the CDM", hint="as condition_occurrence")
    for rule in rules:
        if table is None:
            yield _described(rule, policy, _tables(rule), rule.definition)
        elif rule.each:
            for subject in subjects(rule.each, Delivered.everything()):
                if subject.table == table:
                    of = f"{table}.{subject.column}" if subject.column else table
                    yield _described(rule, policy, of, subject.fill(rule.definition), table)


def one_line(row: dict[str, Any]) -> str:
    """Return a rule in a line: name, severity, family, thresholds, what it finds."""
    block = "" if row["block_above"] is None else f", not sealed above {row['block_above']:g}"
    share = f"threshold {row['threshold']:g}{block}"
    head = f"{row['rule']:<22} {row['severity']:<8} {row['family']:<13}"
    return f"{head} {row['finds']} ({row['tables']}; {share})"


def _described(
    rule: Rule, policy: QualityPolicy, tables: str, sql: str, table: str = ""
) -> dict[str, Any]:
    found = {
        "rule": rule.name,
        "table_name": table,
        "threshold": rule.threshold_of(table),
        "block": rule.block,
    }
    return {
        "rule": rule.name,
        "severity": rule.severity,
        "family": rule.family,
        "finds": rule.description,
        "ohdsi": rule.ohdsi,
        "tables": tables,
        "threshold": policy.threshold(found),
        "thresholds": _by_table(rule, policy),
        "block_above": policy.limit(found),
        "file": rule.file,
        "sql": sql,
    }


def _by_table(rule: Rule, policy: QualityPolicy) -> str:
    own = {
        name.rpartition(":")[2]: share
        for name, share in policy.thresholds.items()
        if name.rpartition(":")[0] == rule.name
    }
    return "; ".join(f"{name} {share:g}" for name, share in {**rule.thresholds, **own}.items())


def _tables(rule: Rule) -> str:
    """Return of which tables a rule is asked, by name where they are few."""
    if not rule.each:
        return "what its SQL names" if rule.file else EVERY
    if rule.each == "absent column":
        return "every table: each absent column"
    names = dict.fromkeys(one.table for one in subjects(rule.each, Delivered.everything()))
    few = ", ".join(names) if len(names) <= 3 else f"{len(names)} tables"
    return f"{few}: each {rule.each}"
