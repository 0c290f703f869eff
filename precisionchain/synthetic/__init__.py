"""A seeded generator of OMOP tables and genotypes, with its truth beside it."""
