//! The working calendar.

/// How time is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// All time.
    Elapsed,
    /// Working time only.
    WorkingHours,
}

impl Clock {
    /// Reads the key of a code table.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        match key {
            "elapsed" => Some(Self::Elapsed),
            "working_hours" => Some(Self::WorkingHours),
            _ => None,
        }
    }
}
