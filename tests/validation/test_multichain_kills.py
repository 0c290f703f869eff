"""``kill -9`` of the real ``ingest``, and of the nodes, on a real chain of two nodes.

Both sites ingest one changed export after another at the same time. Each command is killed at a
random moment, up to twice, and repeated until it ends; then the same with the site's node killed
instead. What is sealed at last must be what undisturbed commands seal on an embedded ledger that
begins with the same records. ``PRECISIONCHAIN_KILLS`` says how many kills of commands there are
(40); nodes get a quarter of it.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest

from precisionchain.config import SiteFolder
from precisionchain.ledger.base import Ledger
from precisionchain.ledger.batches import seals
from precisionchain.ledger.embedded import EmbeddedLedger
from precisionchain.ledger.membership import Membership
from precisionchain.ledger.multichain_place import (
    INDEX_FILE,
    PASSWORD_VARIABLE,
    USER_VARIABLE,
)
from precisionchain.ledger.opening import open_ledger
from precisionchain.ledger.records import NETWORK_STREAM
from precisionchain.ledger.signing import load_key
from tests.lib.multichain_nodes import real_node_absent
from tests.lib.multichain_real_nodes import PASSWORD, USER, RealNode, two_real_nodes
from tests.lib.omop_builder import write_omop
from tests.lib.typed_commands import rows, run, start

KILLS = int(os.environ.get("PRECISIONCHAIN_KILLS", "40"))
SITES = ("a", "b")
ABSENT = real_node_absent()
pytestmark = [
    pytest.mark.validation,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(ABSENT is not None, reason=str(ABSENT)),
]


@dataclass
class Victim:
    """One site, which ingests a changed export each round."""

    world: Path
    name: str
    node: RealNode
    drawn: random.Random
    exports: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def next_export(self) -> tuple[str, ...]:
        """Write the next month's export, and return the command that ingests it."""
        self.exports += 1
        number = self.exports
        lines = "\n".join(
            f"{key} | {key % 7 + 1} | {10 * (key % 3) + 10}"
            f" | 2015-{1 + (number if key == number % 19 else 0) % 12:02}-{key % 28 + 1:02}"
            for key in range(1, 20 + number)
        )
        folder = f"omop_{self.name}_{number}"
        write_omop(
            self.world / folder,
            f"condition_occurrence\nid | person | concept | start\n{lines}\n",
        )
        return ("-q", "-C", f"site_{self.name}", "ingest", "omop", folder, "--source", "ehr")

    def undisturbed(self) -> None:
        command, began = self.next_export(), time.monotonic()
        assert self._run(command, kill_after=None) == 0
        self.seconds = time.monotonic() - began

    def killed(self) -> None:
        """Kill a command once or twice, and let it end."""
        command = self.next_export()
        for _ in range(self.drawn.choice((1, 1, 2))):
            after = self.drawn.uniform(0.5, self.seconds)
            code = self._run(command, kill_after=after)
            self.kills["killed" if code == -9 else "ended before"] += 1
        self._end(command)

    def node_killed(self) -> None:
        """Kill the node below a command, start it again, and let the command end."""
        command = self.next_export()
        job = start(self.world, *command)
        time.sleep(self.drawn.uniform(1.0, self.seconds))
        self.node.kill()
        time.sleep(self.drawn.uniform(0.0, 20.0))
        assert self.node.start()
        _, said = job.communicate(timeout=600)
        self.kills["node killed, command ended" if job.returncode == 0 else said.strip()[:90]] += 1
        self._end(command)

    def _end(self, command: tuple[str, ...]) -> None:
        """Repeat a command until it ends well, as its messages say."""
        for _ in range(5):
            if self._run(command, kill_after=None) == 0:
                return
        raise AssertionError(f"{command} does not end")

    def _run(self, command: tuple[str, ...], *, kill_after: float | None) -> int:
        job = start(self.world, *command)
        if kill_after is not None:
            time.sleep(kill_after)
            job.kill()
        _, said = job.communicate(timeout=900)
        if job.returncode > 0:
            self.kills[said.strip()[-200:]] += 1
        return job.returncode


