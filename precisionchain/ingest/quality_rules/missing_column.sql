-- rule: missing_column
-- severity: warning
-- family: completeness
-- finds: no column the CDM requires
-- for each: absent column
-- ohdsi: cdmField
-- threshold: 0
SELECT count(*) AS n_checked,
       count_if(true) AS n_violating
FROM {table}
