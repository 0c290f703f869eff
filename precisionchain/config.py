"""A site folder: where its parts lie, and the settings in ``precisionchain.toml``."""

from __future__ import annotations

import fcntl
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from precisionchain.errors import NotASiteError, SiteError, SiteExistsError, SiteLockedError

FORMAT = 1
CONFIG_NAME = "precisionchain.toml"
_OF_PATTERNS = "*?["
"""What DuckDB and polars take for a pattern in a path: the rows of ``a?b`` are also those of
``axb``, and the log that DuckDB writes beside a file of ``a?b`` lands elsewhere."""


@dataclass(frozen=True, slots=True)
class SiteFolder:
    """The layout of a site folder; every path in it has its one home here."""

    root: Path

    @property
    def config(self) -> Path:
        """Settings of the site."""
        return self.root / CONFIG_NAME

    @property
    def staging(self) -> Path:
        """Staged runs, one folder each."""
        return self.root / "staging"

    @property
    def staging_views(self) -> Path:
        """The DuckDB file of views over the newest runs."""
        return self.root / "staging.duckdb"

    @property
    def outbox(self) -> Path:
        """The batch that is being published."""
        return self.root / "outbox.sqlite"

    @property
    def replica(self) -> Path:
        """The local read model."""
        return self.root / "replica"

    @property
    def access_index(self) -> Path:
        """The index of the access log."""
        return self.replica / "access"

    @property
    def cohorts(self) -> Path:
        """Saved cohorts, a file each."""
        return self.root / "cohorts"

    @property
    def concept_sets(self) -> Path:
        """Saved concept sets, a file each."""
        return self.root / "concept_sets"

    @property
    def checkpoints(self) -> Path:
        """The newest checkpoint of each member, and the hashes of the log tree."""
        return self.root / "checkpoints"

    @property
    def reports(self) -> Path:
        """Pages of staged runs, for their owner alone."""
        return self.root / "reports"

    @property
    def rules(self) -> Path:
        """The site's own rules of data quality, where it has any: files of SQL."""
        return self.root / "rules"

    @property
    def quality(self) -> Path:
        """The site's own thresholds of data quality, where it has any."""
        return self.root / "quality.toml"

    @property
    def site_key(self) -> Path:
        """The key that signs batches."""
        return self.root / "keys" / "site.key"

    def user_key(self, user: str) -> Path:
        """The key that signs a user's access entries."""
        return self.root / "keys" / f"{user}.key"

    @property
    def lock(self) -> Path:
        """The lock one writing job holds at a time."""
        return self.root / "site.lock"


@dataclass(frozen=True, slots=True)
class SiteConfig:
    """What ``precisionchain.toml`` says.

    ``ledger`` is a URL (``embedded:ledger.sqlite``, relative to the folder); ``user`` the default
    user; ``alerts`` what `audit alerts` compares with, where it is not the default. Whether the
    site is a member, and under which code, only the ledger says.
    """

    site: str
    ledger: str
    user: str
    alerts: Mapping[str, Any] = field(default_factory=dict)


def require_one_path(root: Path) -> None:
    """Refuse a folder whose path could stand for those of other folders, too.

    Raises:
        SiteError: it could.
    """
    found = [each for each in _OF_PATTERNS if each in str(root.absolute())]
    if found:
        raise SiteError(
            f"the path of the site folder has {' and '.join(found)}, which the readers of its"
            " files take for a pattern of paths",
            where=str(root.absolute()),
            hint=f"put the site below folders without any of {' '.join(_OF_PATTERNS)} in their"
            " names",
        )


def read_config(folder: SiteFolder) -> SiteConfig:
    """Return a site's settings.

    Raises:
        NotASiteError: the folder is no site.
        SiteError: the file is damaged or of another format, or the folder's path is a pattern.
    """
    if not folder.config.is_file():
        raise NotASiteError(
            f"{folder.root} is not a site folder",
            hint="make one with `precisionchain init FOLDER --site NAME`, or name one with -C",
        )
    require_one_path(folder.root)
    try:
        members = tomllib.loads(folder.config.read_text(encoding="utf-8"))
        if members.pop("format") != FORMAT:
            raise SiteError(
                f"not of format {FORMAT}",
                where=CONFIG_NAME,
                hint="use the release that made this site folder",
            )
        return SiteConfig(**members)
    except (ValueError, KeyError, TypeError) as error:
        raise SiteError(
            "the settings cannot be read",
            where=CONFIG_NAME,
            hint="format, site, ledger, user, and a table [alerts]",
        ) from error


def write_config(folder: SiteFolder, config: SiteConfig) -> None:
    """Write the settings of a new site, whole or not at all.

    Raises:
        SiteExistsError: the folder is a site already.
    """
    if folder.config.exists():
        raise SiteExistsError(f"{folder.root} is a site already")
    lines = [
        "# A PrecisionChain site. Keys are in keys/; keep that folder private and backed up.",
        f"format = {FORMAT}",
        *(f"{name} = {_quoted(getattr(config, name))}" for name in ("site", "ledger", "user")),
    ]
    temporary = folder.config.with_suffix(".partial")
    temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    temporary.replace(folder.config)


@contextmanager
def writing_job(folder: SiteFolder) -> Iterator[None]:
    """Hold the site's lock: one job stages or publishes at a time; readers never take it.

    Raises:
        SiteLockedError: another job holds it.
    """
    with folder.lock.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SiteLockedError(
                "another job is writing in this site folder",
                where=folder.lock.name,
                hint="wait for it to end",
            ) from error
        yield


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
