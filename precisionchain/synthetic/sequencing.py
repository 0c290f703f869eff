"""How each sample was sequenced: machine, protocol, coverage, aligner, caller, build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from precisionchain.synthetic.assay import AssayKind

_BUILD = "GRCh37"
_WAYS: Mapping[AssayKind, tuple[tuple[str, str, str, str, float], ...]] = {
    # machine, protocol, aligner, caller, mean coverage (0: an array has none)
    "wgs": (
        ("NovaSeq 6000", "PCR-free WGS", "BWA-MEM 0.7.17", "GATK 4.2", 32.0),
        ("NovaSeq 6000", "PCR-free WGS", "DRAGEN 3.9", "DRAGEN 3.9", 34.0),
        ("HiSeq X", "PCR WGS", "BWA-MEM 0.7.15", "GATK 3.8", 27.0),
    ),
    "exome": (
        ("HiSeq 4000", "exome v6", "BWA-MEM 0.7.15", "GATK 3.8", 70.0),
        ("NovaSeq 6000", "exome v8", "BWA-MEM 0.7.17", "DeepVariant 1.4", 95.0),
    ),
    "array": (("iScan", "global array v3", "none", "GenCall 2.0", 0.0),),
}


def sequencing_table(
    sample_ids: Sequence[str], assays: Sequence[AssayKind], rng: np.random.Generator
) -> pl.DataFrame:
    """One row a sample: sample_id, assay, machine, protocol, coverage, aligner, caller, build.

    Args:
        sample_ids: in the order of the sample map.
        assays: of each sample.
        rng: randomness.
    """
    drawn = rng.random(len(sample_ids))
    depth = rng.normal(1.0, 0.12, len(sample_ids)).clip(0.5)
    ways = [
        _WAYS[assay][int(u * len(_WAYS[assay]))] for assay, u in zip(assays, drawn, strict=True)
    ]
    coverage = np.round(np.array([way[4] for way in ways]) * depth, 1)
    return pl.DataFrame(
        {
            "sample_id": list(sample_ids),
            "assay": list(assays),
            **{
                name: [way[place] for way in ways]
                for place, name in enumerate(("machine", "protocol", "aligner", "caller"))
            },
            "coverage": coverage,
        }
    ).select(
        "sample_id",
        "assay",
        "machine",
        "protocol",
        pl.when(pl.col("coverage") > 0).then("coverage").alias("coverage"),
        "aligner",
        "caller",
        pl.lit(_BUILD).alias("build"),
    )
