-- rule: lines_swallowed
-- severity: measure
-- family: conformance
-- finds: a line within a record of more than 10 lines that cannot be parsed
-- for each: table of persons
-- threshold: 0
-- block above: 0.01
SELECT sum(n_lines) FILTER (WHERE table_name = '{table}') AS n_checked,
       sum(n_swallowed) FILTER (WHERE table_name = '{table}') AS n_violating
FROM tables
