"""``query``: the questions of the paper, each through the gate."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from precisionchain.cli import render
from precisionchain.cli.options import AsOf, as_day
from precisionchain.cli.render import Out
from precisionchain.cli.scope import scope
from precisionchain.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

app = typer.Typer(no_args_is_help=True)

Since = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Earliest start date, inclusive.")
]
Until = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Latest start date, inclusive.")
]
Person = Annotated[str, typer.Argument(help="SITE:person_id, as A:42; or a bare id of this site.")]
Table = Annotated[str | None, typer.Option(help="One CDM table, or its domain.")]
Concepts = Annotated[
    list[int] | None, typer.Option("--concept", help="A main concept; may be repeated.")
]
NoDescendants = Annotated[
    bool, typer.Option("--no-descendants", help="The concepts themselves only.")
]
OfSite = Annotated[str | None, typer.Option("--site", help="Only of this site.")]
Frequency = Annotated[str | None, typer.Option("--maf", help="Minor allele frequencies, LO-HI.")]


@app.command()
@render.answers
def domain(
    context: typer.Context,
    concept: Annotated[
        str,
        typer.Argument(
            help="An OMOP concept id; or events: 'measurement(3004410, value > 7)'.",
            metavar="CONCEPT|EVENTS",
        ),
    ],
    table: Table = None,
    since: Since = None,
    until: Until = None,
    no_descendants: Annotated[
        bool, typer.Option("--no-descendants", help="The concept itself only.")
    ] = False,
    as_of: AsOf = None,
    out: Out = Out(),
) -> None:
    """Rows of a concept and its descendants, or of events as a cohort has them."""
    with scope(context).network(as_of) as network:
        answer = network.domain(
            _concept_or_events(concept),
            table=table,
            since=as_day(since),
            until=as_day(until),
            descendants=not no_descendants,
        )
    out.frame(answer)


@app.command()
@render.answers
def person(
    context: typer.Context,
    person: Person,
    table: Table = None,
    concept: Concepts = None,
    no_descendants: NoDescendants = False,
    since: Since = None,
    until: Until = None,
    as_of: AsOf = None,
    out: Out = Out(),
) -> None:
    """A person's clinical record, table by table: all of it, or of some concepts and days."""
    out.needs_folder()
    with scope(context).network(as_of) as network:
        record = network.person(
            person,
            table=table,
            concepts=concept or (),
            descendants=not no_descendants,
            since=as_day(since),
            until=as_day(until),
        )
    out.frames(record)


@app.command()
@render.answers
def timeline(
    context: typer.Context,
    person: Person,
    table: Annotated[
        list[str] | None, typer.Option(help="A CDM table, or its domain; may be repeated.")
    ] = None,
    concept: Concepts = None,
    no_descendants: NoDescendants = False,
    since: Since = None,
    until: Until = None,
    as_of: AsOf = None,
    out: Out = Out(),
) -> None:
    """A person's events of all domains in the order of time."""
    with scope(context).network(as_of) as network:
        answer = network.timeline(
            person,
            table=table or (),
            concepts=concept or (),
            descendants=not no_descendants,
            since=as_day(since),
            until=as_day(until),
        )
    out.frame(answer)


@app.command()
@render.answers
def variant(
    context: typer.Context,
    variant: Annotated[str, typer.Argument(help="9:22098574:A:G, or an id: rs4977574.")],
    genotype: Annotated[
        list[str] | None, typer.Option(help="0, 1, 2, missing or not_assayed; default 1 and 2.")
    ] = None,
    as_of: AsOf = None,
    out: Out = Out(),
) -> None:
    """Persons by genotype of a variant."""
    with scope(context).network(as_of) as network:
        answer = network.variant(variant, genotype=genotype)
    out.frame(answer, as_json=_genotypes)


@app.command("person-variants")
@render.answers
def person_variants(
    context: typer.Context,
    person: Person,
    region: Annotated[str | None, typer.Argument(help="CHROM[:START-END], 1-based.")] = None,
    maf: Frequency = None,
    as_of: AsOf = None,
    out: Out = Out(),
) -> None:
    """A person's non-reference genotypes."""
    with scope(context).network(as_of) as network:
        answer = network.person_variants(person, region, maf=None if maf is None else _range(maf))
    out.frame(answer, as_json=_genotypes)


@app.command()
@render.answers
def maf(
    context: typer.Context,
    frequencies: Annotated[str, typer.Argument(metavar="LO-HI", help="Closed range, 0 to 0.5.")],
    region: Annotated[str | None, typer.Option(help="CHROM[:START-END], 1-based.")] = None,
    as_of: AsOf = None,
    out: Out = Out(),
) -> None:
    """Alleles by minor allele frequency over the whole network."""
    low, high = _range(frequencies)
    with scope(context).network(as_of) as network:
        answer = network.maf(low, high, region=region)
    out.frame(answer)


