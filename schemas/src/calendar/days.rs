//! The list of days that differ from their weekday: holidays, and weekend days that are worked.
//!
//! The State Council announces the list for a year in the autumn before (`codes/holidays.csv` names
//! the notices). A county may use a file of its own in the same format.

use jiff::civil::Date;

use super::error::CalendarError;

pub use super::error::DAYS_MAX;

/// The compiled-in list, as CSV.
const HOLIDAYS: &str = include_str!("../../codes/holidays.csv");

/// How a listed day differs from its weekday.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DayKind {
    /// A holiday (放假), whatever its weekday.
    Holiday,
    /// A working day (调休上班), although it is on a weekend.
    Working,
}

/// A day that differs from its weekday.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// The date, in China.
    pub date: Date,
    /// How it differs.
    pub kind: DayKind,
    /// Its name, such as 国庆节.
    pub name: String,
}

/// The days of the compiled-in list.
pub fn compiled_in() -> Result<Vec<Day>, CalendarError> {
    read(HOLIDAYS)
}

/// Reads a list in the format of `codes/holidays.csv`: the header
/// `date,kind,name,name_en`, then rows.
pub fn read(text: &str) -> Result<Vec<Day>, CalendarError> {
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut days = Vec::new();
    for record in reader.records() {
        if days.len() >= DAYS_MAX {
            return Err(CalendarError::TooManyDays);
        }
        let row = days.len() + 1;
        let record = record.map_err(|_| CalendarError::Day { row })?;
        days.push(day(&record).ok_or(CalendarError::Day { row })?);
    }
    Ok(days)
}

fn day(record: &csv::StringRecord) -> Option<Day> {
    let kind = match record.get(1)? {
        "holiday" => DayKind::Holiday,
        "working" => DayKind::Working,
        _ => return None,
    };
    Some(Day { date: record.get(0)?.parse().ok()?, kind, name: record.get(2)?.to_owned() })
}

#[cfg(test)]
mod tests {
    use jiff::civil::Weekday;

    use super::*;

    #[test]
    fn the_compiled_in_list_has_the_years_2025_and_2026() {
        let days = compiled_in().unwrap();

        // The two notices state 28 and 33 days off.
        let holidays = |year| {
            days.iter().filter(|it| it.date.year() == year && it.kind == DayKind::Holiday).count()
        };
        assert_eq!((holidays(2025), holidays(2026)), (28, 33));
    }

    #[test]
    fn only_weekend_days_become_working_days() {
        for day in compiled_in().unwrap() {
            let weekend = matches!(day.date.weekday(), Weekday::Saturday | Weekday::Sunday);
            assert!(day.kind == DayKind::Holiday || weekend, "{}", day.date);
        }
    }

    #[test]
    fn a_row_that_cannot_be_read_is_named() {
        let list =
            |row: &str| read(&format!("date,kind,name,name_en\n2026-01-01,holiday,a,b\n{row}\n"));

        assert_eq!(list("2026-01-02,holiday,a,b").map(|days| days.len()), Ok(2));
        assert_eq!(list("2026-02-30,holiday,a,b"), Err(CalendarError::Day { row: 2 }));
        assert_eq!(list("2026-01-02,feast,a,b"), Err(CalendarError::Day { row: 2 }));
        assert_eq!(list("2026-01-02,holiday"), Err(CalendarError::Day { row: 2 }));
    }
}
