-- copy_parties
INSERT INTO case_parties (organisation, case_id, open, urgency, changed_at)
SELECT organisation, copies.id, open, urgency, pg_temp.at(n) + 1000000
FROM copies CROSS JOIN first_case JOIN case_parties ON case_id = first_case.id
WHERE n BETWEEN $1 AND $2
ORDER BY n
