"""What others can check: ``checkpoint``, ``prove`` and ``check-proof``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from precisionchain.cli import render
from precisionchain.cli.options import Json
from precisionchain.cli.scope import scope
from precisionchain.errors import UnreadableFileError, UsageError

if TYPE_CHECKING:
    from precisionchain.ledger.checkpoints import SignedCheckpoint

Line = Annotated[
    str | None,
    typer.Option("--checkpoint", help="A checkpoint's line, a file that holds it, or - for stdin."),
]


def register(app: typer.Typer) -> None:
    """Add these commands to the root."""
    app.command()(checkpoint)
    app.command()(prove)
    app.command("check-proof")(check_proof)


def checkpoint(
    context: typer.Context,
    publish: Annotated[
        bool, typer.Option("--publish", help="Put it on the ledger, for every member.")
    ] = False,
    add: Annotated[
        list[str] | None,
        typer.Option(help="Keep another member's: its line, a file, or -; may be repeated."),
    ] = None,
    kept: Annotated[bool, typer.Option("--list", help="List those kept; make none.")] = False,
    as_json: Json = False,
) -> None:
    """Sign what the ledger holds, in one line for others to keep; or keep theirs."""
    site = scope(context).site()
    if publish + bool(add) + kept > 1:
        raise UsageError("--publish, --add and --list are three different things")
    if kept:
        frame = site.checkpoints()
        if as_json:
            render.json_lines(frame.iter_rows(named=True))
        else:
            render.table(frame.drop("checkpoint"), "checkpoints")
        return
    lines = site.add_checkpoints([_text(given) for given in add]) if add else None
    for line in [site.checkpoint(publish=publish)] if lines is None else lines:
        _show(line, as_json=as_json)


def prove(
    context: typer.Context,
    position: Annotated[
        int | None, typer.Argument(help="Where the item stands; not with --since.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Prove that the ledger begins with what this checkpoint saw."),
    ] = None,
    checkpoint: Line = None,
    output: Annotated[
        Path | None, typer.Option(help="A new file for the proof, instead of stdout.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file of --output.")
    ] = False,
) -> None:
    """Write a proof that needs no ledger: of an item, or that nothing was rewritten since."""
    if (position is None) == (since is None):
        raise UsageError("name a position, or a checkpoint with --since")
    site, line = scope(context).site(), None if checkpoint is None else _text(checkpoint)
    if position is not None:
        proof = site.prove(position, checkpoint=line)
    else:
        proof = site.prove_growth(_text(since or ""), checkpoint=line)
    text = json.dumps(proof, sort_keys=True, separators=(",", ":"))
    if output is None:
        typer.echo(text)
        return
    from precisionchain.query.output_files import OutputFiles

    with OutputFiles([output], overwrite=overwrite) as files:
        files.partial(output).write_text(text + "\n", encoding="ascii")
        files.release()


def check_proof(
    context: typer.Context,
    proof: Annotated[Path, typer.Argument(help="The proof's file.")],
    checkpoint: Line = None,
    since: Annotated[
        str | None, typer.Option(help="The earlier checkpoint that you kept: line, file or -.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a proof; takes no site folder and no ledger."""
    from precisionchain.ledger.checkpoints import SignedCheckpoint
    from precisionchain.ledger.proofs import check_consistency, check_inclusion

    del context
    read = _proof(proof)
    named = str(read.get("checkpoint", "")) if checkpoint is None else _text(checkpoint)
    signed, shown = SignedCheckpoint.parse(named), dict[str, Any]()
    if read.get("kind") == "consistency":
        earlier = str(read.get("earlier", "")) if since is None else _text(since)
        check_consistency(read, earlier, signed)
        shown |= {"since": SignedCheckpoint.parse(earlier).checkpoint.position}
    else:
        if since is not None:
            raise UsageError("--since is for proofs that a ledger grew")
        found = check_inclusion(read, signed)
        shown |= {
            "position": found.position,
            "time": found.time.isoformat(timespec="microseconds"),
            "stream": found.stream,
            "leaf": found.leaf.hex(),
        }
    _show_checked(shown, signed, own_word=checkpoint is None, as_json=as_json)


def _show_checked(
    shown: dict[str, Any], signed: SignedCheckpoint, *, own_word: bool, as_json: bool
) -> None:
    from precisionchain.ledger.records import fingerprint

    said = signed.checkpoint
    shown = {
        "holds": True,
        **shown,
        "checkpoint_site": said.site,
        "checkpoint_position": said.position,
        "fingerprint": fingerprint(signed.public_key),
    }
    if as_json:
        render.json_lines([shown])
    else:
        for name, value in shown.items():
            typer.echo(f"{name}: {render.cell(value)}")
    if own_word:
        typer.echo(
            "compared with the checkpoint in the proof itself: compare its fingerprint with that"
            " of the site's key, or give one that you kept with --checkpoint",
            err=True,
        )


def _show(line: str, *, as_json: bool) -> None:
    """Print a checkpoint's line on stdout, and what it says on stderr."""
    from precisionchain.ledger.checkpoints import SignedCheckpoint

    said = SignedCheckpoint.parse(line).checkpoint
    if as_json:
        row = {
            "site": said.site,
            "position": said.position,
            "items": said.size,
            "time": said.time.isoformat(timespec="microseconds"),
            "root": said.root.hex(),
            "checkpoint": line,
        }
        render.json_lines([row])
    else:
        typer.echo(line)
    when = said.time.isoformat(sep=" ", timespec="seconds")
    typer.echo(
        f"site {said.site} on {said.size} items, the newest at position {said.position}, {when}",
        err=True,
    )


def _text(given: str) -> str:
    """Return what an argument means: stdin, the checkpoint itself, or a file that holds it."""
    if given == "-":
        return sys.stdin.read()
    if given.strip().startswith("pcpoint"):
        return given
    try:
        return Path(given).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFileError(
            "neither a checkpoint nor a file that holds one", where=given
        ) from error


def _proof(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # the last: of brackets in brackets
        raise UnreadableFileError("the proof cannot be read", where=str(path)) from error
    if not isinstance(read, dict):
        raise UnreadableFileError("this is no proof", where=str(path))
    return read
