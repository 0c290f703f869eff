"""``ancestors``: choose the concepts by whose descent a new network places its rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from precisionchain.cli.scope import scope

if TYPE_CHECKING:
    from precisionchain.ingest.ancestor_choice import Chosen


def ancestors(
    context: typer.Context,
    vocabulary: Annotated[
        list[Path],
        typer.Argument(help="Folders or DuckDB files with CONCEPT_ANCESTOR, as from Athena."),
    ],
    data: Annotated[
        list[Path] | None, typer.Option(help="An OMOP export whose rows are to be spread; repeat.")
    ] = None,
    n: Annotated[int, typer.Option("--n", help="How many, at most.", min=1, max=10_000)] = 200,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file for the list, instead of stdout.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file of --output.")
    ] = False,
) -> None:
    """Choose the ancestors that spread rows most evenly, for `init --ancestors`."""
    from precisionchain.ingest.ancestor_choice import choose, streams_of
    from precisionchain.ingest.ancestor_folders import weighed_folders
    from precisionchain.query.output_files import OutputFiles, require_free
    from precisionchain.schemas.ancestors import ancestors_text

    if output is not None:
        require_free(output, overwrite=overwrite)
    step = scope(context).progress.step
    weighed = weighed_folders(vocabulary, data or (), step=step)
    chosen = choose(weighed, n)
    step(_spread(streams_of(weighed, chosen), len(chosen), "rows" if data else "concepts"))
    text = ancestors_text(chosen)
    if output is None:
        sys.stdout.write(text)
        return
    with OutputFiles([output], overwrite=overwrite) as files:
        files.partial(output).write_text(text, encoding="utf-8", newline="\n")
        files.release()


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(ancestors)


def _spread(streams: dict[Chosen, int], chosen: int, what: str) -> str:
    """Return how even the list is, for whoever decides on it."""
    whole = max(sum(streams.values()), 1)
    elsewhere = sum(weight for one, weight in streams.items() if not one.concept)
    (largest, most), *_ = streams.items()
    return (
        f"{chosen} ancestors; {what} in {len(streams)} streams: the largest,"
        f" {largest.prefix}_{largest.concept}, holds {most / whole:.1%},"
        f" those of no ancestor {elsewhere / whole:.1%}"
    )
