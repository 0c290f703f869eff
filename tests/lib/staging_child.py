"""Staging in processes of its own, so that a crash or a hang of a parser is seen and located.

A child stages the files it is sent, one after the other, and answers with what became of each. When
it dies, or does not answer in time, the case it had last is the one to look at.
"""

from __future__ import annotations

import base64
import json
import os
import selectors
import subprocess
import sys
import tempfile
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self
from unittest import mock

PROJECT_ROOT = Path(__file__).resolve().parents[2]

Row = dict[str, Any]
Call = tuple[int, int, int]
"""Dosage (3 missing), 1 if haploid, and phase (0 none, 1 ``0|x``, 2 ``1|0``)."""


@dataclass(frozen=True)
class Case:
    """One file to be staged.

    Attributes:
        content: the file's bytes.
        name: the file's name.
        persons: rows of the sample map: sample, person, sex (``M``, ``F`` or nothing).
        options: of `stage_vcf`; ``bed`` is the text of a BED file, in place of ``assay``.
        chunk: bytes that are read at a time; 0 means as ever.
    """

    content: bytes
    name: str
    persons: tuple[tuple[str, int, str], ...]
    options: dict[str, Any] = field(default_factory=dict)
    chunk: int = 0


@dataclass(frozen=True)
class Taken:
    """The file was staged: its sites with their counts and calls, what was refused, and what
    ``run.json`` counts.
    """

    sites: list[Row]
    refused: list[Row]
    statistics: Row


@dataclass(frozen=True)
class Refused:
    """The file was refused by an error of the package."""

    error: str
    message: str
    where: str | None
    hint: str | None

    def __str__(self) -> str:
        return f"{self.error}: {self.message}"


@dataclass(frozen=True)
class Broken:
    """Another error, a death, or no answer in time: never right."""

    what: str


Outcome = Taken | Refused | Broken


class Child:
    """A process that stages what it is sent; a new one takes its place when it dies.

    Args:
        seconds: how long a file may take; the first of a process ten times as long, because it
            waits for the compiler of loops.
    """

    def __init__(self, seconds: float = 60) -> None:
        self._seconds = seconds
        self._running: subprocess.Popen[bytes] | None = None
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `__exit__`

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()
        self._said.close()

    def stage(self, case: Case) -> Outcome:
        """Stage a file and say what became of it."""
        seconds = self._seconds if self._running else 10 * self._seconds
        running = self._running or self._begin()
        assert running.stdin is not None
        assert running.stdout is not None
        try:
            _send(running.stdin, _written(case))
            if not _answers(running.stdout, seconds):
                self._end()
                return Broken(f"no answer in {seconds} s")
            outcome = _outcome_read(_received(running.stdout))
        except (EOFError, BrokenPipeError):
            running.wait()
            self._end()
            self._said.seek(0)
            words = self._said.read().decode("utf-8", "replace").partition("Extension modules")[0]
            words = words[-2_000:]
            return Broken(f"the interpreter ended with {running.returncode}: {words}")
        return outcome

    def _begin(self) -> subprocess.Popen[bytes]:
        self._said.truncate(0)
        self._running = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-m", "tests.lib.staging_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            cwd=PROJECT_ROOT,
        )
        return self._running

    def _end(self) -> None:
        if self._running is not None:
            self._running.kill()
            self._running.wait()
            for stream in (self._running.stdin, self._running.stdout):
                assert stream is not None
                try:
                    stream.close()
                except BrokenPipeError:
                    continue
            self._running = None


def _answers(stream: Any, seconds: float) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        return bool(selector.select(seconds))


def _send(stream: Any, message: Row) -> None:
    body = json.dumps(message).encode()
    stream.write(len(body).to_bytes(8, "little") + body)
    stream.flush()


def _received(stream: Any) -> Row:
    size = stream.read(8)
    if len(size) < 8:
        raise EOFError
    found: Row = json.loads(stream.read(int.from_bytes(size, "little")))
    return found


def _written(case: Case) -> Row:
    return asdict(case) | {"content": base64.b64encode(case.content).decode()}


def _read(case: Row) -> Case:
    persons = tuple((sample, person, sex) for sample, person, sex in case.pop("persons"))
    return Case(base64.b64decode(case.pop("content")), persons=persons, **case)


def _outcome_read(said: Row) -> Outcome:
    ((kind, values),) = said.items()
    for site in values.get("sites", ()):
        site["calls"] = [tuple(call) for call in site["calls"]]
    outcome: Outcome = {one.__name__: one for one in (Taken, Refused, Broken)}[kind](**values)
    return outcome


# -------------------------------------------------------------------------------- in the child


def outcome_of(case: Case, folder: Path) -> Outcome:
    """Stage a file below an empty folder."""
    from precisionchain.errors import PrecisionChainError
    from precisionchain.ingest import vcf_bytes
    from precisionchain.ingest.stage_vcf import stage_vcf
    from precisionchain.ingest.staging import Staging
    from precisionchain.ingest.vcf_settings import VcfSettings
    from tests.lib.vcf_builder import write_map

    path = folder / case.name
    path.write_bytes(case.content)
    rows = (f"{sample}\t{person}\t{sex}" for sample, person, sex in case.persons)
    mapped = write_map(folder / "map.tsv", *rows, columns="sample_id\tperson_id\tsex")
    options = dict(case.options)
    if bed := options.pop("bed", None):
        (folder / "assay.bed").write_text(bed, encoding="utf-8")
        options["assay"] = str(folder / "assay.bed")
    chunk = case.chunk or vcf_bytes.CHUNK_BYTES
    try:
        with mock.patch.object(vcf_bytes, "CHUNK_BYTES", chunk):
            run = stage_vcf(
                Staging(folder / "staging"), [path], VcfSettings(samples=mapped, **options)
            )
    except PrecisionChainError as error:
        where = error.where and error.where.replace(f"{folder}/", "")
        return Refused(type(error).__name__, error.message, where, error.hint)
    except Exception:  # noqa: BLE001 - the finding itself
        return Broken(traceback.format_exc())
    return taken(run)


def taken(run: Any) -> Taken:
    """Read a staged run back."""
    import pyarrow.parquet as pq

    from precisionchain.schemas.genotypes import unpack_variant_block

    tables = {
        name: pq.read_table(run.path / f"{name}.parquet").to_pylist()
        for name in ("sites", "counts", "refused")
    }
    sites = [a | b for a, b in zip(tables["sites"], tables["counts"], strict=True)]
    read: dict[int, Any] = {}
    for site in sites:
        if site["block"] not in read:
            body = (run.path / "blocks" / f"{site['block']:06d}.arrow").read_bytes()
            read[site["block"]] = unpack_variant_block(body).calls()
        site["calls"] = calls_of(read[site["block"]], site["row"])
    return Taken(sites, tables["refused"], run.description["statistics"])


def calls_of(calls: Any, row: int) -> list[Call]:
    """Return a row of a block, the last two of a call 0 where they mean nothing."""
    found = []
    for person, dosage in enumerate(calls.dosage[row].tolist()):
        single = int(dosage != 3 and calls.haploid is not None and bool(calls.haploid[row, person]))
        phased = dosage != 3 and not single and calls.phase is not None
        found.append((dosage, single, int(calls.phase[row, person]) if phased else 0))
    return found


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    while True:
        try:
            case = _read(_received(requests))
        except EOFError:
            return
        with tempfile.TemporaryDirectory() as folder:
            outcome = outcome_of(case, Path(folder))
        _send(answers, {type(outcome).__name__: asdict(outcome)})


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not be taken for an answer
    _serve(sys.stdin.buffer, answers)
