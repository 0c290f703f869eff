"""Concepts found by name, id or code in the vocabulary slices; and all that is said of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from precisionchain.errors import UsageError
from precisionchain.query.slices import CONCEPT_COLUMNS, Slices

_NAMED: Final = [*CONCEPT_COLUMNS]
_SHOWN: Final = ("concept_id", "concept_name", "domain_id", "vocabulary_id", "concept_code")
_STANDARD: Final = "S"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which concepts are looked for.

    Attributes:
        text: words of a name, an id or a code; None for any.
        domain: its domain, in any case of letters.
        vocabulary: its vocabulary, in any case of letters.
        standard: whether it is a standard concept; None for any.
    """

    text: str | None = None
    domain: str | None = None
    vocabulary: str | None = None
    standard: bool | None = None


def folded(text: pl.Expr) -> pl.Expr:
    """Return texts without accents and case, as words with a space before and after each."""
    plain = text.str.normalize("NFKD").str.replace_all(r"\p{M}", "").str.to_lowercase()
    words = plain.str.replace_all(r"[^\p{L}\p{N}]+", " ").str.strip_chars()
    return pl.concat_str(pl.lit(" "), words, pl.lit(" "))


def folded_text(text: str) -> str:
    """Return one text as `folded` does; a space where it has no word."""
    words = pl.select(folded(pl.lit(text))).item()
    return str(words) if words.strip() else " "


def found_concepts(slices: Slices, wanted: Wanted) -> pl.DataFrame:
    """Return concepts, the best match first: `CONCEPT_COLUMNS`.

    A concept is found by its id, by its code, and by a name that has, for each word of the text, a
    word that begins with it. First comes the id, then codes, then names that are the text, then
    those that begin with it; among equals standard concepts, then shorter names, then smaller ids.

    Raises:
        UsageError: no slice has a concept of that domain or vocabulary; or nothing is asked.
    """
    concepts = _among(slices.concepts, wanted)
    if wanted.text is None:
        return concepts.select(_NAMED)
    text = folded_text(wanted.text)
    if not text.strip():
        raise UsageError("no word to look for", hint="a name, an id or a code")
    name = folded(pl.col("concept_name").fill_null(""))
    code = pl.col("concept_code").fill_null("").str.to_lowercase()
    by_name = pl.all_horizontal(
        name.str.contains(f" {word}", literal=True) for word in text.split()
    )
    rank = (
        pl.when(pl.col("concept_id").cast(pl.String) == wanted.text.strip())
        .then(0)
        .when(code == wanted.text.strip().lower())
        .then(1)
        .when(by_name & (name == text))
        .then(2)
        .when(by_name & name.str.starts_with(text.rstrip()))
        .then(3)
        .when(by_name)
        .then(4)
    )
    ranked = concepts.with_columns(rank.alias("_rank")).drop_nulls("_rank")
    return ranked.sort(
        "_rank",
        pl.col("standard_concept").eq_missing(_STANDARD).not_(),
        pl.col("concept_name").str.len_chars(),
        "concept_id",
    ).select(_NAMED)


def _among(concepts: pl.DataFrame, wanted: Wanted) -> pl.DataFrame:
    for column, value in (("domain_id", wanted.domain), ("vocabulary_id", wanted.vocabulary)):
        if value is None:
            continue
        there = concepts[column].drop_nulls().unique().sort().to_list()
        spelled = [one for one in there if one.casefold() == value.casefold()]
        if not spelled:
            what = column.removesuffix("_id")
            raise UsageError(
                f"no concept of the network is of that {what}",
                hint=f"one of {', '.join(there)}" if there else "no slice names a concept",
            )
        concepts = concepts.filter(pl.col(column).is_in(spelled))
    if wanted.standard is not None:
        standard = pl.col("standard_concept").eq_missing(_STANDARD)
        concepts = concepts.filter(standard if wanted.standard else ~standard)
    return concepts


def is_named(slices: Slices, wanted: Wanted) -> bool:
    """Return whether anything is found: what finds nothing may be no term of a vocabulary."""
    try:
        return found_concepts(slices, wanted).height > 0
    except UsageError:
        return False


