-- copy_cases
INSERT INTO cases (id, number, family, state, open, origin, target, reviewer, priority, urgency,
    parent, opened_at, changed_at, due_at, events, body)
SELECT copies.id, copies.number, family, state, open, origin, target, reviewer, priority, urgency,
    parent, pg_temp.at(n), pg_temp.at(n) + 1000000, due_at, events,
    pg_temp.restated(body, n, copies.number, first_case.id::text, first_case.number, letter)
FROM copies CROSS JOIN first_case JOIN cases ON cases.id = first_case.id
WHERE n BETWEEN $1 AND $2
ORDER BY n
