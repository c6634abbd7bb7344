-- Messages and cases: what was said, and what it means so far.
--
-- The broker's core decides every state; the checks below only stop everyone else from writing
-- nonsense by hand. What people search has its own column.

CREATE TABLE messages (
    id                 blob PRIMARY KEY,
    case_id            blob,                     -- none for slots, and for receipts without a case
    organisation       text NOT NULL,            -- who says it
    source_message_id  text NOT NULL,            -- the id that it has there
    inbound            integer NOT NULL,         -- false: the broker wrote it
    kind               text NOT NULL,
    format             text NOT NULL,            -- of the raw bytes
    fingerprint        blob NOT NULL,            -- the same message has the same
    case_number        text,                     -- what the first verdict said, for repeats
    case_state         text,
    raw                blob NOT NULL,            -- as it came; empty when the broker wrote it
    canonical          blob NOT NULL,            -- as it goes out
    deviations         text NOT NULL,            -- JSON
    received_at        integer NOT NULL,

    CONSTRAINT a_fingerprint_is_sha_256 CHECK (length(fingerprint) IN (0, 32))
) STRICT;

-- The same message sent twice changes nothing twice.
CREATE UNIQUE INDEX one_message_per_source_id ON messages (organisation, source_message_id)
    WHERE inbound;

CREATE TABLE cases (
    id             blob PRIMARY KEY,             -- of the message that opened it
    number         text NOT NULL,
    family         text NOT NULL,
    state          text NOT NULL,
    open           integer NOT NULL,
    origin         text NOT NULL,
    target         text NOT NULL,
    reviewer       text,                         -- who reviews it now
    priority       text NOT NULL,
    urgency        integer NOT NULL,             -- the priority as a rank, 0 first
    parent         text,                         -- the number of the case that it follows from
    opened_at      integer NOT NULL,
    changed_at     integer NOT NULL,
    due_at         integer,                      -- until when somebody must act
    events         integer NOT NULL,
    body           blob NOT NULL,                -- the whole case, as JSON

    CONSTRAINT one_case_per_number UNIQUE (number),
    CONSTRAINT cases_have_events CHECK (events > 0)
) STRICT;

-- Worklists ask for open cases only, so a million ended ones cost them nothing.
CREATE INDEX cases_waiting ON cases (urgency, changed_at, id) WHERE open;
CREATE INDEX cases_with_target ON cases (target) WHERE open;
CREATE INDEX cases_with_reviewer ON cases (reviewer) WHERE open AND reviewer IS NOT NULL;
CREATE INDEX cases_due ON cases (due_at) WHERE open AND due_at IS NOT NULL;
CREATE INDEX cases_with_parent ON cases (parent) WHERE parent IS NOT NULL;
-- An ended case does not change any more, so this index is written once per case.
CREATE INDEX cases_ended ON cases (family, state, id) WHERE NOT open;

-- Who has a part in a case, and so may see it.
CREATE TABLE case_parties (
    organisation  text NOT NULL,
    case_id       blob NOT NULL REFERENCES cases (id),
    open          integer NOT NULL,              -- as in cases: keeps worklists short

    PRIMARY KEY (organisation, case_id)
) STRICT;
CREATE INDEX parties_of_case ON case_parties (case_id);
CREATE INDEX parties_of_open_cases ON case_parties (organisation, case_id) WHERE open;

-- What each organisation calls a case.
CREATE TABLE case_numbers (
    number        text NOT NULL,
    organisation  text NOT NULL,
    case_id       blob NOT NULL REFERENCES cases (id),

    PRIMARY KEY (number, organisation, case_id)
) STRICT;

-- What happened to a case.
CREATE TABLE events (
    case_id       blob NOT NULL REFERENCES cases (id),
    number        integer NOT NULL,              -- within the case, from 1
    case_number   text NOT NULL,
    message_id    blob NOT NULL,
    kind          text NOT NULL,
    organisation  text NOT NULL,                 -- who said it
    from_state    text,
    to_state      text NOT NULL,
    recorded_at   integer NOT NULL,
    reason        text,
    note          text,
    announced     integer NOT NULL,

    PRIMARY KEY (case_id, number),
    CONSTRAINT events_count_from_one CHECK (number > 0),
    CONSTRAINT the_first_event_has_no_state_before CHECK ((number = 1) = (from_state IS NULL))
) STRICT;
CREATE INDEX events_to_announce ON events (recorded_at, case_id, number) WHERE NOT announced;
