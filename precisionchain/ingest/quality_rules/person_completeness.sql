-- rule: person_completeness
-- severity: measure
-- family: completeness
-- finds: a person without a row in the table
-- for each: core table of events
-- ohdsi: measurePersonCompleteness
-- needs: person
-- threshold: 0.95; observation_period 0
SELECT count(*) AS n_checked,
       count_if(person_id NOT IN (SELECT person_id FROM {table})) AS n_violating
FROM person
