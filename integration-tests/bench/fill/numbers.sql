-- copy_numbers
INSERT INTO case_numbers (number, organisation, case_id)
SELECT replace(case_numbers.number, letter, pg_temp.letter(n)), organisation, copies.id
FROM copies CROSS JOIN first_case JOIN case_numbers ON case_id = first_case.id
WHERE n BETWEEN $1 AND $2
ORDER BY n
