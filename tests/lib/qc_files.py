"""Files with what quality control looks for: alleles in linkage, missing calls, odd ploidies.

Every person, allele and call follows from a seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tests.lib.plink_qc import Fam
from tests.lib.vcf_builder import header

CONTIGS = {
    "1": (1_000, 2_000_000),
    "2": (1_000, 2_000_000),
    "X": (2_500_000, 2_900_000),  # across the end of the first pseudo-autosomal region
    "Y": (2_700_000, 3_000_000),
    "MT": (1, 16_000),
    "GL000191.1": (1, 100_000),
}
Alleles2 = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class QcFiles:
    """A VCF file, its sample map, and what PLINK is told of the same persons."""

    vcf: Path
    samples: Path
    fam: Fam
    names: tuple[str, ...]

    def name_of(self, person_id: int) -> str:
        """Person ids count from 1 in the order of the columns."""
        return self.names[person_id - 1]


def simulate(folder: Path, seed: int, *, persons: int = 90, alleles: int = 150) -> QcFiles:
    """Write a file of ``alleles`` records a contig, and its sample map."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    names = tuple(f"s{i:03d}" for i in range(persons))
    sexes = dict(
        zip(names, rng.choice([1, 2, 0], persons, p=[0.5, 0.45, 0.05]).tolist(), strict=True)
    )
    children = rng.choice(persons, persons // 10, replace=False)
    parents = {names[i]: (names[(i + 1) % persons], "elsewhere") for i in children.tolist()}
    person_loss = np.where(rng.random(persons) < 0.06, 0.12, 0.0)
    lines = [header(CONTIGS, samples=names)]
    for contig, span in CONTIGS.items():
        positions = np.sort(rng.choice(np.arange(*span), alleles, replace=False))
        haplotypes = _haplotypes(rng, alleles, 2 * persons).reshape(alleles, persons, 2)
        for pos, drawn in zip(positions.tolist(), haplotypes, strict=True):
            loss = person_loss + rng.choice([0, 0.02, 0.05, 0.15], p=[0.5, 0.3, 0.1, 0.1])
            missing = rng.random(persons) < loss
            alts, pairs = "C", drawn
            if rng.random() < 0.08:
                alts = "C,G"
                pairs = np.where(rng.random(drawn.shape) < 0.3, 2 * drawn, drawn)
            calls = [
                _call(rng, contig, pos, sexes[name], pair, lost=lost)
                for name, pair, lost in zip(names, pairs.tolist(), missing.tolist(), strict=True)
            ]
            fixed = (contig, str(pos), ".", "A", alts, ".", "PASS", ".", "GT")
            lines.append("\t".join((*fixed, *calls)) + "\n")
    vcf = folder / "simulated.vcf"
    vcf.write_text("".join(lines), encoding="utf-8")
    samples = folder / "map.csv"
    rows = ["sample_id,person_id,sex,father,mother"]
    for number, name in enumerate(names, start=1):
        father, mother = parents.get(name, ("", ""))
        rows.append(f"{name},{number},{sexes[name]},{father},{mother}")
    samples.write_text("\n".join([*rows, ""]), encoding="utf-8")
    return QcFiles(vcf, samples, Fam(sexes, parents), names)


def _haplotypes(rng: np.random.Generator, alleles: int, chromosomes: int) -> Alleles2:
    """Each allele resembles one of the last few, or none; some do not vary, some lack hets."""
    out = np.zeros((alleles, chromosomes), np.int8)
    for i in range(alleles):
        kind = rng.random()
        if i and kind < 0.7:
            like = out[max(0, i - int(rng.integers(1, 6)))]
            other = rng.random(chromosomes) < rng.choice([0.0, 0.01, 0.05, 0.2])
            out[i] = np.where(other, 1 - like, like)
        elif kind < 0.75:
            out[i] = int(rng.random() < 0.5)
        else:
            out[i] = rng.random(chromosomes) < rng.choice([0.01, 0.1, 0.3, 0.5, 0.8])
        if rng.random() < 0.1:
            out[i] = 1 - out[i]
        if rng.random() < 0.1:
            out[i, 1::2] = out[i, ::2]
    return out


def _call(
    rng: np.random.Generator, contig: str, pos: int, sex: int, pair: list[int], *, lost: bool
) -> str:
    first, second = pair
    one_copy = contig in ("MT", "Y") or (contig == "X" and sex == 1 and pos > 2_699_520)
    if contig == "Y" and sex == 2 and rng.random() < 0.9:
        return "."
    if one_copy:
        if lost:
            return str(rng.choice([".", "./."]))
        odd = rng.random()
        if odd < 0.02:
            return f"{first}/{second}"
        return f"{first}" if odd < 0.7 else f"{first}/{first}"
    if lost:
        return str(rng.choice(["./.", f"./{first}"]))
    return f"{first}/{second}"
