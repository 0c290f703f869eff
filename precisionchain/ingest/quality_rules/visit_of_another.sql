-- rule: visit_of_another
-- severity: measure
-- family: conformance
-- finds: a visit of another person
-- for each: event within a visit
-- needs: visit_occurrence
-- threshold: 0
-- block above: 0.5
SELECT count(*) AS n_checked,
       count_if(visit.person_id <> event.person_id) AS n_violating
FROM {table} AS event
JOIN visit_occurrence AS visit USING (visit_occurrence_id)
