"""How genotype blocks are cut and told: bytes and CPU of other choices than ours."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import numpy as np
import numpy.typing as npt

from benchmarks.genotypes import PGX, samples_of
from benchmarks.measure import Job, at_site, new_site
from benchmarks.report import Figure, megabytes, seconds
from benchmarks.simulated import resample
from precisionchain.schemas import person_blocks
from precisionchain.schemas.calls import Calls, PackedCalls, pack_calls, unpack_calls
from precisionchain.schemas.genotypes import (
    LEVEL,
    VariantBlock,
    pack_variant_block,
    unpack_variant_block,
)
from precisionchain.schemas.near_calls import MAX_BACK, NearCalls, joined, near_calls
from precisionchain.schemas.person_blocks import (
    PERSON_GROUP,
    person_bodies,
    runs,
    unpack_person_block,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Choice:
    """A point on the curve. ``order``: of the persons, ``file`` or ``random``."""

    level: int = LEVEL
    window: int = MAX_BACK
    group: int = PERSON_GROUP
    order: str = "file"


ARRAYS = "kg_phase3_peddy_23k/kg_p3_2504_peddy_GRCh38.vcf.gz"
CHOICES = (
    Choice(),
    Choice(level=1),
    Choice(level=6),
    Choice(level=9),
    Choice(level=12),
    Choice(window=0),
    Choice(window=64),
    Choice(group=64),
    Choice(group=128),
    Choice(group=512),
    Choice(group=1024),
    Choice(order="random"),
)
OF_OTHERS = (Choice(), Choice(window=0), Choice(group=128), Choice(group=512), Choice(group=1024))
"""What is tried where persons are many, and where sites lie far apart."""
PERSONS, EVERY = 12_000, 8


@dataclass(frozen=True, slots=True)
class Outcome:
    """Bytes of both views, CPU seconds to make them, and to read one thing of one block."""

    variant_bytes: int
    person_bytes: int
    variant_cpu: float
    person_cpu: float
    row_cpu: float
    person_read_cpu: float


def measure(job: Job) -> tuple[list[Figure], dict[str, Any]]:
    """Return a line for each choice, held against the one that is ours, of three files."""
    many = resample(
        job.shared / PGX,
        job.work / "many.vcf.gz",
        job.size(PERSONS, 3_000),
        job.size(EVERY, 64),
    )
    figures: list[Figure] = []
    details = {}
    for name, vcf, build, choices in (
        ("blocks", job.shared / PGX, "GRCh37", CHOICES),
        (f"{job.size(PERSONS, 3_000):,} persons", many, "GRCh37", OF_OTHERS),
        ("arrays", job.shared / ARRAYS, "GRCh38", OF_OTHERS),
    ):
        blocks = staged_blocks(vcf, build, job.work / name.replace(" ", "_"))
        taken = blocks[:2] if job.quick else blocks
        outcomes = [outcome(taken, choice, 1 if job.quick else 2) for choice in choices]
        figures += [
            _figure(name, choice, found, outcomes[0])
            for choice, found in zip(choices, outcomes, strict=True)
        ]
        details[name] = [
            {**asdict(choice), **asdict(found)}
            for choice, found in zip(choices, outcomes, strict=True)
        ]
    return figures, details


def _figure(name: str, choice: Choice, found: Outcome, ours: Outcome) -> Figure:
    both, own = (x.variant_bytes + x.person_bytes for x in (found, ours))
    said = ", ".join(
        f"{field} {value}"
        for field, value in asdict(choice).items()
        if value != getattr(CHOICES[0], field)
    )
    cpu = " + ".join(seconds(value) for value in (found.variant_cpu, found.person_cpu))
    return Figure(
        f"{name}, {said or 'as they are'}",
        f"{megabytes(found.variant_bytes)} + {megabytes(found.person_bytes)}",
        f"CPU {cpu}; row {seconds(found.row_cpu)}, person {seconds(found.person_read_cpu)}",
        both / own,
    )


def staged_blocks(vcf: Path, build: str, work: Path) -> list[VariantBlock]:
    """Return the blocks of a file as it is staged, all of its samples being women."""
    work.mkdir()
    rows = "".join(f"{name},{n},2\n" for n, name in enumerate(samples_of(vcf), 1))
    (work / "samples.csv").write_text(f"sample_id,person_id,sex\n{rows}", encoding="utf-8")
    site = new_site(work / "site", build)
    given = ("--samples", work / "samples.csv", "--build", build, "--build-unverified")
    at_site(site, "stage", "vcf", vcf, *given, "--qc", "none")
    bodies = sorted((site / "staging" / "runs").glob("*/blocks/*.arrow"))
    return [unpack_variant_block(path.read_bytes()) for path in bodies]


def outcome(blocks: Sequence[VariantBlock], choice: Choice, repeats: int) -> Outcome:
    """Return what a choice comes to."""
    order = np.arange(blocks[0].n_persons)
    calls = [block.packed for block in blocks]
    if choice.order == "random":
        order = np.random.default_rng(1).permutation(order)
        calls = [_of(one, order) for one in calls]
    columns = np.arange(len(order))
    groups = [columns[i : i + choice.group] for i in range(0, len(order), choice.group)]
    near_cpu, near = _timed(lambda: [near_calls(one, choice.window) for one in calls], repeats)
    pack_cpu, bodies = _timed(
        lambda: [
            pack_variant_block(
                block.sites, one, chrom=block.chrom, person_set="00" * 32, level=choice.level
            )
            for block, one in zip(blocks, near, strict=True)
        ],
        repeats,
    )
    with patch.object(person_blocks, "PERSON_GROUP", max(choice.group, PERSON_GROUP)):
        person_cpu, turned = _timed(
            lambda: list(_person_bodies(blocks, near, groups, choice)), repeats
        )
        links = joined([near[i].links for i in turned[0][0]])
        read_cpu, _ = _timed(lambda: unpack_person_block(turned[0][1]).calls(links, [0]), repeats)
    row_cpu, _ = _timed(lambda: unpack_variant_block(bodies[-1]).calls([0]), repeats)
    return Outcome(
        sum(map(len, bodies)),
        sum(len(body) for _, body in turned),
        near_cpu + pack_cpu,
        person_cpu,
        row_cpu,
        read_cpu,
    )


def _person_bodies(
    blocks: Sequence[VariantBlock],
    near: Sequence[NearCalls],
    groups: Sequence[npt.NDArray[np.int64]],
    choice: Choice,
) -> Iterator[tuple[list[int], bytes]]:
    for _, of_chrom in groupby(range(len(blocks)), key=lambda i: blocks[i].chrom):
        numbers = list(of_chrom)
        for part in runs([near[i].n_alleles for i in numbers]):
            taken = [numbers[i] for i in part]
            parts = [(f"{i:064x}", near[i]) for i in taken]
            for body in person_bodies(
                parts, groups, chrom="1", person_set="00" * 32, level=choice.level
            ):
                yield taken, body


def _of(packed: PackedCalls, order: npt.NDArray[np.int64]) -> PackedCalls:
    calls = unpack_calls(packed)
    phase, haploid = calls.phase, calls.haploid
    return pack_calls(
        Calls(
            np.ascontiguousarray(calls.dosage[:, order]),
            None if haploid is None else np.ascontiguousarray(haploid[:, order]),
            None if phase is None else np.ascontiguousarray(phase[:, order]),
        )
    )


def _timed(make: Callable[[], T], repeats: int) -> tuple[float, T]:
    """Return the least CPU seconds of several runs, and what it made."""
    times = []
    for _ in range(repeats):
        started = time.process_time()
        made = make()
        times.append(time.process_time() - started)
    return min(times), made
