"""Rules as they are shown to people: of what they are asked, how much may violate them, SQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from precisionchain.errors import UsageError
from precisionchain.ingest.quality_policy import QualityPolicy
from precisionchain.ingest.quality_scopes import Delivered, Subject, subjects
from precisionchain.ingest.rule_text import Rule
from precisionchain.ingest.rules import UNPARSED_RULES
from precisionchain.schemas.omop import TABLES, Table

EVERY: Final = "every table"
COLUMNS: Final = (
    *("rule", "severity", "family", "finds", "ohdsi", "tables", "threshold", "thresholds"),
    *("block_above", "file", "sql"),
)
"""Members of a rule as it is listed."""

_EACH: Final = {
    "required": "each column that a row cannot do without",
    "duplicate_key": "each primary key",
    "unknown_person": "each person of an event",
    "unknown_parent": "each link to a parent",
}
"""Of what of a table a rule is asked that is decided while cells are read."""


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
            continue
        for subject in _subjects(rule, TABLES[table]):
            of = f"{table}.{subject.column}" if subject.column else table
            # what is decided by spelling has braces of its own
            filled = rule.definition if _is_of_cells(rule) else subject.fill(rule.definition)
            yield _described(rule, policy, of, filled, table)


def one_line(row: dict[str, Any]) -> str:
    """Return a rule in a line: name, severity, family, thresholds, what it finds."""
    block = "" if row["block_above"] is None else f", not sealed above {row['block_above']:g}"
    share = f"threshold {row['threshold']:g}{block}"
    head = f"{row['rule']:<22} {row['severity']:<8} {row['family']:<13}"
    return f"{head} {row['finds']} ({row['tables']}; {share})"


def _subjects(rule: Rule, table: Table) -> Iterator[Subject]:
    """Yield of what of a table a rule is asked; nothing of a site's own, which says itself."""
    if rule.each:
        yield from (
            one for one in subjects(rule.each, Delivered.everything()) if one.table == table.name
        )
    elif not rule.file:
        yield from _decided(rule.name, table)


def _decided(rule: str, table: Table) -> Iterator[Subject]:
    """Yield what of a table a rule rejects by, of those that are decided while cells are read."""
    if rule in UNPARSED_RULES:
        yield Subject(table.name)
    elif rule.startswith("type:"):
        kind = rule.removeprefix("type:")
        yield from (Subject(table.name, c.name) for c in table.fields if c.lexical.name == kind)
    elif rule == "required":
        yield from (Subject(table.name, c.name) for c in table.fields if c.must)
    elif rule == "unknown_person" and table.person_column and table.name != "person":
        yield Subject(table.name, table.person_column)
    elif rule == "unknown_parent" and table.parent:
        key = str(TABLES[table.parent].primary_key)
        words = {"key": key, "referred": table.parent, "type": "BIGINT"}
        yield Subject(table.name, key, words)
    elif rule == "duplicate_key" and table.primary_key:
        kind = table.field(table.primary_key).lexical.sql_type
        yield Subject(table.name, table.primary_key, {"key": table.primary_key, "type": kind})


def _is_of_cells(rule: Rule) -> bool:
    return rule.name in UNPARSED_RULES or rule.name.startswith("type:")


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
    if not rule.each and rule.file:
        return "what its SQL names"
    names = [name for name, table in TABLES.items() if any(_subjects(rule, table))]
    few = ", ".join(names) if len(names) <= 3 else f"{len(names)} tables"
    each = _EACH.get(rule.name, rule.each and f"each {rule.each}")
    if rule.name.startswith("type:"):
        each = "each column of the type"
    tables = EVERY if len(names) == len(TABLES) or rule.each == "absent column" else few
    return f"{tables}: {each}" if each else tables
