"""Builds, chromosome names, pseudo-autosomal regions, bins and tiles."""

from __future__ import annotations

import random

import numpy as np
import pytest

from precisionchain.errors import RegionError
from precisionchain.schemas import genome


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("9", "9"),
        ("chr9", "9"),
        ("CHR9", "9"),
        ("09", "9"),
        ("chrx", "X"),
        ("23", "X"),
        ("24", "Y"),
        ("XY", "X"),
        ("25", "X"),
        ("26", "MT"),
        ("M", "MT"),
        ("chrM", "MT"),
        ("MT", "MT"),
        ("NC_000001.10", "1"),
        ("NC_000023.11", "X"),
        ("NC_000024.10", "Y"),
        ("NC_012920.1", "MT"),
        ("GL000191.1", "GL000191.1"),
        ("chr1_KI270706v1_random", "chr1_KI270706v1_random"),
        ("HLA-A*01:01:01:01", "HLA-A*01:01:01:01"),
    ],
)
def test_chromosome_names_are_folded(written: str, canonical: str) -> None:
    assert genome.fold_chrom(written) == canonical
    assert genome.fold_chrom(canonical) == canonical


def test_chromosomes_sort_in_genome_order() -> None:
    names = [*genome.CHROMOSOMES, "GL000191.1", "hs37d5"]
    shuffled = names[:]
    random.Random(1).shuffle(shuffled)
    assert sorted(shuffled, key=genome.chrom_rank) == names


@pytest.mark.parametrize(
    ("written", "canonical"),
    [("hg19", "GRCh37"), ("GRCh37.p13", "GRCh37"), ("b37", "GRCh37"), ("hg38", "GRCh38")],
)
def test_builds_have_aliases(written: str, canonical: str) -> None:
    assert genome.fold_build(written) == canonical


def test_an_unknown_build_is_refused() -> None:
    with pytest.raises(RegionError, match="T2T"):
        genome.fold_build("T2T")


def test_assemblies_have_their_published_size() -> None:
    """Sums of the primary chromosomes as the Genome Reference Consortium gives them."""
    for build, total in (("GRCh37", 3_095_677_412), ("GRCh38", 3_088_269_832)):
        lengths = genome.BUILDS[build].lengths
        assert sum(n for name, n in lengths.items() if name != "MT") == total
        assert lengths["MT"] == 16_569


def test_contig_lengths_prove_a_build() -> None:
    assert genome.matching_builds({"chr9": 141213431, "chrM": 16571}) == {"GRCh37"}
    assert genome.matching_builds({"9": 138394717, "junk": 5}) == {"GRCh38"}
    assert genome.matching_builds({"9": 138394717, "1": 249250621}) == set()
    assert genome.matching_builds({"MT": 16569}) == {"GRCh37", "GRCh38"}


@pytest.mark.parametrize("build", ["GRCh37", "GRCh38"])
def test_pseudo_autosomal_intervals_are_closed(build: str) -> None:
    for chrom, first, last in genome.BUILDS[build].par:
        edges = [first - 1, first, last, last + 1]
        assert genome.in_par(build, chrom, edges).tolist() == [False, True, True, False]
        assert not genome.in_par(build, "8", first)
        assert genome.expected_ploidy(build, chrom, first, male=True) == 2


def test_par1_has_one_length_on_both_sex_chromosomes() -> None:
    for build in genome.BUILDS.values():
        x, _, y, _ = build.par
        assert x[2] - x[1] == y[2] - y[1]


def test_ploidy_outside_the_pseudo_autosomal_regions() -> None:
    x, y = 100_000_000, 15_000_000
    assert genome.expected_ploidy("GRCh38", "X", x, male=True) == 1
    assert genome.expected_ploidy("GRCh38", "X", x, male=False) == 2
    assert genome.expected_ploidy("GRCh38", "Y", y, male=True) == 1
    assert genome.expected_ploidy("GRCh38", "Y", y, male=False) == 0
    assert genome.expected_ploidy("GRCh38", "MT", 73, male=False) == 1
    assert genome.expected_ploidy("GRCh38", "9", y, male=True) == 2


def test_bins_and_tiles_partition_the_line() -> None:
    assert genome.bin_span(0) == (1, 16_777_216)
    for index in (0, 1, 2, 14):
        first, last = genome.bin_span(index)
        assert last - first + 1 == 16_777_216
        assert genome.bin_of(first) == genome.bin_of(last) == index
        assert genome.bin_of(last + 1) == index + 1
        assert genome.tile_of(index * 16_384 + 1) == genome.tile_of((index + 1) * 16_384) == index
    assert genome.bin_of(0) == genome.tile_of(0) == 0


def test_the_stream_of_a_position_is_named_by_its_bin() -> None:
    assert genome.bin_name("VAR", "9", 16_777_217) == "VAR_9_16777217_33554432"
    assert genome.bin_name("COUNT", "X", 16_777_216) == "COUNT_X_1_16777216"


def test_ranges_and_arrays_agree_with_the_scalar_functions() -> None:
    positions = np.array([0, 1, 16_384, 16_385, 16_777_216, 16_777_217, 2**31 - 1], np.int32)
    assert genome.tiles(positions).tolist() == [genome.tile_of(int(p)) for p in positions]
    assert genome.bins(positions).tolist() == [genome.bin_of(int(p)) for p in positions]
    assert list(genome.bins_of(1, 33_554_433)) == [0, 1, 2]
