"""Single bits of a ledger's files flipped, over every kind of page, and what becomes of each."""

from __future__ import annotations

import random
import re
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from precisionchain.ledger.audit_bytes import TABLES, audit
from precisionchain.ledger.base import Finding
from precisionchain.ledger.embedded import EmbeddedLedger
from precisionchain.ledger.kept_checkpoints import KeptCheckpoints, Witness
from precisionchain.ledger.membership import LiveMembership
from precisionchain.ledger.signing import single_item
from precisionchain.schemas.json_payloads import value_payload
from tests.lib.complete_ledger import CompleteLedger, checks

_NAMED = rf"\b({'|'.join((*TABLES, 'sqlite_schema'))})\b"
_PLACE = re.compile(
    rf"page \d+|row \d+|index \w+|tree \d+|trigger \w+|{_NAMED}|header|_mode", re.IGNORECASE
)


def rows(path: Path) -> dict[str, list[object]] | None:
    """Every row of every table as plain SQLite reads them; None when it cannot."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            connection.text_factory = bytes
            return {
                table: connection.execute(f"SELECT * FROM {table}").fetchall()
                for table in (*TABLES, "sqlite_schema")
            }
    except (sqlite3.Error, ValueError, OverflowError):
        return None


def is_located(findings: list[Finding], page: int) -> bool:
    """Whether a finding names a position, block, stream or a page, table or index of the file.

    What cannot be opened at all is so because of its first page, which every finding then is of.
    """
    return page == 1 or any(
        finding.position is not None
        or finding.block is not None
        or finding.stream is not None
        or _PLACE.search(finding.message)
        for finding in findings
    )


@dataclass
class Flips:
    """Flips bits of a closed ledger's file; ``missed`` and ``not_located`` hold (byte, bit)."""

    ledger: CompleteLedger
    folder: Path
    tried: int = 0
    found: int = 0
    harmless: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    missed: list[tuple[int, int]] = field(default_factory=list)
    not_located: list[tuple[int, int, str]] = field(default_factory=list)

    def line(self) -> str:
        """Return the totals as one line."""
        return (
            f"{self.tried} flips in {len(self.kinds)} kinds of pages, {self.found} found,"
            f" {self.harmless} changed no row"
        )

    def run(self, count: int, rng: random.Random) -> None:
        """Flip so many bits, as many in each kind of page."""
        content, path = self.ledger.content, self.folder / "ledger.sqlite"
        path.write_bytes(content)
        before = rows(path)
        assert before is not None
        pages = pages_of(path)
        size = int.from_bytes(content[16:18], "big")
        for number in range(count):
            kind = sorted(pages)[number % len(pages)]
            page = rng.choice(pages[kind])
            start, end = (page - 1) * size, (page - 1) * size + (100 if kind == "header" else size)
            used = [at for at in range(start, end) if content[at]]
            at = rng.choice(used) if used and number % 4 else rng.randrange(start, end)
            bit = 1 << rng.randrange(8)
            damaged = bytearray(content)
            damaged[at] ^= bit
            for old in self.folder.iterdir():
                old.unlink()
            path.write_bytes(damaged)
            findings = list(audit(path))
            self.tried += 1
            self.kinds[kind] += 1
            if findings:
                self.found += 1
                if not is_located(findings, page):
                    self.not_located.append((at, bit, findings[0].message))
                continue
            if rows(path) == before:
                self.harmless += 1
            else:
                self.missed.append((at, bit))


def pages_of(path: Path) -> dict[str, list[int]]:
    """Return the pages of each table and index by what they are; the header apart."""
    pages: dict[str, list[int]] = {"header": [1]}
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        for name, kind, page in connection.execute("SELECT name, pagetype, pageno FROM dbstat"):
            pages.setdefault(f"{name} {kind}", []).append(page)
    return pages


@dataclass
class WalFlips:
    """Flips bits of the log of a ledger that was not copied into its file yet.

    SQLite drops a damaged frame of the log and all after it without a word: the ledger is shorter.
    That shows against a kept checkpoint.
    """

    ledger: CompleteLedger
    folder: Path
    tried: int = 0
    found: int = 0
    harmless: int = 0
    missed: list[tuple[int, int]] = field(default_factory=list)
    not_located: list[tuple[int, int, str]] = field(default_factory=list)

    def run(self, count: int, rng: random.Random) -> None:
        """Flip so many bits."""
        kept, content, log = self._with_log()
        path = self.folder / "flipped" / "ledger.sqlite"
        self._write(path, content, log)
        before = rows(path)
        for _ in range(count):
            at, bit = rng.randrange(len(log)), 1 << rng.randrange(8)
            damaged = bytearray(log)
            damaged[at] ^= bit
            self._write(path, content, bytes(damaged))
            findings = list(checks(path, kept))
            self.tried += 1
            if findings:
                self.found += 1
                if not is_located(findings, 0):
                    self.not_located.append((at, bit, findings[0].message))
                continue
            self._write(path, content, bytes(damaged))
            if rows(path) == before:
                self.harmless += 1
            else:
                self.missed.append((at, bit))

    def _with_log(self) -> tuple[KeptCheckpoints, bytes, bytes]:
        """Return checkpoints of everything, the file, and a log that holds several publishes."""
        folder = self.folder / "logged"
        folder.mkdir()
        path = folder / "ledger.sqlite"
        path.write_bytes(self.ledger.content)
        shutil.copytree(self.ledger.kept.folder, folder / "kept")
        kept = KeptCheckpoints(folder / "kept", self.ledger.kept.network)
        signer = self.ledger.signer_a
        with closing(EmbeddedLedger(path, signer)) as ledger:
            stream = next(name for name in ledger.streams() if name.startswith("MAF_"))
            for number in range(3):
                payload = value_payload("checkpoint", {"number": number})
                item = single_item(stream, (), payload, signer=signer, network=kept.network)
                ledger.publish(ledger.prepare([item]))
            Witness(ledger, LiveMembership(ledger), kept, "A", signer).publish()
            Witness(ledger, LiveMembership(ledger), kept, "A", signer).kept.tree(ledger)
            log = path.with_name(f"{path.name}-wal").read_bytes()
            return kept, path.read_bytes(), log

    def _write(self, path: Path, content: bytes, log: bytes) -> None:
        path.parent.mkdir(exist_ok=True)
        for old in path.parent.iterdir():
            old.unlink()
        path.write_bytes(content)
        path.with_name(f"{path.name}-wal").write_bytes(log)
