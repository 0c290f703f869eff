"""VCF and BCF files -> a staged run: samples, sites, counts, blocks, extent, refusals.

Many files are one batch when they have the same samples. Memory is bounded by a block of the
batch and a run of each file that is open, whatever the size of the files. The rules stand in
docs/reference/vcf-staging.md.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np

from precisionchain.errors import UsageError, VcfFormatError
from precisionchain.ingest.fasta import NO_REFERENCE, Fasta, Reference
from precisionchain.ingest.report import Advance, Step, silent
from precisionchain.ingest.staging import Run, Staging
from precisionchain.ingest.vcf_assay import Assay, Interval, merge
from precisionchain.ingest.vcf_blocks import allele_limit, block_runs
from precisionchain.ingest.vcf_build import BuildProof, Evidence, contradict_early, judge, weakest
from precisionchain.ingest.vcf_calls import COUNTERS, HALF_CALLS, HalfCall
from precisionchain.ingest.vcf_left_align import LEFT_ALIGN_WINDOW, left_aligned
from precisionchain.ingest.vcf_normalise import OpenFile, contig_order, ordered_runs
from precisionchain.ingest.vcf_overruled import OverruledWriter
from precisionchain.ingest.vcf_read import Persons, read_runs
from precisionchain.ingest.vcf_run import DROPPED, CallRun, FilterPolicy, ReadRules, ReadTally
from precisionchain.ingest.vcf_samples import SampleSet, match_samples, read_sample_map
from precisionchain.ingest.vcf_scan import Scan, scan
from precisionchain.ingest.vcf_writer import RunWriter
from precisionchain.schemas.canonical import canonical_json
from precisionchain.schemas.genome import chrom_rank, fold_build
from precisionchain.schemas.parameters import NORMALISATIONS

FORMAT: Final = 1
"""Version of how files become blocks; part of every source id."""


def stage_vcf(
    staging: Staging,
    files: Sequence[Path],
    *,
    samples: Path,
    build: str,
    assay: str | Path = "sites",
    source: str | None = None,
    half_call: HalfCall = "missing",
    filter_policy: FilterPolicy = "any",
    normalisation: Sequence[str] = ("split", "trim"),
    reference: Reference = NO_REFERENCE,
    build_unverified: bool = False,
    allow_missing_samples: bool = False,
    step: Step = silent,
    advance: Advance | None = None,
) -> Run:
    """Stage files as one batch.

    Args:
        staging: where the run is written; needs the site's lock.
        files: VCF or BCF files with the same samples, in any order.
        samples: the sample map.
        build: the reference build the files are on, ``GRCh37`` or ``GRCh38`` (or an alias).
        assay: ``sites``, ``wgs``, or the path of a BED file.
        source: name of the source; by default one that follows from its content.
        half_call: what a call such as ``0/.`` becomes.
        filter_policy: ``any`` or ``pass``, see `ReadRules`.
        normalisation: the network's.
        reference: the FASTA that ``left-align`` uses, and the network's digests.
        build_unverified: accept files whose build nothing proves; published with the batch.
        allow_missing_samples: accept samples of the map that no file has.
        step: called with a line a step: a file checked, a contig begun.
        advance: called after every block with (records read, records in all).

    Returns:
        The run; ``run.json`` is its description.

    Raises:
        UsageError: an option that is not one.
        UnreadableFileError, VcfFormatError, BedFormatError, SampleMapError, BuildMismatchError,
        DuplicateVariantError, ParameterMismatchError: the files, or the FASTA, cannot be taken as
            they are. Nothing is left behind.
    """
    settings = _settings(build, half_call, filter_policy, normalisation)
    extent = Assay.of(assay)  # before the long work of reading
    if not files:
        raise UsageError("no VCF file was named")
    mapped = read_sample_map(samples)
    scans = _scan_all(files, step)
    for one in scans:
        contradict_early(one, settings["build"])
    fasta = None
    if "left-align" in normalisation:
        fasta = reference.open(contig_order(scans))
    batch = _Batch(
        scans=scans,
        samples=match_samples(scans, mapped, samples, allow_missing=allow_missing_samples),
        assay=extent,
        rules=ReadRules(
            build=settings["build"],
            half_call=half_call,
            filter_policy=filter_policy,
            trimmed="trim" in normalisation and fasta is None,  # it checks the whole of REF
        ),
        fasta=fasta,
    )
    with staging.new_run("vcf") as partial:
        overruled = OverruledWriter(partial.path, settings["build"], batch.samples.sex)
        with RunWriter(partial.path, batch.samples) as writer, overruled:
            batch.write(writer, overruled, step, advance)
            proof = batch.judge_build(build_unverified=build_unverified)
            writer.finish(batch.extent())
        partial.describe(batch.description(source, settings, proof, writer))
    return staging.read(partial.name)


def _settings(
    build: str, half_call: str, filter_policy: str, normalisation: Sequence[str]
) -> dict[str, Any]:
    """Return the settings that shape the output, canonical.

    Raises:
        UsageError: one of them is not known.
    """
    for name, value, known in (
        ("--half-call", half_call, HALF_CALLS),
        ("--filter", filter_policy, get_args(FilterPolicy)),
    ):
        if value not in known:
            raise UsageError(f"{name} {value} is not one of {', '.join(known)}")
    if tuple(normalisation) not in NORMALISATIONS:
        raise UsageError(
            f"the network normalises variants by {', '.join(normalisation)}, which staging cannot",
            hint="; ".join(", ".join(steps) for steps in NORMALISATIONS),
        )
    return {
        "build": fold_build(build),
        "half_call": half_call,
        "filter": filter_policy,
        "normalisation": list(normalisation),
    }


def _scan_all(files: Sequence[Path], step: Step) -> list[Scan]:
    """Scan the files, and put them into the order in which they are read."""
    twice = [path for path, n in Counter(path.resolve() for path in files).items() if n > 1]
    if twice:
        raise UsageError(f"{twice[0]} is named twice")
    scans = []
    for path in files:
        step(f"checking {path.name}")
        scans.append(scan(path))
        for warned in scans[-1].warnings:
            step(f"warning: {path.name}, from line {warned.line}: {warned.said()}")
    scans.sort(key=_place)
    contig_order(scans)
    return scans


def _place(one: Scan) -> tuple[Any, ...]:
    """Sort key: where a file's first record lies; so the order of the command does not matter."""
    first = [(chrom_rank(s.chrom), s.first_pos) for s in one.segments[:1]]
    return (not first, first, one.digest)


