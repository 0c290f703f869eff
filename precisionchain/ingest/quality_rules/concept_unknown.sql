-- rule: concept_unknown
-- severity: warning
-- family: conformance
-- finds: a concept the staged vocabulary lacks
-- for each: concept
-- ohdsi: isForeignKey
-- needs: concept
-- threshold: 0
SELECT sum(used.n) FILTER (WHERE used.concept_id <> 0) AS n_checked,
       sum(used.n) FILTER (WHERE used.concept_id <> 0 AND concept.concept_id IS NULL) AS n_violating
FROM (
    SELECT {column} AS concept_id, count(*) AS n
    FROM {table} WHERE {column} IS NOT NULL GROUP BY ALL
) AS used
LEFT JOIN concept USING (concept_id)