@app.command()
@render.answers
def frequencies(
    context: typer.Context,
    where: Annotated[
        list[str],
        typer.Argument(help="A region, or variants: 9:22098574:A:G, rs4977574.", metavar="WHERE"),
    ],
    by: Annotated[str | None, typer.Option(help="sex, or a column of sequencing metadata.")] = None,
    within: Annotated[
        str | None, typer.Option(help="Whom to count: a criterion, as for cohort.")
    ] = None,
    as_of: AsOf = None,
    out: Out = Out(),
) -> None:
    """Allele counts by group of persons: sex, or how they were sequenced."""
    with scope(context).network(as_of) as network:
        answer = network.frequencies(where[0] if len(where) == 1 else where, by=by, within=within)
    out.frame(answer)


@app.command()
@render.answers
def structural(
    context: typer.Context,
    region: Annotated[str, typer.Argument(help="CHROM[:START-END], 1-based.")],
    svtype: Annotated[
        list[str] | None, typer.Option("--type", help="DEL, DUP, INV, INS, CNV or BND.")
    ] = None,
    overlap: Annotated[
        str, typer.Option(help="How variants lie to the region: any, within, covers or start.")
    ] = "any",
    reciprocal: Annotated[
        float | None, typer.Option(help="Least share of region and variant that both have.")
    ] = None,
    as_of: AsOf = None,
    out: Out = Out(),
) -> None:
    """Structural variants that reach a region, with counts."""
    with scope(context).network(as_of) as network:
        answer = network.structural(
            region, svtype=svtype or None, overlap=overlap, reciprocal=reciprocal
        )
    out.frame(answer)


@app.command()
@render.answers
def sequencing(context: typer.Context, as_of: AsOf = None, out: Out = Out()) -> None:
    """Columns and values of sequencing metadata, with persons, by site and source."""
    with scope(context).network(as_of) as network:
        answer = network.sequencing()
    out.frame(answer)


@app.command()
@render.answers
def sites(
    context: typer.Context,
    of: Annotated[
        Literal["kinship", "pc"], typer.Argument(help="Which of the network's lists.")
    ] = "kinship",
    as_of: AsOf = None,
    out: Out = Out(),
) -> None:
    """How much of a list of sites each batch has: found, on the other strand, refused, absent."""
    with scope(context).network(as_of) as network:
        answer = network.kinship_sites() if of == "kinship" else network.pc_sites()
    out.frame(answer)


def _concept_or_events(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdecimal() else text


def _genotypes(answer: pl.DataFrame) -> list[dict[str, Any]]:
    """Return genotypes as JSON has them: 0, 1 and 2 are numbers."""
    rows: list[dict[str, Any]] = answer.to_dicts()
    for row in rows:
        if row["genotype"] in ("0", "1", "2"):
            row["genotype"] = int(row["genotype"])
    return rows


def _range(text: str) -> tuple[float, float]:
    low, separator, high = text.partition("-")
    try:
        if separator:
            return float(low), float(high)
    except ValueError:
        pass
    raise UsageError(f"{text!r} is not a range of frequencies", hint="LO-HI, as 0.01-0.05")


@app.command("quality")
@render.answers
def quality(
    context: typer.Context,
    site: OfSite = None,
    source: Annotated[str | None, typer.Option(help="Only of this source.")] = None,
    rule: Annotated[str | None, typer.Option(help="One rule, as outside_period.")] = None,
    table: Annotated[str | None, typer.Option(help="One table of the CDM, or its domain.")] = None,
    verdict: Annotated[
        str | None, typer.Option(help="passed, failed, accepted, or not checked.")
    ] = None,
    mode: Annotated[
        str | None, typer.Option(help="Only of full exports, or of each delta: full, delta.")
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Also the exports before the newest.")
    ] = False,
    as_of: AsOf = None,
    out: Out = Out(),
) -> None:
    """What rules found in the newest full export of each source, and in each delta after it."""
    with scope(context).network(as_of) as network:
        answer = network.quality(
            site=site,
            source=source,
            rule=rule,
            table=table,
            verdict=verdict,
            mode=mode,
            history=history,
        )
    batches = answer.select("site", "source", "mode", "batch").unique()
    several = batches.height > batches.drop("batch").unique().height
    hidden = {"n_violating"} if several else {"n_violating", "batch"}
    out.frame(answer, columns=[name for name in answer.columns if name not in hidden])


@app.command("concept-counts")
@render.answers
def concept_counts(
    context: typer.Context,
    table: Annotated[str, typer.Option(help="An event table, or its domain.")],
    site: OfSite = None,
    as_of: AsOf = None,
    out: Out = Out(),
) -> None:
    """Persons and records of each concept of a table, within observation periods."""
    with scope(context).network(as_of) as network:
        answer = network.concept_counts(table, site=site)
    out.frame(answer)
