-- rule: source_value_unmapped
-- severity: measure
-- family: completeness
-- finds: a distinct source value with a row of main concept 0
-- for each: source value
-- ohdsi: sourceValueCompleteness
-- threshold: 0.1
SELECT count(DISTINCT {column}) AS n_checked,
       count(DISTINCT {column}) FILTER (WHERE {concept} = 0) AS n_violating
FROM {table}
