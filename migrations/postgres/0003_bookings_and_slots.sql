-- Experts, rooms and slots: what can be used once at a time.

CREATE TABLE bookings (
    case_id   uuid NOT NULL REFERENCES cases (id),
    resource  text NOT NULL,                     -- expert/<organisation>/<code> or room/…
    start_at  bigint NOT NULL,
    end_at    bigint NOT NULL,                   -- exclusive

    PRIMARY KEY (case_id, resource, start_at),
    CONSTRAINT bookings_end_after_they_start CHECK (end_at > start_at)
);
CREATE INDEX bookings_of_resource ON bookings (resource, end_at);

-- The store already takes bookings one transaction at a time. This is the second lock on the same
-- door. It needs an extension that a hospital's database may not offer; without it the first holds.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS btree_gist;
    ALTER TABLE bookings ADD CONSTRAINT no_double_booking EXCLUDE USING gist (
        resource WITH =, int8range(start_at, end_at) WITH &&, case_id WITH <>);
EXCEPTION
    WHEN insufficient_privilege OR undefined_file OR feature_not_supported
        OR undefined_object THEN
        RAISE NOTICE 'btree_gist is not available; bookings are kept apart by the store alone';
END
$$;

-- 号源, 床位, expert and device time, as published.
CREATE TABLE slots (
    organisation  text NOT NULL,
    number        text NOT NULL,                 -- at the organisation
    start_at      bigint NOT NULL,
    places        bigint NOT NULL,
    body          text NOT NULL,                 -- JSON

    PRIMARY KEY (organisation, number),
    CONSTRAINT slots_have_places CHECK (places > 0)
);
CREATE INDEX slots_by_start ON slots (start_at, organisation, number);

-- Which case uses which slot. Stays when the slot is taken back: appointments given stay.
CREATE TABLE slot_uses (
    case_id       uuid PRIMARY KEY REFERENCES cases (id),
    organisation  text NOT NULL,
    number        text NOT NULL
);
CREATE INDEX uses_of_slot ON slot_uses (organisation, number);
