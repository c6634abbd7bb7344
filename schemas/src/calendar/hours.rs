//! Opening hours for each day of the week.
//!
//! In settings, `monday = ["08:00-12:00", "14:00-17:30"]`. A day left out is closed.

use jiff::civil::Weekday;
use serde::{Deserialize, Serialize};

use super::error::CalendarError;

/// Minutes in a day.
pub(super) const MINUTES_PER_DAY: u16 = 24 * 60;

/// Most openings in one day.
const OPENINGS_PER_DAY_MAX: usize = 8;

/// One opening on a day, from its first minute to just before its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Opening {
    from: u16,
    until: u16,
}

impl Opening {
    /// The whole day, from midnight to midnight.
    pub const WHOLE_DAY: Self = Self { from: 0, until: MINUTES_PER_DAY };

    /// Reads `08:00-12:00`. `24:00` is midnight at the end of the day.
    pub fn read(text: &str) -> Result<Self, CalendarError> {
        let (from, until) = text.split_once('-').ok_or(CalendarError::Opening)?;
        let (from, until) = (minute(from.trim())?, minute(until.trim())?);
        if from < until { Ok(Self { from, until }) } else { Err(CalendarError::Opening) }
    }

    /// The minute of the day at which it begins, from 0.
    pub(super) const fn opens_at_minute(self) -> u16 {
        self.from
    }

    /// The minute of the day at which it ends, up to 1440.
    pub(super) const fn closes_at_minute(self) -> u16 {
        self.until
    }
}

impl std::fmt::Display for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { from, until } = self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, until / 60, until % 60)
    }
}

impl TryFrom<String> for Opening {
    type Error = CalendarError;
    fn try_from(text: String) -> Result<Self, CalendarError> {
        Self::read(&text)
    }
}

impl From<Opening> for String {
    fn from(opening: Opening) -> Self {
        opening.to_string()
    }
}

/// `HH:MM` in minutes since midnight.
fn minute(text: &str) -> Result<u16, CalendarError> {
    let two_digits = |part: &str| {
        let digits = part.len() == 2 && part.bytes().all(|it| it.is_ascii_digit());
        if digits { part.parse::<u16>().ok() } else { None }
    };
    let (hour, minute) = text.split_once(':').ok_or(CalendarError::Opening)?;
    let hour = two_digits(hour).ok_or(CalendarError::Opening)?;
    let minute = two_digits(minute).filter(|it| *it < 60).ok_or(CalendarError::Opening)?;
    let minutes = hour * 60 + minute;
    if minutes <= MINUTES_PER_DAY { Ok(minutes) } else { Err(CalendarError::Opening) }
}

/// The openings of each weekday, and of weekend days that are worked in exchange for a holiday.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpeningHours {
    /// Openings on Monday (星期一).
    pub monday: Vec<Opening>,
    /// Openings on Tuesday (星期二).
    pub tuesday: Vec<Opening>,
    /// Openings on Wednesday (星期三).
    pub wednesday: Vec<Opening>,
    /// Openings on Thursday (星期四).
    pub thursday: Vec<Opening>,
    /// Openings on Friday (星期五).
    pub friday: Vec<Opening>,
    /// Openings on Saturday (星期六).
    pub saturday: Vec<Opening>,
    /// Openings on Sunday (星期日).
    pub sunday: Vec<Opening>,
    /// Weekend days that are worked (调休上班日). If empty, the hours of the first weekday that has any.
    pub swapped: Vec<Opening>,
}

impl OpeningHours {
    /// Usual office hours of a county hospital: Monday to Friday, 08:00–12:00 and 14:00–17:30. A
    /// default of this project; local rules differ, also by season.
    #[must_use]
    pub fn office() -> Self {
        let day = vec![
            Opening { from: 8 * 60, until: 12 * 60 },
            Opening { from: 14 * 60, until: 17 * 60 + 30 },
        ];
        Self {
            monday: day.clone(),
            tuesday: day.clone(),
            wednesday: day.clone(),
            thursday: day.clone(),
            friday: day,
            ..Self::default()
        }
    }

