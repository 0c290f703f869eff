"""How genotype files are read: the options that commands and methods share.

The one home of their defaults and checks. A signature that spells an option names its default as
``VcfSettings.assay``; what comes below it hands the value on. Loads no engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import inf
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

from precisionchain.errors import UsageError
from precisionchain.ingest.qc_settings import MODES, Mode, Thresholds
from precisionchain.schemas.genome import fold_build

HalfCall = Literal["missing", "haploid", "reference", "error"]
HALF_CALLS: Final = get_args(HalfCall)
"""What to do with a call such as ``0/.``; a policy's place here is its number in the kernel."""

FilterPolicy = Literal["any", "pass"]
FILTER_POLICIES: Final = get_args(FilterPolicy)


@dataclass(frozen=True, kw_only=True)  # without slots: the class's attributes are the defaults
class VcfSettings:
    """What is asked about genotype files; the files themselves stand beside it.

    Attributes:
        samples: the sample map.
        build: the reference build of the files; of an alias, the canonical name is kept.
        assay: ``sites``, ``wgs``, ``gvcf``, or the path of a BED file.
        qc: whether quality control marks, removes, or is not done.
        sex_check: see `Thresholds`.
        max_f: see `Thresholds`.
        source: name of the source; None: one that follows from its content.
        half_call: what a call such as ``0/.`` becomes.
        filter_policy: ``any`` keeps every record; ``pass`` refuses those whose FILTER is neither
            ``PASS`` nor ``.``.
        min_gq: calls with a lower GQ, or none, become missing; None asks nothing.
        min_dp: the same of DP.
        reference: the FASTA of a network that aligns variants to the left.
        block_min_gq: least GQ of each person in a gVCF's block that is assayed.
        block_min_dp: least depth there.
        build_unverified: accept files whose build nothing proves; published with the batch.
        allow_missing_samples: accept samples of the map that no file has.
        metadata: a file of sequencing metadata of the samples.
        metadata_columns: those of its columns that leave the site; None: what it decides itself.

    Raises:
        UsageError: a value that is none of those.
    """

    samples: str | Path
    build: str
    assay: str | Path = "sites"
    qc: Mode = "mark"
    sex_check: bool = False
    max_f: float | None = None
    source: str | None = None
    half_call: HalfCall = "missing"
    filter_policy: FilterPolicy = "any"
    min_gq: float | None = None
    min_dp: float | None = None
    reference: str | Path | None = None
    block_min_gq: int = 20
    block_min_dp: int = 1
    build_unverified: bool = False
    allow_missing_samples: bool = False
    metadata: str | Path | None = None
    metadata_columns: Sequence[str] | None = None

    def __post_init__(self) -> None:
        for option, value, known in (
            ("--qc", self.qc, MODES),
            ("--half-call", self.half_call, HALF_CALLS),
            ("--filter", self.filter_policy, FILTER_POLICIES),
        ):
            if value not in known:
                raise UsageError(f"{option} {value} is not one of {', '.join(known)}")
        for option, number in (("--min-gq", self.min_gq), ("--min-dp", self.min_dp)):
            if number is not None and not 0 <= number < inf:
                raise UsageError(f"{option} {number} is not a number from 0 up")
        if self.metadata_columns and self.metadata is None:
            raise UsageError("columns of metadata are named, and no file of them")
        object.__setattr__(self, "build", fold_build(self.build))
        self.thresholds()

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        """Return the settings among a call's arguments.

        For a method that spells every setting as a parameter: ``VcfSettings.of(locals())``.
        """
        return cls(**{setting.name: arguments[setting.name] for setting in fields(cls)})

    def thresholds(self) -> Thresholds:
        """Return what quality control compares with."""
        return Thresholds(sex_check=self.sex_check, max_f=self.max_f)

    def stored(self, normalisation: Sequence[str]) -> dict[str, Any]:
        """Return the settings that shape the output, as the source id and ``run.json`` have them.

        Args:
            normalisation: the network's.
        """
        least = {"min_gq": self.min_gq, "min_dp": self.min_dp}
        blocks = {"min_gq": self.block_min_gq, "min_dp": self.block_min_dp}
        return {
            "build": self.build,
            "half_call": self.half_call,
            "filter": self.filter_policy,
            "normalisation": list(normalisation),
            **{name: number for name, number in least.items() if number is not None},
            **({"gvcf": blocks} if self.assay == "gvcf" else {}),
        }
