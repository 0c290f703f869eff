"""What a page about a run says: numbers, names of files, tables, columns and rules, and no cells.

A page is read off a staged run (`page_omop`, `page_vcf`) and off the ledger (`page_publication`),
kept in these values, and only then written as HTML (`page_html`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

SHOWN_PLACES: Final = 20
"""Places of rejected records that a page lists for a rule; it says how many there are in all."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a page is about.

    Attributes:
        site: the site's name.
        run: as ``000001-omop``.
        kind: ``omop`` or ``vcf``.
        source: the source's name.
        source_id: digest of content and settings, hex.
        replaced_by: the newer run of the same source, None for none.
        runs: the folder of runs as seen from the site folder.
    """

    site: str
    run: str
    kind: str
    source: str
    source_id: str
    replaced_by: str | None
    runs: str = "staging/runs"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands: its number (None for genotypes), and its physical line.

    Rows of Parquet and of databases stand on no line.
    """

    record: int | None
    line: int | None
    file: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Records that one rule refuses, or rows it finds fault with.

    Attributes:
        rule: its name.
        description: what it finds.
        n: how many.
        table, column: where; empty for genotypes, and for a record that has no cells.
        places: the first `SHOWN_PLACES` of them; empty for warnings, which are only counted.
        list_command: the command that lists all of them.
        rows_command: the command that shows them with their cells; None where there are none.
    """

    rule: str
    description: str
    n: int
    table: str = ""
    column: str = ""
    places: tuple[Place, ...] = ()
    list_command: str = ""
    rows_command: str | None = None

    @property
    def file(self) -> str | None:
        """The one file that all shown places are in, None if there are several."""
        files = {place.file for place in self.places}
        return files.pop() if len(files) == 1 else None


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes of a batch on the ledger: one view of it, and one CDM table where items name one."""

    view: str
    table: str
    items: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Publication:
    """A run as a sealed batch.

    Attributes:
        batch: its id, hex.
        position: of its seal on the ledger.
        time: of its seal.
        superseded_by: the batch that is its source's head now, hex; None if it is the head.
        refused_columns: by table, what stayed at the site.
        stored: bytes by view and table.
    """

    batch: str
    position: int
    time: datetime
    superseded_by: str | None
    refused_columns: Mapping[str, tuple[str, ...]]
    stored: tuple[Stored, ...]

    @property
    def items(self) -> int:
        """Items of the batch, manifest and leaf pages among them."""
        return sum(part.items for part in self.stored)

    @property
    def bytes(self) -> int:
        """Their bytes as stored."""
        return sum(part.bytes for part in self.stored)
