-- rule: concept_class
-- severity: measure
-- family: conformance
-- finds: a drug of an era that is no ingredient
-- for each: ingredient
-- ohdsi: fkClass
-- needs: concept
-- threshold: 0
SELECT sum(used.n) FILTER (WHERE used.concept_id <> 0 AND concept.concept_class_id IS NOT NULL) AS n_checked,
       sum(used.n) FILTER (WHERE used.concept_id <> 0 AND concept.concept_class_id IS NOT NULL AND concept.concept_class_id <> 'Ingredient') AS n_violating
FROM (
    SELECT {column} AS concept_id, count(*) AS n
    FROM {table} WHERE {column} IS NOT NULL GROUP BY ALL
) AS used
LEFT JOIN concept USING (concept_id)
