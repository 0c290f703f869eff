-- rule: unit_unexpected
-- severity: measure
-- family: plausibility
-- finds: a unit that the concept is not measured in
-- for each: measurement
-- ohdsi: plausibleUnitConceptIds
-- threshold: 0.05
SELECT count(*) AS n_checked,
       count_if(
           (measurement_concept_id, unit_concept_id)
           NOT IN (SELECT (concept_id, unit_concept_id) FROM plausible_range)
       ) AS n_violating
FROM measurement
WHERE value_as_number IS NOT NULL AND unit_concept_id <> 0
    AND measurement_concept_id IN (SELECT concept_id FROM plausible_range)
