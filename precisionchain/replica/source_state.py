"""The present state of one OMOP source, row by row with its places: what a later export is
compared with.

The rules are those of ``docs/reference/streams.md`` section 7: every batch of the source adds its
rows, except those whose places a later one lists, and a withdrawn batch adds none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import duckdb

from precisionchain.replica.catalogue import SealedBatch, Snapshot
from precisionchain.replica.unpack_clinical import clinical_names
from precisionchain.schemas.streams import MAP_CONCEPT, MAP_PERSON, SITE_TABLES, VOCABULARY

View = Literal["domain", "person", "site", "vocabulary", "mapping"]
"""Where rows of a table stand: by concept, by person, without a person, or as no CDM table."""

PLACE_COLUMNS: Final = ("site", "batch", "stream_family", "ordinal", "row", "withdrawn")
"""What follows a row's own columns. ``batch`` is in hex; ``withdrawn`` says that the row is of a
withdrawn person, which is neither compared nor superseded."""

_VIEWS: Final[dict[str, View]] = {
    SITE_TABLES: "site",
    VOCABULARY: "vocabulary",
    MAP_CONCEPT: "mapping",
    MAP_PERSON: "mapping",
}


@dataclass(frozen=True, slots=True)
class SourceState:
    """One source of one site as it stands in a generation.

    Args:
        snapshot: the generation; sync before.
        publisher: the site's public key, in hex.
        source: the source's name.
    """

    snapshot: Snapshot
    publisher: str
    source: str

    @property
    def batches(self) -> list[SealedBatch]:
        """The batches whose rows may count, in the order of their seals."""
        return [
            batch
            for batch in self.snapshot.catalogue.batches
            if (batch.publisher, batch.source, batch.kind) == (self.publisher, self.source, "omop")
        ]

    @property
    def withdrawn_persons(self) -> tuple[int, ...]:
        """The withdrawn persons of the site, ascending."""
        sites = {batch.site for batch in self.batches}
        withdrawn = self.snapshot.catalogue.withdrawn
        return tuple(sorted({one for site in sites for one in withdrawn.get(site, ())}))

    def tables(self, view: View) -> list[str]:
        """Return the tables that any batch has rows of in a view, in order."""
        return sorted({name.split("/")[1] for name, _ in self._files() if _view_of(name) == view})

    def families(self, table: str, view: View) -> list[str]:
        """Return the families that hold rows of a table in a view, in order."""
        return sorted({path.parent.name for path in self._paths(table, view)})

    def rows(
        self,
        database: duckdb.DuckDBPyConnection,
        table: str,
        view: View,
        *,
        families: Sequence[str] | None = None,
    ) -> duckdb.DuckDBPyRelation | None:
        """Return the rows of a table that count, in no order; None where no batch has any.

        Args:
            database: a connection, which the relation lives in.
            table: a CDM table, ``concept`` or ``concept_ancestor`` of the vocabulary slice,
                ``map-concept`` or ``map-person``.
            view: where the rows stand; a row in both views has a place in each.
            families: only rows of these.

        Returns:
            The columns that any batch published, null where another did not, then `PLACE_COLUMNS`.
        """
        paths = [
            path
            for path in self._paths(table, view)
            if families is None or path.parent.name in families
        ]
        if not paths:
            return None
        rows = database.read_parquet(
            [str(path) for path in paths],
            union_by_name=True,
            filename=True,
            hive_partitioning=False,
        )
        own = ", ".join(f'"{name}"' for name in rows.columns if name not in (*_PLACED, "filename"))
        withdrawn = "false"
        if "person_id" in rows.columns and self.withdrawn_persons:
            ids = ", ".join(map(str, self.withdrawn_persons))
            withdrawn = f"coalesce(person_id in ({ids}), false)"
        rows = rows.project(
            f"{own}, site::varchar site, batch::varchar batch, "
            f'parse_path(filename)[-2] stream_family, ordinal, "row", {withdrawn} withdrawn'
        )
        gone = self._gone()
        if not gone:
            return rows
        places = database.read_parquet([str(path) for path in gone], hive_partitioning=False)
        same = 'r.batch = g.batch and r.ordinal = g.ordinal and r."row" = g."row"'
        return rows.set_alias("r").join(places.set_alias("g"), same, how="anti")

    def _files(self) -> list[tuple[str, Path]]:
        return [
            found
            for batch in self.batches
            for found in clinical_names(self.snapshot.batch_folder(batch.batch)).items()
        ]

    def _paths(self, table: str, view: View) -> list[Path]:
        return [
            path for name, path in self._files() if path.stem == table and _view_of(name) == view
        ]

    def _gone(self) -> list[Path]:
        gone = self.snapshot.catalogue.gone
        files = dict.fromkeys(gone[b.batch] for b in self.batches if b.batch in gone)
        return [self.snapshot.root / file for file in files]


_PLACED: Final = ("site", "batch", "ordinal", "row")


def _view_of(name: str) -> View:
    family = name.partition("/")[0]
    if family.startswith("CLIN_PERSON_"):
        return "person"
    return _VIEWS.get(family, "domain")
