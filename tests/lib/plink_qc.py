"""What plink1.9 excludes, with the command line of quality control.

The file is split and trimmed here in plain text, an allele a line, in the order of (pos, ref, alt)
that pruning depends on; what PLINK takes as diploid but cannot be is made missing by PLINK itself.
"""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Allele = tuple[str, int, str, str]

PREPARED = ("--keep-allele-order", "--allow-extra-chr", "--allow-no-sex")
THRESHOLDS = ("0.05", "0.05", "1e-6", "50", "5", "0.5")


@dataclass(frozen=True, slots=True)
class PlinkSets:
    """Samples and alleles that plink1.9 excludes, by the rule that did it."""

    sample_missing: frozenset[str]
    variant_missing: frozenset[Allele]
    hwe: frozenset[Allele]
    ld: frozenset[Allele]


@dataclass(frozen=True, slots=True)
class Fam:
    """Sexes (1, 2, 0) and parents of samples; a parent is a name, known to the file or not."""

    sexes: Mapping[str, int]
    parents: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class PlinkFile:
    """A file as plink1.9 is given it, in a folder: ``par.bed`` and ``ready.bed``.

    ``ready`` is without heterozygous calls where one copy is expected, ``par`` with them.
    ``alleles`` are those of the file, by the ids they have in the .bim.
    """

    folder: Path
    alleles: Mapping[str, Allele]

    @classmethod
    def of(
        cls, vcf: Path, folder: Path, fam: Fam, *, half_call: str = "missing", build: str = "b37"
    ) -> PlinkFile:
        """Split a file and have plink1.9 read it; ``build`` is ``b37`` or ``b38``."""
        folder.mkdir(parents=True, exist_ok=True)
        alleles = write_split(vcf, folder / "split.vcf", fam, build)
        _prepare(folder, fam, half_call, build)
        return cls(folder, alleles)

    def sets(self, thresholds: Sequence[str] = THRESHOLDS) -> PlinkSets:
        """Return what ``--mind --geno --hwe --indep-pairwise`` with these numbers exclude."""
        mind, geno, hwe, *ld = thresholds
        steps = ("--mind", mind), ("--geno", geno), ("--hwe", hwe)
        kept = [set(self.alleles)]
        (self.folder / "step1.irem").unlink(missing_ok=True)
        for n in range(1, 4):
            options = [option for step in steps[:n] for option in step]
            self._ready(*options, "--write-snplist", "--out", f"step{n}")
            kept.append(set(self._words(f"step{n}.snplist")))
        options = [option for step in steps for option in step]
        self._ready(*options, "--indep-pairwise", *ld, "--out", "pruned")
        lost = self._words("step1.irem")[::2] if (self.folder / "step1.irem").exists() else []
        return PlinkSets(
            frozenset(lost),
            *(
                frozenset(self.alleles[name] for name in names)
                for names in (
                    kept[1] - kept[2],
                    kept[2] - kept[3],
                    self._words("pruned.prune.out"),
                )
            ),
        )

    def heterozygosity(self) -> dict[str, tuple[str, ...]]:
        """Return O(HOM), E(HOM), N(NM) and F of each sample as ``--het`` prints them; none where
        there is nothing but X, Y and MT.
        """
        if self._chromosomes() <= {"23", "24", "26"}:
            return {}
        _plink(self.folder, "--bfile", "par", "--het", "--out", "het")
        rows = (line.split() for line in self._lines("het.het")[1:])
        return {row[1]: tuple(row[2:]) for row in rows}

    def sex_check(self) -> dict[str, tuple[str, ...]]:
        """Return SNPSEX, STATUS and F of each sample as ``--check-sex`` prints them; none without
        X.
        """
        if "23" not in self._chromosomes():
            return {}
        _plink(self.folder, "--bfile", "par", "--check-sex", "--out", "sex")
        rows = (line.split() for line in self._lines("sex.sexcheck")[1:])
        return {row[1]: tuple(row[3:]) for row in rows}

    def y_counts(self) -> dict[str, str]:
        """Return YCOUNT of each sample as ``--check-sex ycount`` prints it; none without X."""
        if not self.sex_check():
            return {}
        _plink(self.folder, "--bfile", "par", "--check-sex", "ycount", "--out", "y")
        rows = (line.split() for line in self._lines("y.sexcheck")[1:])
        return {row[1]: row[6] for row in rows}

    def _ready(self, *arguments: str) -> None:
        _plink(self.folder, "--bfile", "ready", *arguments)

    def _chromosomes(self) -> set[str]:
        return {line.split()[0] for line in self._lines("par.bim")}

    def _lines(self, name: str) -> list[str]:
        return (self.folder / name).read_text(encoding="utf-8").splitlines()

    def _words(self, name: str) -> list[str]:
        return (self.folder / name).read_text(encoding="utf-8").split()


