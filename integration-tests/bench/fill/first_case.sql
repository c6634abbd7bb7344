-- What is copied, and room for the names of the copies, for one connection.

CREATE TEMP TABLE first_case AS
    SELECT cases.id, cases.number,
        (SELECT source_message_id FROM messages WHERE messages.id = cases.id) AS letter
    FROM cases WHERE number NOT LIKE 'R25%';

CREATE TEMP TABLE first_messages AS
    SELECT id, row_number() OVER (ORDER BY received_at, id) AS place
    FROM messages WHERE case_id = (SELECT id FROM first_case);

CREATE TEMP TABLE copies (n bigint PRIMARY KEY, id uuid NOT NULL, number text NOT NULL);
