//! The embedded store breaks: its disk is full, its file is locked, it dies in mid-checkpoint.
