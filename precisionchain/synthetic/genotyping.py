"""Write the genotype files of all sites, a contig at a time, and keep what is true of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.synthetic.assay import bed_text, exome_targets, on_array, on_target
from precisionchain.synthetic.calls import call_codes, count_table, hide, identity_table
from precisionchain.synthetic.design import Design
from precisionchain.synthetic.genome import FounderContig, contigs_of, simulate
from precisionchain.synthetic.pedigree import MALE_SEX, Flags, Ints
from precisionchain.synthetic.people import People
from precisionchain.synthetic.transmission import Descent, Haplotypes, Origins, descend
from precisionchain.synthetic.vcf_file import VcfFile

BED = "assay.bed"
_ALLELE = ("chrom", "pos", "ref", "alt")


@dataclass(slots=True)
class Genotyped:
    """What became of the genomes.

    Args:
        copies: planted variant -> copies of every human.
        origins: of every contig, as in `Descent`.
        states: of each site chrom, pos, ref, alt, listed, codes (a byte a sample), and counts; one
            frame a contig.
        records: of each site, records by contig, over its files.
        several: of each site, records with several ALTs.
    """

    copies: dict[str, Ints] = field(default_factory=dict)
    origins: list[Origins] = field(default_factory=list)
    states: dict[str, list[pl.DataFrame]] = field(default_factory=dict)
    records: dict[str, dict[str, int]] = field(default_factory=dict)
    several: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _File:
    """One genotype file that is being written."""

    site: str
    kind: str
    humans: Ints
    one_x: Flags
    vcf: VcfFile
    rng: np.random.Generator


@dataclass(frozen=True, slots=True)
class _Called:
    """One file's part of a contig: which sites are listed and assayed, and calls of the listed."""

    listed: Ints
    assayed: Flags
    haplotypes: Haplotypes


def file_names(assays: Sequence[str]) -> list[str]:
    """The genotype files of a site: ``genotypes.vcf.gz`` where there is one, else by assay."""
    return ["genotypes.vcf.gz"] if len(assays) == 1 else [f"{kind}.vcf.gz" for kind in assays]


def write_genotypes(
    design: Design, people: People, folders: Mapping[str, Path], seeds: np.random.SeedSequence
) -> Genotyped:
    """Simulate contig by contig, and write each to the files of the sites that assay it.

    Args:
        design: what to simulate.
        people: who descends from whom, and who is on record where.
        folders: where the files go, by site.
        seeds: the only source of randomness.

    Raises:
        UsageError: msprime is not installed, or a stretch is so short that nothing varies.
    """
    contigs = contigs_of(design.stretches)
    targets = exome_targets(design.stretches, design.planted)
    genomes, descents, hiding = seeds.spawn(3)
    done = Genotyped(states={s: [] for s in design.sites}, records={s: {} for s in design.sites})
    done.several = dict.fromkeys(design.sites, 0)
    with ExitStack() as stack:
        files = _open(stack, design, people, folders, hiding)
        for site, assays in zip(design.sites, design.assays, strict=True):
            if "exome" in assays:
                (folders[site] / BED).write_text(bed_text(targets), encoding="utf-8")
        for stretches, own, descent_seed in zip(
            contigs, genomes.spawn(len(contigs)), descents.spawn(len(contigs)), strict=True
        ):
            contig = simulate(stretches, people.founding, design.planted, own)
            descent = descend(people.pedigree, contig, np.random.default_rng(descent_seed))
            _keep_planted(done, design, contig, descent)
            done.origins.append(descent.origins)
            frequency = _frequency(descent.haplotypes, people.pedigree.recorded)
            array = on_array(contig, frequency, design.planted)
            target = on_target(contig, targets)
            called = [_call(f, design, descent.haplotypes, array, target) for f in files]
            for file, part in zip(files, called, strict=True):
                one_x = file.one_x & contig.hemizygous
                file.vcf.write(contig, part.listed, part.haplotypes, one_x)
                by_chrom = done.records[file.site]
                by_chrom[contig.chrom] = by_chrom.get(contig.chrom, 0) + len(part.listed)
                done.several[file.site] += sum(len(contig.alts[s]) > 1 for s in part.listed)
            _keep_states(done, contig, files, called)
    return done


