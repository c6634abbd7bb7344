-- Acts of people: who did what, why and when. The one audit record; each row is written in the
-- transaction that does what it says.
--
-- Before, only replays and drops were written. A release before this one still writes them, with
-- the columns that it knows: the id is made here then, and the way in was the command line.

ALTER TABLE acts RENAME TO acts_before;

CREATE TABLE acts (
    id             uuid NOT NULL DEFAULT        -- UUIDv7: the order of a list
        (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')
            || '7' || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid,
    act            text NOT NULL,               -- no list of names here: later releases add acts
    by_whom        text NOT NULL,
    through        text NOT NULL DEFAULT 'command-line',
    why            text NOT NULL,
    acted_at       bigint NOT NULL,
    message_id     uuid,                        -- of a delivery, with its destination
    destination    text,                        -- the organisation that it concerns
    system         text,                        -- of that organisation; none: its default one
    token          text,                        -- the name of a token
    config_before  text,                        -- fingerprint of the configuration until then
    config_after   text,                        -- and of the one since

    CONSTRAINT one_act_has_one_id PRIMARY KEY (id),
    CONSTRAINT acts_on_deliveries_name_them CHECK (
        act NOT IN ('replay', 'drop') OR (message_id IS NOT NULL AND destination IS NOT NULL)),
    CONSTRAINT acts_on_lanes_name_them CHECK (
        act NOT IN ('pause', 'resume') OR destination IS NOT NULL),
    CONSTRAINT acts_on_tokens_name_them CHECK (
        act NOT IN ('token-create', 'token-revoke') OR token IS NOT NULL),
    CONSTRAINT reloads_name_both_configurations CHECK (
        act <> 'reload' OR (config_before IS NOT NULL AND config_after IS NOT NULL))
);

INSERT INTO acts (id, act, by_whom, why, acted_at, message_id, destination)
SELECT (lpad(to_hex(acted_at / 1000), 12, '0')
        || '7' || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid,
    act, by_whom, why, acted_at, message_id, destination
FROM acts_before;

DROP TABLE acts_before;

CREATE INDEX acts_by_kind ON acts (act, id);
CREATE INDEX acts_by_person ON acts (by_whom, id);
CREATE INDEX acts_by_organisation ON acts (destination, id);
