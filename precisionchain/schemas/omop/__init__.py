"""The tables of the OMOP Common Data Model, 5.4, with what 5.3 calls otherwise.

One file a group of tables, one line a field; ``registry.TABLES`` is what the package reads.
"""

from precisionchain.schemas.omop.registry import TABLES
from precisionchain.schemas.omop.row import Row
from precisionchain.schemas.omop.table import CdmVersion, Field, Table
from precisionchain.schemas.omop.versions import canonical_column, cdm_version, specified_columns

__all__ = [
    "TABLES",
    "CdmVersion",
    "Field",
    "Row",
    "Table",
    "canonical_column",
    "cdm_version",
    "specified_columns",
]
