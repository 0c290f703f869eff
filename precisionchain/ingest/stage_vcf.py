"""VCF and BCF files -> a staged run: samples, sites, counts, blocks, extent, refusals.

Many files are one batch when they have the same samples. Memory is bounded by a block of the
batch and a run of each file that is open, whatever the size of the files. The rules stand in
docs/reference/vcf-staging.md.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from precisionchain.errors import UsageError, VcfFormatError
from precisionchain.ingest.fasta import NO_REFERENCE, Fasta, Reference
from precisionchain.ingest.report import Advance, Step, silent
from precisionchain.ingest.staging import Run, Staging
from precisionchain.ingest.vcf_alleles import Refusal
from precisionchain.ingest.vcf_assay import Assay, Interval, merge
from precisionchain.ingest.vcf_blocks import allele_limit, block_runs
from precisionchain.ingest.vcf_build import BuildProof, Evidence, contradict_early, judge, weakest
from precisionchain.ingest.vcf_calls import COUNTERS
from precisionchain.ingest.vcf_file import Scan
from precisionchain.ingest.vcf_gvcf import BlockRules, BlockTally, assayed_blocks, without_blocks
from precisionchain.ingest.vcf_header import instead_of_genotypes
from precisionchain.ingest.vcf_left_align import LEFT_ALIGN_WINDOW, left_aligned
from precisionchain.ingest.vcf_normalise import OpenFile, contig_order, ordered_runs
from precisionchain.ingest.vcf_overruled import OverruledWriter
from precisionchain.ingest.vcf_rules import Persons
from precisionchain.ingest.vcf_run import DROPPED, CallRun, ReadRules, ReadTally
from precisionchain.ingest.vcf_samples import Sample, SampleSet, match_samples, read_sample_map
from precisionchain.ingest.vcf_settings import VcfSettings
from precisionchain.ingest.vcf_sources import Sources
from precisionchain.ingest.vcf_writer import RunWriter
from precisionchain.schemas.canonical import canonical_json
from precisionchain.schemas.parameters import NORMALISATIONS

FORMAT: Final = 1
"""Version of how files become blocks; part of every source id."""


@dataclass(frozen=True, slots=True)
class Normalising:
    """How the network normalises variants: its steps, and the FASTA that ``left-align`` uses.

    Raises:
        UsageError: steps that staging cannot do.
    """

    steps: Sequence[str] = ("split", "trim")
    reference: Reference = NO_REFERENCE

    def __post_init__(self) -> None:
        if tuple(self.steps) not in NORMALISATIONS:
            raise UsageError(
                f"the network normalises variants by {', '.join(self.steps)}, which staging cannot",
                hint="; ".join(", ".join(steps) for steps in NORMALISATIONS),
            )

    def fasta(self, sources: Sources) -> Fasta | None:
        """Return the open FASTA, which must have all contigs of the sources; None without one."""
        if "left-align" not in self.steps:
            return None
        return self.reference.open(contig_order(sources.scans))


SPLIT_AND_TRIMMED: Final = Normalising()


def stage_vcf(
    staging: Staging,
    files: Sequence[Path],
    settings: VcfSettings,
    normalising: Normalising = SPLIT_AND_TRIMMED,
    *,
    step: Step = silent,
    advance: Advance | None = None,
) -> Run:
    """Stage files as one batch; metadata and quality control are steps of their own.

    Args:
        staging: where the run is written; needs the site's lock.
        files: VCF or BCF files with the same samples, in any order.
        settings: how they are read.
        normalising: the network's.
        step: called with a line a step: a file checked, a contig begun.
        advance: called after every block with (bytes read, size) of a single text file, otherwise
            with (records read, records in all).

    Returns:
        The run; ``run.json`` is its description.

    Raises:
        UsageError: an option that is not one.
        UnreadableFileError, VcfFormatError, BedFormatError, SampleMapError, BuildMismatchError,
        DuplicateVariantError, ParameterMismatchError: the files, or the FASTA, cannot be taken as
            they are. Nothing is left behind.
    """
    stored = settings.stored(normalising.steps)
    assay = Assay.of(settings.assay, settings.build)  # before the long work of reading
    mapped = read_sample_map(Path(settings.samples))
    with Sources(files, step, scan_first="left-align" in normalising.steps) as sources:
        for one in sources.scans:
            contradict_early(one, settings.build)
        batch = _Batch.of(sources, settings, normalising, assay, mapped)
        with staging.new_run("vcf") as partial:
            overruled = OverruledWriter(partial.path, settings.build, batch.samples.sex)
            with RunWriter(partial.path, batch.samples) as writer, overruled:
                batch.write(writer, overruled, step, advance)
                proof = batch.judge_build(build_unverified=settings.build_unverified)
                writer.finish(batch.extent())
            partial.describe(batch.description(settings.source, stored, proof, writer))
    return staging.read(partial.name)


@dataclass(slots=True)
class _Batch:
    """The files of one batch, and what is learnt of them while they are read."""

    sources: Sources
    samples: SampleSet
    assay: Assay
    rules: ReadRules
    fasta: Fasta | None
    blocks: BlockRules
    seen_blocks: BlockTally = field(default_factory=BlockTally)
    tallies: list[ReadTally] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    holes: tuple[Interval, ...] = ()
    collapsed: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(
        cls,
        sources: Sources,
        settings: VcfSettings,
        normalising: Normalising,
        assay: Assay,
        mapped: dict[str, Sample],
    ) -> _Batch:
        """Return the batch of files that have been opened, before it is read."""
        fasta = normalising.fasta(sources)
        missing = settings.allow_missing_samples
        only_pass = settings.filter_policy == "pass"
        return cls(
            sources=sources,
            samples=match_samples(
                sources.files, mapped, Path(settings.samples), allow_missing=missing
            ),
            assay=assay,
            rules=ReadRules(
                build=settings.build,
                half_call=settings.half_call,
                filter_policy=settings.filter_policy,
                trimmed="trim" in normalising.steps and fasta is None,  # it checks the whole of REF
                min_gq=settings.min_gq,
                min_dp=settings.min_dp,
            ),
            fasta=fasta,
            blocks=BlockRules(settings.block_min_gq, settings.block_min_dp, only_pass),
        )

    def write(
        self, writer: RunWriter, overruled: OverruledWriter, step: Step, advance: Advance | None
    ) -> None:
        """Read every file and write every block.

        Raises:
            VcfFormatError: nothing was left to write.
        """
        scans: list[Scan | None] = [*self.sources.scans] or [None]
        reach = LEFT_ALIGN_WINDOW + 1 if self.fasta else 0
        files = [
            OpenFile(one, first, self._read(i, writer), reach)
            for i, (one, first) in enumerate(zip(scans, self.sources.firsts, strict=True))
        ]
        runs = ordered_runs(files, self.collapsed, self.sources.where)
        chrom = ""
        for run in block_runs(runs, allele_limit(len(self.samples.samples))):
            if run.chrom != chrom:
                chrom = run.chrom
                step(f"staging genotypes of contig {chrom}")
            writer.add(overruled.take(run, writer.alleles))
            if advance:
                advance(*self.sources.progress(run.sites["record"][-1].as_py()))
        self.sources.end()
        if contradicted := sum(tally.contradicted for tally in self.tallies):
            step(f"warning: INFO AC or AN is not that of the genotypes ({contradicted} records)")
        if unlisted := self.assay.unlisted(contig_order(self.sources.scans)):
            more = f" and {len(unlisted) - 5} more" if len(unlisted) > 5 else ""
            step(
                f"warning: no record on {', '.join(unlisted[:5])}{more}, where the BED file has "
                "intervals: everybody is 0/0 there; if these files are only a part, "
                "name all of them, or give a BED file of this part"
            )
        if not writer.alleles and self.assay.kind not in ("bed", "gvcf"):
            raise self._nothing_taken()

    def _nothing_taken(self) -> VcfFormatError:
        where = str(self.sources.files[0].path)
        if not self.records:
            hint = "a filter or region may have left none; name files that have records"
            return VcfFormatError("has a header and no record", where=where, hint=hint)
        refused = sum((tally.rules for tally in self.tallies), Counter())
        rules = ", ".join(f"{n} by {rule}" for rule, n in refused.most_common())
        held = instead_of_genotypes(self.sources.files[0].header)
        none = set(refused) == {Refusal.NO_GENOTYPES.value} and held is not None
        return VcfFormatError(
            f"none of {self.records} records could be taken"
            + (f" (refused: {rules})" * bool(rules))
            + (f": no GT, but {held[0]}" if none and held else ""),
            where=where,
            hint=held[1] if none and held else None,
        )

    @property
    def records(self) -> int:
        """Records of all files."""
        return sum(one.records for one in self.sources.scans)

    def _read(self, i: int, writer: RunWriter) -> Iterator[CallRun]:
        """Yield a file's runs; take note of its build and of what it refuses on the way."""
        tally, evidence = ReadTally(), Evidence()
        self.tallies.append(tally)
        self.evidence.append(evidence)
        file = self.sources.files[i]
        persons = Persons(self.samples.columns_in(file), self.samples.sex)
        runs = self.sources.runs(i, persons, self.rules, tally)
        if self.fasta is not None:
            runs = left_aligned(runs, self.fasta, tally)
        for run in runs:
            evidence.add(run.chrom, run.sites["pos"].to_numpy(), run.sites["ref"])
            refused = tally.take_refused()
            if self.assay.kind == "gvcf":
                refused = without_blocks(refused, tally)
            writer.refuse(file, refused)
            if self.assay.kind != "sites":
                spans = ((r.chrom, max(r.pos, 1), max(r.end, 1)) for r in refused)
                self.holes = merge((*self.holes, *spans))
            yield run

    def judge_build(self, *, build_unverified: bool) -> BuildProof:
        """Return the weakest proof among the files.

        Raises:
            BuildMismatchError: see `vcf_build.judge`.
        """
        for one in self.sources.scans:
            contradict_early(one, self.rules.build)
        return weakest(
            [
                judge(one, evidence, self.rules.build, build_unverified=build_unverified)
                for one, evidence in zip(self.sources.scans, self.evidence, strict=True)
            ]
        )

    def extent(self) -> tuple[Interval, ...]:
        """Return where an unlisted position means 0/0."""
        contigs = contig_order(self.sources.scans)
        if self.assay.kind == "gvcf":
            self.assay = replace(self.assay, intervals=self._assayed_blocks())
        return self.assay.extent(self.rules.build, contigs, self.holes)

    def _assayed_blocks(self) -> tuple[Interval, ...]:
        found: list[Interval] = []
        for one in self.sources.scans:
            columns = self.samples.columns_in(one)
            found += assayed_blocks(one, columns, self.blocks, self.seen_blocks)
        return merge(found)

    def source_id(self, settings: dict[str, Any]) -> str:
        """Return the digest of the content, the settings and the format."""
        parts = {
            "format": FORMAT,
            "files": [one.digest for one in self.sources.scans],
            "samples": self.samples.digest(),
            "assay": [self.assay.kind, [list(interval) for interval in self.assay.intervals]]
            if self.assay.kind != "gvcf"
            else ["gvcf", []],  # the files say the rest
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
            "first_lines": [one.line_of(0) for one in self.sources.scans],
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
            for one in self.sources.scans
        ]

    def statistics(self, writer: RunWriter) -> dict[str, Any]:
        """Return what was read, written, refused and changed."""
        calls = np.sum([tally.calls for tally in self.tallies], axis=0)
        refused = sum((tally.rules for tally in self.tallies), Counter())
        normalised = sum((tally.normalised for tally in self.tallies), self.collapsed)
        return {
            "records": self.records,
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
            **self._counted_blocks(),
        }

    def _counted_blocks(self) -> dict[str, dict[str, int]]:
        if self.assay.kind != "gvcf":
            return {}
        seen = self.seen_blocks
        return {"blocks_of_gvcf": {"all": seen.blocks, "assayed": seen.assayed}}

    def warnings(self) -> dict[str, int]:
        """Return how many lines and records are not as the specification asks, by rule."""
        found: Counter[str] = Counter()
        for one in self.sources.scans:
            found.update({warned.rule: warned.n for warned in one.warnings})
        if contradicted := sum(tally.contradicted for tally in self.tallies):
            found["contradicted_counts"] = contradicted
        return dict(sorted(found.items()))
