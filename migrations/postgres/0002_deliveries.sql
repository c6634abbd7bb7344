-- Deliveries: the outbox. One message on its way to one organisation.
--
-- Rows are thin: the body stays with the message. Mirrors `State` in broker/core/src/delivery.rs.

CREATE TABLE deliveries (
    message_id          uuid NOT NULL REFERENCES messages (id),
    destination         text NOT NULL,
    case_id             uuid,
    number              bigint NOT NULL,         -- within (case, destination), from 1
    state               text NOT NULL,
    parked_why          text,
    round               bigint NOT NULL,         -- a copy with an older round is void
    attempts            bigint NOT NULL,
    created_at          bigint NOT NULL,
    due_at              bigint,                  -- nothing happens before
    published_at        bigint,
    settled_at          bigint,
    parked_at           bigint,
    silent_since        bigint,                  -- the first try of this round without an answer
    destination_number  text,                    -- what the destination calls it
    problems            text,                    -- JSON: why it is parked or waits
    losses              text,                    -- JSON: what the format could not carry
    last_problem        text,                    -- JSON: what the last try without an answer said

    PRIMARY KEY (message_id, destination),
    -- Also finds what is before and behind a delivery in its line.
    CONSTRAINT one_number_per_case_and_destination UNIQUE (case_id, destination, number),
    CONSTRAINT deliveries_have_a_state CHECK (
        state IN ('queued', 'published', 'waiting', 'delivered', 'parked', 'withdrawn')),
    CONSTRAINT due_while_waiting CHECK ((state = 'waiting') = (due_at IS NOT NULL)),
    CONSTRAINT parked_since_and_why CHECK (
        (state = 'parked') = (parked_at IS NOT NULL AND parked_why IS NOT NULL)),
    CONSTRAINT deliveries_count_from_one CHECK (number > 0),
    CONSTRAINT rounds_and_attempts_are_counted CHECK (round >= 0 AND attempts >= 0)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

-- Each asks for few rows among millions that are settled, so each index holds only those.
CREATE INDEX deliveries_to_publish ON deliveries (created_at, message_id, destination)
    WHERE state IN ('queued', 'waiting');
CREATE INDEX deliveries_published ON deliveries (destination, published_at)
    WHERE state = 'published';
CREATE INDEX deliveries_parked ON deliveries (destination, parked_at) WHERE state = 'parked';

-- What is known of a lane beside its deliveries. No row means: nothing yet.
CREATE TABLE lanes (
    organisation          text PRIMARY KEY,
    paused                boolean NOT NULL,
    trouble_at            bigint,                -- the last try without an answer since the last answer
    trouble               text,                  -- JSON: what it said
    last_settled_at       bigint,
    settled_published_at  bigint,                -- the youngest publishing among what was answered

    CONSTRAINT trouble_has_a_time CHECK ((trouble_at IS NULL) = (trouble IS NULL))
) WITH (fillfactor = 50);

-- What operators did with parked deliveries, and why.
CREATE TABLE acts (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id   uuid NOT NULL,
    destination  text NOT NULL,
    act          text NOT NULL,
    by_whom      text NOT NULL,
    why          text NOT NULL,
    acted_at     bigint NOT NULL,

    CONSTRAINT acts_are_known CHECK (act IN ('replay', 'drop'))
);
