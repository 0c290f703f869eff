-- rule: time_order
-- severity: measure
-- family: plausibility
-- finds: an end time before its start time
-- for each: end datetime
-- ohdsi: plausibleTemporalAfter
-- threshold: 0.01
SELECT count({column}) AS n_checked,
       count_if({column} < {start}) AS n_violating
FROM {table}
