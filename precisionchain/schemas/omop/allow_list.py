"""Which columns may leave a site by default: the one home of that rule."""

from __future__ import annotations

from precisionchain.schemas.lexical import LexicalType
from precisionchain.schemas.omop.row import Scope

WITHHELD_TABLES = frozenset({"provider"})
"""Their rows identify staff, whatever the column."""

WITHHELD_COLUMNS = frozenset({"provider_id", "latitude", "longitude"})
"""Numbers that point at a member of staff or at a place."""

CODE_TABLES = frozenset({"domain", "vocabulary", "concept_class", "relationship"})
"""Tables whose keys are short codes of the vocabulary, written as text."""


def leaves(
    table: str, scope: Scope, column: str, lexical: LexicalType, references: str | None
) -> bool:
    """Say whether a column is on the default column allow-list.

    Ids, concepts, dates, times, numbers and flags leave. Text leaves only as part of the
    vocabulary: its own tables, or a column that holds one of its codes. So notes and all other
    free text, every ``*_source_value``, names, addresses, zip codes, device and lot numbers stay,
    and a text column of a later CDM version stays until somebody decides otherwise. Local codes
    (``source_to_concept_map``) are no vocabulary. Of numbers, those that point at staff or at a
    place stay: the withheld columns and tables above.
    """
    if table in WITHHELD_TABLES or column in WITHHELD_COLUMNS:
        return False
    if not lexical.name.startswith("Varchar"):
        return True
    own = scope == "vocabulary" and table != "source_to_concept_map"
    return own or (references in CODE_TABLES and table != "source_to_concept_map")
