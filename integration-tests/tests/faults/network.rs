//! The network breaks, on every link and in both directions: cut, black hole, half-open, a byte a
//! second, resets in the middle of a frame.
