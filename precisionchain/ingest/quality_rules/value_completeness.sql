-- rule: value_completeness
-- severity: measure
-- family: completeness
-- finds: nothing in a column the CDM does not require
-- for each: optional column
-- ohdsi: measureValueCompleteness
-- threshold: 1
SELECT count(*) AS n_checked,
       count(*) - count({column}) AS n_violating
FROM {table}
