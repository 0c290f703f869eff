"""PLINK 2 filesets against the VCF that plink2 made them from, and against plink2's own counts."""

from __future__ import annotations

import builtins
import random
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from precisionchain.errors import PrecisionChainError, UsageError
from precisionchain.ingest.stage_vcf import stage_vcf
from precisionchain.ingest.staging import Run, Staging
from precisionchain.ingest.vcf_settings import VcfSettings
from precisionchain.schemas.genome import fold_chrom
from tests.lib.vcf_builder import header, write_map
from tests.validation.test_vcf_staging import read_rows

PERSONS = 61
NAMES = [f"s{i}" for i in range(PERSONS)]
SEXES = ["M" if i % 2 else "F" for i in range(PERSONS)]
PLACES = (("9", 1_000), ("22", 2_000), ("X", 70_000), ("X", 5_000_000), ("Y", 10_000_000))
SHAPES = (("A", "G"), ("C", "T,G"), ("CA", "C"), ("AC", "GT,A,ACC"), ("G", "."))

needs_pgenlib = pytest.mark.skipif(
    find_spec("pgenlib") is None, reason="Pgenlib (extra pgen) is not installed"
)


def drawn(rng: random.Random, path: Path) -> Path:
    """Phased, unphased and missing calls of several alleles; men haploid on X, no women on Y.

    Of calls of two equal alleles a .pgen has no phase: they are written without.
    """
    lines = []
    for chrom, start in PLACES:
        for i in range(80):
            ref, alt = rng.choice(SHAPES)
            most = 0 if alt == "." else alt.count(",") + 1
            calls = [call(rng, chrom, start, SEXES[n], most) for n in range(PERSONS)]
            filters = rng.choice((".", "PASS", "q10;s50"))
            cells = (chrom, start + 9 * i, rng.choice((".", f"rs{i + 1}")), ref, alt, ".", filters)
            lines.append("\t".join((*map(str, cells), ".", "GT", *calls)))
    text = header(("9", "22", "X", "Y"), samples=tuple(NAMES))
    path.write_text(text + "\n".join((*lines, "")), "utf-8")
    return path


def call(rng: random.Random, chrom: str, start: int, sex: str, most: int) -> str:
    if rng.random() < 0.05 or (chrom == "Y" and sex == "F"):
        return "./."
    first, second = rng.randint(0, most), rng.randint(0, most)
    if chrom == "Y" or (chrom == "X" and start > 3_000_000 and sex == "M"):
        return str(first)
    return f"{first}{rng.choice('/|') if first != second else '/'}{second}"


def run_plink2(plink2: str, *arguments: object) -> None:
    subprocess.run([plink2, *map(str, arguments)], check=True, capture_output=True, text=True)


def fileset(folder: Path, plink2: str, vcf: Path) -> Path:
    """The fileset that plink2 makes of a VCF, with the sexes."""
    sexes = folder / "sexes.txt"
    rows = (f"{name}\t{sex}" for name, sex in zip(NAMES, SEXES, strict=True))
    sexes.write_text("\n".join(("#IID\tSEX", *rows, "")), "utf-8")
    run_plink2(
        plink2, "--vcf", vcf, "--update-sex", sexes, "--split-par", "b37", "--make-pgen",
        "--out", folder / "made", "--threads", "1",
    )  # fmt: skip
    return folder / "made.pgen"


def stage(folder: Path, path: Path, **options: Any) -> Run:
    folder.mkdir(parents=True, exist_ok=True)
    rows = (f"{name},{i + 1},{SEXES[i]}" for i, name in enumerate(NAMES))
    samples = write_map(folder / "map.csv", *rows)
    options = {"samples": samples, "build": "GRCh37", "build_unverified": True, **options}
    return stage_vcf(Staging(folder / "staging"), [path], VcfSettings(**options))


@needs_pgenlib
def test_a_fileset_is_staged_as_the_vcf_it_is_made_from(
    tmp_path: Path, oracle_program: Callable[[str], str]
) -> None:
    """Calls, phase, ploidy, several ALTs, none, ids and filters: the very same blocks."""
    vcf = drawn(random.Random(20_261_123), tmp_path / "in.vcf")
    pgen = fileset(tmp_path, oracle_program("plink2"), vcf)
    runs = [stage(tmp_path / "pgen", pgen), stage(tmp_path / "vcf", vcf)]
    for table in ("sites", "counts"):
        found, expected = (read_rows(run, table) for run in runs)
        assert found == expected
    assert any(row["n_hemi"] for row in read_rows(runs[0], "counts"))
    blocks = [sorted((run.path / "blocks").iterdir()) for run in runs]
    assert [one.name for one in blocks[0]] == [one.name for one in blocks[1]]
    assert [one.read_bytes() for one in blocks[0]] == [one.read_bytes() for one in blocks[1]]
    assert runs[0].description["statistics"]["calls"]["phased_calls"] > 1_000


