-- Which version of an organisation's code map decided about a message, on its way in and out.
--
-- A release before this one that still runs writes none, which reads as unknown.

CREATE TABLE versions (
    kind           text NOT NULL,            -- of what: code_map
    organisation   text NOT NULL,            -- whose profile
    system         text NOT NULL,            -- which of its systems; empty for the default one
    hash           text NOT NULL,            -- of label and content
    label          text,                     -- what the profile calls it
    first_seen_at  integer NOT NULL,

    CONSTRAINT one_row_per_version PRIMARY KEY (kind, organisation, system, hash)
);

ALTER TABLE messages ADD COLUMN code_map text;    -- the hash of the sender's, when it was read
ALTER TABLE deliveries ADD COLUMN code_map text;  -- the hash of the receiver's, at the last try
