"""A full disk, or one that may not be written: one clear error, nothing half, and it goes on later.

A small file system in memory stands for the disk; mounting one needs root.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from precisionchain.cli.disk import disk_error
from tests.lib.command_forks import CommandForks, Ran
from tests.lib.kill_phases import PHASES
from tests.lib.killed_sites import SITE, questions_asked, standing

KIB = 1024
FREE = (0, 48, 100, 160)
"""KiB that are left on the disk: for a later export the ledger, the outbox, the replica fail."""


@dataclass(frozen=True)
class Disk:
    """A small disk."""

    folder: Path

    def put(self, first: Path, free: int | None = None) -> Path:
        """Copy a folder onto it, and leave so many KiB free."""
        shutil.rmtree(self.folder / "world", ignore_errors=True)
        world = shutil.copytree(first, self.folder / "world")
        if free is not None:
            there = os.statvfs(self.folder)
            ballast = there.f_bavail * there.f_frsize - free * KIB
            (self.folder / "ballast").write_bytes(bytes(ballast))
        return Path(world)

    def make_room(self) -> None:
        """Free the rest of it."""
        (self.folder / "ballast").unlink()

    def remount(self, how: str) -> None:
        """Make it read-only (``ro``) or not (``rw``)."""
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    yield Disk(folder)
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandForks]:
    with CommandForks(tmp_path_factory.mktemp("forks"), items_per_publish=3) as forks:
        yield forks


def is_one_clear_error(ran: Ran) -> bool:
    lines = [line for line in ran.errors.splitlines() if line.startswith("error: ")]
    clear = len(lines) == 1 and "unexpected" not in lines[0] and "Traceback" not in ran.errors
    return clear and ran.code in (3, 7) and ran.output == ""


@pytest.mark.parametrize("name", ["publish, later export", "withdraw persons", "a question"])
def test_a_full_disk_is_told_and_with_room_the_command_goes_on(
    forks: CommandForks, disk: Disk, tmp_path: Path, name: str
) -> None:
    phase, first = PHASES[name], tmp_path / "first"
    first.mkdir()
    phase.make(forks, first)
    undisturbed = Path(shutil.copytree(first, tmp_path / "undisturbed"))
    answer = forks.run(undisturbed, phase.command).output
    expected, failed = standing(undisturbed), 0
    for free in FREE:
        world = disk.put(first, free)
        ran = forks.run(world, phase.command)
        failed += ran.code != 0
        assert ran.code == 0 or is_one_clear_error(ran), ran.errors
        disk.make_room()
        again = forks.run(world, phase.command)
        assert again.code == 0, again.errors
        if name == "a question":
            assert again.output == answer
        assert expected.differences(replace(standing(world), leftovers=())) == []
    assert failed >= 2


def test_a_disk_that_may_not_be_written_is_told_and_nothing_is_answered(
    forks: CommandForks, disk: Disk, tmp_path: Path
) -> None:
    first = tmp_path / "first"
    first.mkdir()
    PHASES["withdraw persons"].make(forks, first)
    world = disk.put(first)
    before, asked = standing(world), questions_asked(world)
    for name in ("withdraw persons", "a question", "publish, later export"):
        disk.remount("ro")
        ran = forks.run(world, PHASES[name].command)
        disk.remount("rw")
        assert is_one_clear_error(ran), (name, ran.code, ran.errors, ran.output)
        assert before.differences(standing(world)) == []
        assert questions_asked(world) == asked


@pytest.mark.parametrize("part", ["ledger.sqlite", "."])
def test_a_part_of_a_site_that_may_not_be_written_is_told(
    forks: CommandForks, tmp_path: Path, part: str
) -> None:
    """Whoever takes the right to write away means it, also for root."""
    PHASES["withdraw persons"].make(forks, tmp_path)
    asked = questions_asked(tmp_path)
    path = tmp_path / SITE / part
    mode = path.stat().st_mode
    path.chmod(mode & ~0o222)
    for name in ("withdraw persons", "a question", "publish, later export"):
        ran = forks.run(tmp_path, PHASES[name].command)
        assert is_one_clear_error(ran), (name, ran.code, ran.errors, ran.output)
    path.chmod(mode)
    assert questions_asked(tmp_path) == asked


def test_only_what_is_said_of_the_disk_is_told() -> None:
    quoted = RuntimeError(f"value 4711: {os.strerror(errno.ENOSPC)} (os error 28)")
    told = disk_error(quoted)
    assert told is not None
    assert "4711" not in str(told)
    assert "no space" in str(disk_error(OSError(errno.ENOSPC, "full", "outbox.sqlite")))
    assert "NUMBA_CACHE_DIR" in str(disk_error(RuntimeError("cannot cache function 'x': no …")))
    assert disk_error(ValueError("4711")) is None
    assert disk_error(OSError(errno.ENOENT, "absent")) is None
    assert disk_error(sqlite3.OperationalError("no such table")) is None
