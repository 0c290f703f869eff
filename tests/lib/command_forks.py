"""The real command line in forked programs, which a test kills at any moment or system boundary.

Starting Python and importing everything costs more than most commands do. So one program imports,
and every run of a command is a fork of it that calls ``precisionchain.cli.app.main``. What starts
threads when imported (polars) is imported after the fork.

A *boundary* is a moment right before something is written: a statement that SQLite is given, a file
that is opened for writing, renamed, removed or made. Each has a label, as ``ledger: COMMIT``.
"""

from __future__ import annotations

import importlib
import json
import mmap
import os
import pkgutil
import re
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 120.0
_LABEL_BYTES = 120
_AFTER_FORK = "polars"
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_FILE_EVENTS = {"os.rename": "rename", "os.remove": "remove", "os.mkdir": "make", "os.link": "link"}
_READS = re.compile(r"\s*(select|pragma (?!wal_checkpoint)|with|explain|--)", re.IGNORECASE)
_VERB = re.compile(r"\s*(insert into \w+|delete from \w+|update \w+|pragma \w+|\w+)", re.IGNORECASE)

Command = Sequence[str | Path]


@dataclass(frozen=True, slots=True)
class Kill:
    """When a command is killed: after so many seconds, or at the n-th boundary of a label."""

    seconds: float | None = None
    label: str | None = None
    nth: int = 1


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a run.

    ``code`` is -9 where it was killed; ``last`` the label of the last boundary it came to;
    ``labels`` all of them, where they were asked for.
    """

    code: int
    last: str
    seconds: float
    output: str
    errors: str
    labels: tuple[str, ...] = ()

    @property
    def killed(self) -> bool:
        """Whether it was killed before its end."""
        return self.code == -signal.SIGKILL


class CommandForks:
    """Runs commands of the program in forks of one that has imported it.

    Args:
        scratch: a folder for what commands print.
        items_per_publish: the most items that one transaction of the ledger takes, so that small
            batches take several.
    """

    def __init__(self, scratch: Path, *, items_per_publish: int | None = None) -> None:
        self._scratch = scratch
        self._program = subprocess.Popen(
            [sys.executable, "-m", "tests.lib.command_forks", str(items_per_publish or 0)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> CommandForks:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.close()
        self._program.wait()
        self._program.stdout.close()

    def run(
        self, folder: Path, *commands: Command, kill: Kill | None = None, labels: bool = False
    ) -> Ran:
        """Run commands one after another in one fork, in a folder; stop at the first that fails."""
        started = self.start(folder, *commands, kill=kill, labels=labels)
        return started()

    def start(
        self, folder: Path, *commands: Command, kill: Kill | None = None, labels: bool = False
    ) -> Callable[[], Ran]:
        """Start commands; what is returned waits for their end. One at a time may be running."""
        said = self._scratch / "said"
        request = {
            "folder": str(folder),
            "commands": [[str(word) for word in command] for command in commands],
            "seconds": kill and kill.seconds,
            "label": kill and kill.label,
            "nth": kill.nth if kill else 0,
            "labels": labels,
            "said": str(said),
        }
        assert self._program.stdin is not None
        self._program.stdin.write(json.dumps(request) + "\n")
        self._program.stdin.flush()

        def wait() -> Ran:
            assert self._program.stdout is not None
            answer = json.loads(self._program.stdout.readline())
            there = said.with_suffix(".labels")
            return Ran(
                **answer,
                output=said.with_suffix(".out").read_text(),
                errors=said.with_suffix(".err").read_text(),
                labels=tuple(there.read_text().splitlines()) if labels else (),
            )

        return wait


# ------------------------------------------------------------------------ in the program that forks


def serve(items_per_publish: int) -> None:
    """Fork a program for each request on stdin, wait for its end, and say what became of it."""
    _import_all()
    if items_per_publish:
        _publish_few(items_per_publish)
    shared = mmap.mmap(-1, mmap.PAGESIZE)
    for line in sys.stdin:
        request = json.loads(line)
        shared[: 2 + _LABEL_BYTES] = bytes(2 + _LABEL_BYTES)
        ready, starts = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(ready)
            _be_the_command(request, shared, starts)
        os.close(starts)
        os.read(ready, 1)  # empty when the child ends early
        os.close(ready)
        began = time.monotonic()
        code = _ended(child, request["seconds"])
        last = shared[2 : 2 + _LABEL_BYTES].rstrip(b"\0").decode()
        answer = {"code": code, "last": last, "seconds": time.monotonic() - began}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _ended(child: int, seconds: float | None) -> int:
    """Wait for a child's end, which is brought about after so many seconds; return its code."""
    handle = os.pidfd_open(child)
    try:
        if not select.select([handle], [], [], LIMIT_SECONDS if seconds is None else seconds)[0]:
            os.kill(child, signal.SIGKILL)
    finally:
        os.close(handle)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _import_all() -> None:
    """Import what starts no thread."""

    class Later:
        def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
            if name == _AFTER_FORK:
                raise ImportError(name)

    later: Any = Later()
    sys.meta_path.insert(0, later)
    package = importlib.import_module("precisionchain")
    found = pkgutil.walk_packages(package.__path__, "precisionchain.", onerror=lambda _: None)
    for module in found:
        if "__main__" not in module.name and "synthetic" not in module.name:
            try:
                importlib.import_module(module.name)
            except ImportError:
                continue
    sys.meta_path.remove(later)


