-- rule: no_rows
-- severity: measure
-- family: completeness
-- finds: no accepted row in a table that most studies need
-- for each: core table
-- ohdsi: cdmTable
-- threshold: 0
SELECT 1 AS n_checked,
       CAST(count(*) = 0 AS BIGINT) AS n_violating
FROM {table}
