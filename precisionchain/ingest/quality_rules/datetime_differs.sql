-- rule: datetime_differs
-- severity: warning
-- family: conformance
-- finds: a datetime on another day than its date
-- for each: datetime beside a date
-- threshold: 0
SELECT count({column}) AS n_checked,
       count_if(CAST({column} AS DATE) <> {day}) AS n_violating
FROM {table}
