"""The questions of the Genetic level: by variant (Q4), by person (Q5), by frequency (Q6)."""

from __future__ import annotations

from precisionchain.query.frequencies import allele_frequencies
from precisionchain.query.person_variants import person_variants
from precisionchain.query.variants import variant_calls

__all__ = ["allele_frequencies", "person_variants", "variant_calls"]
