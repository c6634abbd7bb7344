//! PostgreSQL breaks: restarted, killed, without connections, too slow, full, moved to a standby.
