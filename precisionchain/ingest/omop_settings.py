"""How an OMOP export is read: the options that commands and methods share.

The one home of their defaults and of how they go together. A signature that spells an option names
its default as ``OmopSettings.source``; what comes below it hands the value on. Loads no engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self, get_args

from precisionchain.errors import UsageError

if TYPE_CHECKING:
    from precisionchain.ingest.omop_reading import Reading

CdmVersionAsked = Literal["5.3", "5.4"]
CDM_VERSIONS: Final = get_args(CdmVersionAsked)


@dataclass(frozen=True, kw_only=True)  # without slots: the class's attributes are the defaults
class OmopSettings:
    """What is asked about an export; the folder or DuckDB file itself stands beside it.

    Attributes:
        postgres: a connection to a PostgreSQL database instead of a folder.
        schemas: the schemas of a database that are looked at; None for all.
        vocabulary: a folder or DuckDB file whose vocabulary tables are taken.
        source: name of the source; None for ``omop``.
        columns: a TOML file of the site's own names for files and columns.
        no_header: whether the export's text files have no header.
        cdm_version: the version whose columns they have then.
        skip_tables: tables that are left out though the export has them.
        strict_files: whether a file that is named nearly as a table refuses the export.

    Raises:
        UsageError: options that do not go together.
    """

    postgres: str | None = None
    schemas: Sequence[str] | None = None
    vocabulary: str | Path | None = None
    source: str | None = None
    columns: str | Path | None = None
    no_header: bool = False
    cdm_version: CdmVersionAsked | None = None
    skip_tables: Sequence[str] | None = None
    strict_files: bool = False

    def __post_init__(self) -> None:
        if self.cdm_version not in (None, *CDM_VERSIONS):
            raise UsageError(
                f"--cdm-version {self.cdm_version} is not one of {', '.join(CDM_VERSIONS)}"
            )
        if self.no_header and self.cdm_version is None:
            raise UsageError(
                "--no-header needs to know whose columns the files have",
                hint="add --cdm-version 5.3 or 5.4",
            )
        if self.cdm_version is not None and not self.no_header:
            raise UsageError(
                "--cdm-version is of files without a header",
                hint="a header tells the version; leave it out, or add --no-header",
            )

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        """Return the settings among a call's arguments: ``OmopSettings.of(locals())``."""
        return cls(**{setting.name: arguments[setting.name] for setting in fields(cls)})

    def require_one_place(self, directory: str | Path | None) -> None:
        """Refuse an export that is named twice, or not at all.

        Raises:
            UsageError: both a folder and a database are named, or neither.
        """
        if (directory is None) == (self.postgres is None):
            raise UsageError(
                "no export is named" if directory is None else "two exports are named",
                hint="a folder of OMOP files, a DuckDB file, or --postgres",
            )

    def reading(self) -> Reading:
        """Return how tables are read; reads the file of ``columns``.

        Raises:
            InputError: that file cannot be taken.
            UsageError: a table to skip that the CDM does not have.
        """
        from precisionchain.ingest.column_map import NO_MAP, read_column_map
        from precisionchain.ingest.omop_reading import Reading

        return Reading(
            column_map=NO_MAP if self.columns is None else read_column_map(Path(self.columns)),
            headerless=self.cdm_version,
            schemas=_several(self.schemas),
            skip=frozenset(name.lower() for name in _several(self.skip_tables)),
            strict_files=self.strict_files,
        )


def _several(names: Sequence[str] | None) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names or ())