    /// The openings of a weekday.
    pub(super) fn weekday(&self, weekday: Weekday) -> &[Opening] {
        match weekday {
            Weekday::Monday => &self.monday,
            Weekday::Tuesday => &self.tuesday,
            Weekday::Wednesday => &self.wednesday,
            Weekday::Thursday => &self.thursday,
            Weekday::Friday => &self.friday,
            Weekday::Saturday => &self.saturday,
            Weekday::Sunday => &self.sunday,
        }
    }

    /// The openings of a weekend day that is worked in exchange for a holiday.
    pub(super) fn swapped_day(&self) -> &[Opening] {
        let days = [&self.swapped].into_iter().chain(self.week());
        days.into_iter().find(|day| !day.is_empty()).map_or(&[], Vec::as_slice)
    }

    /// Refuses overlapping openings, and a week without openings.
    pub(super) fn check(&self) -> Result<(), CalendarError> {
        if self.week().iter().all(|day| day.is_empty()) {
            return Err(CalendarError::NeverOpen);
        }
        for day in self.week().into_iter().chain([&self.swapped]) {
            let in_order = day.windows(2).all(|pair| match pair {
                [before, after] => before.until <= after.from,
                _ => true,
            });
            if !in_order || day.len() > OPENINGS_PER_DAY_MAX {
                return Err(CalendarError::Overlap);
            }
        }
        Ok(())
    }

    fn week(&self) -> [&Vec<Opening>; 7] {
        [
            &self.monday,
            &self.tuesday,
            &self.wednesday,
            &self.thursday,
            &self.friday,
            &self.saturday,
            &self.sunday,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opening_reads_as_it_is_written() {
        for text in ["08:00-12:00", "00:00-24:00", "14:00-17:30"] {
            assert_eq!(Opening::read(text).unwrap().to_string(), text);
        }
        assert_eq!(Opening::read("08:00 - 12:00"), Opening::read("08:00-12:00"));
    }

    #[test]
    fn an_opening_that_makes_no_sense_is_refused() {
        let wrong = [
            "",
            "08:00",
            "12:00-08:00",
            "08:00-08:00",
            "8-12",
            "08:60-09:00",
            "08:00-24:01",
            "+8:00-09:00",
        ];

        for text in wrong {
            assert_eq!(Opening::read(text), Err(CalendarError::Opening), "{text}");
        }
    }

    #[test]
    fn hours_come_from_settings() {
        let hours: OpeningHours =
            serde_json::from_str(r#"{"monday": ["08:00-12:00"], "saturday": ["08:00-11:30"]}"#)
                .unwrap();

        assert_eq!(hours.weekday(Weekday::Saturday).len(), 1);
        assert_eq!(hours.swapped_day(), hours.weekday(Weekday::Monday));
        assert!(serde_json::from_str::<OpeningHours>(r#"{"mondag": []}"#).is_err());
        assert!(serde_json::from_str::<OpeningHours>(r#"{"monday": ["8-12"]}"#).is_err());
    }

    #[test]
    fn hours_that_overlap_or_never_open_are_refused() {
        let day = |texts: &[&str]| -> Vec<Opening> {
            texts.iter().map(|text| Opening::read(text).unwrap()).collect()
        };
        let monday = |texts| OpeningHours { monday: day(texts), ..OpeningHours::default() };

        assert_eq!(monday(&["08:00-12:00", "12:00-17:00"]).check(), Ok(()));
        assert_eq!(monday(&["08:00-12:00", "11:00-17:00"]).check(), Err(CalendarError::Overlap));
        assert_eq!(monday(&["14:00-17:00", "08:00-12:00"]).check(), Err(CalendarError::Overlap));
        assert_eq!(monday(&[]).check(), Err(CalendarError::NeverOpen));
    }
}
