"""Every table we know, under its name in CDM 5.4."""

from __future__ import annotations

from collections.abc import Mapping

from precisionchain.schemas.omop import derived, events, persons, site_tables, visits, vocabulary
from precisionchain.schemas.omop.table import Table, table_of

TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        # Vocabulary first and parents before children: the order in which rows can be judged.
        table_of("concept", vocabulary.Concept),
        table_of("vocabulary", vocabulary.Vocabulary),
        table_of("domain", vocabulary.Domain),
        table_of("concept_class", vocabulary.ConceptClass),
        table_of("concept_relationship", vocabulary.ConceptRelationship),
        table_of("relationship", vocabulary.Relationship),
        table_of("concept_synonym", vocabulary.ConceptSynonym),
        table_of("concept_ancestor", vocabulary.ConceptAncestor),
        table_of("source_to_concept_map", vocabulary.SourceToConceptMap),
        table_of("drug_strength", vocabulary.DrugStrength),
        table_of("location", site_tables.Location),
        table_of("care_site", site_tables.CareSite),
        table_of("provider", site_tables.Provider),
        table_of("person", persons.Person),
        table_of("observation_period", persons.ObservationPeriod),
        table_of("death", persons.Death),
        table_of("visit_occurrence", visits.VisitOccurrence),
        table_of("visit_detail", visits.VisitDetail),
        table_of("condition_occurrence", events.ConditionOccurrence),
        table_of("drug_exposure", events.DrugExposure),
        table_of("procedure_occurrence", events.ProcedureOccurrence),
        table_of("device_exposure", events.DeviceExposure),
        table_of("measurement", events.Measurement),
        table_of("observation", events.Observation),
        table_of("specimen", events.Specimen),
        table_of("note", visits.Note),
        table_of("note_nlp", visits.NoteNlp),
        table_of("condition_era", derived.ConditionEra),
        table_of("drug_era", derived.DrugEra),
        table_of("dose_era", derived.DoseEra),
        table_of("episode", derived.Episode),
        table_of("episode_event", derived.EpisodeEvent),
        table_of("payer_plan_period", persons.PayerPlanPeriod),
        table_of("cost", site_tables.Cost),
        table_of("fact_relationship", site_tables.FactRelationship),
        table_of("metadata", site_tables.Metadata),
        table_of("cdm_source", site_tables.CdmSource),
        table_of("cohort_definition", site_tables.CohortDefinition),
        table_of("cohort", site_tables.Cohort),
        table_of("attribute_definition", site_tables.AttributeDefinition),
        table_of("cohort_attribute", site_tables.CohortAttribute),
    )
}