@pytest.fixture
def victims(tmp_path: Path) -> Iterator[list[Victim]]:
    named = {USER_VARIABLE: USER, PASSWORD_VARIABLE: PASSWORD}
    with two_real_nodes(tmp_path / "nodes") as nodes, mock.patch.dict(os.environ, named):
        world = tmp_path / "world"
        world.mkdir()
        for name, node in zip(SITES, nodes, strict=True):
            place = ("--site", name.upper(), "--ledger", f"multichain:{node.url}?finality=3")
            build = ("--build", "GRCh37") if name == "a" else ()
            token = run(world, "init", f"site_{name}", *place, *build)
        run(world, "-C", "site_a", "admit", token.strip())
        seed = random.randrange(2**32)
        sys.stdout.write(f"\nseed {seed}\n")
        yield [
            Victim(world, name, node, random.Random(f"{seed}{name}"))
            for name, node in zip(SITES, nodes, strict=True)
        ]


def sealed(ledger: Ledger) -> list[tuple[str, str, bytes, str, int]]:
    """Return site, source, batch, root and items of every seal, in order."""
    membership = Membership.fold(ledger.items(NETWORK_STREAM))
    names = {key: m.site for m in membership.members() for key in membership.site_keys(m.site)}
    return [
        (
            names[seal.publisher],
            seal.manifest.source,
            seal.manifest.batch_id,
            seal.manifest.root,
            seal.manifest.items,
        )
        for seal in seals(ledger, membership.is_entitled)
    ]


def undisturbed(world: Path, copied: Path, ledger: Ledger, order: list[str]) -> Ledger:
    """Ingest the same exports in the same order on an embedded ledger with the same records."""
    copied.mkdir()
    for path in world.glob("omop_*"):
        (copied / path.name).symlink_to(path)
    for name in SITES:
        shutil.copytree(world / f"site_{name}" / "keys", copied / f"site_{name}" / "keys")
        config = (world / f"site_{name}" / "precisionchain.toml").read_text().splitlines()
        place = 'ledger = "embedded:../ledger.sqlite"'
        (copied / f"site_{name}" / "precisionchain.toml").write_text(
            "\n".join(place if line.startswith("ledger") else line for line in config) + "\n"
        )
    founder = load_key(SiteFolder(world / "site_a").site_key)
    made = EmbeddedLedger.create(copied / "ledger.sqlite", founder)
    made.create_streams(list(ledger.streams()))
    for placed in ledger.items(NETWORK_STREAM):
        made.publish(made.prepare([placed.item]))
    done: Counter[str] = Counter()
    for site in order:
        name = site.lower()
        done[name] += 1
        folder = f"omop_{name}_{done[name]}"
        run(copied, "-q", "-C", f"site_{name}", "ingest", "omop", folder, "--source", "ehr")
    return made


def doubled(index: Path) -> list[tuple[object, ...]]:
    """Return what is on the chain more than once, whether a reader would see it or not."""
    with closing(sqlite3.connect(index)) as database:
        return database.execute(
            "SELECT publisher, batch, ordinal, count(*) FROM items WHERE batch IS NOT NULL"
            " GROUP BY publisher, batch, ordinal HAVING count(*) > 1"
        ).fetchall()


def test_commands_and_nodes_killed_seal_what_undisturbed_ones_do(
    victims: list[Victim], tmp_path: Path
) -> None:
    world = victims[0].world

    def commands(victim: Victim) -> None:
        victim.undisturbed()
        while victim.kills["killed"] < -(-KILLS // 2):
            victim.killed()

    with ThreadPoolExecutor(2) as both:
        list(both.map(commands, victims))
    for number in range(-(-KILLS // 4)):  # one node at a time: the other's owner works on
        with ThreadPoolExecutor(2) as both:
            struck, other = victims[number % 2], victims[1 - number % 2]
            list(both.map(lambda work: work(), (struck.node_killed, other.undisturbed)))

    for victim in victims:
        sys.stdout.write(f"site {victim.name}: {victim.exports} exports, {dict(victim.kills)}\n")
        assert doubled(world / f"site_{victim.name}" / INDEX_FILE) == []
        assert not [said for said in victim.kills if "somebody else" in said]
    for name in SITES:
        checks = rows(world, "-C", f"site_{name}", "verify")
        assert [check for check in checks if not check["ok"] or check["findings"]] == []
    site = world / "site_a"
    place = next(
        line.split('"')[1]
        for line in (site / "precisionchain.toml").read_text().splitlines()
        if line.startswith("ledger")
    )
    with closing(open_ledger(place, base=site)) as chain:
        there = sealed(chain)
        embedded = undisturbed(world, tmp_path / "copy", chain, [entry[0] for entry in there])
    with closing(embedded):
        assert there == sealed(embedded)
    assert Counter(entry[0].lower() for entry in there) == {v.name: v.exports for v in victims}
