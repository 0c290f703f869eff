"""What a network begins with: the first bucket of every family its parameters call for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from precisionchain.schemas.genome import BUILDS, bin_name, bin_span, bins_of
from precisionchain.schemas.omop import TABLES
from precisionchain.schemas.parameters import NetworkParameters
from precisionchain.schemas.streams import (
    ACCESS,
    ASSAY,
    BATCH,
    CHECKPOINT,
    EXCLUDED,
    KINSHIP_SITES,
    MAP_CONCEPT,
    MAP_PERSON,
    MAP_SAMPLE,
    MAP_VARIANT,
    NETWORK,
    PC_SITES,
    QUALITY,
    SEQUENCING,
    SITE_LISTS,
    SITE_TABLES,
    SUPERSEDED,
    VARIANT_PERSON_BUCKETS,
    VOCABULARY,
    WITHDRAWN,
    StreamName,
    domain_family,
    frequency_family,
    person_family,
    variant_person_family,
)
from precisionchain.schemas.structural import STRUCTURAL_COUNTER, structural_family

_SINGLE = (
    NETWORK,
    BATCH,
    ACCESS,
    CHECKPOINT,
    VOCABULARY,
    SITE_TABLES,
    QUALITY,
    ASSAY,
    EXCLUDED,
    SEQUENCING,
    SITE_LISTS,
    KINSHIP_SITES,
    PC_SITES,
    SUPERSEDED,
    WITHDRAWN,
    MAP_CONCEPT,
    MAP_PERSON,
    MAP_VARIANT,
    MAP_SAMPLE,
)


def founding_streams(parameters: NetworkParameters) -> list[str]:
    """Return bucket 1 of every family, in the order they are created: about 1,400 names."""
    families = [*_SINGLE, *_clinical(parameters), *_genetic(parameters)]
    return [str(StreamName(family)) for family in families]


def _clinical(parameters: NetworkParameters) -> Iterator[str]:
    for table in TABLES.values():
        if table.domain_prefix:
            yield domain_family(table.domain_prefix, 0)
            for ancestor in parameters.ancestors.get(table.domain_prefix, ()):
                yield domain_family(table.domain_prefix, ancestor)
    for bucket in range(1, parameters.person_buckets + 1):
        yield person_family(bucket)


def _genetic(parameters: NetworkParameters) -> Iterator[str]:
    for chrom, length in BUILDS[parameters.build].lengths.items():
        for index in bins_of(1, length):
            for prefix in ("VAR", "CNT"):
                yield bin_name(prefix, chrom, bin_span(index)[0])
        structural = structural_family(chrom, 1)
        yield from (structural, f"{STRUCTURAL_COUNTER}_{structural.partition('_')[2]}")
        for bucket in range(1, VARIANT_PERSON_BUCKETS + 1):
            yield variant_person_family(chrom, bucket)
    edges = parameters.maf_edges
    for low, high in pairwise(edges):
        yield frequency_family(low, high)
