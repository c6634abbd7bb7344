//! Errors of the calendar, its opening hours and its list of days.

/// Most days in a list: forty a year for a century. More means a wrong file.
pub const DAYS_MAX: usize = 4_000;

/// Why a calendar cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// Opening hours that cannot be read.
    #[error(
        "opening hours are written like `08:00-12:00`, up to `24:00`, and must end after they begin"
    )]
    Opening,
    /// Two openings of one day overlap or are in the wrong order.
    #[error("the opening hours of one day must follow each other without overlapping")]
    Overlap,
    /// No weekday has any opening hours.
    #[error(
        "at least one weekday needs opening hours; without any, no working deadline could ever end"
    )]
    NeverOpen,
    /// A row of the day list that cannot be read.
    #[error("row {row} of the holiday list must read `YYYY-MM-DD,holiday|working,name,name_en`")]
    Day {
        /// Number of the row, from 1 below the header.
        row: usize,
    },
    /// One date is listed twice.
    #[error("row {row} of the holiday list names a date that an earlier row names too")]
    DayTwice {
        /// Number of the later row, from 1 below the header.
        row: usize,
    },
    /// More days than [`DAYS_MAX`].
    #[error("the holiday list has more than {} rows; keep the years that matter", DAYS_MAX)]
    TooManyDays,
}
