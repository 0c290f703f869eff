-- rule: rows_rejected
-- severity: measure
-- family: conformance
-- finds: a record that was rejected
-- for each: table of persons
-- threshold: 0.01
-- block above: 0.75
SELECT sum(n_records) FILTER (WHERE table_name = '{table}') AS n_checked,
       sum(n_rejected) FILTER (WHERE table_name = '{table}') AS n_violating
FROM tables
