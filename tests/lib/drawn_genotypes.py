"""Genotypes drawn as a small table, ingested by a site as a VCF file, and answers as drawn rows.

::

    place   | ref | alt | 1   | 2
    9:100   | A   | G,T | 0:1 | ./.

Headings after ``alt`` are person ids, after an ``info`` if there is one; an empty call is ``./.``.
Because a phased call holds the mark that parts cells, calls are drawn with ``:`` for ``|``:
``0:1``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from precisionchain.ingest.report import Ingested
from precisionchain.ingest.vcf_settings import HalfCall
from tests.lib.site_builder import BuiltSite
from tests.lib.tables import assert_same, drawn
from tests.lib.vcf_builder import record, write_map, write_vcf

_FIXED = ("place", "ref", "alt", "info")


def ingest_genotypes(
    site: BuiltSite,
    text: str,
    *,
    sexes: Mapping[str, str] | None = None,
    bed: Iterable[str] | None = None,
    source: str = "panel",
    half_call: HalfCall = "missing",
    replace: bool = False,
    metadata: str | None = None,
    **options: Any,
) -> Ingested:
    """Ingest the records that a text draws as one batch.

    Args:
        site: who ingests them.
        text: the table.
        sexes: person id -> ``M`` or ``F``.
        bed: intervals of the assay, ``9 0 1000`` as in a BED file; None means assay ``sites``.
        source: name of the source.
        half_call: the site's policy.
        replace: take the place of sealed genotypes.
        metadata: a table of sequencing metadata, the first heading of which is ``person``.
        options: of ``Site.ingest_vcf``.
    """
    table = drawn(text)
    persons = [heading for heading in table.headings if heading not in _FIXED]
    samples = [f"sample{number}" for number in range(len(persons))]
    folder = site.new_folder()
    records = [
        record(
            " ".join((row["place"], row["ref"], row["alt"], *(_call(row[p]) for p in persons))),
            info=row.get("info") or ".",
        )
        for row in table.rows
    ]
    rows = [
        f"{sample},{person},{(sexes or {}).get(person, '')}"
        for sample, person in zip(samples, persons, strict=True)
    ]
    assay = "sites"
    if bed is not None:
        path = folder / "assay.bed"
        path.write_text("\n".join(line.replace(" ", "\t") for line in bed), encoding="utf-8")
        assay = str(path)
    return site.site.ingest_vcf(
        [write_vcf(folder / f"{source}.vcf", *records, samples=samples)],
        samples=write_map(folder / "samples.csv", *rows),
        build="GRCh37",
        assay=assay,
        source=source,
        half_call=half_call,
        replace=replace,
        metadata=None if metadata is None else write_metadata(folder, metadata, persons),
        **options,
    )


def write_metadata(folder: Path, text: str, persons: Sequence[str]) -> Path:
    """Write a drawn table of metadata as a file of the samples of `ingest_genotypes`.

    Args:
        folder: where.
        text: the table, its first heading ``person``.
        persons: headings of the table of genotypes, in order.
    """
    table = drawn(text)
    columns = table.headings[1:]
    lines = [["sample_id", *columns]]
    lines += [
        [f"sample{persons.index(row['person'])}", *(row[name] for name in columns)]
        for row in table.rows
    ]
    path = folder / "metadata.csv"
    path.write_text("".join(",".join(line) + "\n" for line in lines), encoding="utf-8")
    return path


def assert_answer(answer: pl.DataFrame, expected: str) -> None:
    """Assert that an answer's rows are the drawn ones, in the columns that are drawn.

    ``person`` stands for site and person_id, phases are drawn with ``:``, numbers as they print.
    """
    headings = drawn(expected).headings
    rows = []
    for row in answer.iter_rows(named=True):
        row["person"] = f"{row.get('site')}:{row.get('person_id')}"
        rows.append({name: _cell(row[name]) for name in headings})
    assert_same(rows, expected)


def _call(cell: str) -> str:
    return cell.replace(":", "|") or "./."


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", ":")
