-- rule: expected
-- severity: warning
-- family: completeness
-- finds: nothing in a column the CDM requires
-- for each: required column
-- ohdsi: isRequired
-- threshold: 0
SELECT count(*) AS n_checked,
       count(*) - count({column}) AS n_violating
FROM {table}
