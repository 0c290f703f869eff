"""The options of ``ingest omop`` and ``stage omop``: those of `OmopSettings`, to be typed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from precisionchain.cli.options import takes
from precisionchain.ingest.omop_settings import CdmVersionAsked, OmopSettings

Place = Annotated[
    Path | None, typer.Argument(help="A folder of OMOP files (CSV or Parquet), or a DuckDB file.")
]
Source = Annotated[str | None, typer.Option(help="The source's name; its next export replaces it.")]

_ANNOTATIONS: Final = {
    "vocabulary": Annotated[
        Path | None, typer.Option(help="A folder of OMOP vocabulary files, as from Athena.")
    ],
    "source": Source,
    "postgres": Annotated[
        str | None,
        typer.Option(help="A PostgreSQL database, as psql takes it: service=omop. No password."),
    ],
    "schemas": Annotated[
        list[str] | None,
        typer.Option("--schema", help="A schema of a database; repeat for several."),
    ],
    "columns": Annotated[
        Path | None, typer.Option(help="TOML: your own names for files and columns.")
    ],
    "no_header": Annotated[
        bool, typer.Option("--no-header", help="The text files have no header.")
    ],
    "cdm_version": Annotated[
        CdmVersionAsked | None, typer.Option(help="Of --no-header: whose columns they have.")
    ],
    "skip_tables": Annotated[
        list[str] | None,
        typer.Option("--skip-table", help="A table to leave out; repeat for several."),
    ],
    "strict_files": Annotated[
        bool,
        typer.Option("--strict-files", help="Refuse an export with nearly right file names."),
    ],
}

Asked = dict[str, Any]
"""The options by their names in Python, for ``Site.stage_omop`` and ``Site.ingest_omop``."""

takes_omop_options = takes(
    "asked",
    {name: (kind, getattr(OmopSettings, name)) for name, kind in _ANNOTATIONS.items()},
    dict,
)
"""Give a command these options; it gets them as ``asked``."""
