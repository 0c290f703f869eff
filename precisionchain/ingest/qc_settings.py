"""The settings of quality control."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, get_args

from precisionchain.errors import UsageError

Mode = Literal["none", "mark", "remove"]
MODES: Final = get_args(Mode)
"""``none``: no quality control. ``mark``: exclusions are published beside the calls. ``remove``:
exclusions are published, and what they exclude is not."""

RULES_OF: Final = "plink1.9 --mind --geno --hwe --indep-pairwise"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What is compared with what.

    Attributes:
        sample_missing: a person missing at a larger share of the alleles is excluded.
        variant_missing: an allele missing in a larger share of the persons is excluded.
        hwe_p: an allele whose test of equilibrium has a smaller p-value is excluded; 0 = none is.
        ld_window: alleles in the window of LD pruning.
        ld_step: alleles it moves by, at most the window.
        ld_r2: of two alleles in a window with a larger r squared one is excluded; None = none is.
        min_founders: with fewer founders in the run nothing is assessed.
        sex_check: whether a person is excluded whose X shows the other sex than the sample map.
        max_f: a person whose F of heterozygosity lies further from 0 is excluded; None = none is.

    Raises:
        UsageError: a number out of its range.
    """

    sample_missing: float = 0.05
    variant_missing: float = 0.05
    hwe_p: float = 1e-6
    ld_window: int = 50
    ld_step: int = 5
    ld_r2: float | None = 0.5
    min_founders: int = 30
    sex_check: bool = False
    max_f: float | None = None

    def __post_init__(self) -> None:
        if self.max_f is not None and not 0 <= self.max_f <= 1:
            raise UsageError(f"--max-f {self.max_f} is not a number from 0 to 1")
        shares = (self.sample_missing, self.variant_missing, self.hwe_p, self.ld_r2 or 0.0)
        if not all(0 <= share <= 1 for share in shares) or self.min_founders < 0:
            raise UsageError(
                "shares, p-values and r squared lie between 0 and 1; founders are not negative"
            )
        if self.ld_window < 2 or not 1 <= self.ld_step <= self.ld_window:
            raise UsageError(
                "the window of LD pruning holds 2 alleles or more, and its step is from 1 to that"
            )

    def settings(self, mode: Mode) -> dict[str, Any]:
        """Return what ``run.json`` and the manifest say of quality control.

        The rules that are off by default are named only where they are on.
        """
        thresholds = asdict(self)
        for name in ("sex_check", "max_f"):
            if not thresholds[name]:
                del thresholds[name]
        return {"mode": mode, "rules": RULES_OF, "thresholds": thresholds}
