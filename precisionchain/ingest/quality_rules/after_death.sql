-- rule: after_death
-- severity: warning
-- family: plausibility
-- finds: a start more than 60 days after death
-- for each: event of a domain
-- ohdsi: plausibleDuringLife
-- needs: death
-- threshold: 0.01
SELECT count(death.died_on) AS n_checked,
       count_if(event.{start} > death.died_on + 60) AS n_violating
FROM {table} AS event
JOIN (
    SELECT person_id, min(death_date) AS died_on FROM death GROUP BY ALL
) AS death USING (person_id)
