-- What is known of a refused message: which system sent it, and which code map read it.
--
-- A release before this one that still runs writes neither, which reads as the default system and
-- unknown.

ALTER TABLE refusals ADD COLUMN system text NOT NULL DEFAULT '';  -- of `organisation`, who sent it
ALTER TABLE refusals ADD COLUMN code_map text;                    -- the hash, where a map was used
