-- rule: after_export
-- severity: measure
-- family: plausibility
-- finds: a start after the last day of any observation period
-- for each: observed event
-- ohdsi: plausibleValueHigh
-- needs: observation_period
-- threshold: 0.01
SELECT count(*) AS n_checked,
       count_if(
           {start} > (SELECT max(observation_period_end_date) FROM observation_period)
       ) AS n_violating
FROM {table}
