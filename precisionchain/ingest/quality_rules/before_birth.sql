-- rule: before_birth
-- severity: warning
-- family: plausibility
-- finds: a start before the year of birth
-- for each: event
-- ohdsi: plausibleAfterBirth
-- needs: person
-- threshold: 0.01
-- block above: 0.5
SELECT count(person.year_of_birth) AS n_checked,
       count_if(year(event.{start}) < person.year_of_birth) AS n_violating
FROM {table} AS event
JOIN person USING (person_id)
