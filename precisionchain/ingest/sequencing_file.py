"""A file of sequencing metadata: a row a sample, columns of any name, typed by what they hold.

The lexical rule, and what stays at the site unless it is named, stand in
``docs/reference/sequencing.md``. Sample names and names of columns may stand in messages; what a
cell holds may not.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from precisionchain.errors import MetadataFormatError
from precisionchain.ingest.sample_names import some_samples
from precisionchain.ingest.whole_texts import whole_text
from precisionchain.schemas.column_names import MAX_TEXT, folded

SAMPLE: Final = "sample_id"

UNKNOWN: Final = ("", ".", "NA")
"""Cells that say nothing, blanks around them aside."""

_WHOLE: Final = r"^-?(?:0|[1-9][0-9]*)$"
_DECIMAL: Final = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?$"

TELLING: Final = frozenset(
    {"person_id", "mrn", "name", "first_name", "last_name", "surname", "father", "mother"}
    | {"date_of_birth", "birth_date", "address", "zip", "postcode", "latitude", "longitude"}
    | {"note", "notes", "comment", "comments", "file", "file_name", "filename", "path", "url"}
)
"""Names of columns, folded, that stay at the site unless they are named."""

MANY: Final = 10
"""In a column of fewer texts nobody is told apart by having one of their own."""


@dataclass(frozen=True, slots=True)
class SequencingFile:
    """What a file says, and what of it stays at the site.

    Attributes:
        path: where it is.
        rows: sample_id, then the columns that leave: Int64, Float64 or String.
        left_out: the columns that stay, as written.
        sha256: of the file's bytes, hex.
        size: bytes.
    """

    path: Path
    rows: pl.DataFrame
    left_out: tuple[str, ...]
    sha256: str
    size: int

    @property
    def columns(self) -> dict[str, str]:
        """The columns that leave, and the type of each."""
        schema = self.rows.drop(SAMPLE).schema
        return {name: _TYPE_NAMES[kind] for name, kind in schema.items()}

    def require_known(self, samples: Sequence[str]) -> None:
        """Refuse samples that are not among these.

        Raises:
            MetadataFormatError: naming them.
        """
        known = set(samples)
        unknown = [name for name in self.rows[SAMPLE].to_list() if name not in known]
        if unknown:
            raise MetadataFormatError(
                f"not among those of the genotypes: {some_samples(unknown)}",
                where=str(self.path),
                hint="correct their names, or say --allow-missing-samples",
            )


_TYPE_NAMES: Final = {pl.Int64(): "integer", pl.Float64(): "float", pl.String(): "text"}


def read_sequencing_file(path: Path, columns: Sequence[str] | None = None) -> SequencingFile:
    """Read a file, comma- or tab-separated, with a header in which one column is ``sample_id``.

    Args:
        path: where it is.
        columns: the columns that leave the site, matched as they fold; None means all but those
            that look as if they told who somebody is.

    Raises:
        UnreadableFileError: it cannot be read, or is not UTF-8 text.
        MetadataFormatError: no table, a column or sample twice, or a named column that is absent
            or holds free text.
    """
    text, content = whole_text(path)
    names, cells = _table(text, path)
    sample = names.index(SAMPLE)
    samples = pl.Series(SAMPLE, [row[sample].strip() for row in cells], pl.String)
    _require_samples(samples, path)
    texts = {
        name: pl.Series(name, column, pl.String).str.strip_chars()
        for name, column in zip(names, zip(*cells, strict=True), strict=True)
        if name != SAMPLE
    }
    chosen = _chosen(columns, list(texts), path)
    found: list[pl.Series] = []
    left_out: list[str] = []
    for name, column in texts.items():
        typed = _typed(column)
        if chosen is None and typed is not None and _leaves(typed):
            found.append(typed)
        elif chosen is not None and name in chosen:
            found.append(_named(typed, name, path))
        elif typed is None or typed.null_count() < len(typed):
            left_out.append(name)
    digest = hashlib.sha256(content).hexdigest()
    rows = pl.DataFrame([samples, *found])
    return SequencingFile(path, rows, tuple(left_out), digest, len(content))


def _table(text: str, path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the names of the columns, ``sample_id`` among them, and the rows of cells."""
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith("##")]
    skipped = text.count("\n") - "".join(lines).count("\n")
    delimiter = "\t" if lines and "\t" in lines[0] else ","
    reader = csv.reader(io.StringIO("".join(lines), newline=""), delimiter=delimiter, strict=True)
    rows: list[list[str]] = []
    try:
        for row in reader:
            if rows and row and len(row) != len(rows[0]):
                raise MetadataFormatError(
                    f"has {len(row)} columns, not {len(rows[0])}",
                    where=f"{path}:{reader.line_num + skipped}",
                )
            if row:
                rows.append(row)
    except csv.Error as error:
        where = f"{path}:{reader.line_num + skipped}"
        raise MetadataFormatError("is not CSV", where=where) from error
    if not rows:
        raise MetadataFormatError("is empty", where=str(path))
    return _names(rows[0], path), rows[1:]


