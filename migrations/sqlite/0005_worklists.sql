-- Worklists: the open cases of each organisation, in the order in which it works through them.
--
-- Before, a page for an organisation with few open cases read those of everybody.
-- The defaults are for a release before this one that still runs: its cases come first, not last.

ALTER TABLE case_parties ADD COLUMN urgency integer NOT NULL DEFAULT 0;     -- as in cases
ALTER TABLE case_parties ADD COLUMN changed_at integer NOT NULL DEFAULT 0;  -- as in cases, while open

UPDATE case_parties SET urgency = cases.urgency, changed_at = cases.changed_at
FROM cases WHERE cases.id = case_parties.case_id AND cases.open;

CREATE INDEX worklists ON case_parties (organisation, urgency, changed_at, case_id) WHERE open;
DROP INDEX parties_of_open_cases;

-- Who must act on a case has a part in it, so its worklist serves here too.
DROP INDEX cases_with_target;
DROP INDEX cases_with_reviewer;