def plink_sets(
    vcf: Path,
    work: Path,
    fam: Fam,
    *,
    thresholds: Sequence[str] = THRESHOLDS,
    half_call: str = "missing",
) -> PlinkSets:
    """Return plink1.9's sets for a GRCh37 file."""
    return PlinkFile.of(vcf, work, fam, half_call=half_call).sets(thresholds)


def write_split(vcf: Path, out: Path, fam: Fam, build: str = "b37") -> dict[str, Allele]:
    """Write one line an allele; return the alleles by the ids written."""
    ids: dict[str, Allele] = {}
    seen: set[Allele] = set()
    with out.open("w", encoding="utf-8") as file:
        sexes: list[int] = []
        for lines in _by_contig(vcf):
            if lines[0].startswith("#"):
                file.writelines(lines)
                sexes = [fam.sexes.get(name, 0) for name in lines[-1].split()[9:]]
                continue
            split = sorted((a for line in lines for a in _split(line, sexes, build)), key=_place)
            for allele, calls in split:
                if allele not in seen:
                    seen.add(allele)
                    name = f"v{len(ids)}"
                    ids[name] = allele
                    chrom, pos, ref, alt = allele
                    fixed = f"{chrom}\t{pos}\t{name}\t{ref}\t{alt}\t.\tPASS\t.\tGT\t"
                    file.write(fixed + calls + "\n")
    return ids


def _by_contig(vcf: Path) -> Iterator[list[str]]:
    """Yield the header's lines, then those of each contig."""
    held: list[str] = []
    contig = "#"
    with (gzip.open if vcf.suffix == ".gz" else open)(vcf, "rt", encoding="utf-8") as file:
        for line in file:
            here = "#" if line.startswith("#") else line.partition("\t")[0]
            if here != contig:
                yield held
                held, contig = [], here
            held.append(line)
    yield held


def _place(split: tuple[Allele, str]) -> tuple[int, str, str]:
    return split[0][1:]


def _split(line: str, sexes: list[int], build: str) -> Iterator[tuple[Allele, str]]:
    chrom, pos, _, ref, alts, _, _, _, _, calls = line.rstrip("\n").split("\t", 9)
    chrom = chrom.removeprefix("chr")
    chrom = {"23": "X", "24": "Y", "26": "MT", "M": "MT"}.get(chrom, chrom)
    for number, alt in enumerate(alts.split(","), start=1):
        if alt == "*":
            continue
        said = calls
        if "," in alts:
            copies = [_one_copy(chrom, int(pos), sex, build) for sex in sexes]
            each = zip(calls.split("\t"), copies, strict=True)
            said = "\t".join(_call_of(call, str(number), one) for call, one in each)
        yield (chrom, *_shortest(int(pos), ref, alt)), said


def _one_copy(chrom: str, pos: int, sex: int, build: str) -> bool:
    first, second = {"b37": (2_699_520, 154_931_044), "b38": (2_781_479, 155_701_383)}[build]
    in_par = pos <= first or pos >= second
    return chrom == "MT" or (sex == 1 and (chrom == "Y" or (chrom == "X" and not in_par)))


def _call_of(call: str, number: str, one_copy: bool) -> str:
    """Return a call as it is of one ALT; 0/2, split, would hide that it is heterozygous."""
    genotype = call.partition(":")[0]
    mark = "|" if "|" in genotype else "/"
    if one_copy and "." not in genotype and len(set(genotype.split(mark))) > 1:
        return "."
    copies = (a if a == "." else str(int(a == number)) for a in genotype.split(mark))
    return mark.join(copies)


def _shortest(pos: int, ref: str, alt: str) -> tuple[int, str, str]:
    while min(len(ref), len(alt)) > 1 and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while min(len(ref), len(alt)) > 1 and ref[0] == alt[0]:
        pos, ref, alt = pos + 1, ref[1:], alt[1:]
    return pos, ref, alt


def _prepare(work: Path, fam: Fam, half_call: str, build: str) -> None:
    read = ("--vcf", "split.vcf", "--double-id", "--vcf-half-call", half_call)
    _plink(work, *read, "--make-bed", "--out", "read", *PREPARED)
    path = work / "read.fam"
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        name = line.split()[1]
        father, mother = fam.parents.get(name, ("0", "0"))
        rows.append(f"{name} {name} {father} {mother} {fam.sexes.get(name, 0)} -9\n")
    path.write_text("".join(rows), encoding="utf-8")
    split = ("--split-x", build, "no-fail")
    _plink(work, "--bfile", "read", *split, "--make-bed", "--out", "par", *PREPARED)
    missing = ("--set-hh-missing", "--set-mixed-mt-missing")
    _plink(work, "--bfile", "par", *missing, "--make-bed", "--out", "ready", *PREPARED)


def _plink(work: Path, *arguments: str) -> None:
    command = ["plink1.9", "--threads", "1", "--memory", "1000"]
    if "--allow-extra-chr" not in arguments:
        command += ["--allow-extra-chr", "--allow-no-sex"]
    done = subprocess.run(
        [*command, *arguments], cwd=work, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
