//! The canonical messages, their JSON Schemas, code tables and checks.
