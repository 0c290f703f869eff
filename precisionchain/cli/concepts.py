"""``query concepts`` and its like, and ``concepts``: the concept sets kept in the site folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from precisionchain.cli import render
from precisionchain.cli.options import AsOf
from precisionchain.cli.render import Out
from precisionchain.cli.scope import scope
from precisionchain.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

    from precisionchain.network import Network

app = typer.Typer(no_args_is_help=True)

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the set of that name.")]


@render.answers
def find(
    context: typer.Context,
    text: Annotated[
        str | None, typer.Argument(help="Words of the name, an id, or a code; default: all.")
    ] = None,
    domain: Annotated[str | None, typer.Option(help="Of one domain, as Condition.")] = None,
    vocabulary: Annotated[str | None, typer.Option(help="Of one vocabulary, as SNOMED.")] = None,
    standard: Annotated[bool, typer.Option("--standard", help="Standard concepts alone.")] = False,
    non_standard: Annotated[
        bool, typer.Option("--non-standard", help="Those that are no standard concepts alone.")
    ] = False,
    counts: Annotated[bool, typer.Option("--counts", help="With rows and persons.")] = False,
    limit: Annotated[
        int | None, typer.Option(help="At most so many; stderr says how many more.", min=1)
    ] = None,
    as_of: AsOf = None,
    out: Out = Out(),
) -> None:
    """Concepts by name, id or code, as the sites' vocabulary slices have them."""
    if standard and non_standard:
        raise UsageError("--standard and --non-standard contradict each other")
    kind = standard if standard or non_standard else None
    with scope(context).network(as_of) as network:
        answer = network.concepts(
            text, domain=domain, vocabulary=vocabulary, standard=kind, counts=counts
        )
        _say_why_empty(context, network, answer)
    shown = answer if limit is None else answer.head(limit)
    out.frame(shown)
    if answer.height > shown.height:
        typer.echo(f"and {answer.height - shown.height:,} more: --limit", err=True)


@render.answers
def concept(
    context: typer.Context,
    concept: Annotated[int, typer.Argument(help="An OMOP concept id.")],
    as_of: AsOf = None,
    out: Out = Out(),
) -> None:
    """A concept: its names by source, its ancestors, descendants and mappings."""
    out.needs_folder()
    with scope(context).network(as_of) as network:
        page = network.concept(concept)
    if not page["concept"].height:
        scope(context).progress.step(f"no vocabulary slice names concept {concept}: rows have it")
    out.frames({name: frame for name, frame in page.items() if frame.height or name == "concept"})


@render.answers
def vocabularies(
    context: typer.Context,
    differences: Annotated[
        bool, typer.Option("--differences", help="The concepts of which sources differ.")
    ] = False,
    as_of: AsOf = None,
    out: Out = Out(),
) -> None:
    """Releases of the sites' vocabularies, and where they contradict each other."""
    with scope(context).network(as_of) as network:
        answer = network.vocabularies(differences=differences)
        _say_why_empty(context, network, answer)
    out.frame(answer)


@render.answers
def concept_set(
    context: typer.Context,
    given: Annotated[
        list[str],
        typer.Argument(help="ATLAS's JSON, a saved set, or concepts: 201826+ 443238+*."),
    ],
    exclude: Annotated[
        list[str] | None, typer.Option(help="Of concepts: one without which, as 201254+; repeat.")
    ] = None,
    as_of: AsOf = None,
    out: Out = Out(),
) -> None:
    """The concepts that a concept set means in this network."""
    from precisionchain.query.concept_sets import ConceptSet, is_word

    words = exclude or all(map(is_word, given))
    if not words and len(given) > 1:
        raise UsageError("neither one file or name, nor concepts", hint="as 201826+ 443238+*")
    meant = ConceptSet.from_words(given, exclude or ()) if words else given[0]
    with scope(context).network(as_of) as network:
        answer = network.concept_set(meant)
    out.frame(answer)


@app.command("import")
def import_set(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A concept set, or a cohort, as ATLAS exports it.")],
    name: Annotated[str, typer.Option(help="What it is saved as.")],
    which: Annotated[
        str | None, typer.Option("--set", help="Of several sets: the name or number of one.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Keep a concept set of ATLAS in the site folder by a name."""
    with scope(context).network() as network:
        kept = network.save_concept_set(name, file, which=_which(which), overwrite=overwrite)
    scope(context).progress.step(
        f"concept set {name}: {len(kept.include)} items included, {len(kept.exclude)} excluded"
    )


@app.command()
def show(
    context: typer.Context,
    given: Annotated[str, typer.Argument(help="The name of a saved set, or a file of ATLAS.")],
    which: Annotated[
        str | None, typer.Option("--set", help="Of several sets: the name or number of one.")
    ] = None,
) -> None:
    """Print a concept set as criteria have it: concept_set(201826+, exclude=[201254])."""
    with scope(context).network() as network:
        typer.echo(network.read_concept_set(given, _which(which)).text)


@app.command("list")
@render.answers
def list_sets(context: typer.Context, out: Out = Out()) -> None:
    """The concept sets saved in this site folder."""
    with scope(context).network() as network:
        answer = network.concept_sets()
    out.frame(answer)


def _say_why_empty(context: typer.Context, network: Network, answer: pl.DataFrame) -> None:
    """Say of an answer without rows that nobody has sealed a vocabulary, where that is so."""
    if not answer.height and not network.has_vocabulary:
        scope(context).progress.step(
            "no sealed batch has a vocabulary slice: `ingest omop --vocabulary FOLDER` seals one"
        )


def _which(said: str | None) -> str | int | None:
    """Return the name or the number by which one of several sets is meant."""
    return int(said) if said is not None and said.isdecimal() else said


def register(root: typer.Typer, query: typer.Typer) -> None:
    """Add the commands to the root and to ``query``."""
    query.command("concepts")(find)
    query.command()(concept)
    query.command()(vocabularies)
    query.command("concept-set")(concept_set)
    root.add_typer(app, name="concepts", help="Concept sets kept in the site folder.")
