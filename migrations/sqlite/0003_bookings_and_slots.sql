-- Experts, rooms and slots: what can be used once at a time.

CREATE TABLE bookings (
    case_id   blob NOT NULL REFERENCES cases (id),
    resource  text NOT NULL,                     -- expert/<organisation>/<code> or room/…
    start_at  integer NOT NULL,
    end_at    integer NOT NULL,                  -- exclusive

    PRIMARY KEY (case_id, resource, start_at),
    CONSTRAINT bookings_end_after_they_start CHECK (end_at > start_at)
) STRICT;
CREATE INDEX bookings_of_resource ON bookings (resource, end_at);

-- The store already takes bookings one transaction at a time. This is the second lock on the same
-- door.
CREATE TRIGGER no_double_booking BEFORE INSERT ON bookings
WHEN EXISTS (
    SELECT 1 FROM bookings AS other
    WHERE other.resource = NEW.resource AND other.case_id <> NEW.case_id
        AND other.start_at < NEW.end_at AND other.end_at > NEW.start_at)
BEGIN
    SELECT RAISE(ABORT, 'no_double_booking');
END;

-- 号源, 床位, expert and device time, as published.
CREATE TABLE slots (
    organisation  text NOT NULL,
    number        text NOT NULL,                 -- at the organisation
    start_at      integer NOT NULL,
    places        integer NOT NULL,
    body          text NOT NULL,                 -- JSON

    PRIMARY KEY (organisation, number),
    CONSTRAINT slots_have_places CHECK (places > 0)
) STRICT;
CREATE INDEX slots_by_start ON slots (start_at, organisation, number);

-- Which case uses which slot. Stays when the slot is taken back: appointments given stay.
CREATE TABLE slot_uses (
    case_id       blob PRIMARY KEY REFERENCES cases (id),
    organisation  text NOT NULL,
    number        text NOT NULL
) STRICT;
CREATE INDEX uses_of_slot ON slot_uses (organisation, number);
