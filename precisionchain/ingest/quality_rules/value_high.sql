-- rule: value_high
-- severity: measure
-- family: plausibility
-- finds: a value higher than a living person can have, by concept and unit
-- for each: measurement
-- ohdsi: plausibleValueHigh
-- threshold: 0.05
SELECT count(*) AS n_checked,
       count_if(measurement.value_as_number > range.high) AS n_violating
FROM measurement
JOIN plausible_range AS range
    ON measurement.measurement_concept_id = range.concept_id
    AND measurement.unit_concept_id = range.unit_concept_id
WHERE measurement.value_as_number IS NOT NULL
