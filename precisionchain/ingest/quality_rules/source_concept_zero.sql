-- rule: source_concept_zero
-- severity: measure
-- family: completeness
-- finds: no source concept, or concept 0
-- for each: source concept
-- ohdsi: sourceConceptRecordCompleteness
-- threshold: 1; condition_occurrence 0.1; drug_exposure 0.1; procedure_occurrence 0.1; measurement 0.1; visit_occurrence 0.1
SELECT count(*) AS n_checked,
       count_if(coalesce({column}, 0) = 0) AS n_violating
FROM {table}
