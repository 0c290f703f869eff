-- rule: length
-- severity: warning
-- family: conformance
-- finds: a text longer than the CDM allows
-- for each: text column
-- threshold: 0
SELECT count({column}) AS n_checked,
       count_if(length({column}) > {limit}) AS n_violating
FROM {table}
