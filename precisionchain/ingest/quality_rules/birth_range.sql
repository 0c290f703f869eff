-- rule: birth_range
-- severity: warning
-- family: plausibility
-- finds: a month or day of birth that does not exist
-- for each: part of a birthday
-- ohdsi: plausibleValueLow, plausibleValueHigh
-- threshold: 0.01
SELECT count({column}) AS n_checked,
       count_if({column} NOT BETWEEN 1 AND {largest}) AS n_violating
FROM {table}
