"""Who is here: ``join-token``, ``admit``, ``members``, ``revoke``, ``user``, and their keys."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from precisionchain.cli import render
from precisionchain.cli.options import Json, as_day
from precisionchain.cli.scope import scope
from precisionchain.errors import UnreadableFileError, UsageError

if TYPE_CHECKING:
    import polars as pl

    from precisionchain.ledger.records import Member, User

user_app = typer.Typer(no_args_is_help=True)

Expires = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="The last day, in UTC; else for good."),
]

NewExpiry = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="The last day, in UTC; else as it is."),
]
ForGood = Annotated[bool, typer.Option("--for-good", help="No last day any more.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the root."""
    app.command("join-token")(join_token)
    app.command()(admit)
    app.command()(members)
    app.command()(revoke)
    app.command()(grant)
    app.command("rotate-key")(rotate_key)
    app.command()(rekey)
    app.command()(compromised)
    app.command()(restore)
    app.add_typer(user_app, name="user", help="Users of this site, each with a key of their own.")


def show_token(token: str, *, as_json: bool) -> None:
    """Print a join token on stdout, and what to compare and do with it on stderr."""
    from precisionchain.ledger.join_token import JoinToken
    from precisionchain.ledger.records import fingerprint

    made = JoinToken.parse(token)
    if as_json:
        row = {
            "site": made.site,
            "network": made.network.hex(),
            "fingerprint": fingerprint(made.public_key),
            "token": token,
        }
        render.json_lines([row])
    else:
        typer.echo(token)
    typer.echo(f"key of site {made.site}: {fingerprint(made.public_key)}", err=True)
    typer.echo("an administrator admits it: precisionchain -C SITE admit TOKEN", err=True)


