"""``verify`` on an embedded ledger whose file is cut short: refused when it is opened, or found."""

from __future__ import annotations

from pathlib import Path

import pytest

from precisionchain.errors import LedgerError
from tests.lib.ledger_places import EmbeddedPlace
from tests.lib.site_builder import BuiltNetwork

TABLES = """
    condition_occurrence
    id | person | concept | start
    1  | 7      | 10      | 2015-01-01
    """


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[BuiltNetwork, Path, bytes]:
    """A network, its ledger file, and what the file held."""
    folder = tmp_path_factory.mktemp("network")
    place = EmbeddedPlace(folder)
    network = BuiltNetwork(folder, place)
    network.site().ingest(TABLES)
    return network, place.path, place.path.read_bytes()


@pytest.mark.parametrize("share", [0.99, 0.9, 0.5, 0.1, 0.0])
def test_no_part_of_a_ledger_file_passes_for_the_whole(
    whole: tuple[BuiltNetwork, Path, bytes], share: float
) -> None:
    network, path, content = whole
    for name in ("-wal", "-shm"):
        path.with_name(path.name + name).unlink(missing_ok=True)
    path.write_bytes(content[: int(len(content) * share)])
    assert refused_or_found(network, path)


def refused_or_found(network: BuiltNetwork, path: Path) -> bool:
    try:
        return not all(check.ok for check in network.site().site.verify())
    except LedgerError as error:
        return path.name in str(error)
