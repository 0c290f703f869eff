"""Files of the replica that are made while a batch is encoded: as from the ledger, or none.

What is unpacked from the ledger is the oracle: it knows the sealed items alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from precisionchain.errors import SiteError
from precisionchain.ingest import encode_omop
from precisionchain.ingest.drafts import Draft
from precisionchain.ingest.omop_batch import OmopBatch
from precisionchain.opened import OpenSite
from precisionchain.replica.unpack_clinical import ClinicalFiles
from tests.lib.ledger_places import EmbeddedPlace
from tests.lib.site_builder import BuiltNetwork

JANUARY = """
    concept_ancestor
    ancestor | descendant | levels
    100      | 10         | 1

    condition_occurrence
    id | person | concept | start
    1  | 7      | 10      | 2015-01-01
    2  | -8     | 20      | 2015-01-02
    3  | 9      |         | 2015-01-03

    death
    person | start
    9      | 2020-01-01

    care_site
    id | place_of_service_concept_id
    1  | 8717
    """
FEBRUARY = JANUARY.replace("10      | 2015-01-01", "10      | 2016-01-01")


@pytest.fixture
def network(tmp_path: Path) -> BuiltNetwork:
    return BuiltNetwork(tmp_path, EmbeddedPlace(tmp_path))


def files_below(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*.parquet")
    }


@contextmanager
def dying(before: str) -> Iterator[None]:
    """A job that dies before it calls something of the site's."""

    def die(*_arguments: object, **_named: object) -> None:
        raise SiteError("killed")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(OpenSite, before, die)
        with pytest.raises(SiteError, match="killed"):
            yield


def ingest_without_sync(network: BuiltNetwork) -> list[Path]:
    """Seal January, and die before the sync; return the folders of what was made ahead."""
    with dying("sync"):
        network.site().ingest(JANUARY)
    return list((network.site().folder.replica / "ahead").iterdir())


def test_the_files_are_those_that_the_ledger_gives(network: BuiltNetwork) -> None:
    site = network.site()
    for text in (JANUARY, FEBRUARY):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("precisionchain.replica.sync.unpack_clinical", None)  # is not called
            site.ingest(text)
    replica = site.folder.replica
    assert list((replica / "ahead").iterdir()) == []
    made = files_below(replica / "batches")
    assert len(made) > 15
    shutil.rmtree(replica)
    site.site.sync()
    assert files_below(replica / "batches") == made


def test_files_of_other_items_are_left_where_they_are(network: BuiltNetwork) -> None:
    (folder,) = ingest_without_sync(network)
    elsewhere = folder.with_name(f"{folder.name.partition('.')[0]}.{'0' * 64}")
    shutil.move(folder, elsewhere)
    for path in elsewhere.rglob("*.parquet"):
        path.write_bytes(b"of other rows")
    network.site().site.sync()
    assert elsewhere.exists()
    assert network.site().person(7)["condition_occurrence"].height == 1


def test_a_batch_that_is_not_whole_on_the_ledger_does_not_count(network: BuiltNetwork) -> None:
    (folder,) = ingest_without_sync(network)
    with closing(network.ledger()) as ledger:
        found = next(one for one in ledger.items() if one.item.payload.kind == "clinical")
    network.place.drop(found.position)
    report = network.site().site.sync()
    assert len(report.incomplete) == 1
    assert folder.exists()


def test_what_a_killed_job_left_is_removed_by_the_next(network: BuiltNetwork) -> None:
    site = network.site()
    left = site.folder.replica / "ahead" / ".0123.partial"
    left.mkdir(parents=True)
    (left / "half.parquet").write_bytes(b"half")
    site.ingest(JANUARY)
    assert not left.exists()
    assert site.person(7)["condition_occurrence"].height == 1


def test_files_are_given_up_whose_items_do_not_follow_each_other(
    network: BuiltNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_order = OmopBatch.drafts

    def apart(batch: OmopBatch) -> Iterator[Draft]:
        drafts = list(in_order(batch))
        first = next(draft for draft in drafts if draft.family == "CONDITION_0")
        drafts.remove(first)
        return iter([*drafts, first])

    with monkeypatch.context() as patched, dying("sync"):
        patched.setattr(encode_omop, "ITEM_ROWS", 1)
        patched.setattr(OmopBatch, "drafts", apart)
        network.site().ingest(JANUARY)
    assert list((network.site().folder.replica / "ahead").iterdir()) == []
    network.site().site.sync()
    for person in (7, -8):
        assert network.site().person(person)["condition_occurrence"].height == 1


def test_a_job_that_cannot_write_them_seals_all_the_same(
    network: BuiltNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def full(_files: ClinicalFiles, unfolded: object) -> None:
        calls.append(unfolded)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, dying("sync"):
        patched.setattr(ClinicalFiles, "add", full)
        network.site().ingest(JANUARY)
    assert len(calls) == 1
    assert list((network.site().folder.replica / "ahead").iterdir()) == []
    network.site().site.sync()
    assert network.site().person(7)["condition_occurrence"].height == 1