def join_token(
    context: typer.Context,
    output: Annotated[
        Path | None, typer.Option(help="A new file for the token, instead of stdout.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file of --output.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print the line by which an administrator admits this site; it holds no secret."""
    token = scope(context).site().join_token()
    if output is None:
        show_token(token, as_json=as_json)
        return
    from precisionchain.query.output_files import OutputFiles

    with OutputFiles([output], overwrite=overwrite) as files:
        files.partial(output).write_text(token + "\n", encoding="ascii")
        files.release()


def admit(
    context: typer.Context,
    token: Annotated[str, typer.Argument(help="The token, a file that holds it, or - for stdin.")],
    admin: Annotated[bool, typer.Option("--admin", help="It may admit and remove others.")] = False,
    expires: Expires = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the token and show it; admit nobody.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Admit the site that made a join token, with its first user."""
    text, day = _token_text(token), as_day(expires)
    made = scope(context).site().admit(text, admin=admin, expires=day, dry_run=dry_run)
    _show_member("would admit" if dry_run else "admitted", made, as_json=as_json)


def members(context: typer.Context, as_json: Json = False) -> None:
    """List sites and users: as what, since when, until when."""
    import polars as pl

    from precisionchain.ledger.standing import ONE_ADMINISTRATOR

    site = scope(context).site()
    sites, users = site.members(), site.users()
    if as_json:
        render.json_lines({"kind": "site", **row} for row in _rows(sites))
        render.json_lines({"kind": "user", **row} for row in _rows(users))
        return
    render.table(_for_people(sites), "sites")
    render.table(_for_people(users), "users")
    lasting = sites.filter(
        (pl.col("status") == "current") & pl.col("admin") & pl.col("expires").is_null()
    )
    if lasting.height < 2:
        typer.echo(ONE_ADMINISTRATOR, err=True)


def revoke(
    context: typer.Context,
    site: Annotated[str, typer.Argument(help="The site's name.")],
    as_json: Json = False,
) -> None:
    """Remove a site and its users from here on; what it published before stays."""
    _show_member("removed", scope(context).site().revoke(site), as_json=as_json)


def grant(
    context: typer.Context,
    site: Annotated[str, typer.Argument(help="The site's name; also of one that was removed.")],
    admin: Annotated[
        bool, typer.Option("--admin", help="It may admit and remove others from now on.")
    ] = False,
    no_admin: Annotated[
        bool, typer.Option("--no-admin", help="It may not, from now on; else as it is.")
    ] = False,
    expires: NewExpiry = None,
    for_good: ForGood = False,
    as_json: Json = False,
) -> None:
    """Change a site's standing from here on, renew it, or take a removed site in again."""
    if admin and no_admin:
        raise UsageError("--admin and --no-admin say the contrary of each other", hint="choose one")
    said, day = (admin if admin or no_admin else None), _last_day(expires, for_good)
    made = scope(context).site().grant(site, admin=said, expires=day, for_good=for_good)
    _show_member("granted", made, as_json=as_json)


def rotate_key(
    context: typer.Context,
    token: Annotated[
        bool,
        typer.Option("--token", help="Of a removed site: print the line for `rekey` instead."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Put a new key in the place of this site's; everything goes on under it."""
    site = scope(context).site()
    if token:
        typer.echo(site.key_token())
        return
    _show_member("rotated", site.rotate_key(), as_json=as_json)


def rekey(
    context: typer.Context,
    token: Annotated[
        str, typer.Argument(help="The line that the site's `rotate-key --token` gave.")
    ],
    as_json: Json = False,
) -> None:
    """Give a removed site the new key of its token, and its place back."""
    _show_member("rekeyed", scope(context).site().rekey(token), as_json=as_json)


def compromised(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="The public key, 64 hex digits: `members --json`.")],
    since: Annotated[int, typer.Option(min=1, help="The first position that is not trusted.")],
    as_json: Json = False,
) -> None:
    """Declare that a key is not to be trusted from a position on; that cannot be taken back."""
    whose = scope(context).site().declare_compromised(key, since=since)
    _show({"compromised": key, "of": whose, "since": since}, as_json=as_json)


def restore(
    context: typer.Context,
    backup: Annotated[Path, typer.Argument(help="A copy of the ledger's file.")],
    accept_loss: Annotated[
        int | None,
        typer.Option(min=1, help="How many known positions it may lack: exactly so many."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Put a backup of an embedded ledger in its place, checked against what is known; log it."""
    done = scope(context).site().restore(backup, accept_loss=accept_loss)
    if done.lost:
        scope(context).progress.step(
            "what the lost positions said is undone, withdrawals of persons among it:"
            " say those again before anybody asks"
        )
    shown = {"restored": done.position, "lost": done.lost, "aside": done.aside}
    _show({**shown, "aside": done.aside and str(done.aside)}, as_json=as_json)


@user_app.command("grant")
def user_grant(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="someone, or someone@SITE of this site.")],
    role: Annotated[
        list[str] | None,
        typer.Option(help="All the roles from now on; may be repeated. Default: as they are."),
    ] = None,
    expires: NewExpiry = None,
    for_good: ForGood = False,
    as_json: Json = False,
) -> None:
    """Change a user's roles or last day from here on, or take a removed user in again."""
    door = scope(context).site()
    day = _last_day(expires, for_good)
    made = door.grant_user(name, roles=role, expires=day, for_good=for_good)
    _show_user("granted", made, as_json=as_json)


@user_app.command("rotate-key")
def user_rotate_key(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="someone, or someone@SITE of this site.")],
    as_json: Json = False,
) -> None:
    """Put a new key in the place of a user's whose key lies here."""
    _show_user("rotated", scope(context).site().rotate_user_key(name), as_json=as_json)


@user_app.command("add")
def user_add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="someone, or someone@SITE of this site.")],
    role: Annotated[
        list[str],
        typer.Option(help="institution, researcher, auditor or admin; may be repeated."),
    ],
    public_key: Annotated[
        str | None,
        typer.Option(help="The user's own public keys, 128 hex digits; default: make keys here."),
    ] = None,
    expires: Expires = None,
    as_json: Json = False,
) -> None:
    """Make a user of this site, with a key of their own."""
    site = scope(context).site()
    made = site.add_user(name, role, public_key=public_key, expires=as_day(expires))
    _show_user("added", made, as_json=as_json)
    if public_key is None:
        path = site.folder.user_key(made.name)
        typer.echo(f"private key: {path}; whoever can read it asks as {made.name}", err=True)


@user_app.command("revoke")
def user_revoke(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="someone, or someone@SITE of this site.")],
    as_json: Json = False,
) -> None:
    """Remove a user of this site from here on; the access log keeps what was asked."""
    _show_user("removed", scope(context).site().revoke_user(name), as_json=as_json)


def _token_text(given: str) -> str:
    """Return what a token's argument means: stdin, the token itself, or a file that holds it."""
    if given == "-":
        return sys.stdin.read()
    if given.strip().startswith("pcjoin") and "." in given:
        return given
    try:
        return Path(given).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFileError(
            "neither a join token nor a file that holds one", where=given
        ) from error


def _last_day(expires: datetime | None, for_good: bool) -> date | None:
    if expires is not None and for_good:
        raise UsageError(
            "--expires and --for-good say the contrary of each other", hint="choose one"
        )
    return as_day(expires)


def _show_member(what: str, member: Member, *, as_json: bool) -> None:
    from precisionchain.ledger.records import fingerprint

    shown = {
        what: member.site,
        "code": member.code,
        "admin": member.admin,
        "expires": member.expires,
        "fingerprint": fingerprint(member.public_key),
    }
    _show(shown, as_json=as_json)


def _show_user(what: str, user: User, *, as_json: bool) -> None:
    from precisionchain.ledger.records import fingerprint

    shown = {
        what: user.name,
        "roles": list(user.roles) if as_json else " ".join(user.roles),
        "expires": user.expires,
        "fingerprint": fingerprint(user.public_key),
    }
    _show(shown, as_json=as_json)


def _show(shown: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        render.json_lines([shown])
        return
    for name, value in shown.items():
        if value is not None:
            typer.echo(f"{name}: {render.cell(value)}")


def _for_people(frame: pl.DataFrame) -> pl.DataFrame:
    """Without positions and whole keys, roles in one cell."""
    import polars as pl

    return frame.drop("since_position", "until_position", "public_key", "keys").with_columns(
        pl.col(pl.List(pl.String)).list.join(" ")
    )


def _rows(frame: pl.DataFrame) -> Iterator[dict[str, Any]]:
    return frame.iter_rows(named=True)
