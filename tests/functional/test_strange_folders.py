"""A site answers from its rows, whatever the folders above it are called, or says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lib.omop_builder import write_omop
from tests.lib.typed_commands import refused, rows, run

EXPORTS = (
    "1 | 1 | 10 | 2020-01-01\n2 | 2 | 10 | 2020-02-01\n3 | 3 | 11 | 2020-02-01\n",
    "1 | 1 | 10 | 2020-01-01\n2 | 2 | 11 | 2020-02-01\n3 | 3 | 11 | 2020-02-01\n",
)


@pytest.mark.parametrize("folder", ["year=2024/person_id=7", "a b/#{x,y}~&%20/it's"])
def test_later_exports_and_withdrawals_are_answered_as_elsewhere(
    tmp_path: Path, folder: str
) -> None:
    world = tmp_path / folder
    world.mkdir(parents=True)
    run(world, "init", "site", "--site", "A", "--build", "GRCh38")
    at = ("-q", "-C", "site")
    for number, lines in enumerate(EXPORTS):
        text = f"condition_occurrence\nid | person | concept | start\n{lines}"
        write_omop(world / f"export_{number}", text)
        run(world, *at, "ingest", "omop", f"export_{number}", "--source", "ehr")
    found = rows(world, *at, "query", "domain", "11")
    assert {row["person_id"] for row in found} == {2, 3}
    run(world, *at, "withdraw", "--person", "3")
    found = rows(world, *at, "query", "domain", "11")
    assert [(row["site"], row["person_id"]) for row in found] == [("A", 2)]
    assert "year" not in found[0]
    unsound = [check for check in rows(world, *at, "verify") if check["findings"]]
    assert not unsound


@pytest.mark.parametrize("folder", ["a?b", "a*b", "[ab]"])
def test_a_path_that_is_a_pattern_is_refused(tmp_path: Path, folder: str) -> None:
    """The rows of `a?b` would be those of `axb`, too."""
    world = tmp_path / folder
    world.mkdir()
    for place, asked in (
        (world, ("init", "site", "--site", "A")),
        (tmp_path, ("init", folder + "/site", "--site", "A")),
    ):
        said = refused(place, 3, *asked)
        assert "the path of the site folder has" in said
        assert str(world / "site") in said
    assert not [*world.iterdir()]
    run(tmp_path, "init", "site", "--site", "A")
    (tmp_path / "site").rename(world / "site")
    for used in ("sync", "query domain 10", "sql select", "verify"):
        said = refused(world, 3, "-C", "site", *used.split())
        assert "take for a pattern of paths" in said
