-- rule: concept_zero
-- severity: warning
-- family: completeness
-- finds: concept 0 where the CDM requires a concept
-- for each: required concept
-- ohdsi: standardConceptRecordCompleteness
-- threshold: 0.05; person 0.5; visit_detail 1; device_exposure 0.5; observation 0.5; specimen 0.5; death 1
SELECT sum(used.n) AS n_checked,
       sum(used.n) FILTER (WHERE used.concept_id = 0) AS n_violating
FROM (
    SELECT {column} AS concept_id, count(*) AS n
    FROM {table} WHERE {column} IS NOT NULL GROUP BY ALL
) AS used
LEFT JOIN concept USING (concept_id)
