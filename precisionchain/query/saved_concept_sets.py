"""Concept sets kept in a site folder under names: no person in them, and never changed unasked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from precisionchain.errors import CodecError, IntegrityError, UsageError
from precisionchain.query.concept_sets import ConceptSet
from precisionchain.query.criteria import NAME
from precisionchain.query.output_files import PRIVATE_FOLDER, OutputFiles
from precisionchain.schemas.canonical import canonical_json, parse_canonical

_FORMAT: Final = 1
CONCEPT_SETS: Final = {
    "name": pl.String,
    "include": pl.Int64,
    "exclude": pl.Int64,
    "title": pl.String,
    "state": pl.String,
}
"""Columns of a list of saved sets: numbers of items, and the name its author gave it."""


@dataclass(frozen=True, slots=True)
class SavedConceptSets:
    """The concept sets of a site folder.

    Args:
        folder: where; made when the first one is saved, readable by its owner alone.
    """

    folder: Path

    def save(
        self, name: str, concepts: ConceptSet, *, title: str | None = None, overwrite: bool = False
    ) -> None:
        """Save a set, whole or not at all.

        Raises:
            UsageError: it is no name, or taken.
        """
        path = self._path(name)
        if path.exists() and not overwrite:
            raise UsageError(
                "a concept set is saved under this name already",
                hint="another name, or --overwrite",
            )
        self.folder.mkdir(PRIVATE_FOLDER, exist_ok=True)
        said = {
            "format": _FORMAT,
            "include": list(concepts.include_words),
            "exclude": list(concepts.exclude_words),
            "title": title,
        }
        with OutputFiles([path], overwrite=overwrite) as files:
            files.partial(path).write_bytes(canonical_json(said))
            files.release()

    def load(self, name: str) -> ConceptSet:
        """Return a saved set.

        Raises:
            UsageError: none is saved under the name.
            IntegrityError: its file is damaged.
        """
        path = self._path(name)
        if not path.exists():
            raise UsageError(
                "no concept set is saved under this name",
                hint="`precisionchain concepts list` lists them",
            )
        return self._read(path)[0]

    def names(self) -> list[str]:
        """Return the names of the saved sets, in order."""
        found = sorted(path.stem for path in self.folder.glob("*.json"))
        return [name for name in found if NAME.fullmatch(name)]

    def listed(self) -> pl.DataFrame:
        """Return what is saved (`CONCEPT_SETS`), by name; ``state`` is ``saved`` or ``damaged``."""
        rows: list[dict[str, object]] = []
        for name in self.names():
            try:
                found, title = self._read(self._path(name))
            except IntegrityError:
                rows.append({"name": name, "state": "damaged"})
                continue
            counts = {"include": len(found.include), "exclude": len(found.exclude)}
            rows.append({"name": name, **counts, "title": title, "state": "saved"})
        return pl.DataFrame(rows, schema=CONCEPT_SETS)

    def _read(self, path: Path) -> tuple[ConceptSet, str | None]:
        try:
            said = parse_canonical(path.read_bytes())
            if not isinstance(said, dict) or said["format"] != _FORMAT:
                raise CodecError("a concept set of another format")
            return ConceptSet.from_words(said["include"], said["exclude"]), said["title"]
        except (OSError, CodecError, UsageError, KeyError, TypeError) as error:
            raise IntegrityError(
                "the saved concept set is damaged",
                where=f"{path.parent.name}/{path.name}",
                hint="delete the file, and import it again",
            ) from error

    def _path(self, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise UsageError(
                "not a name of a concept set",
                hint="a letter, then at most 63 letters, digits, _ or -",
            )
        return self.folder / f"{name}.json"
