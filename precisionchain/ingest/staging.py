"""The staging area of a site: one folder a run, complete or absent, and a file of views over them.

::

    staging/runs/000001-omop/            a run: run.json, Parquet files
    staging/runs/.000002-vcf.partial/    a run being written; the next job removes a dead job's
    staging/runs/.000001-omop.replaced/  a run's older form, for as long as two renames take
    staging.duckdb                       views over the newest run of each source

Writers hold the site's lock. Readers need none: they see folders that were renamed into place. No
handle is kept between calls. ``docs/reference/staging.md`` has every file and column.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from precisionchain.errors import SiteError

if TYPE_CHECKING:
    import duckdb

FORMAT = 1
"""Of the run folders. A reader of another format refuses them."""

DESCRIPTION = "run.json"


@dataclass(frozen=True, slots=True)
class Run:
    """A complete run.

    Args:
        name: as ``000001-omop``.
        path: its folder.
        description: what ``run.json`` says.
    """

    name: str
    path: Path
    description: dict[str, Any]

    @property
    def kind(self) -> str:
        """``omop`` or ``vcf``."""
        return str(self.description["kind"])

    @property
    def source(self) -> str:
        """The source this is a staging of."""
        return str(self.description["source"])

    @property
    def source_id(self) -> str:
        """Digest of its content and settings, hex."""
        return str(self.description["source_id"])

    @property
    def validated(self) -> bool:
        """Whether its rows were judged; runs of genotypes have nothing left to judge."""
        return bool(self.description.get("validated", self.kind != "omop"))


@dataclass(frozen=True, slots=True)
class PartialRun:
    """A run being written: a folder that becomes a `Run` when its writer is done.

    Args:
        name: the run's.
        kind: ``omop`` or ``vcf``.
        path: where to write.
    """

    name: str
    kind: str
    path: Path

    def describe(self, description: dict[str, Any]) -> None:
        """Write ``run.json``, without which no run exists: format, run, kind, and what is given."""
        text = {"format": FORMAT, "run": self.name, "kind": self.kind} | description
        (self.path / DESCRIPTION).write_text(json.dumps(text, indent=1) + "\n", encoding="utf-8")

    def keep(self, run: Run, name: str) -> None:
        """Take a file or folder of an older form of the run over, sharing its bytes."""
        if (run.path / name).exists():
            link_tree(run.path / name, self.path / name)


class Staging:
    """The runs below a directory. Opening creates nothing; the first run does.

    Args:
        directory: the site's ``staging`` folder.
        views: the file of views over the newest runs; by default beside it, of the same name.
    """

    def __init__(self, directory: Path, views: Path | None = None) -> None:
        self.directory = directory
        self.views = views or directory.with_name(f"{directory.name}.duckdb")
        self._runs = directory / "runs"
        self._written: tuple[list[str], tuple[int, int] | None] | None = None

    @classmethod
    def open(cls, directory: Path) -> Staging:
        """Return the staging area below a directory."""
        return cls(directory)

    # --------------------------------------------------------------------------------- reading

    def runs(self) -> list[Run]:
        """Return the complete runs, oldest first.

        Raises:
            SiteError: a run is of another format.
        """
        return [self._read(name, path) for name, path in sorted(self._folders().items())]

    def latest(self, kind: str | None = None, source: str | None = None) -> Run | None:
        """Return the newest run, of a kind and of a source where they are given."""
        for run in reversed(self.runs()):
            if kind in (None, run.kind) and source in (None, run.source):
                return run
        return None

    def newest(self) -> list[Run]:
        """Return the newest run of each kind and source, oldest first."""
        found = {(run.kind, run.source): run for run in self.runs()}
        return sorted(found.values(), key=lambda run: run.name)

    # --------------------------------------------------------------------------------- writing

    @contextmanager
    def new_run(self, kind: str) -> Iterator[PartialRun]:
        """Give a folder to write a run into; it becomes the newest run when the block ends well.

        Needs the site's lock. When the block raises, nothing is left.
        """
        self._tidy()
        numbers = [int(name.split("-")[0]) for name in self._folders()]
        name = f"{max(numbers, default=0) + 1:06d}-{kind}"
        with self._writing(name, kind) as partial:
            yield partial
            partial.path.rename(self._runs / name)

    @contextmanager
    def revise(self, run: Run) -> Iterator[PartialRun]:
        """Give a folder to write a new form of a run into; it replaces the run when all is well.

        Needs the site's lock. What the new form shares with the old one is taken over with
        `PartialRun.keep`. A job that dies leaves the old form, or the new one, never a mixture.
        """
        self._tidy()
        with self._writing(run.name, run.kind) as partial:
            yield partial
            replaced = self._runs / f".{run.name}.replaced"
            (self._runs / run.name).rename(replaced)
            partial.path.rename(self._runs / run.name)
            shutil.rmtree(replaced)

    def read(self, name: str) -> Run:
        """Return the run of that name.

        Raises:
            SiteError: there is none.
        """
        folder = self._folders().get(name)
        if folder is None:
            raise SiteError("no such run", where=f"{self._runs / name}")
        return self._read(name, folder)

    # ----------------------------------------------------------------------------------- views

    def refresh_views(self) -> Path:
        """Write the file of views anew and put it into place by rename; return its path.

        A job does this once, when its runs are complete, and clears what a dead job left. Who holds
        the older file open keeps reading the older one. A file that this object wrote of the same
        runs, and nobody touched, is left. Needs the site's lock.
        """
        from precisionchain.ingest.staging_views import view_statements, write_views

        self._tidy()
        statements = view_statements(self.newest())
        if self._written != (statements, _mark(self.views)):
            write_views(statements, self.views)
            self._written = (statements, _mark(self.views))
        return self.views

    def database(self) -> duckdb.DuckDBPyConnection:
        """Return a database in memory with the same views; nobody's lock can be in its way."""
        from precisionchain.ingest.staging_views import database_of_views

        return database_of_views(self.newest())

    # -------------------------------------------------------------------------------- internal

    @contextmanager
    def _writing(self, name: str, kind: str) -> Iterator[PartialRun]:
        partial = PartialRun(name, kind, self._runs / f".{name}.partial")
        partial.path.mkdir(mode=0o700)
        try:
            yield partial
        finally:
            with suppress(FileNotFoundError):
                shutil.rmtree(partial.path)

    def _tidy(self) -> None:
        """Make the folder, and put right what a job that died has left."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._runs.mkdir(mode=0o700, exist_ok=True)
        for path in self._runs.glob(".*.partial"):
            shutil.rmtree(path)
        for path in self._runs.glob(".*.replaced"):
            run = self._runs / path.name[1:].removesuffix(".replaced")
            if run.exists():
                shutil.rmtree(path)
            else:
                path.rename(run)

    def _folders(self) -> dict[str, Path]:
        """Runs by name; a run that is being replaced is its older form."""
        found: dict[str, Path] = {}
        with suppress(FileNotFoundError):
            for path in self._runs.iterdir():
                if path.name.endswith(".replaced"):
                    found.setdefault(path.name[1:].removesuffix(".replaced"), path)
                elif not path.name.startswith("."):
                    found[path.name] = path
        return found

    def _read(self, name: str, path: Path) -> Run:
        description = json.loads((path / DESCRIPTION).read_text(encoding="utf-8"))
        if description.get("format") != FORMAT:
            raise SiteError(
                f"run {name} is of staging format {description.get('format')}, not {FORMAT}",
                where=str(path),
                hint="stage the source again, or use the version that staged it",
            )
        return Run(name, path, description)


def link_tree(source: Path, target: Path) -> None:
    """Give a file or folder a second name; copy where the file system knows no such thing."""
    if source.is_dir():
        target.mkdir(mode=0o700)
        for entry in source.iterdir():
            link_tree(entry, target / entry.name)
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _mark(file: Path) -> tuple[int, int] | None:
    """Return what differs once a file was replaced or written to; None where there is none."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns
