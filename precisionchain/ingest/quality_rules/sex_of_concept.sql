-- rule: sex_of_concept
-- severity: measure
-- family: plausibility
-- finds: a person of a sex that the concept does not occur in
-- for each: diagnosis or procedure
-- ohdsi: plausibleGender
-- needs: person
-- threshold: 0.05
SELECT count(*) AS n_checked,
       count_if(person.gender_concept_id <> sex.gender_concept_id) AS n_violating
FROM {table} AS event
JOIN plausible_sex AS sex ON event.{concept} = sex.concept_id
JOIN person USING (person_id)
WHERE person.gender_concept_id IN (8507, 8532)