def _names(header: Sequence[str], path: Path) -> list[str]:
    names = [name.strip().lstrip("#") for name in header]
    names = [SAMPLE if folded(name) == SAMPLE else name for name in names]
    hint = f"letters or digits among at most {MAX_TEXT} printable characters, each name once"
    for name in names:
        if not folded(name) or len(name) > MAX_TEXT or not name.isprintable():
            raise MetadataFormatError("a column has no usable name", where=str(path), hint=hint)
    times = Counter(map(folded, names))
    if twice := [name for name in names if times[folded(name)] > 1]:
        raise MetadataFormatError(
            f"columns that are one by name: {', '.join(twice)}", where=str(path), hint=hint
        )
    if SAMPLE not in names:
        raise MetadataFormatError("the header does not name sample_id", where=str(path))
    return names


def _require_samples(samples: pl.Series, path: Path) -> None:
    if not len(samples):
        raise MetadataFormatError("names no sample", where=str(path))
    if (samples == "").any():
        raise MetadataFormatError("a row has no sample_id", where=str(path))
    if samples.n_unique() < len(samples):
        twice = samples.filter(samples.is_duplicated()).unique(maintain_order=True).to_list()
        raise MetadataFormatError(
            f"twice in the file: {some_samples(twice)}",
            where=str(path),
            hint="give a row a sample; another sequencing of a person is another source",
        )


def _chosen(columns: Sequence[str] | None, known: list[str], path: Path) -> set[str] | None:
    """Return the columns that were named, as written in the file."""
    if columns is None:
        return None
    by_fold = {folded(name): name for name in known}
    if absent := [name for name in columns if folded(name) not in by_fold]:
        raise MetadataFormatError(
            f"no column {', '.join(absent)}", where=str(path), hint=f"it has {', '.join(known)}"
        )
    return {by_fold[folded(name)] for name in columns}


def _typed(cells: pl.Series) -> pl.Series | None:
    """Return a column's values: whole numbers, numbers or texts; None where one is no value."""
    values = cells.to_frame().select(
        pl.when(~pl.col(cells.name).is_in(UNKNOWN)).then(pl.col(cells.name)).alias(cells.name)
    )[cells.name]
    known = values.drop_nulls()
    if len(known) and known.str.contains(_WHOLE).all():
        whole = values.cast(pl.Int64, strict=False)
        if whole.null_count() == values.null_count():
            return whole
    if len(known) and known.str.contains(_DECIMAL).all():
        numbers = values.cast(pl.Float64, strict=False)
        if numbers.drop_nulls().is_finite().all():
            return numbers
    usable = known.str.len_chars().le(MAX_TEXT).all() and all(map(str.isprintable, known.unique()))
    return values if usable else None


def _leaves(column: pl.Series) -> bool:
    """Return whether a column leaves the site though nobody named it."""
    if folded(column.name) in TELLING or column.null_count() == len(column):
        return False
    if column.dtype != pl.String:
        return True
    known = column.drop_nulls()
    return len(known) < MANY or 2 * int(known.is_unique().sum()) <= len(known)


def _named(column: pl.Series | None, name: str, path: Path) -> pl.Series:
    if column is None:
        raise MetadataFormatError(
            f"column {name} holds free text, which never leaves the site",
            where=str(path),
            hint=f"values have at most {MAX_TEXT} printable characters",
        )
    return column
