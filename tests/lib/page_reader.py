"""Reads an HTML page: tables and texts by id, commands to type, and what it asks a browser for."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "br", "wbr", "img", "link", "input", "hr", "rect", "line"}


@dataclass
class Page:
    """A parsed page.

    ``tables`` are rows of texts of cells, headings first; ``texts`` the texts of elements that have
    an id; ``commands`` what stands in ``pre``; ``tags`` every element with its attributes.
    """

    tables: dict[str, list[list[str]]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    text: str = ""

    def rows(self, table: str) -> list[list[str]]:
        """The rows of a table between its headings and its sum."""
        return [row for row in self.tables[table][1:] if row[0] not in ("All", "All files")]


def read_page(text: str) -> Page:
    """Parse a page; every element must be closed in turn."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader.page


def number(text: str) -> int:
    """The integer a cell shows."""
    return int(text.replace(",", ""))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self.open: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.page.tags.append((tag, found))
        if tag in _VOID:
            return
        ident = found.get("id")
        self.open.append((tag, ident))
        if tag == "table":
            self.page.tables[ident or f"in {self._ids()[-1]}"] = []
        if tag == "tr":
            self._table().append([])
        if tag in ("td", "th"):
            self._table()[-1].append("")
        if tag == "pre":
            self.page.commands.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.page.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        names = [tag for tag, _ in self.open]
        if "style" in names:
            return
        self.page.text += data
        for ident in self._ids():
            self.page.texts[ident] = self.page.texts.get(ident, "") + data
        if "td" in names or "th" in names:
            self._table()[-1][-1] += data.strip("\n")
        if "pre" in names:
            self.page.commands[-1] += data

    def _ids(self) -> list[str]:
        return [ident for _, ident in self.open if ident]

    def _table(self) -> list[list[str]]:
        return list(self.page.tables.values())[-1]
