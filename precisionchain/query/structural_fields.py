"""Structural alleles as VCF 4.2 writes them: a symbolic ALT, and in INFO what our ALT text holds.

>>> rows = pl.DataFrame({"pos": [9], "alt": ["<DEL;END=70>"], "sv_len": [61], "cipos": ["-5,5"]})
>>> rows.select(written_alt(), info_text(rows.columns)).row(0)
('<DEL>', ';SVTYPE=DEL;END=70;SVLEN=-61;CIPOS=-5,5')
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import polars as pl

from precisionchain.schemas.structural import IS_STRUCTURAL, SPANNING

SITE_FIELDS: Final = {"sv_len": pl.Int32, "cipos": pl.String, "ciend": pl.String}
"""Columns of structural sites that their ALT does not say."""

HEADER: Final = (
    '##INFO=<ID=END,Number=1,Type=Integer,Description="Last position of a symbolic allele">',
    '##INFO=<ID=SVTYPE,Number=1,Type=String,Description="Type of structural variant">',
    '##INFO=<ID=SVLEN,Number=.,Type=Integer,Description="Difference in length from REF">',
    '##INFO=<ID=CIPOS,Number=2,Type=Integer,Description="Confidence interval around POS">',
    '##INFO=<ID=CIEND,Number=2,Type=Integer,Description="Confidence interval around END">',
    '##INFO=<ID=CN,Number=1,Type=Integer,Description="Copies of a copy number allele">',
    '##INFO=<ID=CHR2,Number=1,Type=String,Description="Contig of the mate of a breakend">',
    '##INFO=<ID=END2,Number=1,Type=Integer,Description="Position of the mate of a breakend">',
    '##INFO=<ID=STRANDS,Number=1,Type=String,Description="Strands of a breakend and its mate">',
)
"""Header lines of the fields of INFO that are written."""

_SAID: Final = ("CN", "CHR2", "END2", "STRANDS")


def structural() -> pl.Expr:
    """Return whether an allele (``alt``) is symbolic or a breakend."""
    return pl.col("alt").str.contains(IS_STRUCTURAL)


def svtype() -> pl.Expr:
    """Return the type of a structural allele (``alt``): null of others."""
    named = pl.col("alt").str.extract(r"^<([A-Z]+)")
    return pl.when(structural()).then(named.fill_null("BND"))


def said(key: str) -> pl.Expr:
    """Return what the canonical ALT says of a key, as text; null where it says nothing."""
    return pl.col("alt").str.extract(rf"^<.*;{key}=([^;>]+)")


def end() -> pl.Expr:
    """Return the last base of the span of an allele: of bases those of REF (int32)."""
    of_bases = pl.col("pos") + pl.col("ref").str.len_bytes().cast(pl.Int32) - 1
    of_text = said("END").cast(pl.Int32).fill_null(pl.col("pos"))
    return pl.when(structural()).then(of_text).otherwise(of_bases)


def written_alt() -> pl.Expr:
    """Return ALT as a VCF file has it."""
    return pl.col("alt").str.replace(r"^(<[^;>]*);.*>$", "$1>")


def info_text(columns: Collection[str]) -> pl.Expr:
    """Return what INFO says of a structural allele besides, beginning with ``;``; else ``""``.

    Args:
        columns: of the rows: ``pos``, ``alt`` and those of `SITE_FIELDS` that are known.
    """
    length = said("SVLEN").cast(pl.Int32)
    if "sv_len" in columns:
        length = length.fill_null(pl.col("sv_len"))
    of_type = svtype()
    ends = pl.when(of_type.is_in([*SPANNING, "INS"])).then(
        said("END").cast(pl.Int32).fill_null(pl.col("pos"))
    )
    signed = pl.when(of_type == "DEL").then(-length).otherwise(length)
    fields = {"SVTYPE": of_type, "END": ends, "SVLEN": signed}
    fields |= {key: pl.col(key.lower()) for key in ("CIPOS", "CIEND") if key.lower() in columns}
    fields |= {key: said(key) for key in _SAID}
    parts = [
        pl.concat_str(pl.lit(f";{key}="), value.cast(pl.String)).fill_null("")
        for key, value in fields.items()
    ]
    return pl.when(structural()).then(pl.concat_str(*parts)).otherwise(pl.lit("")).alias("info")
