-- copy_parties
INSERT INTO case_parties (organisation, case_id, open)
SELECT organisation, copies.id, open
FROM copies CROSS JOIN first_case JOIN case_parties ON case_id = first_case.id
WHERE n BETWEEN $1 AND $2
ORDER BY n
