"""How genotype blocks are cut and told: bytes and CPU of other choices than ours."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from benchmarks.genotypes import PGX, samples_of, write_sample_map
from benchmarks.measure import precisionchain, run
from benchmarks.report import Figure, megabytes, seconds
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
    Choice(order="random"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Bytes of both views, CPU seconds to make them, and to read one thing of one block."""

    variant_bytes: int
    person_bytes: int
    variant_cpu: float
    person_cpu: float
    row_cpu: float
    person_read_cpu: float


def measure(shared: Path, work: Path, repeats: int) -> tuple[list[Figure], dict[str, Any]]:
    """Return a line for each of `CHOICES`, held against the one that is ours."""
    blocks = staged_blocks(shared / PGX, shared, work)
    outcomes = [outcome(blocks, choice, repeats) for choice in CHOICES]
    ours = outcomes[0]
    figures = []
    for choice, found in zip(CHOICES, outcomes, strict=True):
        both, own = (x.variant_bytes + x.person_bytes for x in (found, ours))
        said = ", ".join(
            f"{name} {value}"
            for name, value in asdict(choice).items()
            if value != getattr(CHOICES[0], name)
        )
        cpu = " + ".join(seconds(value) for value in (found.variant_cpu, found.person_cpu))
        reading = ", ".join(seconds(value) for value in (found.row_cpu, found.person_read_cpu))
        figures.append(
            Figure(
                f"blocks, {said or 'as they are'}",
                f"{megabytes(found.variant_bytes)} + {megabytes(found.person_bytes)}",
                f"CPU {cpu}; a row {reading} a person and run",
                both / own,
            )
        )
    table = [{**asdict(c), **asdict(o)} for c, o in zip(CHOICES, outcomes, strict=True)]
    return figures, {"choices": table}


def staged_blocks(vcf: Path, shared: Path, work: Path) -> list[VariantBlock]:
    """Return the blocks of a file as it is staged."""
    samples = samples_of(vcf)
    mapped = write_sample_map(shared, samples, list(range(len(samples))), work / "samples.csv")
    site = work / "site"
    run(precisionchain("init", site, "--site", "A", "--build", "GRCh37"))
    stage = ("stage", "vcf", vcf, "--samples", mapped, "--build", "GRCh37", "--qc", "none")
    run(precisionchain("-C", site, *stage))
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
    person_cpu, turned = _timed(lambda: list(_person_bodies(blocks, near, groups, choice)), repeats)
    row_cpu, _ = _timed(lambda: unpack_variant_block(bodies[-1]).calls([0]), repeats)
    links = joined([near[i].links for i in turned[0][0]])
    read_cpu, _ = _timed(lambda: unpack_person_block(turned[0][1]).calls(links, [0]), repeats)
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
    for _ in range(max(2, repeats)):
        started = time.process_time()
        made = make()
        times.append(time.process_time() - started)
    return min(times), made
