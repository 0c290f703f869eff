"""What the rules found in a run, as rows of ``quality.parquet``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

import duckdb

from precisionchain.ingest.quality_checks import Checked
from precisionchain.ingest.rule_text import Rule
from precisionchain.ingest.rules import RULES
from precisionchain.schemas.omop import TABLES, Table

Row = dict[str, object]


def rejections_checked(
    database: duckdb.DuckDBPyConnection,
    records: Mapping[str, int],
    columns: Mapping[str, Collection[str]],
) -> Iterator[Checked]:
    """Yield how many records of each table each error rejected; one that rejects none, too.

    Args:
        database: with ``rejects``.
        records: by table.
        columns: by table, those that its file has.
    """
    found = {
        (table, rule): int(n)
        for table, rule, n in database.execute(
            "SELECT table_name, rule, count(DISTINCT record) FROM rejects GROUP BY ALL"
        ).fetchall()
    }
    for name, n in records.items():
        for rule in RULES.values():
            broken = found.get((name, rule.name), 0)
            if rule.severity == "error" and (broken or _is_asked(rule.name, TABLES[name], columns)):
                yield Checked(rule.name, name, "", n, broken)


def _is_asked(rule: str, table: Table, columns: Mapping[str, Collection[str]]) -> bool:
    """Whether rows of a table can break a rule that rejects; of vocabulary only breaches count."""
    if table.scope == "vocabulary":
        return False
    if rule.startswith("type:"):
        there = (table.field(name) for name in columns[table.name])
        return any(rule == f"type:{each.lexical.name}" for each in there)
    return {
        "unknown_person": bool(table.person_column) and table.name != "person",
        "unknown_parent": bool(table.parent),
        "duplicate_key": table.primary_key is not None,
    }.get(rule, True)


def quality_rows(found: Iterable[Checked], own: Mapping[str, Rule]) -> list[Row]:
    """Return rows of ``quality.parquet``, by rule, table and column.

    Args:
        found: what was checked.
        own: the site's rules, by name.
    """
    rules = {**RULES, **own}
    places = {name: place for place, name in enumerate(rules)}
    tables = {name: place for place, name in enumerate(TABLES)}
    ordered = sorted(found, key=lambda one: (places[one.rule], tables[one.table], one.column))
    return [_row(rules[one.rule], one) for one in ordered]


def _row(rule: Rule, one: Checked) -> Row:
    return {
        "rule": rule.name,
        "severity": rule.severity,
        "family": rule.family,
        "table_name": one.table,
        "column_name": one.column,
        "n_checked": one.n_checked,
        "n_violating": one.n_violating,
        "threshold": rule.threshold_of(one.table),
        "block": rule.block,
    }


def warning_rows(found: Iterable[Checked], own: Mapping[str, Rule]) -> list[Row]:
    """Return rows of ``warnings.parquet``: what rules that warn found, where they found any."""
    rules = {**RULES, **own}
    return [
        {
            "table_name": one.table,
            "rule": one.rule,
            "severity": "warning",
            "column_name": one.column or None,
            "n": one.n_violating,
        }
        for one in found
        if one.n_violating and rules[one.rule].severity == "warning"
    ]