@needs_pgenlib
def test_counts_are_those_of_plink2(tmp_path: Path, oracle_program: Callable[[str], str]) -> None:
    plink2 = oracle_program("plink2")
    pgen = fileset(tmp_path, plink2, drawn(random.Random(7), tmp_path / "in.vcf"))
    rows = {
        (row["chrom"], row["pos"], row["ref"], row["alt"]): row
        for row in read_rows(stage(tmp_path / "x", pgen), "counts")
    }
    columns = "cols=chrom,pos,ref,alt,homref,refalt,homalt1,hapref,hapalt,missing"
    run_plink2(
        plink2, "--pfile", pgen.with_suffix(""), "--max-alleles", "2", "--geno-counts", columns,
        "--out", tmp_path / "out", "--threads", "1",
    )  # fmt: skip
    compared = 0
    for line in (tmp_path / "out.gcount").read_text("utf-8").splitlines()[1:]:
        chrom, pos, _, ref, alt, _, het, hom, _, hapalt, missing = line.split("\t")[:11]
        row = rows.get(("X" if chrom.startswith("PAR") else fold_chrom(chrom), int(pos), ref, alt))
        if row is None:  # an indel that is trimmed
            continue
        assert (row["n_het"], row["n_hom_alt"], row["n_hemi"]) == (int(het), int(hom), int(hapalt))
        if chrom != "Y":  # plink2 counts no women there
            assert row["n_missing"] == int(missing)
        compared += 1
    assert compared > 100


@needs_pgenlib
def test_a_provisional_ref_is_said(tmp_path: Path, oracle_program: Callable[[str], str]) -> None:
    """A fileset made from a .bed does not know which allele is the reference's."""
    plink2 = oracle_program("plink2")
    pgen = fileset(tmp_path, plink2, drawn(random.Random(8), tmp_path / "in.vcf"))
    bed = ("--max-alleles", "2", "--make-bed", "--out", tmp_path / "bed")
    run_plink2(plink2, "--pfile", pgen.with_suffix(""), *bed)
    run_plink2(plink2, "--bfile", tmp_path / "bed", "--make-pgen", "--out", tmp_path / "again")
    statistics = stage(tmp_path / "x", tmp_path / "again.pgen").description["statistics"]
    assert statistics["warnings"] == {"provisional_ref": statistics["records"]}
    assert (
        "provisional_ref" not in stage(tmp_path / "y", pgen).description["statistics"]["warnings"]
    )


BROKEN: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "no pgen": (".pgen", lambda raw: b"##" + raw[2:], "is no .pgen of"),
    "a variant less": (".pvar", lambda raw: raw[: raw.rstrip().rindex(b"\n") + 1], "is no .pgen"),
    "a sample less": (".psam", lambda raw: raw[: raw.rstrip().rindex(b"\n") + 1], "is no .pgen"),
    "no heading of the variants": (
        ".pvar",
        lambda raw: raw.replace(b"#CHROM", b"#X"),
        "#CHROM POS",
    ),
    "no heading of the samples": (".psam", lambda raw: raw.replace(b"#IID", b"#X"), "has no IID"),
    "a position of letters": (".pvar", lambda raw: raw.replace(b"\t1000\t", b"\tx\t"), "no number"),
}


@needs_pgenlib
@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_fileset_is_refused(
    tmp_path: Path, oracle_program: Callable[[str], str], case: str
) -> None:
    suffix, change, message = BROKEN[case]
    vcf = drawn(random.Random(9), tmp_path / "in.vcf")
    target = fileset(tmp_path, oracle_program("plink2"), vcf).with_suffix(suffix)
    target.write_bytes(change(target.read_bytes()))
    with pytest.raises(PrecisionChainError, match=message):
        stage(tmp_path / "x", target.with_suffix(".pgen"))


def test_without_pgenlib_the_extra_and_the_conversion_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def refusing(name: str, *arguments: Any, **named: Any) -> Any:
        if name == "pgenlib":
            raise ImportError(name)
        return real(name, *arguments, **named)

    (tmp_path / "a.pvar").write_text("#CHROM\tPOS\tID\tREF\tALT\n9\t5\t.\tA\tG\n", "ascii")
    (tmp_path / "a.psam").write_text("#IID\n" + "\n".join(NAMES), "ascii")
    (tmp_path / "a.pgen").write_bytes(b"\x6c\x1b\x10")
    monkeypatch.setattr(builtins, "__import__", refusing)
    with pytest.raises(UsageError, match="needs Pgenlib") as caught:
        stage(tmp_path / "x", tmp_path / "a.pgen")
    assert "precisionchain[pgen]" in str(caught.value.hint)
    assert "plink2 --pfile a --export vcf bgz" in str(caught.value.hint)
