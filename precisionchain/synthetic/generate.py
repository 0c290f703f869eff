"""Generate one synthetic hospital: a consortium of one site, without a folder of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from precisionchain.synthetic.consortium import write_consortium
from precisionchain.synthetic.design import Design
from precisionchain.synthetic.genome import DENSE, Stretch
from precisionchain.synthetic.truth import Truth


def generate(
    directory: Path | str,
    *,
    seed: int = 1,
    persons: int = 300,
    stretches: Sequence[Stretch] = (DENSE[0], DENSE[2]),
    missing: float = 0.01,
    half_calls: float = 0.0005,
    dirty: int = 2,
) -> Truth:
    """Write a hospital's files into ``directory``, its truth into ``truth/`` there; return that.

    Args:
        directory: made if need be; files of these names in it are overwritten.
        seed: seed of everything.
        persons: how many; four of five are genotyped.
        stretches: what is simulated of the genome; parts of chromosomes 9 and 22 by default.
        missing: expected share of calls without either allele.
        half_calls: share of diploid calls that lack one allele.
        dirty: records of each kind of fault in each table; 0 for clean tables.

    Raises:
        UsageError: msprime is not installed, or the arguments make no hospital.
    """
    design = Design(
        seed=seed,
        sites=("A",),
        persons=(persons,),
        assays=(("wgs",),),
        missing=missing,
        half_calls=half_calls,
        dirty=dirty,
        stretches=tuple(stretches),
    )
    truth = write_consortium(design, {"A": Path(directory)}).sites["A"]
    truth.write(Path(directory) / "truth")
    return truth
