-- copy_messages
INSERT INTO messages (id, case_id, organisation, source_message_id, inbound, kind, format,
    fingerprint, case_number, case_state, raw, canonical, deviations, received_at)
SELECT pg_temp.id(n, place), copies.id, organisation, pg_temp.letter(n) || '-' || place, inbound,
    kind, format, fingerprint, copies.number, case_state, raw,
    pg_temp.restated(canonical, n, copies.number, first_case.id::text, first_case.number, letter),
    deviations, pg_temp.at(n) + place
FROM copies CROSS JOIN first_case CROSS JOIN first_messages
    JOIN messages ON messages.id = first_messages.id
WHERE n BETWEEN $1 AND $2
ORDER BY n, place
