-- rule: concept_standard
-- severity: warning
-- family: conformance
-- finds: a main concept that is not standard
-- for each: main concept
-- ohdsi: isStandardValidConcept
-- needs: concept
-- threshold: 0
SELECT sum(used.n) FILTER (WHERE used.concept_id <> 0 AND concept.concept_id IS NOT NULL) AS n_checked,
       sum(used.n) FILTER (WHERE used.concept_id <> 0 AND concept.concept_id IS NOT NULL AND concept.standard_concept IS DISTINCT FROM 'S') AS n_violating
FROM (
    SELECT {column} AS concept_id, count(*) AS n
    FROM {table} WHERE {column} IS NOT NULL GROUP BY ALL
) AS used
LEFT JOIN concept USING (concept_id)
