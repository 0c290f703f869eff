"""Which files of a folder are OMOP tables: told by name, never guessed."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from precisionchain.errors import OmopFormatError, UnreadableFileError
from precisionchain.schemas.omop import TABLES

_ENDINGS = (".csv", ".tsv", ".txt")


@dataclass(frozen=True, slots=True)
class Found:
    """The files of an export.

    Args:
        tables: table -> its file, in the order of ``TABLES``.
        unrecognised: file names that are no table of the CDM, and the table nearest in name.
        shadowed: vocabulary files of the export that the vocabulary folder's replace.
    """

    tables: Mapping[str, Path]
    unrecognised: Mapping[str, str | None]
    shadowed: tuple[str, ...]


def find_tables(directory: Path, vocabulary: Path | None = None) -> Found:
    """Find the tables of an export: ``<table>.csv``, ``.tsv`` or ``.txt``, any case, also ``.gz``.

    Args:
        directory: of the export. Folders within it are not entered.
        vocabulary: a folder whose vocabulary tables are taken instead of the export's.

    Raises:
        UnreadableFileError: no such folder.
        OmopFormatError: no file is a table, or two files are the same one.
    """
    tables, unrecognised = _tables_in(directory)
    shadowed: tuple[str, ...] = ()
    if vocabulary is not None:
        others, strange = _tables_in(vocabulary)
        others = {name: path for name, path in others.items() if _is_vocabulary(name)}
        shadowed = tuple(path.name for name, path in tables.items() if name in others)
        tables |= others
        unrecognised |= strange
    if not tables:
        raise OmopFormatError(
            "no file here is named as an OMOP table",
            where=str(directory),
            hint="files are named person.csv, condition_occurrence.csv.gz, ...",
        )
    ordered = {name: tables[name] for name in TABLES if name in tables}
    return Found(ordered, unrecognised, shadowed)


def _is_vocabulary(table: str) -> bool:
    return TABLES[table].scope == "vocabulary"


def _tables_in(directory: Path) -> tuple[dict[str, Path], dict[str, str | None]]:
    tables: dict[str, Path] = {}
    unrecognised: dict[str, str | None] = {}
    for path in _files(directory):
        name = _table_name(path)
        if name is None:
            unrecognised[path.name] = None
        elif name not in TABLES:
            near = difflib.get_close_matches(name, list(TABLES), n=1, cutoff=0.75)
            unrecognised[path.name] = near[0] if near else None
        elif name in tables:
            raise OmopFormatError(
                f"{tables[name].name} and {path.name} are both the table {name}",
                where=str(directory),
                hint="leave one of them",
            )
        else:
            tables[name] = path
    return tables, unrecognised


def _files(directory: Path) -> Iterator[Path]:
    if not directory.is_dir():
        raise UnreadableFileError(
            "no such folder", where=str(directory), hint="name a folder of OMOP CSV files"
        )
    yield from sorted(path for path in directory.iterdir() if path.is_file())


def _table_name(path: Path) -> str | None:
    name = path.name.lower().removesuffix(".gz")
    stem, dot, ending = name.rpartition(".")
    if name.startswith(".") or dot + ending not in _ENDINGS:
        return None
    return stem
