-- rule: date_order
-- severity: warning
-- family: plausibility
-- finds: an end before its start
-- for each: end date
-- ohdsi: plausibleStartBeforeEnd
-- threshold: 0.01
-- block above: 0.5
SELECT count({column}) AS n_checked,
       count_if({column} < {start}) AS n_violating
FROM {table}
