-- Worklists: the open cases of each organisation, in the order in which it works through them.
--
-- Before, a page for an organisation with few open cases read those of everybody.
-- The defaults are for a release before this one that still runs: its cases come first, not last.

-- Its processes go on meanwhile: both tables at once, in the order in which they take them.
LOCK TABLE cases, case_parties IN ACCESS EXCLUSIVE MODE;

ALTER TABLE case_parties ADD COLUMN urgency bigint NOT NULL DEFAULT 0;     -- as in cases
ALTER TABLE case_parties ADD COLUMN changed_at bigint NOT NULL DEFAULT 0;  -- as in cases, while open

UPDATE case_parties SET urgency = cases.urgency, changed_at = cases.changed_at
FROM cases WHERE cases.id = case_parties.case_id AND cases.open;

CREATE INDEX worklists ON case_parties (organisation, urgency, changed_at, case_id) WHERE open;
DROP INDEX parties_of_open_cases;

-- Who must act on a case has a part in it, so its worklist serves here too.
DROP INDEX cases_with_target;
DROP INDEX cases_with_reviewer;

-- Some have a part in most cases and most in few; every list must be read by who it is for. Left to
-- count, the planner finds two among a million and reads all cases to find those of a third.
ALTER TABLE case_parties ALTER COLUMN organisation SET (n_distinct = 1000);
ANALYZE case_parties;
