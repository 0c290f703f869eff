"""What a concept set means by OHDSI's own SQL: the templates of Circe, over a raw vocabulary.

Circe builds one query of an expression: included less excluded, each a union of the concepts, of
descendants where these are asked for, and of what maps to either where that is asked for.
"""

from __future__ import annotations

from typing import Any

import duckdb

_CONCEPTS = "select concept_id from concept where concept_id in ({ids})"
_BELOW = (
    "select c.concept_id from concept c join concept_ancestor ca"
    " on c.concept_id = ca.descendant_concept_id"
    " where c.invalid_reason is null and ca.ancestor_concept_id in ({ids})"
)
_MAPPED = (
    "select distinct cr.concept_id_1 as concept_id from ({among}) c join concept_relationship cr"
    " on c.concept_id = cr.concept_id_2 and cr.relationship_id = 'Maps to'"
    " and cr.invalid_reason is null"
)
_NOTHING = "select concept_id from concept where 0 = 1"


def concepts_of(database: duckdb.DuckDBPyConnection, expression: dict[str, Any]) -> set[int]:
    """Return the concepts of an expression by the tables concept, concept_ancestor and
    concept_relationship of a database.
    """
    included, excluded = (
        _query([one for one in expression["items"] if bool(one.get("isExcluded")) is excludes])
        for excludes in (False, True)
    )
    rows = database.sql(
        f"select distinct i.concept_id from ({included}) i left join ({excluded}) e"
        " on i.concept_id = e.concept_id where e.concept_id is null"
    ).fetchall()
    return {row[0] for row in rows}


def _query(items: list[dict[str, Any]]) -> str:
    if not items:
        return _NOTHING
    mapped = [one for one in items if one.get("includeMapped")]
    parts = [_part(items)]
    if mapped:
        parts.append(_MAPPED.format(among=_part(mapped)))
    return " union ".join(parts)


def _part(items: list[dict[str, Any]]) -> str:
    below = [one for one in items if one.get("includeDescendants")]
    parts = [_CONCEPTS.format(ids=_ids(items))]
    if below:
        parts.append(_BELOW.format(ids=_ids(below)))
    return " union ".join(parts)


def _ids(items: list[dict[str, Any]]) -> str:
    return ", ".join(str(one["concept"]["CONCEPT_ID"]) for one in items)
