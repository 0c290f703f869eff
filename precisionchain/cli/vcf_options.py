"""The options of ``ingest vcf`` and ``stage vcf``: those of `VcfSettings`, for a command line."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from precisionchain.cli.options import takes
from precisionchain.ingest.qc_settings import Mode
from precisionchain.ingest.vcf_settings import FilterPolicy, HalfCall, VcfSettings

Vcfs = Annotated[list[Path], typer.Argument(help="VCF, BCF, .bed or .pgen files, same samples.")]
MetadataColumns = Annotated[
    list[str] | None,
    typer.Option("--metadata-column", help="A column of it that leaves; repeat for several."),
]

_ANNOTATIONS: Final = {
    "samples": Annotated[
        Path, typer.Option(help="CSV: sample_id,person_id[,sex]; or .fam, .psam.")
    ],
    "build": Annotated[str, typer.Option(help="Reference build of the files.")],
    "assay": Annotated[
        str, typer.Option(help="sites, wgs, gvcf, or a BED file of what was assayed.")
    ],
    "qc": Annotated[Mode, typer.Option(help="Quality control, as PLINK's.")],
    "sex_check": Annotated[
        bool, typer.Option("--sex-check", help="Exclude persons whose X shows another sex.")
    ],
    "max_f": Annotated[
        float | None,
        typer.Option("--max-f", help="Exclude persons whose |F| of heterozygosity is larger."),
    ],
    "source": Annotated[str | None, typer.Option(help="A name for this batch.")],
    "half_call": Annotated[HalfCall, typer.Option(help="What a call such as 0/. becomes.")],
    "filter_policy": Annotated[
        FilterPolicy,
        typer.Option("--filter", help="pass: only records whose FILTER is PASS."),
    ],
    "min_gq": Annotated[
        float | None, typer.Option("--min-gq", min=0, help="Calls with a lower GQ become missing.")
    ],
    "min_dp": Annotated[
        float | None,
        typer.Option("--min-dp", min=0, help="Calls with a lower depth become missing."),
    ],
    "reference": Annotated[
        Path | None, typer.Option(help="The FASTA of a network that aligns variants to the left.")
    ],
    "block_min_gq": Annotated[
        int, typer.Option(min=0, help="Of gvcf: least GQ of a block's persons.")
    ],
    "block_min_dp": Annotated[
        int, typer.Option(min=0, help="Of gvcf: least depth of a block's persons.")
    ],
    "build_unverified": Annotated[
        bool,
        typer.Option("--build-unverified", help="Take the build on trust; published as such."),
    ],
    "allow_missing_samples": Annotated[
        bool,
        typer.Option("--allow-missing-samples", help="The map may list samples no file has."),
    ],
    "metadata": Annotated[
        Path | None, typer.Option(help="CSV of how samples were sequenced: sample_id,...")
    ],
    "metadata_columns": MetadataColumns,
}

Asked = dict[str, Any]
"""The options by their names in Python, for ``Site.stage_vcf`` and ``Site.ingest_vcf``."""

takes_vcf_options = takes(
    "asked",
    {
        name: (annotation, getattr(VcfSettings, name, inspect.Parameter.empty))
        for name, annotation in _ANNOTATIONS.items()
    },
    dict,
)
"""Give a command these options; it gets them as ``asked``."""
