-- The SHA-256 of each canonical message.
--
-- A lane compares it with what RabbitMQ handed out, so that nothing is sent that was changed on the
-- way. A row of the release before this one has none: its message is hashed when it is sent.

ALTER TABLE messages ADD COLUMN canonical_hash blob;
