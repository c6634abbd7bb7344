//! TierLink: the broker service and its command line.
