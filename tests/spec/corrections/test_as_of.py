"""What is answered now and as of earlier positions: corrected rows stay seen, withdrawn persons do
not, at whatever position they were withdrawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from precisionchain.errors import UnknownPersonError, UsageError
from precisionchain.network import Network
from precisionchain.replica.as_of import Moment
from tests.lib.drawn_genotypes import ingest_genotypes
from tests.lib.site_builder import BuiltNetwork, BuiltSite
from tests.lib.tables import drawn
from tests.lib.two_months import FEBRUARY, JANUARY
from tests.spec.conftest import Build

GENOTYPES = """
    place | ref | alt | 7   | 8
    9:100 | A   | G   | 0/1 | 1/1
    """
BEFORE_THE_READMISSION = """
    as of     | rows           | universe | carriers | ac | an | left out
    january   | 8:20           | 8        |          |    |    | 1
    genotypes | 8:20           | 8        | 8        | 2  | 2  | 1
    february  | 8:30 9:10      | 8 9      | 8        | 2  | 2  | 1
    person    | 8:30 9:10      | 8 9      | 8        | 2  | 2  | 0
    batch     |                | 8        | 8        | 2  | 2  | 0
    again     | 8:30 9:10      | 8 9      | 8        | 2  | 2  | 0
    """
AFTER_IT = """
    as of     | rows           | universe | carriers | ac | an | left out
    january   | 7:10 8:20      | 7 8      |          |    |    | 0
    genotypes | 7:10 8:20      | 7 8      | 7 8      | 3  | 4  | 0
    february  | 7:10 8:30 9:10 | 7 8 9    | 7 8      | 3  | 4  | 0
    person    | 7:10 8:30 9:10 | 7 8 9    | 7 8      | 3  | 4  | 0
    batch     | 7:10           | 7 8      | 7 8      | 3  | 4  | 0
    again     | 7:10 8:30 9:10 | 7 8 9    | 7 8      | 3  | 4  | 0
    readmit   | 7:10 8:30 9:10 | 7 8 9    | 7 8      | 3  | 4  | 0
    """
CONCEPTS = (10, 20, 30)


class Story:
    """A site's months, and where the ledger stood after each."""

    def __init__(self, network: BuiltNetwork) -> None:
        self.site: BuiltSite = network.site()
        self.network = network
        self.positions: dict[str, int] = {}
        self.times: dict[str, datetime] = {}

    def until_again(self) -> None:
        site = self.site
        self._after("january", site.ingest(JANUARY))
        ingest_genotypes(site, GENOTYPES, source="calls")
        self._after("genotypes")
        february = site.ingest(FEBRUARY)
        self._after("february")
        self._after("person", site.site.withdraw_persons([7]))
        self._after("batch", site.site.withdraw_batch(february.batch))
        self._after("again", site.ingest(FEBRUARY, allow_shrinking=True))

    def readmit(self) -> None:
        self._after("readmit", self.site.site.readmit_persons(["A:7"]))
        self._after("reloaded", self.site.ingest(FEBRUARY))

    def _after(self, name: str, _done: object = None) -> None:
        ledger = self.network.ledger()
        self.positions[name] = ledger.head().position
        *_, last = ledger.items(after=self.positions[name] - 1)
        self.times[name] = last.time
        ledger.close()


@pytest.fixture(scope="module")
def story(build: Build) -> Story:
    found = Story(build(genetic=True))
    found.until_again()
    return found


def rows_of(door: Network) -> str:
    frames = []
    for concept in CONCEPTS:
        try:
            frames.append(door.domain(concept).select("person_id", concept=pl.lit(concept)))
        except UsageError:  # a concept that nobody has, and no slice names
            continue
    rows = sorted(row for frame in frames for row in frame.rows())
    return " ".join(f"{person}:{concept}" for person, concept in rows)


def told(door: Network) -> dict[str, str]:
    """Ask everything, and return it as the tables above have it."""
    cohort = door.cohort("everyone()")
    carriers = door.variant("9:100:A:G")
    counts = door.maf(0, 0.5).to_dicts()
    as_of = door.as_of
    assert as_of is not None
    for person in (7, 8, 9):
        there = person in cohort.persons["person_id"]
        if there:
            assert set(door.person_variants(person)["person_id"]) <= {person}
        else:
            with pytest.raises(UnknownPersonError):
                door.person(f"A:{person}")
            with pytest.raises(UnknownPersonError):
                door.person_variants(f"A:{person}")
            with pytest.raises(UnknownPersonError):
                door.person(person)
    return {
        "rows": rows_of(door),
        "universe": _listed(cohort.persons),
        "carriers": _listed(carriers),
        "ac": str(counts[0]["ac"]) if counts else "",
        "an": str(counts[0]["an"]) if counts else "",
        "left out": str(as_of.left_out),
    }