def concept_page(slices: Slices, concept: int) -> dict[str, pl.DataFrame]:
    """Return what the slices say of a concept, a frame each.

    ``concept`` has a row for each source that names it, ``taken`` telling whose words count;
    ``ancestors`` and ``descendants`` have levels, ``maps_to`` and ``mapped_from`` the other end.
    Each begins with its own name, ``relation``, by which rows in one file are told.

    Raises:
        UnknownConceptError: the concept is in no vocabulary slice and in no row.
    """
    slices.with_descendants(concept, descendants=False)  # refuses the unknown
    levels = slices.levels.rename({"min_levels_of_separation": "levels"})
    levels = levels.filter(pl.col("ancestor_concept_id") != pl.col("descendant_concept_id"))
    above = levels.filter(pl.col("descendant_concept_id") == concept)
    below = levels.filter(pl.col("ancestor_concept_id") == concept)
    ends = {
        "ancestors": above.rename({"ancestor_concept_id": "concept_id"}),
        "descendants": below.rename({"descendant_concept_id": "concept_id"}),
        "maps_to": slices.maps.filter(pl.col("concept_id_1") == concept).rename(
            {"concept_id_2": "concept_id"}
        ),
        "mapped_from": slices.maps.filter(pl.col("concept_id_2") == concept).rename(
            {"concept_id_1": "concept_id"}
        ),
    }
    said = by_source(slices).filter(pl.col("concept_id") == concept)
    page = {"concept": said, **{name: _with_names(slices, end) for name, end in ends.items()}}
    return {
        name: frame.select(pl.lit(name).alias("relation"), pl.all()) for name, frame in page.items()
    }


def _with_names(slices: Slices, ends: pl.DataFrame) -> pl.DataFrame:
    kept = ["concept_id", *(["levels"] if "levels" in ends.columns else [])]
    named = ends.select(kept).join(slices.concepts.select(_SHOWN), on="concept_id", how="left")
    return named.sort(*kept[::-1]).select(*_SHOWN, *kept[1:])


def by_source(slices: Slices) -> pl.DataFrame:
    """Return what each source that counts says of each concept: `CONCEPT_COLUMNS`, site, source,
    release, and whether that is what readers take.
    """
    best = pl.col("rank") == pl.col("rank").min().over("concept_id")
    said = slices.said.with_columns(best.alias("taken"))
    counting = said.filter(pl.col("counts") | pl.col("taken"))
    one_each = counting.unique(["concept_id", "site", "source"], keep="first", maintain_order=True)
    return one_each.select(*CONCEPT_COLUMNS, "site", "source", "release", "taken")


def differences(slices: Slices) -> pl.DataFrame:
    """Return of which concepts sources say different things: concept_id, column, value, site,
    source, release, taken; a row for each column that differs and each source.
    """
    said = by_source(slices)
    parts = [pl.DataFrame(schema={"concept_id": pl.Int64, "column": pl.String, "value": pl.String,
             "site": pl.String, "source": pl.String, "release": pl.String,
             "taken": pl.Boolean})]  # fmt: skip
    for column in CONCEPT_COLUMNS[1:]:
        differs = pl.col(column).fill_null("").n_unique().over("concept_id") > 1
        parts.append(
            said.filter(differs).select(
                "concept_id",
                pl.lit(column).alias("column"),
                pl.col(column).alias("value"),
                *("site", "source", "release", "taken"),
            )
        )
    order = {name: place for place, name in enumerate(CONCEPT_COLUMNS)}
    return pl.concat(parts).sort(
        "concept_id",
        pl.col("column").replace_strict(order, return_dtype=pl.Int64, default=0),
        pl.col("taken").not_(),
        "site",
        "source",
    )


def vocabulary_releases(slices: Slices) -> pl.DataFrame:
    """Return what each source that counts states of releases: site, source, vocabulary_id,
    vocabulary_version, and how many concepts it names of each.
    """
    named = (
        by_source(slices)
        .group_by("site", "source", "vocabulary_id")
        .agg(pl.col("concept_id").n_unique().cast(pl.Int64).alias("concepts"))
    )
    stated = slices.releases.filter("counts").unique(
        ["site", "source", "vocabulary_id"], keep="first", maintain_order=True
    )
    both = named.join(
        stated.select("site", "source", "vocabulary_id", "vocabulary_version"),
        on=["site", "source", "vocabulary_id"],
        how="full",
        coalesce=True,
        nulls_equal=True,
    )
    return both.select(
        *("site", "source", "vocabulary_id", "vocabulary_version"),
        pl.col("concepts").fill_null(0),
    ).sort("site", "source", "vocabulary_id", nulls_last=True)


def set_concepts(slices: Slices, included: frozenset[int], named: set[int]) -> pl.DataFrame:
    """Return the concepts of a resolved set: `CONCEPT_COLUMNS` and state.

    State is ``included``; or, of those that the set itself names, ``excluded`` or ``unknown``.
    """
    known = slices.known(named)
    states = dict.fromkeys(known - included, "excluded") | dict.fromkeys(named - known, "unknown")
    states |= dict.fromkeys(included, "included")
    rows = pl.DataFrame(
        {"concept_id": list(states), "state": list(states.values())},
        schema={"concept_id": pl.Int64, "state": pl.String},
    )
    order = pl.Enum(["included", "excluded", "unknown"])
    named_rows = rows.join(slices.concepts.select(_NAMED), on="concept_id", how="left")
    return named_rows.sort(pl.col("state").cast(order), "concept_id").select(*_NAMED, "state")