def _publish_few(items: int) -> None:
    from precisionchain.ledger.base import Limits
    from precisionchain.ledger.embedded import EmbeddedLedger

    few: Any = property(lambda _: Limits(max_items_per_publish=items))
    EmbeddedLedger.limits = few  # type: ignore[method-assign]


def _be_the_command(request: Mapping[str, Any], shared: mmap.mmap, starts: int) -> None:
    """Run the commands of a request and end."""
    said = Path(request["said"])
    for number, suffix in ((1, ".out"), (2, ".err")):
        opened = os.open(said.with_suffix(suffix), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(opened, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    os.chdir(request["folder"])
    importlib.import_module("precisionchain.ingest.vcf_batch")  # and polars with it
    main = importlib.import_module("precisionchain.cli.app").main
    _watch(request, shared)
    os.write(starts, b".")
    code: Any = 0
    for command in request["commands"]:
        sys.argv = ["precisionchain", *command]
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        sys.stdout.flush()
        sys.stderr.flush()
        if code:
            break
    os._exit(code)


def _watch(request: Mapping[str, Any], shared: mmap.mmap) -> None:
    """Note every boundary that the program comes to; end it at the one that is asked for."""
    seen = 0
    kept = os.open(
        Path(request["said"]).with_suffix(".labels"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    )

    def at(label: str) -> None:
        nonlocal seen
        text = label.encode()[:_LABEL_BYTES]
        shared[2 : 2 + _LABEL_BYTES] = text.ljust(_LABEL_BYTES, b"\0")
        if request["labels"]:
            os.write(kept, text + b"\n")
        if label == request["label"]:
            seen += 1
            if seen == request["nth"]:
                os.kill(os.getpid(), signal.SIGKILL)

    connect = sqlite3.connect

    def watched(path: Any, *args: Any, **kwargs: Any) -> sqlite3.Connection:
        opened: sqlite3.Connection = connect(path, *args, **kwargs)
        name = Path(str(path).partition("?")[0]).name.partition(".sqlite")[0]

        def trace(statement: str) -> None:
            if not _READS.match(statement):
                found = _VERB.match(statement)
                at(f"{name}: {found[1].upper() if found else '?'}")

        opened.set_trace_callback(trace)
        return opened

    sqlite3.connect = watched  # type: ignore[assignment]
    here = Path.cwd()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        what = _FILE_EVENTS.get(event)
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES:
            what = "write"
        if what and isinstance(arguments[0], str | os.PathLike):
            place = Path(arguments[0]).absolute()
            if here in place.parents:
                at(f"{what} {_place(place.relative_to(here))}")

    sys.addaudithook(hook)


def _place(path: Path) -> str:
    """Return where in a site a path is, without the parts that differ from run to run."""
    parts = [re.sub(r"[0-9a-f]{8,}|(?<=\.)\d+(?=\.)|\d{6}", "*", part) for part in path.parts]
    return "/".join(parts[1:4])


if __name__ == "__main__":
    serve(int(sys.argv[1]))
