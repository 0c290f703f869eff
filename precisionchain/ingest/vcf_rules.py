"""What both readers apply to a record: whose calls, which rule of ploidy, which errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from precisionchain.errors import BuildMismatchError, VcfFormatError
from precisionchain.ingest.vcf_calls import Ploidy
from precisionchain.schemas.genome import BUILDS, in_par


@dataclass(frozen=True, slots=True)
class Persons:
    """Whose calls are read, and in which order.

    Attributes:
        columns: int64 [persons], the sample column of each.
        sex: uint8 [persons], 1 male, 2 female, 0 unknown.
    """

    columns: npt.NDArray[np.int64]
    sex: npt.NDArray[np.uint8]

    @property
    def in_order(self) -> bool:
        """Whether the persons are the file's columns as they stand."""
        return bool((self.columns == np.arange(len(self.columns))).all())


def ploidy_rules(build: str, chrom: str, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return a `Ploidy` for each position of a contig, as int64."""
    if chrom == "MT":
        return np.full(len(positions), int(Ploidy.MT))
    if chrom not in ("X", "Y"):
        return np.zeros(len(positions), np.int64)
    outside = ~in_par(build, chrom, positions)
    return outside * int(Ploidy.X if chrom == "X" else Ploidy.Y)


def beyond_end(chrom: str, build: str, where: str) -> BuildMismatchError:
    """Return the error of a record whose REF ends after its chromosome does."""
    return BuildMismatchError(
        f"the record lies beyond the end of chromosome {chrom} "
        f"in {build} ({BUILDS[build].lengths[chrom]} bp)",
        where=where,
        hint="name the build the file was made on",
    )


def half_call_refused(where: str) -> VcfFormatError:
    """Return the error of a half-call under the policy ``error``."""
    return VcfFormatError(
        "has a half-call such as 0/.",
        where=where,
        hint="choose --half-call missing, haploid or reference",
    )
