-- What each token may be used for, and when it was used last.
--
-- A token of the release before this one has no scopes written: it may do whatever its owner may.

ALTER TABLE tokens ADD COLUMN scopes text;           -- words with a space between them
ALTER TABLE tokens ADD COLUMN last_used_at bigint;
