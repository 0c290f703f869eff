"""What a page says of a run's persons by the figures of quality control; it names nobody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from precisionchain.ingest.page_commands import odd_persons_command
from precisionchain.ingest.page_shapes import Origin
from precisionchain.ingest.qc_persons import FILE
from precisionchain.ingest.staging import Run

SEXES: Final = ((1, "male"), (2, "female"), (0, "unknown"))
FAR_FROM_0: Final = 0.2
"""|F| of heterozygosity from which the page counts a person as far from what is expected."""


@dataclass(frozen=True, slots=True)
class SexShown:
    """Persons whom the sample map gives one sex, by the sex that X shows."""

    given: str
    male: int
    female: int
    neither: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.male + self.female + self.neither


@dataclass(frozen=True, slots=True)
class PersonsPage:
    """Persons by what their calls show.

    Attributes:
        sexes: a row a sex given; none where there is no X.
        contradicted: persons whose X shows the other sex than the one given.
        f: smallest, middle and largest F of heterozygosity; None where there is none.
        far: persons whose F is further from 0 than `FAR_FROM_0`.
        list_command: what lists both.
    """

    sexes: tuple[SexShown, ...]
    contradicted: int
    f: tuple[float, float, float] | None
    far: int
    list_command: str


def persons_page(run: Run, origin: Origin) -> PersonsPage | None:
    """Return what to say of a run's persons; None where quality control was not done."""
    path = run.path / FILE
    if not path.exists():
        return None
    rows = pl.read_parquet(path, columns=["sex", "x_sex", "f"])
    shown = rows.drop_nulls("x_sex")
    f = rows["f"].drop_nulls().sort()
    return PersonsPage(
        sexes=tuple(_shown(shown, sex, name) for sex, name in SEXES) if shown.height else (),
        contradicted=shown.filter(_contradicted()).height,
        f=(f[0], f[len(f) // 2], f[-1]) if len(f) else None,
        far=rows.filter(pl.col("f").abs() > FAR_FROM_0).height,
        list_command=odd_persons_command(origin, FAR_FROM_0),
    )


def _shown(rows: pl.DataFrame, sex: int, name: str) -> SexShown:
    counts = dict(rows.filter(pl.col("sex") == sex).group_by("x_sex").len().iter_rows())
    return SexShown(name, counts.get(1, 0), counts.get(2, 0), counts.get(0, 0))


def _contradicted() -> pl.Expr:
    return (pl.col("sex") > 0) & (pl.col("x_sex") > 0) & (pl.col("sex") != pl.col("x_sex"))
