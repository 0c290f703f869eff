"""A page as one HTML file that needs nothing else: no script, no other file, no network.

The templates are beside this module, in ``page_templates/``; whatever they are given is escaped.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from precisionchain.errors import SiteError
from precisionchain.ingest.page_omop import OmopPage
from precisionchain.ingest.page_shapes import Origin, Publication, Stored
from precisionchain.ingest.page_vcf import VcfPage

NO_BREAK: Final = "\N{NO-BREAK SPACE}"
_UNITS: Final = ("B", "kB", "MB", "GB", "TB")


def page_html(
    page: OmopPage | VcfPage,
    origin: Origin,
    publication: Publication | None,
    *,
    staying: dict[str, tuple[str, ...]],
    unpublished: tuple[str, ...] = (),
    version: str,
) -> str:
    """Return the page of a run.

    Args:
        page: the run.
        origin: how it is called.
        publication: its batch, None if it is not published.
        staying: by table, the columns that stay at the site.
        unpublished: tables of which no row leaves the site.
        version: the program's.
    """
    template = _environment().get_template(f"{origin.kind}.html")
    return template.render(
        page=page,
        origin=origin,
        publication=publication,
        staying=staying,
        unpublished=unpublished,
        version=version,
        by_table={} if publication is None else by_table(publication),
        by_view={} if publication is None else by_view(publication),
    )


def write_page(text: str, target: Path, *, private: bool) -> None:
    """Put a page into place by rename; ``private`` keeps it from other users of the machine.

    Raises:
        SiteError: the file cannot be written.
    """
    partial = target.with_name(f".{target.name}.partial")
    try:
        with suppress(FileNotFoundError):
            partial.unlink()
        mode = 0o600 if private else 0o666
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        partial.replace(target)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise SiteError(
            f"the report cannot be written ({error.strerror})",
            where=str(target),
            hint="name another file with --output",
        ) from error


# ------------------------------------------------------------------------- numbers as a reader's


def share(part: float, whole: float) -> str:
    """Return a share in percent, which is neither 0 nor 100 unless it is exactly.

    >>> [share(n, 10_000).replace(NO_BREAK, " ") for n in (0, 1, 64, 9_999, 10_000)]
    ['0 %', '< 0.1 %', '0.6 %', '> 99.9 %', '100 %']
    """
    if not whole or part == 0:
        text = "0" if whole else "–"
    elif part == whole:
        text = "100"
    else:
        percent = f"{100 * part / whole:.1f}"
        text = {"0.0": "< 0.1", "100.0": "> 99.9"}.get(percent, percent)
    return f"{text} %".replace(" ", NO_BREAK)


def size(n: float) -> str:
    """Return bytes in decimal units.

    >>> [size(n).replace(NO_BREAK, " ") for n in (0, 999, 7_487_113)]
    ['0 B', '999 B', '7.5 MB']
    """
    for unit in _UNITS:
        if n < 1000 or unit == _UNITS[-1]:
            break
        n /= 1000
    return f"{n:.0f}{NO_BREAK}{unit}" if unit == "B" else f"{n:.1f}{NO_BREAK}{unit}"


def number(n: int) -> str:
    """Return an integer with its thousands parted.

    >>> number(1234567)
    '1,234,567'
    """
    return f"{n:,}"


def short(n: int) -> str:
    """Return an integer in at most six characters, for a place above a bar.

    >>> [short(n) for n in (0, 9_999, 12_345, 2_500_000)]
    ['0', '9,999', '12k', '2.5M']
    """
    if n < 10_000:
        return f"{n:,}"
    return f"{n / 1000:.0f}k" if n < 999_500 else f"{n / 1_000_000:.1f}M"


def breakable(name: str) -> Markup:
    """Return a name, escaped, that a narrow page may break after an underscore.

    >>> str(breakable("a_<b>"))
    'a_<wbr>&lt;b&gt;'
    """
    return escape(name).replace("_", Markup("_<wbr>"))


def by_view(publication: Publication) -> dict[str, Stored]:
    """Return what each view of a batch takes."""
    found: dict[str, Stored] = {}
    for part in publication.stored:
        _add(found, part.view, part.view, "", part)
    return found


def by_table(publication: Publication) -> dict[str, dict[str, Stored]]:
    """Return what each CDM table of a batch takes in each view."""
    found: dict[str, dict[str, Stored]] = {}
    for part in publication.stored:
        if part.table:
            _add(found.setdefault(part.table, {}), part.view, part.view, part.table, part)
    return found


def _add(found: dict[str, Stored], key: str, view: str, table: str, part: Stored) -> None:
    before = found.get(key, Stored(view, table, 0, 0))
    found[key] = Stored(view, table, before.items + part.items, before.bytes + part.bytes)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("precisionchain.ingest", "page_templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"n": number, "size": size, "short": short, "name": breakable}
    environment.globals |= {"share": share}
    return environment
