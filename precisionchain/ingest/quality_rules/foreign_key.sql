-- rule: foreign_key
-- severity: measure
-- family: conformance
-- finds: a key of a row that the table it names has not
-- for each: link to a delivered table
-- ohdsi: isForeignKey
-- threshold: 0
SELECT count({column}) AS n_checked,
       count_if({column} NOT IN (SELECT {key} FROM {referred})) AS n_violating
FROM {table}