def _listed(frame: pl.DataFrame) -> str:
    return " ".join(map(str, sorted(frame["person_id"])))


def asked(story: Story, table: str) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    for expected in drawn(table).rows:
        with story.site.network(as_of=story.positions[expected["as of"]]) as door:
            yield {"as of": expected["as of"], **told(door)}, expected


def test_every_position_answers_as_it_was_without_who_is_withdrawn(story: Story) -> None:
    for found, expected in asked(story, BEFORE_THE_READMISSION):
        assert found == expected


def test_a_time_stands_for_the_last_position_at_or_before_it(story: Story) -> None:
    moment = story.times["february"]
    with story.site.network(as_of=moment) as door:
        assert door.as_of is not None
        assert door.as_of.time == moment
        assert story.positions["february"] <= door.as_of.position < story.positions["person"]
        assert rows_of(door) == "8:30 9:10"
    with story.site.network(as_of=moment - timedelta(microseconds=1)) as door:
        assert door.as_of is not None
        assert door.as_of.position < story.positions["february"]
    written: list[Moment] = [moment.isoformat(), str(story.positions["february"])]
    for text in written:
        with story.site.network(as_of=text) as door:
            assert rows_of(door) == "8:30 9:10"


def test_a_day_stands_for_its_end(story: Story) -> None:
    today = datetime.now(UTC).date()
    for given in (today, today.isoformat()):
        with story.site.network(as_of=given) as door, story.site.network() as now:
            assert rows_of(door) == rows_of(now)


@pytest.mark.parametrize("wrong", [-1, 10**6, "2001-01-01", "yesterday", True, "1.5", ""])
def test_what_is_no_moment_of_the_ledger_is_refused(story: Story, wrong: Moment) -> None:
    with pytest.raises(UsageError), story.site.network(as_of=wrong):
        pass


def test_the_log_says_as_of_which_position_was_asked(story: Story) -> None:
    position = story.positions["january"]
    with story.site.network(as_of=position) as door:
        door.domain(20)
    assert story.site.entries()["position"].to_list()[-1] == position


def test_a_network_of_now_has_no_position_of_its_own(story: Story) -> None:
    with story.site.network() as door:
        assert door.as_of is None
        assert rows_of(door) == "8:30 9:10"
    with story.site.network(as_of=story.positions["person"]) as door:
        text = str(door.as_of)
    assert text.startswith(f"as of position {story.positions['person']} (")
    assert text.endswith("0 withdrawn persons left out")


def test_a_cohort_keeps_the_position_it_was_asked_as_of(story: Story) -> None:
    february = story.positions["february"]
    with story.site.network(as_of=february) as then, story.site.network() as now:
        cohort = then.cohort("condition(10)", save="then", overwrite=True)
        assert (cohort.position, _listed(cohort.persons)) == (february, "9")
        assert then.is_current(cohort)
        assert not now.is_current(cohort)
        again = now.cohort("saved(then)")
        assert (again.position, again.digest) == (february, cohort.digest)
        assert not then.is_current(now.cohort("condition(10)"))


def test_generations_are_made_once_and_share_what_they_have_in_common(story: Story) -> None:
    root = story.site.folder.replica
    position = story.positions["genotypes"]
    with story.site.network(as_of=position) as door:
        door.domain(20)
    catalogues = sorted((root / "as_of").iterdir())
    files = {path: path.stat().st_mtime_ns for path in (root / "folded").rglob("*.parquet")}
    for near in (position, position + 1):
        with story.site.network(as_of=near) as door:
            door.domain(20)
    assert sorted((root / "as_of").iterdir()) == catalogues
    assert {p: p.stat().st_mtime_ns for p in (root / "folded").rglob("*.parquet")} == files


def test_who_is_readmitted_is_back_at_every_position(build: Build) -> None:
    story = Story(build(genetic=True))
    story.until_again()
    with story.site.network(as_of=story.positions["january"]) as door:
        before = door.cohort("everyone()")
        story.readmit()
        assert not door.is_current(before)
        assert _listed(door.cohort("everyone()").persons) == "7 8"
    for found, expected in asked(story, AFTER_IT):
        assert found == expected