def _open(
    stack: ExitStack,
    design: Design,
    people: People,
    folders: Mapping[str, Path],
    hiding: np.random.SeedSequence,
) -> list[_File]:
    chroms = list(dict.fromkeys(own[0].chrom for own in contigs_of(design.stretches)))
    files = []
    for of_site, assays in zip(people.members, design.assays, strict=True):
        own = zip(assays, file_names(assays), of_site.columns(), of_site.sample_ids(), strict=True)
        for kind, name, columns, sample_ids in own:
            humans = of_site.human[columns]
            files.append(
                _File(
                    of_site.site,
                    kind,
                    humans,
                    people.pedigree.sex[humans] == MALE_SEX,
                    stack.enter_context(VcfFile(folders[of_site.site] / name, chroms, sample_ids)),
                    np.random.default_rng(hiding.spawn(1)[0]),
                )
            )
    return files


def _keep_planted(done: Genotyped, design: Design, contig: FounderContig, descent: Descent) -> None:
    for association in design.planted:
        at = np.flatnonzero(contig.positions == association.position)
        if association.chrom == contig.chrom and len(at):
            carried = descent.haplotypes[:, :, at[0]] == 1
            done.copies[association.variant] = carried.sum(axis=1)


def _frequency(haplotypes: Haplotypes, recorded: Flags) -> npt.NDArray[np.float64]:
    """Share of the recorded humans' alleles at each site that are no REF."""
    carried = np.zeros(haplotypes.shape[2], dtype=np.int64)
    present = np.zeros(haplotypes.shape[2], dtype=np.int64)
    for slot in (0, 1):  # one at a time: a quarter of the memory
        own = haplotypes[recorded, slot]
        carried += (own > 0).sum(axis=0)
        present += (own >= 0).sum(axis=0)
    return carried / present


def _call(
    file: _File, design: Design, haplotypes: Haplotypes, array: Flags, target: Flags
) -> _Called:
    """Choose a file's sites, and take some of its calls away."""
    of_file = haplotypes[file.humans]
    if file.kind == "array":
        listed, assayed = np.flatnonzero(array), np.zeros(len(array), dtype=np.bool_)
    else:
        assayed = target if file.kind == "exome" else np.ones(len(target), dtype=np.bool_)
        listed = np.flatnonzero(assayed & (of_file > 0).any(axis=(0, 1)))
    calls = np.ascontiguousarray(of_file[:, :, listed].transpose(2, 0, 1))
    hide(calls, design.missing, design.half_calls, file.rng)
    return _Called(listed, assayed, calls)


def _keep_states(
    done: Genotyped, contig: FounderContig, files: Sequence[_File], called: Sequence[_Called]
) -> None:
    """Add a row for each allele that any file of any site lists, to every site."""
    anywhere = np.unique(np.concatenate([part.listed for part in called]))
    identity = identity_table(contig).filter(pl.col("site").is_in(anywhere))
    site, number = identity["site"].to_numpy(), identity["number"].to_numpy()
    for name in done.states:
        codes, listed = [], np.zeros(len(site), dtype=np.bool_)
        for file, part in zip(files, called, strict=True):
            if file.site != name:
                continue
            inside = np.isin(site, part.listed)
            listed |= inside
            codes.append(
                call_codes(
                    part.haplotypes,
                    np.searchsorted(part.listed, site),
                    number,
                    (inside, part.assayed[site] & ~inside),
                    file.one_x & contig.hemizygous,
                )
            )
        matrix = np.concatenate(codes, axis=1)
        frame = identity.select(_ALLELE).with_columns(
            listed=pl.Series(listed), codes=pl.Series([row.tobytes() for row in matrix])
        )
        done.states[name].append(pl.concat([frame, count_table(matrix)], how="horizontal"))
