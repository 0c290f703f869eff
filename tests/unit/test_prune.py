"""What no generation refers to goes, an hour after it was last referred to; nothing else does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from precisionchain.replica.catalogue import (
    CATALOGUE,
    Catalogue,
    SealedBatch,
    Snapshot,
    write_catalogue,
)
from precisionchain.replica.prune import AS_OF, GRACE_S, KEPT_AS_OF, prune

NETWORK = bytes(32)
NOW = 1_000_000.0
PART = SealedBatch("ab" * 32, "", "A", "s", "vcf", 1, 1, folder="parts/kept")
FILES = (
    *("folded/kept/x.parquet", "parts/kept/samples.parquet", "gone/kept.parquet", "gone/kept.json"),
    *("digests/" + "d" * 32 + ".json", "folded/then/x.parquet"),
)
UNWANTED = (
    "folded/old/x.parquet",
    "parts/old/samples.parquet",
    "gone/old.parquet",
    "digests/e.json",
)
LASTING = "batches/whatever/VOCAB/concept.parquet"


def catalogue(**members: Any) -> Catalogue:
    made = Catalogue(
        NETWORK.hex(),
        1,
        5,
        (PART,),
        files={"X/x": "folded/kept/x.parquet"},
        gone={"ab" * 32: "gone/kept.parquet"},
        digests="d" * 64,
    )
    return replace(made, **members)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in (*FILES, *UNWANTED, LASTING, "batches/.x.partial/y"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / AS_OF).mkdir()
    then = catalogue(files={"X/x": "folded/then/x.parquet"})
    write_catalogue(tmp_path / AS_OF / "then.json", then)
    write_catalogue(tmp_path / CATALOGUE, catalogue())
    return tmp_path


def there(root: Path) -> set[str]:
    return {
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and path.parent != root and path.parent.name != AS_OF
    }


def test_a_reader_keeps_its_files_for_an_hour_after_they_were_last_referred_to(root: Path) -> None:
    assert prune(root, catalogue(), now=NOW) == []
    assert there(root) == {*FILES, *UNWANTED, LASTING}
    assert prune(root, catalogue(), now=NOW + GRACE_S - 1) == []
    removed = prune(root, catalogue(), now=NOW + GRACE_S)
    assert sorted(removed) == ["digests/e.json", "folded/old", "gone/old.parquet", "parts/old"]
    assert there(root) == {*FILES, LASTING}


def test_what_is_referred_to_again_begins_anew(root: Path) -> None:
    old = catalogue(files={"X/x": "folded/old/x.parquet"})
    prune(root, catalogue(), now=NOW)
    prune(root, old, now=NOW + GRACE_S - 1)
    assert "folded/old" not in prune(root, catalogue(), now=NOW + GRACE_S)
    assert "folded/old" in prune(root, catalogue(), now=NOW + 2 * GRACE_S)


def test_earlier_positions_are_kept_while_they_leave_out_who_is_withdrawn(root: Path) -> None:
    withdrawn = {"A": (7,)}
    prune(root, catalogue(withdrawn=withdrawn), now=NOW)
    assert list((root / AS_OF).iterdir()) == []
    prune(root, catalogue(withdrawn=withdrawn), now=NOW + GRACE_S)
    assert "folded/then/x.parquet" not in there(root)


def test_only_the_positions_asked_for_last_are_kept(root: Path) -> None:
    for number in range(KEPT_AS_OF + 3):
        write_catalogue(root / AS_OF / f"{number}.json", catalogue(position=number))
    prune(root, catalogue(), now=NOW)
    left = {path.stem for path in (root / AS_OF).iterdir()}
    assert left == {str(number) for number in range(3, KEPT_AS_OF + 3)}


def test_a_catalogue_comes_back_as_it_was_written(root: Path) -> None:
    written = catalogue(withdrawn={"A": (1, 2)}, sealed=(replace(PART, supersedes=("cd",)),))
    write_catalogue(root / CATALOGUE, written)
    from precisionchain.replica.catalogue import read_snapshot

    assert read_snapshot(root, NETWORK) == Snapshot(root, written)
    assert written.state != catalogue().state
    assert replace(written, position=9, generation=4).state == written.state
