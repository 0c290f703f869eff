"""Counts by plink2, with sex given, under the identity of split and trimmed alleles."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import polars as pl

from tests.validation.vcf_oracle import shortest

COUNTS = ("ac", "an", "n_het", "n_hom_alt", "n_hemi", "n_missing")


def plink2_counts(
    vcf: Path, sexes: Mapping[str, int], work: Path, *, half_call: str = "missing"
) -> pl.DataFrame:
    """Return chrom, pos, ref, alt and `COUNTS` of every ALT of a GRCh37 file.

    plink2 takes what is outside the pseudo-autosomal regions of X as one copy in males. Where it
    contradicts itself, ``n_hemi`` and ``n_missing`` are null: at multi-allelic records of X,
    --geno-counts (v2.00a3.5) leaves haploid calls of the second and later ALTs out of
    HAP_ALT_CTS and counts them as missing, while --freq counts them.
    """
    work.mkdir(parents=True, exist_ok=True)
    sex = work / "sex.txt"
    rows = "".join(f"{sample}\t{code}\n" for sample, code in sexes.items())
    sex.write_text(f"#IID\tSEX\n{rows}", encoding="utf-8")
    everything, haploid = work / "all", work / "haploid"
    columns = "chrom,pos,ref,alt,homref,refalt,altxy,hapref,hapalt,missing"
    _plink2("--vcf", vcf, "--vcf-half-call", half_call, "--update-sex", sex, "--split-par", "b37")(
        "--make-pgen", "--out", everything
    )
    # A male heterozygote of X counts as half a copy otherwise; we take it as missing, and so do it.
    _plink2("--pfile", everything)("--set-hh-missing", "--make-pgen", "--out", haploid)
    _plink2("--pfile", haploid, "--out", haploid)(
        *("--freq", "counts", "cols=chrom,pos,ref,alt,reffreq,altfreq,nobs"),
        *("--geno-counts", f"cols={columns}"),
    )
    frequencies = _table(haploid.with_suffix(".acount"))
    genotypes = _table(haploid.with_suffix(".gcount"))
    return pl.DataFrame(
        [row for pair in zip(frequencies, genotypes, strict=True) for row in _alleles(*pair)],
        infer_schema_length=None,
    )


def _plink2(*source: str | Path) -> Callable[..., None]:
    def run(*action: str | Path) -> None:
        command = ["plink2", "--threads", "2", *map(str, source), *map(str, action)]
        subprocess.run(command, check=True, capture_output=True)

    return run


def _table(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        names = file.readline().lstrip("#").split()
        for line in file:
            yield dict(zip(names, line.rstrip("\n").split("\t"), strict=True))


def _alleles(frequency: Mapping[str, str], genotype: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    chrom = "X" if frequency["CHROM"].startswith("PAR") else frequency["CHROM"]
    alts = frequency["ALT"].split(",")
    copies = [int(n) for n in frequency["ALT_CTS"].split(",")]
    hets = [int(n) for n in genotype["HET_REF_ALT_CTS"].split(",")]
    haploid = [int(n) for n in genotype["HAP_ALT_CTS"].split(",")]
    two = [int(n) for n in genotype["TWO_ALT_GENO_CTS"].split(",")]
    # A1/A1, A1/A2, A2/A2, A1/A3 ...: by the larger allele, then by the smaller.
    pairs = sorted(combinations_with_replacement(range(len(alts)), 2), key=lambda p: (p[1], p[0]))
    confused = frequency["CHROM"] == "X" and len(alts) > 1
    for index, alt in enumerate(alts):
        pos, ref, short = shortest(int(frequency["POS"]), frequency["REF"], alt)
        mixed = sum(n for n, p in zip(two, pairs, strict=True) if index in p and p[0] != p[1])
        yield {
            "chrom": chrom,
            "pos": pos,
            "ref": ref,
            "alt": short,
            "ac": copies[index],
            "an": int(frequency["OBS_CT"]),
            "n_het": hets[index] + mixed,
            "n_hom_alt": sum(n for n, p in zip(two, pairs, strict=True) if p == (index, index)),
            "n_hemi": None if confused else haploid[index],
            "n_missing": None if confused else int(genotype["MISSING_CT"]),
        }
