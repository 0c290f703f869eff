-- rule: concept_invalid
-- severity: measure
-- family: conformance
-- finds: a main concept that is no longer valid
-- for each: main concept
-- ohdsi: isStandardValidConcept
-- needs: concept
-- threshold: 0.01
SELECT sum(used.n) FILTER (WHERE used.concept_id <> 0 AND concept.concept_id IS NOT NULL) AS n_checked,
       sum(used.n) FILTER (WHERE used.concept_id <> 0 AND concept.concept_id IS NOT NULL AND concept.invalid_reason IN ('D', 'U')) AS n_violating
FROM (
    SELECT {column} AS concept_id, count(*) AS n
    FROM {table} WHERE {column} IS NOT NULL GROUP BY ALL
) AS used
LEFT JOIN concept USING (concept_id)
