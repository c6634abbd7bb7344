-- What operations need: refusals to look at, leases, counters, tokens.

CREATE TABLE refusals (
    id                 uuid PRIMARY KEY,
    organisation       text NOT NULL,
    format             text NOT NULL,
    received_at        bigint NOT NULL,
    source_message_id  text,
    problems           text NOT NULL,            -- JSON
    raw                bytea NOT NULL
);
ALTER TABLE refusals ALTER COLUMN raw SET STORAGE EXTERNAL;
-- The newest of each organisation are kept; this finds them and what lies beyond.
CREATE INDEX refusals_by_organisation ON refusals (organisation, id);

-- Work that one process does at a time.
CREATE TABLE leases (
    name      text PRIMARY KEY,
    holder    uuid NOT NULL,
    until_at  bigint NOT NULL
) WITH (fillfactor = 50);

-- Counters for case numbers. A row and not a sequence: what was given out must survive a crash.
CREATE TABLE counters (
    name  text PRIMARY KEY,
    next  bigint NOT NULL,

    CONSTRAINT counters_count_from_one CHECK (next > 0)
) WITH (fillfactor = 50);
INSERT INTO counters (name, next) VALUES ('cases', 1);

-- API tokens: only the hash is known.
CREATE TABLE tokens (
    name          text PRIMARY KEY,
    organisation  text,                          -- none: an operator's
    hash          bytea NOT NULL,
    created_at    bigint NOT NULL,
    expires_at    bigint,
    revoked_at    bigint,

    CONSTRAINT a_hash_is_sha_256 CHECK (octet_length(hash) = 32)
);
