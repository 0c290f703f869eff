"""Withdrawn persons and genotypes called again, on 2,504 real genomes, against bcftools.

bcftools reads files without these persons, or with the calls exchanged; nothing of PrecisionChain
is in its counts. What it prints is brought to trimmed alleles by a few plain lines here.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

import precisionchain as pc
from tests.validation.conftest import PGX, new_site

WITHDRAWN, CALLED_AGAIN = 37, 100
REGION = ("10", 96_500_000, 96_800_000)
Counts = dict[tuple[str, int, str, str], tuple[int, int]]


@dataclass(frozen=True)
class Genomes:
    """A site with all genomes, the file, and the samples of the persons chosen by a seed."""

    site: pc.Site
    file: Path
    samples: list[str]
    folder: Path

    @property
    def withdrawn(self) -> list[str]:
        return random.Random(5).sample(self.samples, WITHDRAWN)

    @property
    def called_again(self) -> list[str]:
        """Some of them withdrawn."""
        return random.Random(6).sample(self.samples, CALLED_AGAIN)

    def person(self, sample: str) -> int:
        return self.samples.index(sample) + 1

    def sample_map(self, samples: Iterable[str]) -> Path:
        path = self.folder / "samples.csv"
        rows = (f"{sample},{self.person(sample)}\n" for sample in samples)
        path.write_text("sample_id,person_id\n" + "".join(rows), encoding="utf-8")
        return path

    def counts(self) -> Counts:
        with pc.connect(self.site.folder.root) as network:
            rows = network.maf(0, 0.5)
        keys = rows.select("chrom", "pos", "ref", "alt").rows()
        return dict(zip(keys, rows.select("ac", "an").rows(), strict=True))


def bcftools(*arguments: str | Path) -> str:
    command = ["bcftools", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def genomes(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Genomes:
    folder = tmp_path_factory.mktemp("withdrawal")
    file = shared_data / PGX
    samples = bcftools("query", "-l", file).split()
    made = Genomes(new_site(folder / "site_a"), file, samples, folder)
    made.site.ingest_vcf(file, samples=made.sample_map(samples), build="GRCh37", source="kg")
    return made


def counted(file: Path, samples: Iterable[str], folder: Path) -> Counts:
    """Return AC and AN of each trimmed allele over some samples, as bcftools counts them."""
    listed, some = folder / "some.txt", folder / "some.bcf"
    listed.write_text("".join(f"{sample}\n" for sample in samples), encoding="utf-8")
    bcftools("view", "-S", listed, "-Ob", "-o", some, file)  # counts AC and AN anew
    found: Counts = {}
    text = bcftools("query", "-f", "%CHROM\t%POS\t%REF\t%ALT\t%AC\t%AN\n", some)
    for line in text.splitlines():
        chrom, pos, ref, alts, acs, an = line.split("\t")
        for alt, ac in zip(alts.split(","), acs.split(","), strict=True):
            if alt != "*":
                found[chrom, *trimmed(int(pos), ref, alt)] = (int(ac), int(an))
    return found


def trimmed(pos: int, ref: str, alt: str) -> tuple[int, str, str]:
    while len(ref) > 1 and len(alt) > 1 and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while len(ref) > 1 and len(alt) > 1 and ref[0] == alt[0]:
        pos, ref, alt = pos + 1, ref[1:], alt[1:]
    return pos, ref, alt


def test_counts_after_a_withdrawal_are_those_of_the_others(genomes: Genomes) -> None:
    everybody = genomes.counts()
    assert everybody == counted(genomes.file, genomes.samples, genomes.folder)
    persons = [genomes.person(sample) for sample in genomes.withdrawn]
    done = genomes.site.withdraw_persons(persons)
    assert (done.done, done.counts) == (WITHDRAWN, 1)
    others = [sample for sample in genomes.samples if sample not in genomes.withdrawn]
    assert genomes.counts() == counted(genomes.file, others, genomes.folder)
    with pc.connect(genomes.site.folder.root) as network:
        for person in persons[:5]:
            with pytest.raises(pc.PrecisionChainError):
                network.person_variants(f"A:{person}")
        states = network.variant("10:96541616:G:A", genotype=("0", "1", "2", "missing"))
    assert not set(states["person_id"]) & set(persons)
    assert states.height == len(others)


def test_calls_made_again_in_a_region_take_the_place_of_the_older_ones(genomes: Genomes) -> None:
    """The calls of a hundred persons, exchanged among them; the withdrawn ones stay withheld."""
    others = [sample for sample in genomes.samples if sample not in genomes.withdrawn]
    again = [sample for sample in genomes.called_again if sample not in genomes.withdrawn]
    chrom, first, last = REGION
    region = genomes.folder / "region.bed"
    region.write_text(f"{chrom}\t{first - 1}\t{last}\n", encoding="utf-8")
    names, cut, recalled = (genomes.folder / name for name in ("n.txt", "cut.vcf", "recalled.vcf"))
    chosen = ",".join(genomes.called_again)
    place = f"{chrom}:{first}-{last}"
    bcftools("view", "-s", chosen, "-c", "1", "-t", place, "-Ov", "-o", cut, genomes.file)
    turned = [*genomes.called_again[1:], genomes.called_again[0]]
    names.write_text("".join(f"{name}\n" for name in turned), encoding="utf-8")
    bcftools("reheader", "-s", names, "-o", recalled, cut)
    done = genomes.site.ingest_vcf(
        recalled,
        samples=genomes.sample_map(genomes.called_again),
        build="GRCh37",
        assay=str(region),
        source="recalled",
        replace=True,
    )
    assert done.new_items > 0
    assert len(again) < CALLED_AGAIN
    older = counted(genomes.file, others, genomes.folder)
    rest = [sample for sample in others if sample not in again]
    of_the_rest = counted(genomes.file, rest, genomes.folder)
    newer = counted(recalled, again, genomes.folder)
    due = dict(older)
    for key in older:
        if key[0] == chrom and first <= key[1] <= last:
            # Where the new file lists nothing, its extent says that nobody has a copy.
            ac, an = newer.get(key, (0, 2 * len(again)))
            due[key] = (of_the_rest[key][0] + ac, of_the_rest[key][1] + an)
    assert sum(older[key] != due[key] for key in due) > 50
    assert genomes.counts() == due
    assert all(check.ok for check in genomes.site.verify())


def test_persons_readmitted_count_as_the_batches_say(genomes: Genomes) -> None:
    back = genomes.site.readmit_persons([genomes.person(one) for one in genomes.withdrawn])
    assert back.done == WITHDRAWN
    frame = pl.DataFrame({"an": [an for _, an in genomes.counts().values()]})
    assert frame["an"].max() == 2 * len(genomes.samples)
    assert all(check.ok for check in genomes.site.verify())
