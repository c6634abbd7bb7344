-- What operations need: refusals to look at, leases, counters, tokens.

CREATE TABLE refusals (
    id                 blob PRIMARY KEY,
    organisation       text NOT NULL,
    format             text NOT NULL,
    received_at        integer NOT NULL,
    source_message_id  text,
    problems           text NOT NULL,            -- JSON
    raw                blob NOT NULL
) STRICT;
-- The newest of each organisation are kept; this finds them and what lies beyond.
CREATE INDEX refusals_by_organisation ON refusals (organisation, id);

-- Work that one process does at a time.
CREATE TABLE leases (
    name      text PRIMARY KEY,
    holder    blob NOT NULL,
    until_at  integer NOT NULL
) STRICT;

-- Counters for case numbers. A row and not a sequence: what was given out must survive a crash.
CREATE TABLE counters (
    name  text PRIMARY KEY,
    next  integer NOT NULL,

    CONSTRAINT counters_count_from_one CHECK (next > 0)
) STRICT;
INSERT INTO counters (name, next) VALUES ('cases', 1);

-- API tokens: only the hash is known.
CREATE TABLE tokens (
    name          text PRIMARY KEY,
    organisation  text,                          -- none: an operator's
    hash          blob NOT NULL,
    created_at    integer NOT NULL,
    expires_at    integer,
    revoked_at    integer,

    CONSTRAINT a_hash_is_sha_256 CHECK (length(hash) = 32)
) STRICT;
