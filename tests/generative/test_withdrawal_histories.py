"""Random lives of genotypes, written by a site's commands, against a reading of every record."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precisionchain.errors import SealRefusedError
from tests.lib.genetic_history import History
from tests.lib.genetic_runs import Batch, Person, Record
from tests.lib.ledger_places import MemoryPlace
from tests.lib.site_builder import BuiltNetwork, BuiltSite
from tests.lib.vcf_builder import write_map, write_vcf

EXAMPLES = max(3, settings().max_examples // 20)
"""An example founds a network, and publishes and syncs up to six times."""

PLACES = (
    ("9", 100, "A", ("G",)),
    ("9", 100, "AC", ("A",)),
    ("9", 200, "C", ("T", "G")),
    ("9", 300, "AT", ("AC",)),
    ("9", 301, "T", ("G",)),
    ("9", 16_385, "G", ("A",)),
)
EXTENTS = (("9", 90, 150), ("9", 101, 250), ("9", 301, 301), ("9", 16_000, 17_000))
PEOPLE = (1, 2, 3, 4)
CALLS = ("0/0", "0|1", "1|0", "1/1", "./.")
STATES = ("0", "1", "2", "missing", "not_assayed")


@dataclass(frozen=True)
class Load:
    """Genotypes are ingested, and replace what they meet."""

    batch: Batch


@dataclass(frozen=True)
class Persons:
    """Persons are withdrawn, or readmitted."""

    ids: frozenset[int]
    back: bool


@dataclass(frozen=True)
class Gone:
    """The batch of a number is withdrawn, if there is one."""

    number: int


Event = Load | Persons | Gone


@st.composite
def loads(draw: st.DrawFn) -> Load:
    ids = draw(st.lists(st.sampled_from(PEOPLE), unique=True, min_size=1))
    places = draw(st.lists(st.sampled_from(PLACES), unique=True, min_size=1, max_size=4))
    records = tuple(
        Record(*place, tuple(draw(st.sampled_from(CALLS)) for _ in ids))
        for place in sorted(places, key=PLACES.index)
    )
    extent = draw(st.lists(st.sampled_from(EXTENTS), unique=True, max_size=2))
    kind = "bed" if extent else "sites"
    return Load(Batch(tuple(map(Person, ids)), records, kind, merged(sorted(extent))))


def merged(extent: list[tuple[str, int, int]]) -> tuple[tuple[str, int, int], ...]:
    """Join intervals that overlap, as reading a BED file does."""
    found: list[tuple[str, int, int]] = []
    for chrom, first, last in extent:
        if found and first <= found[-1][2] + 1:
            found[-1] = (chrom, found[-1][1], max(last, found[-1][2]))
        else:
            found.append((chrom, first, last))
    return tuple(found)


people = st.frozensets(st.sampled_from(PEOPLE), min_size=1, max_size=2)
EVENTS = st.lists(
    st.one_of(
        loads(),
        loads(),
        st.builds(Persons, people, st.booleans()),
        st.builds(Gone, st.integers(0, 2)),
    ),
    min_size=2,
    max_size=6,
)


@dataclass
class Life:
    """A site, and what must count of it by now."""

    site: BuiltSite
    batches: list[Batch] = field(default_factory=list)
    sealed: list[str] = field(default_factory=list)
    withdrawn: set[int] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)

    def happen(self, event: Event) -> None:
        if isinstance(event, Load):
            self._load(event.batch)
        elif isinstance(event, Gone):
            if event.number < len(self.sealed):
                self.site.site.withdraw_batch(self.sealed[event.number])
                self.gone.add(event.number)
        elif event.back:
            self.site.site.readmit_persons(event.ids)
            self.withdrawn -= event.ids
        else:
            self.site.site.withdraw_persons(event.ids)
            self.withdrawn |= event.ids

    def _load(self, batch: Batch) -> None:
        kept = [i for i, one in enumerate(batch.persons) if one.person_id not in self.withdrawn]
        if not kept:
            with pytest.raises(SealRefusedError):
                self._ingest(batch)
            return
        self.sealed.append(self._ingest(batch))
        self.batches.append(batch.of(kept))

    def _ingest(self, batch: Batch) -> str:
        folder = self.site.new_folder()
        lines = [
            f"{r.chrom}:{r.pos} {r.ref} {','.join(r.alts)} {' '.join(r.calls)}"
            for r in batch.records
        ]
        samples = [f"s{one.person_id}" for one in batch.persons]
        assay = "sites"
        if batch.extent:
            bed = folder / "assay.bed"
            bed.write_text("".join(f"{c}\t{a - 1}\t{b}\n" for c, a, b in batch.extent))
            assay = str(bed)
        rows = (f"s{one.person_id},{one.person_id}," for one in batch.persons)
        done = self.site.site.ingest_vcf(
            write_vcf(folder / "some.vcf", *lines, samples=samples),
            samples=write_map(folder / "map.csv", *rows),
            build="GRCh37",
            assay=assay,
            qc="none",
            source=f"load{len(self.sealed)}-{folder.name}",
            replace=True,
        )
        return done.batch

    def history(self) -> History:
        """Naming a batch that is not met changes nothing, so each names all before it."""
        over = tuple(tuple(range(i)) for i in range(len(self.batches)))
        gone = frozenset(self.gone)
        return History(tuple(self.batches), over, frozenset(self.withdrawn), gone)


@settings(max_examples=EXAMPLES)
@given(EVENTS)
def test_answers_are_those_of_what_counts_and_verify_agrees(events: list[Event]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        network = BuiltNetwork(folder, MemoryPlace(folder))
        life = Life(network.site())
        for event in events:
            life.happen(event)
        history = life.history()
        with network.site().network() as asked:
            found = {
                (row["chrom"], row["pos"], row["ref"], row["alt"]): row
                for row in asked.maf(0, 0.5).iter_rows(named=True)
            }
            due = {key: history.counts(key) for key in history.alleles()}
            assert {key: (row["ac"], row["an"]) for key, row in found.items()} == {
                key: (of["ac"], of["an"]) for key, of in due.items() if of["an"]
            }
            for key in due:
                text = ":".join(map(str, key))
                states = asked.variant(text, genotype=STATES)
                known = {row["person_id"]: row["genotype"] for row in states.iter_rows(named=True)}
                assert known == {one: history.known(one, key).genotype for one in known}
                assert not life.withdrawn & set(known)
        checks = network.site().site.verify()
        assert [check.line() for check in checks if not check.ok] == []
