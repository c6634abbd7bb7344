-- copy_deliveries
INSERT INTO deliveries (message_id, destination, case_id, number, state, round, attempts,
    created_at, published_at, settled_at, destination_number)
SELECT pg_temp.id(n, place), destination, copies.id, deliveries.number, state, round, attempts,
    pg_temp.at(n) + place, pg_temp.at(n) + 10000, pg_temp.at(n) + 20000, destination_number
FROM copies CROSS JOIN first_case CROSS JOIN first_messages
    JOIN deliveries ON deliveries.message_id = first_messages.id
WHERE n BETWEEN $1 AND $2
ORDER BY n, place
