"""Files that the VCF specification's authors call invalid, and what becomes of each.

Every file of hts-specs' ``failed`` folders is staged twice: as it is, and, where it has no
samples, with two of them added, so that its fault decides and not their absence. It is refused, or
taken with a warning; and the files of ``passed`` folders break no rule that they should keep.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

import pytest

from precisionchain.errors import DuplicateVariantError, PrecisionChainError
from tests.validation.test_vcf_staging import stage_on_its_build

FOLDER = "vcf_edge_and_invalid/hts-specs"

# Nothing more is said of these than that names have no header line: CIGAR is not read; the colon
# of "chr:1" is allowed by later versions, as are the asterisk of a contig and the underscore of a
# key; a last line without a newline is whole; the keys of SAMPLE that 4.1 and 4.2 want, and GLE,
# are in no later version.
ONLY_UNDECLARED = {
    "body_chrom_001",
    "body_chrom_004",
    "body_format_003",
    "body_info_010",
    "body_info_011",
    "body_no_newline_001",
    "body_no_newline_002",
    "meta_contig_003",
    "meta_format_029",
    "meta_format_030",
    "meta_sample_000",
    "meta_sample_001",
    "body_no_newline_000",
}
UNDECLARED = {"undeclared_contig", "undeclared_filter", "undeclared_format", "undeclared_info"}


def with_samples(text: str) -> str:
    """Add FORMAT and two samples to a file that has none."""
    lines = []
    for line in text.split("\n"):
        if line.startswith("#CHROM") and line.count("\t") == 7:
            lines.append(line + "\tFORMAT\ts1\ts2")
        elif line and not line.startswith("#") and line.count("\t") == 7:
            lines.append(line + "\tGT\t0|1\t1|1")
        else:
            lines.append(line)
    return "\n".join(lines)


def outcome(folder: Path, path: Path) -> tuple[str, str]:
    """What becomes of a file: refused or taken, and why."""
    try:
        run = stage_on_its_build(folder, path)
    except DuplicateVariantError:
        return "refused", "DuplicateVariantError"
    except PrecisionChainError as error:
        text = re.sub(r"\d+", "N", error.message)
        return "refused", f"{type(error).__name__}: {text}"
    said = run.description["statistics"]
    reasons = [*said["warnings"], *said["refused_by_rule"]]
    stated = ("collapsed_duplicates", "ambiguous_ref_records")
    reasons += [name for name in stated if said["normalised"].get(name)]
    return "taken", ", ".join(reasons)


def test_what_the_specification_calls_invalid_is_refused_or_warned_of(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = sorted((shared_data / FOLDER).glob("*/failed/*.vcf"))
    assert len(files) == 607
    as_it_is, grafted, silent = Counter[str](), Counter[str](), set[str]()
    for number, path in enumerate(files):
        what, why = outcome(tmp_path / str(number), path)
        as_it_is[f"{what}: {why}"] += 1
        if why.endswith("has no sample columns"):
            copy = tmp_path / f"{number}.vcf"
            text = path.read_text("utf-8", errors="surrogateescape")
            copy.write_text(with_samples(text), "utf-8", errors="surrogateescape")
            what, why = outcome(tmp_path / f"{number}x", copy)
        grafted[f"{what}: {why}"] += 1
        if what == "taken" and set(why.split(", ")) <= UNDECLARED:
            silent.add(path.stem.removeprefix("failed_"))
    with capsys.disabled():
        for title, found in (("as they are", as_it_is), ("with samples", grafted)):
            sys.stderr.write(f"\nhts-specs failed/, {title} ({sum(found.values())} files)\n")
            sys.stderr.writelines(f"{n:5} {what}\n" for what, n in found.most_common())
    assert silent <= ONLY_UNDECLARED, silent - ONLY_UNDECLARED


def test_valid_files_are_taken(shared_data: Path, tmp_path: Path) -> None:
    """With samples added where there are none; what refuses them is our limit, not their fault."""
    refused = Counter[str]()
    for number, path in enumerate(sorted((shared_data / FOLDER).glob("*/passed/*.vcf"))):
        copy = tmp_path / f"{number}.vcf"
        copy.write_text(with_samples(path.read_text("utf-8")), "utf-8")
        what, why = outcome(tmp_path / str(number), copy)
        if what == "refused":
            refused[f"{path.stem}: {why}"] += 1
    sys.stderr.writelines(f"{n:5} {what}\n" for what, n in refused.most_common())
    assert sum(refused.values()) < 40
