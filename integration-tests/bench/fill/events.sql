-- copy_events
INSERT INTO events (case_id, number, case_number, message_id, kind, organisation, from_state,
    to_state, recorded_at, reason, note, announced)
SELECT copies.id, events.number, copies.number, pg_temp.id(n, place), kind, organisation,
    from_state, to_state, pg_temp.at(n) + place, reason, note, true
FROM copies CROSS JOIN first_case CROSS JOIN first_messages
    JOIN events ON events.case_id = first_case.id AND events.message_id = first_messages.id
WHERE n BETWEEN $1 AND $2
ORDER BY n, place
