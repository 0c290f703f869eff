-- rule: field_range
-- severity: measure
-- family: plausibility
-- finds: a number outside what its column can hold
-- for each: column with a range
-- ohdsi: plausibleValueLow, plausibleValueHigh
-- threshold: 0.01
SELECT count({column}) AS n_checked,
       count_if({column} < {low} OR {column} > {high}) AS n_violating
FROM {table}
