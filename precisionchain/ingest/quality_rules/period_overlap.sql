-- rule: period_overlap
-- severity: measure
-- family: plausibility
-- finds: an observation period that begins before an earlier one of the person ends
-- for each: observation period
-- threshold: 0
SELECT count(*) AS n_checked,
       count_if(observation_period_start_date <= ended_before) AS n_violating
FROM (
    SELECT observation_period_start_date,
           max(observation_period_end_date) OVER (
               PARTITION BY person_id
               ORDER BY observation_period_start_date, observation_period_id
               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
           ) AS ended_before
    FROM observation_period
)
