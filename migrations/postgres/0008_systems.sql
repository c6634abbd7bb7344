-- Systems: an organisation may have several, each with a lane of its own.
--
-- An empty text is the organisation's default system. The release before this one writes only those,
-- and nobody writes others before a profile with several systems is in force; give it one only once
-- every process runs this release.

ALTER TABLE messages ADD COLUMN system text NOT NULL DEFAULT '';    -- of `organisation`, who says it
ALTER TABLE deliveries ADD COLUMN system text NOT NULL DEFAULT '';  -- of `destination`

-- Two systems of one hospital number their messages each for itself.
DROP INDEX one_message_per_source_id;
CREATE UNIQUE INDEX one_message_per_source_id ON messages (organisation, source_message_id, system)
    WHERE inbound;

-- As `lanes`, which keeps the lanes of default systems: the release before this one goes by its key.
CREATE TABLE system_lanes (
    organisation          text NOT NULL,
    system                text NOT NULL,
    paused                boolean NOT NULL,
    trouble_at            bigint,
    trouble               text,                  -- JSON
    last_settled_at       bigint,
    settled_published_at  bigint,

    PRIMARY KEY (organisation, system),
    CONSTRAINT further_systems_have_a_name CHECK (system <> ''),
    CONSTRAINT trouble_of_systems_has_a_time CHECK ((trouble_at IS NULL) = (trouble IS NULL))
) WITH (fillfactor = 50);
