"""Networks of genotype batches from real files, each beside the state every person must have.

What a batch says of a person and an allele (DESIGN section 5): the call, where a record of the
batch lists the allele; no copy, or missing, where a record lists another allele at that position;
no copy, where only the assayed extent covers it; else it was not assayed.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

import precisionchain as pc
from precisionchain.opened import OpenSite
from precisionchain.query.variants import variant_calls
from precisionchain.schemas.variant import Variant
from tests.validation.vcf_oracle import (
    MALE,
    MISSING,
    NOT_ASSAYED,
    PHASES,
    Allele,
    CallMatrix,
    Genotypes,
    HalfCall,
    read_genotypes,
    rule_at,
)

STATES = ("0", "1", "2", "missing", "not_assayed")
Persons = Mapping[str, int]
Intervals = Mapping[str, Sequence[tuple[int, int]]]


@dataclass(frozen=True)
class BatchFile:
    """One file as it was ingested: with these persons, this assay, this policy."""

    path: Path
    persons: Persons
    assay: Path | None = None
    half_call: HalfCall = "missing"

    @cached_property
    def genotypes(self) -> Genotypes:
        return read_genotypes(self.path)

    @cached_property
    def extent(self) -> Intervals:
        """1-based closed intervals of the BED file."""
        found: dict[str, list[tuple[int, int]]] = {}
        if self.assay is not None:
            for line in self.assay.read_text("utf-8").splitlines():
                chrom, start, end = line.split("\t")[:3]
                found.setdefault(chrom, []).append((int(start) + 1, int(end)))
        return found

    def covers(self, allele: Allele) -> bool:
        return any(first <= allele.pos <= last for first, last in self.extent.get(allele.chrom, ()))


@dataclass(frozen=True)
class GeneticNetwork:
    """A site that ingested some batches, and what it must answer."""

    site: Path
    batches: tuple[BatchFile, ...]
    sexes: Mapping[str, int]

    @cached_property
    def alleles(self) -> list[Allele]:
        """Every allele that some batch lists, once, in the order it is first met."""
        found: dict[str, Allele] = {}
        for batch in self.batches:
            for allele in batch.genotypes.alleles():
                found.setdefault(allele.text, allele)
        return list(found.values())

    @cached_property
    def persons(self) -> npt.NDArray[np.int64]:
        """Every person with genotypes, ascending."""
        ids = [batch.persons[name] for batch in self.batches for name in batch.genotypes.samples]
        assert len(set(ids)) == len(ids)
        return np.sort(np.array(ids, dtype=np.int64))

    @cached_property
    def states(self) -> CallMatrix:
        """State, ploidy and phase of each allele and person; see ``STATES`` and ``PHASES``."""
        shape = (len(self.alleles), len(self.persons))
        all_states = CallMatrix(
            np.full(shape, NOT_ASSAYED, dtype=np.uint8),
            np.zeros(shape, dtype=np.uint8),
            np.zeros(shape, dtype=np.uint8),
        )
        for batch in self.batches:
            self._add(batch, all_states)
        return all_states

    def _add(self, batch: BatchFile, states: CallMatrix) -> None:
        genotypes = batch.genotypes
        sex = np.array([self.sexes[name] for name in genotypes.samples], dtype=np.uint8)
        ids = [batch.persons[name] for name in genotypes.samples]
        columns = np.searchsorted(self.persons, ids)
        listed = genotypes.alleles()
        calls = genotypes.calls(listed, sex, batch.half_call)
        own = {allele.text: row for row, allele in enumerate(listed)}
        at: dict[tuple[str, int], int] = {}
        for row, allele in enumerate(listed):  # the first record that lists a position counts
            for pos in (allele.pos, genotypes.records[allele.record].pos):
                at.setdefault((allele.chrom, pos), row)
        for row, allele in enumerate(self.alleles):
            mine, other = own.get(allele.text), at.get((allele.chrom, allele.pos))
            if mine is not None:
                states.dosage[row, columns] = calls.dosage[mine]
                states.ploidy[row, columns] = calls.ploidy[mine]
                states.phase[row, columns] = calls.phase[mine]
            elif other is not None:
                called = calls.dosage[other] != MISSING
                states.dosage[row, columns] = np.where(called, 0, MISSING)
                states.ploidy[row, columns] = calls.ploidy[other]
                states.phase[row, columns] = np.where(calls.phase[other] > 0, 1, 0)
            elif batch.covers(allele):
                single = rule_at(allele) == "X"
                states.dosage[row, columns] = 0
                states.ploidy[row, columns] = np.where(single & (sex == MALE), 1, 2)

    @cached_property
    def counts(self) -> pl.DataFrame:
        """chrom, pos, ref, alt, ac, an, maf of every allele (maf null where nothing is called)."""
        called = self.states.dosage <= 2
        ac = np.where(called, self.states.dosage, 0).sum(axis=1, dtype=np.int64)
        an = np.where(called, self.states.ploidy, 0).sum(axis=1, dtype=np.int64)
        keys = [(a.chrom, a.pos, a.ref, a.alt) for a in self.alleles]
        frame = pl.DataFrame(keys, schema=["chrom", "pos", "ref", "alt"], orient="row")
        frame = frame.with_columns(pl.Series("ac", ac), pl.Series("an", an))
        minor = pl.min_horizontal("ac", pl.col("an") - pl.col("ac"))
        return frame.with_columns(pl.when(pl.col("an") > 0).then(minor / pl.col("an")).alias("maf"))

    def expected(self, row: int, asked: Sequence[int]) -> pl.DataFrame:
        """The answer to ``variant`` for the allele of a row and the states asked for."""
        state = self.states.dosage[row]
        mask = np.isin(state, asked)
        return pl.DataFrame(
            {
                "person_id": self.persons[mask],
                "genotype": _named(state[mask], STATES),
                "ploidy": self.states.ploidy[row][mask],
                "phase": _named(self.states.phase[row][mask], PHASES),
            }
        )

    def expected_of_person(self, person: int) -> pl.DataFrame:
        """The answer to ``person-variants``."""
        column = int(np.searchsorted(self.persons, person))
        rows = np.flatnonzero(np.isin(self.states.dosage[:, column], (1, 2)))
        alleles = [self.alleles[row] for row in rows]
        return pl.DataFrame(
            {
                "chrom": [a.chrom for a in alleles],
                "pos": [a.pos for a in alleles],
                "ref": [a.ref for a in alleles],
                "alt": [a.alt for a in alleles],
                "genotype": _named(self.states.dosage[rows, column], STATES),
                "ploidy": self.states.ploidy[rows, column],
                "phase": _named(self.states.phase[rows, column], PHASES),
            },
            schema_overrides={"chrom": pl.Utf8, "pos": pl.Int64, "ref": pl.Utf8, "alt": pl.Utf8},
        )

    def wrong_alleles(
        self,
        rows: Sequence[int],
        asked: Sequence[int] = (1, 2, MISSING),
        ask: Callable[[str, list[str]], pl.DataFrame] | None = None,
    ) -> list[str]:
        """Alleles of ``rows`` whose answer differs from what it must be.

        Args:
            rows: of ``alleles``.
            asked: states, as indices into ``STATES``.
            ask: how the question is put; by default to the query itself, past the gate.
        """
        names = [STATES[state] for state in asked]
        opened = OpenSite(self.site)
        snapshot = opened.snapshot()

        def past_the_gate(text: str, states: list[str]) -> pl.DataFrame:
            return variant_calls(snapshot, Variant.parse(text), frozenset(states))

        put = ask or past_the_gate
        try:
            return [
                f"{self.alleles[row].text}: {_difference(got, meant)}"
                for row in rows
                if not _same(
                    got := put(self.alleles[row].text, names), meant := self.expected(row, asked)
                )
            ]
        finally:
            opened.close()


def _named(codes: npt.NDArray[np.uint8], names: Sequence[str | None]) -> pl.Series:
    return pl.Series(names, dtype=pl.Utf8).gather(pl.Series(codes.astype(np.uint32)))


def _same(got: pl.DataFrame, meant: pl.DataFrame) -> bool:
    got = got.select(meant.columns).sort("person_id")
    meant = meant.with_columns(pl.when(pl.col("ploidy") > 0).then(pl.col("ploidy")))
    return got.cast({"ploidy": pl.UInt8}).equals(meant.cast({"ploidy": pl.UInt8}))


def _difference(got: pl.DataFrame, meant: pl.DataFrame) -> str:
    mine = dict(got.select(pl.col("genotype").value_counts()).unnest("genotype").iter_rows())
    theirs = dict(meant.select(pl.col("genotype").value_counts()).unnest("genotype").iter_rows())
    return f"answered {mine}, must be {theirs}" if mine != theirs else "persons, ploidy or phase"


# ------------------------------------------------------------------------------- making them


def write_map(path: Path, samples: Sequence[str], persons: Persons, sexes: Persons) -> Path:
    rows = "".join(f"{name},{persons[name]},{sexes[name]}\n" for name in samples)
    path.write_text(f"sample_id,person_id,sex\n{rows}", encoding="utf-8")
    return path


def link(samples: Sequence[str], persons: Sequence[int], seed: int = 20_260_801) -> dict[str, int]:
    """A made sample map: each sample one of the persons, in a random order."""
    shuffled = sorted(persons)[: len(samples)]
    random.Random(seed).shuffle(shuffled)
    return dict(zip(samples, shuffled, strict=True))


def ingest_batches(
    site: pc.Site, batches: Sequence[BatchFile], sexes: Mapping[str, int], folder: Path
) -> None:
    """Ingest files as batches of a source each, in this order."""
    for batch in batches:
        samples = subprocess.run(
            ["bcftools", "query", "-l", str(batch.path)], capture_output=True, check=True, text=True
        ).stdout.split()
        mapped = write_map(folder / f"{batch.path.name}.map.csv", samples, batch.persons, sexes)
        site.ingest_vcf(
            [batch.path],
            samples=mapped,
            build="GRCh37",
            assay=str(batch.assay or "sites"),
            qc="none",
            half_call=batch.half_call,
        )


def cut(source: Path, target: Path, samples: Sequence[str], *options: str) -> Path:
    """Write some samples of a file by ``bcftools view``, records unsplit."""
    names = target.with_suffix(".samples")
    names.write_text("\n".join(samples) + "\n", encoding="utf-8")
    command = ["bcftools", "view", "--threads", "2", "-S", names, *options, "-Oz", "-o", target]
    subprocess.run([str(part) for part in [*command, source]], check=True, capture_output=True)
    return target


def bed_of(source: Path, target: Path) -> Path:
    """Write the intervals a file's records lie in, joined over gaps of a kilobase (bedtools)."""
    listed = subprocess.run(
        ["bcftools", "query", "-f", "%CHROM\t%POS0\t%END\n", str(source)],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    intervals = [line.split("\t") for line in listed.splitlines()]
    intervals.sort(key=lambda interval: (interval[0], int(interval[1])))
    done = subprocess.run(
        ["bedtools", "merge", "-d", "1000", "-i", "-"],
        input="".join("\t".join(interval) + "\n" for interval in intervals),
        capture_output=True,
        check=True,
        text=True,
    )
    target.write_text(done.stdout, encoding="utf-8")
    return target
