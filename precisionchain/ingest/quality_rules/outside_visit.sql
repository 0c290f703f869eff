-- rule: outside_visit
-- severity: measure
-- family: plausibility
-- finds: a start more than 7 days before or after its visit
-- for each: event within a visit
-- ohdsi: withinVisitDates
-- needs: visit_occurrence
-- threshold: 0.05; visit_detail 0.01
SELECT count(*) AS n_checked,
       count_if(
           event.{start} < visit.visit_start_date - 7
           OR event.{start} > coalesce(visit.visit_end_date, visit.visit_start_date) + 7
       ) AS n_violating
FROM {table} AS event
JOIN visit_occurrence AS visit USING (visit_occurrence_id)
