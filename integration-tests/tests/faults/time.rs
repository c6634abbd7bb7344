//! Time misbehaves: clocks jump, zones save daylight, deadlines fall into holiday swaps.
