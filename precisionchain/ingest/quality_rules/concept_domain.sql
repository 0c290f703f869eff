-- rule: concept_domain
-- severity: warning
-- family: conformance
-- finds: a concept of a domain the column is not for
-- for each: concept with a domain
-- ohdsi: fkDomain
-- needs: concept
-- threshold: 0
SELECT sum(used.n) FILTER (WHERE used.concept_id <> 0 AND concept.concept_id IS NOT NULL) AS n_checked,
       sum(used.n) FILTER (WHERE used.concept_id <> 0 AND concept.concept_id IS NOT NULL AND concept.domain_id NOT IN ({domains})) AS n_violating
FROM (
    SELECT {column} AS concept_id, count(*) AS n
    FROM {table} WHERE {column} IS NOT NULL GROUP BY ALL
) AS used
LEFT JOIN concept USING (concept_id)
