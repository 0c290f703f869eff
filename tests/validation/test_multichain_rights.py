"""Who may write on a chain, as commands change it: every record has its right, and the reverse."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import pytest

from precisionchain.config import SiteFolder, read_config
from precisionchain.errors import AccessRefusedError
from precisionchain.ledger.multichain_place import (
    ADDRESSES_FILE,
    INDEX_FILE,
    PASSWORD_VARIABLE,
    USER_VARIABLE,
)
from precisionchain.ledger.opening import open_ledger
from precisionchain.ledger.signing import load_key
from precisionchain.schemas.founding import founding_streams
from precisionchain.schemas.items import Codec, Item, ItemClass, Payload
from precisionchain.schemas.parameters import NetworkParameters
from tests.lib.multichain_double import MultiChainDouble
from tests.lib.multichain_nodes import real_node_absent
from tests.lib.multichain_real_nodes import PASSWORD, USER, two_real_nodes
from tests.lib.omop_builder import write_omop
from tests.lib.typed_commands import refused, rows, run

pytestmark = [pytest.mark.validation, pytest.mark.timeout(1800)]
ABSENT = real_node_absent()


class Network(NamedTuple):
    """Sites A and C are at the first node, B and D at the second; only A and B are admitted."""

    world: Path
    tokens: dict[str, str]

    def run(self, site: str, *arguments: str) -> str:
        return run(self.world, "-q", "-C", f"site_{site}", *arguments)

    def refused(self, site: str, *arguments: str) -> str:
        return refused(self.world, 6, "-C", f"site_{site}", *arguments)

    def ingest(self, site: str, number: int) -> None:
        lines = "".join(f"{k} | {k} | 10 | 2015-01-01\n" for k in range(1, 40 + number))
        folder = f"omop_{site}_{number}"
        text = f"condition_occurrence\nid | person | concept | start\n{lines}"
        write_omop(self.world / folder, text)
        self.run(site, "ingest", "omop", folder, "--source", "ehr")

    def can_write(self, site: str, stream: str) -> bool:
        """Whether the chain takes an item of a site, whatever readers think of it."""
        folder = SiteFolder(self.world / f"site_{site}")
        key = load_key(folder.site_key).public_key
        payload = Payload("test", Codec.RAW, b"")
        item = Item(stream, (), ItemClass.BATCH, key, os.urandom(32), 1, payload)
        with closing(open_ledger(read_config(folder).ledger, base=folder.root)) as ledger:
            try:
                ledger.publish(ledger.prepare([item]))
            except AccessRefusedError:
                return False
        return True

    def opens(self, site: str, stream: str) -> None:
        """Let a site open a stream, as it does when another is full."""
        folder = SiteFolder(self.world / f"site_{site}")
        with closing(open_ledger(read_config(folder).ledger, base=folder.root)) as ledger:
            ledger.create_stream(stream)


@pytest.fixture(params=["double", "real"])
def network(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Network]:
    if request.param == "double":
        with MultiChainDouble(2) as chain:
            chain.mine_every(0.15)
            yield from begun(tmp_path, [chain.url(0), chain.url(1)], chain.user, chain.password)
    elif ABSENT is not None:
        pytest.skip(ABSENT)
    else:
        with two_real_nodes(tmp_path / "nodes") as nodes:
            yield from begun(tmp_path, [node.url for node in nodes], USER, PASSWORD)


def clinical_streams(parameters: NetworkParameters) -> list[str]:
    """A sixth of all streams: a right costs a transaction a stream."""
    genetic = ("VAR", "GTF", "SV", "MAF", "COUNT")
    return [name for name in founding_streams(parameters) if not name.startswith(genetic)]


def begun(folder: Path, urls: list[str], user: str, password: str) -> Iterator[Network]:
    world, tokens = folder / "world", {}
    world.mkdir()
    credentials = mock.patch.dict(os.environ, {USER_VARIABLE: user, PASSWORD_VARIABLE: password})
    fewer = mock.patch("precisionchain.founding.founding_streams", clinical_streams)
    with credentials, fewer:
        for nth, site in enumerate("ABCD"):
            place = ("--ledger", f"multichain:{urls[nth % 2]}?finality=2")
            build = () if nth else ("--build", "GRCh37")
            tokens[site] = run(
                world, "init", f"site_{site}", "--site", site, *place, *build
            ).strip()
        network = Network(world, tokens)
        network.run("A", "admit", tokens["B"])
        yield network


def test_rights_follow_what_commands_say(network: Network) -> None:
    network.ingest("B", 1)
    network.opens("B", "BATCH_2a1")  # before there is another administrator than its node's
    network.run("A", "admit", network.tokens["C"], "--admin")
    network.opens("B", "BATCH_3a1")

    # The second administrator admits, removes and takes in again, whoever made the streams.
    network.run("C", "admit", network.tokens["D"])
    network.ingest("D", 1)
    network.run("C", "revoke", "B")
    assert not network.can_write("B", "BATCH_1")
    assert not network.can_write("B", "BATCH_3a1")
    network.run("C", "grant", "B")
    network.ingest("B", 2)
    assert network.can_write("B", "BATCH_3a1")

    # A new key leaves the addresses as they are.
    network.run("B", "rotate-key")
    network.ingest("B", 3)

    # A site that lost its wallet comes back with a new key and new addresses.
    network.run("A", "revoke", "B")
    folder = network.world / "site_B"
    for lost in (folder / ADDRESSES_FILE, folder / INDEX_FILE):
        lost.unlink()
    token = network.run("B", "rotate-key", "--token").strip()
    assert not network.can_write("B", "BATCH_1")
    network.run("C", "rekey", token)
    network.run("B", "rotate-key")
    network.ingest("B", 4)
    assert network.can_write("B", "BATCH_3a1")

    # An administrator who is none any more gives no rights, and goes on writing.
    network.run("C", "grant", "A", "--no-admin")
    assert "no administrator" in network.refused("A", "grant", "B")
    folder = network.world / "site_A"
    with (
        closing(open_ledger(place_of(network, "A"), base=folder)) as ledger,
        pytest.raises(AccessRefusedError),
    ):
        ledger.dismiss(dict.fromkeys(("publish",), addresses_of(network, "D")["publish"]))
    network.ingest("A", 1)
    for site in "AC":
        checks = rows(network.world, "-C", f"site_{site}", "verify")
        found = [check for check in checks if check["findings"]]
        assert {check["check"] for check in found} <= {"strays"}  # what `can_write` left


def place_of(network: Network, site: str) -> str:
    return read_config(SiteFolder(network.world / f"site_{site}")).ledger


def addresses_of(network: Network, site: str) -> dict[str, str]:
    with closing(
        open_ledger(place_of(network, site), base=network.world / f"site_{site}")
    ) as ledger:
        return dict(ledger.addresses())