@dataclass(slots=True)
class _Batch:
    """The files of one batch, and what is learnt of them while they are read."""

    scans: list[Scan]
    samples: SampleSet
    assay: Assay
    rules: ReadRules
    fasta: Fasta | None = None
    tallies: list[ReadTally] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    holes: tuple[Interval, ...] = ()
    collapsed: Counter[str] = field(default_factory=Counter)

    def write(
        self, writer: RunWriter, overruled: OverruledWriter, step: Step, advance: Advance | None
    ) -> None:
        """Read every file and write every block.

        Raises:
            VcfFormatError: nothing was left to write.
        """
        records = sum(one.records for one in self.scans)
        files = []
        first = 0
        for one in self.scans:
            reach = LEFT_ALIGN_WINDOW + 1 if self.fasta else 0
            files.append(OpenFile(one, first, self._read(one, writer), reach))
            first += one.records
        runs = ordered_runs(files, self.collapsed, self._locate)
        chrom = ""
        for run in block_runs(runs, allele_limit(len(self.samples.samples))):
            if run.chrom != chrom:
                chrom = run.chrom
                step(f"staging genotypes of contig {chrom}")
            writer.add(overruled.take(run, writer.alleles))
            if advance:
                advance(run.sites["record"][-1].as_py() + 1, records)
        if not writer.alleles and self.assay.kind != "bed":
            refused = sum((tally.rules for tally in self.tallies), Counter())
            rules = ", ".join(f"{n} by {rule}" for rule, n in refused.most_common())
            raise VcfFormatError(
                f"none of {records} records could be taken"
                + (f" (refused: {rules})" * bool(rules)),
                where=str(self.scans[0].path),
            )

    def _read(self, one: Scan, writer: RunWriter) -> Iterator[CallRun]:
        """Yield a file's runs; take note of its build and of what it refuses on the way."""
        tally, evidence = ReadTally(), Evidence()
        self.tallies.append(tally)
        self.evidence.append(evidence)
        persons = Persons(self.samples.columns_in(one), self.samples.sex)
        runs = read_runs(one, persons, self.rules, tally)
        if self.fasta is not None:
            runs = left_aligned(runs, self.fasta, tally)
        for run in runs:
            evidence.add(run.chrom, run.sites["pos"].to_numpy(), run.sites["ref"])
            refused = tally.take_refused()
            writer.refuse(one, refused)
            if self.assay.kind != "sites":
                spans = ((r.chrom, max(r.pos, 1), max(r.end, 1)) for r in refused)
                self.holes = merge((*self.holes, *spans))
            yield run

    def _locate(self, record: int) -> str:
        firsts = []
        first = 0
        for one in self.scans:
            firsts.append(first)
            first += one.records
        i = bisect_right(firsts, record) - 1
        return self.scans[i].where(record - firsts[i])

    def judge_build(self, *, build_unverified: bool) -> BuildProof:
        """Return the weakest proof among the files.

        Raises:
            BuildMismatchError: see `vcf_build.judge`.
        """
        return weakest(
            [
                judge(one, evidence, self.rules.build, build_unverified=build_unverified)
                for one, evidence in zip(self.scans, self.evidence, strict=True)
            ]
        )

    def extent(self) -> tuple[Interval, ...]:
        """Return where an unlisted position means 0/0."""
        contigs = contig_order(self.scans)
        return self.assay.extent(self.rules.build, contigs, self.holes)

    def source_id(self, settings: dict[str, Any]) -> str:
        """Return the digest of the content, the settings and the format."""
        parts = {
            "format": FORMAT,
            "files": [one.digest for one in self.scans],
            "samples": self.samples.digest(),
            "assay": [self.assay.kind, [list(interval) for interval in self.assay.intervals]],
            "settings": settings,
        }
        return hashlib.sha256(b"precisionchain vcf source 1\0" + canonical_json(parts)).hexdigest()

    def description(
        self, source: str | None, settings: dict[str, Any], proof: BuildProof, writer: RunWriter
    ) -> dict[str, Any]:
        """Return what ``run.json`` says."""
        source_id = self.source_id(settings)
        return {
            "source": source or f"vcf-{source_id[:12]}",  # a file's name never leaves the site
            "source_id": source_id,
            "build": settings["build"],
            "build_proof": proof,
            "inputs": self.inputs(),
            "settings": settings,
            "assay": {"kind": self.assay.kind, "classes": list(writer.classes)},
            "statistics": self.statistics(writer),
        }

    def inputs(self) -> list[dict[str, Any]]:
        """Return the files as ``run.json`` lists them."""
        return [
            {
                "role": "genotypes",
                "file": one.path.name,
                "sha256": one.digest,
                "bytes": one.size,
                "records": one.records,
            }
            for one in self.scans
        ]

    def statistics(self, writer: RunWriter) -> dict[str, Any]:
        """Return what was read, written, refused and changed."""
        calls = np.sum([tally.calls for tally in self.tallies], axis=0)
        refused = sum((tally.rules for tally in self.tallies), Counter())
        normalised = sum((tally.normalised for tally in self.tallies), self.collapsed)
        return {
            "records": sum(one.records for one in self.scans),
            "refused": sum(refused.values()),
            "refused_by_rule": dict(sorted(refused.items())),
            "alleles": writer.alleles,
            "persons": len(self.samples.samples),
            "blocks": writer.blocks,
            "block_bytes": writer.body_bytes,
            "normalised": dict(sorted(normalised.items())),
            "calls": dict(zip(COUNTERS, calls.tolist(), strict=True)),
            "dropped": {
                name: sum(tally.dropped[name] for tally in self.tallies) for name in DROPPED
            },
            "warnings": self.warnings(),
        }

    def warnings(self) -> dict[str, int]:
        """Return how many lines and records are not as the specification asks, by rule."""
        found: Counter[str] = Counter()
        for one in self.scans:
            found.update({warned.rule: warned.n for warned in one.warnings})
        return dict(sorted(found.items()))
