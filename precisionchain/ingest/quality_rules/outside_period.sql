-- rule: outside_period
-- severity: measure
-- family: plausibility
-- finds: a start outside the person's observation periods
-- for each: observed event
-- needs: observation_period
-- threshold: 0.05
SELECT count(*) AS n_checked,
       count(*) FILTER (WHERE NOT EXISTS (
           FROM observation_period AS period
           WHERE period.person_id = event.person_id
               AND event.{start} BETWEEN period.observation_period_start_date
               AND period.observation_period_end_date
       )) AS n_violating
FROM {table} AS event
