"""The standardized vocabularies."""

from __future__ import annotations

from precisionchain.schemas.lexical import Date, Flag, Float, Integer, Text
from precisionchain.schemas.omop.row import About, Row, code, code_key, column, concept, key, text


class Concept(Row):
    """A unit of meaning, of some vocabulary."""

    about = About(scope="vocabulary")

    concept_id: Integer = key()
    concept_name: Text | None = text(255, expected=True)
    domain_id: Text | None = code("domain", expected=True)
    vocabulary_id: Text | None = code("vocabulary", expected=True)
    concept_class_id: Text | None = code("concept_class", expected=True)
    standard_concept: Flag | None = column()
    concept_code: Text | None = text(50, expected=True)
    valid_start_date: Date | None = column(expected=True)
    valid_end_date: Date | None = column(expected=True)
    invalid_reason: Flag | None = column()


class Vocabulary(Row):
    """A vocabulary and its release."""

    about = About(scope="vocabulary")

    vocabulary_id: Text = code_key()
    vocabulary_name: Text | None = text(255, expected=True)
    vocabulary_reference: Text | None = text(255)
    vocabulary_version: Text | None = text(255)
    vocabulary_concept_id: Integer | None = concept(expected=True)


class Domain(Row):
    """A domain that concepts belong to."""

    about = About(scope="vocabulary")

    domain_id: Text = code_key()
    domain_name: Text | None = text(255, expected=True)
    domain_concept_id: Integer | None = concept(expected=True)


class ConceptClass(Row):
    """A class of concepts within vocabularies."""

    about = About(scope="vocabulary")

    concept_class_id: Text = code_key()
    concept_class_name: Text | None = text(255, expected=True)
    concept_class_concept_id: Integer | None = concept(expected=True)


class ConceptRelationship(Row):
    """That two concepts are related."""

    about = About(scope="vocabulary")

    concept_id_1: Integer = concept(must=True)
    concept_id_2: Integer = concept(must=True)
    relationship_id: Text = code("relationship", must=True)
    valid_start_date: Date | None = column(expected=True)
    valid_end_date: Date | None = column(expected=True)
    invalid_reason: Flag | None = column()


class Relationship(Row):
    """A way in which concepts are related."""

    about = About(scope="vocabulary")

    relationship_id: Text = code_key()
    relationship_name: Text | None = text(255, expected=True)
    is_hierarchical: Flag | None = column(expected=True)
    defines_ancestry: Flag | None = column(expected=True)
    reverse_relationship_id: Text | None = code("relationship", expected=True)
    relationship_concept_id: Integer | None = concept(expected=True)


class ConceptSynonym(Row):
    """Another name of a concept."""

    about = About(scope="vocabulary")

    concept_id: Integer = concept(must=True)
    concept_synonym_name: Text = text(1000, must=True)
    language_concept_id: Integer | None = concept(expected=True)


class ConceptAncestor(Row):
    """That a concept is above another, and by how many levels."""

    about = About(scope="vocabulary")

    ancestor_concept_id: Integer = concept(must=True)
    descendant_concept_id: Integer = concept(must=True)
    min_levels_of_separation: Integer | None = column(expected=True)
    max_levels_of_separation: Integer | None = column(expected=True)


class SourceToConceptMap(Row):
    """A local code and the concept it was mapped to."""

    about = About(scope="vocabulary")

    source_code: Text = text(50, must=True)
    source_concept_id: Integer | None = concept(expected=True)
    source_vocabulary_id: Text = code("vocabulary", must=True)
    source_code_description: Text | None = text(255)
    target_concept_id: Integer = concept(must=True)
    target_vocabulary_id: Text | None = code("vocabulary", expected=True)
    valid_start_date: Date | None = column(expected=True)
    valid_end_date: Date | None = column(expected=True)
    invalid_reason: Flag | None = column()


class DrugStrength(Row):
    """The amount of an ingredient in a drug."""

    about = About(scope="vocabulary")

    drug_concept_id: Integer = concept(must=True)
    ingredient_concept_id: Integer = concept(must=True)
    amount_value: Float | None = column()
    amount_unit_concept_id: Integer | None = concept()
    numerator_value: Float | None = column()
    numerator_unit_concept_id: Integer | None = concept()
    denominator_value: Float | None = column()
    denominator_unit_concept_id: Integer | None = concept()
    box_size: Integer | None = column()
    valid_start_date: Date | None = column(expected=True)
    valid_end_date: Date | None = column(expected=True)
    invalid_reason: Flag | None = column()
