//! HL7 dates and times: as much of `YYYYMMDDHHMMSS.ffff+ZZZZ` as the sender knows.
//!
//! A time without a zone is in that of MSH-7 (v2.5.1 §2.15.9.7), and where that states none, in the
//! zone of the profile, Asia/Shanghai unless it says otherwise. A day is always one of the sender's
//! place: a birth date never moves because a computer counts in UTC.
//! Other forms that hospitals send (`2026-03-01 08:30:00`, `2026/3/1`, `20260301T083000`) are read
//! and noted. A time that does not exist is never moved to one that does.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};

/// How exactly a sender stated a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// Only the year.
    Year,
    /// Year and month.
    Month,
    /// Year, month and day.
    Day,
    /// A time of day.
    Time,
}

/// A date or time as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// What was not written is the first of its kind: January, the first, midnight.
    pub when: DateTime,
    /// How much was written.
    pub precision: Precision,
    /// The zone, where one was written.
    pub offset: Option<Offset>,
    /// Whether it was written the way HL7 wants it.
    pub standard: bool,
}

/// In which zones a message is to be read.
#[derive(Clone, Debug)]
pub struct Zones {
    /// Of times without a zone.
    pub times: TimeZone,
    /// Where the sender is: the zone of its days.
    pub place: TimeZone,
    /// When the message was sent, if it says so: what has ended before is over.
    pub sent: Option<Timestamp>,
}

impl Zones {
    /// The zones of a message from `place` whose MSH-7 is `sent`.
    #[must_use]
    pub fn of_message(place: TimeZone, sent: Option<Moment>) -> Self {
        let stated = sent.and_then(|sent| Some((sent.offset?, sent.timestamp(&place)?)));
        let times = match stated {
            Some((offset, at)) if place.to_offset(at) != offset => TimeZone::fixed(offset),
            Some(_) | None => place.clone(),
        };
        let sent = sent.and_then(|sent| sent.timestamp(&times));
        Self { times, place, sent }
    }
}

/// Some instant of the years in which we live, to ask for the offset that a place has now.
const TODAY: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// Where nobody says otherwise.
pub const ZONE_DEFAULT: &str = "Asia/Shanghai";

/// Reads a date or time. Nothing means that it is none.
#[must_use]
pub fn read(text: &str) -> Option<Moment> {
    let text = text.trim();
    let (body, offset) = split_offset(text)?;
    match digits_only(body) {
        Some(()) => from_digits(body, offset, true),
        None => from_other_form(body, offset),
    }
}

fn digits_only(body: &str) -> Option<()> {
    let (whole, fraction) = body.split_once('.').unwrap_or((body, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (digits(whole) && digits(fraction)).then_some(())
}

/// Takes `+0800`, `+08:00` or `Z` off the end. A hyphen also divides dates, so a negative zone
/// counts only behind a time.
fn split_offset(text: &str) -> Option<(&str, Option<Offset>)> {
    if let Some(body) = text.strip_suffix('Z') {
        return Some((body, Some(Offset::UTC)));
    }
    let Some(at) = text.rfind(['+', '-']) else {
        return Some((text, None));
    };
    let (body, zone) = (&text[..at], &text[at..]);
    let behind_time = zone.starts_with('+') || body.contains(':') || digits_only(body).is_some();
    if !behind_time {
        return Some((text, None));
    }
    let plain: String = zone.chars().skip(1).filter(|c| *c != ':').collect();
    if plain.len() != 4 || !plain.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = |range| plain.get::<std::ops::Range<usize>>(range)?.parse::<i32>().ok();
    let (hours, minutes) = (number(0..2)?, number(2..4)?);
    if hours > 14 || minutes > 59 {
        return None;
    }
    let seconds = (hours * 60 + minutes) * 60;
    let signed = if zone.starts_with('-') { -seconds } else { seconds };
    Some((body, Some(Offset::from_seconds(signed).ok()?)))
}

fn from_digits(body: &str, offset: Option<Offset>, standard: bool) -> Option<Moment> {
    let (whole, fraction) = body.split_once('.').unwrap_or((body, ""));
    let number = |from: usize, length: usize| whole.get(from..from + length)?.parse::<i16>().ok();
    let small = |from: usize| whole.get(from..from + 2)?.parse::<i8>().ok();
    let precision = match whole.len() {
        4 => Precision::Year,
        6 => Precision::Month,
        8 => Precision::Day,
        10 | 12 | 14 => Precision::Time,
        _ => return None,
    };
    if !fraction.is_empty() && whole.len() != 14 {
        return None;
    }
    let part = |from: usize, otherwise: i8| {
        if whole.len() > from { small(from) } else { Some(otherwise) }
    };
    let date = Date::new(number(0, 4)?, part(4, 1)?, part(6, 1)?).ok()?;
    let time = Time::new(part(8, 0)?, part(10, 0)?, part(12, 0)?, nanoseconds(fraction)?).ok()?;
    Some(Moment { when: date.to_datetime(time), precision, offset, standard })
}

fn nanoseconds(fraction: &str) -> Option<i32> {
    let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    digits.parse().ok()
}

/// `2026-03-01`, `2026/3/1 8:30`, `2026-03-01T08:30:00.5`, `20260301T083000`.
fn from_other_form(body: &str, offset: Option<Offset>) -> Option<Moment> {
    let (date, time) = match body.split_once(['T', ' ']) {
        Some((date, time)) => (date, time.trim()),
        None => (body, ""),
    };
    let mut digits = String::with_capacity(20);
    let parts: Vec<&str> = date.split(['-', '/', '.']).collect();
    match parts.as_slice() {
        [whole] if whole.len() == 8 => digits.push_str(whole),
        [year, month, day] if year.len() == 4 => {
            digits.push_str(year);
            digits.push_str(&two(month)?);
            digits.push_str(&two(day)?);
        }
        _ => return None,
    }
    if time.contains(':') {
        let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
        for part in clock.split(':') {
            digits.push_str(&two(part)?);
        }
        if !fraction.is_empty() {
            digits.push('.');
            digits.push_str(fraction);
        }
    } else {
        digits.push_str(time);
    }
    digits_only(&digits)?;
    from_digits(&digits, offset, false)
}

fn two(part: &str) -> Option<String> {
    matches!(part.len(), 1 | 2).then(|| format!("{part:0>2}"))
}

impl Moment {
    /// The day, if the sender knew it.
    #[must_use]
    pub fn date(&self) -> Option<Date> {
        (self.precision >= Precision::Day).then(|| self.when.date())
    }

    /// The day at `place`, if the sender knew it. `zone` is that of times without one.
    ///
    /// A day alone is the day, whatever the zone. So is a time in the zone that the place has today:
    /// its summer times of long ago would move birth dates.
    #[must_use]
    pub fn day(&self, zones: &Zones) -> Option<Date> {
        let written = self.date()?;
        if self.precision == Precision::Day {
            return Some(written);
        }
        let instant = self.timestamp(&zones.times)?;
        let offset = self.offset.unwrap_or_else(|| zones.times.to_offset(instant));
        let is_local = self.offset.is_none() && zones.times == zones.place;
        if is_local || offset == zones.place.to_offset(TODAY) {
            return Some(written);
        }
        Some(zones.place.to_datetime(instant).date())
    }

    /// The last second of what was written: of the day, where it is a day.
    #[must_use]
    pub fn end(&self, zones: &Zones) -> Option<Timestamp> {
        if self.precision == Precision::Day {
            let last = Self { when: self.when.date().at(23, 59, 59, 0), ..*self };
            return last.timestamp(&zones.place);
        }
        self.timestamp(&zones.times)
    }

    /// The instant, if the sender knew at least the day. A day alone begins at midnight.
    #[must_use]
    pub fn timestamp(&self, zone: &TimeZone) -> Option<Timestamp> {
        if self.precision < Precision::Day {
            return None;
        }
        match self.offset {
            Some(offset) => offset.to_timestamp(self.when).ok(),
            None => zone.to_ambiguous_timestamp(self.when).compatible().ok(),
        }
    }
}

/// Writes an instant with its zone. HL7 has four digits for the fraction of a second.
#[must_use]
pub fn write(at: Timestamp, zone: &TimeZone) -> String {
    let zoned = Zoned::new(at, zone.clone());
    let tenths_of_milliseconds = zoned.subsec_nanosecond() / 100_000;
    let fraction = if tenths_of_milliseconds == 0 {
        String::new()
    } else {
        format!(".{tenths_of_milliseconds:04}")
    };
    format!("{}{fraction}{}", zoned.strftime("%Y%m%d%H%M%S"), zoned.strftime("%z"))
}

/// Writes a date.
#[must_use]
pub fn write_date(date: Date) -> String {
    date.strftime("%Y%m%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shanghai() -> TimeZone {
        TimeZone::get(ZONE_DEFAULT).unwrap()
    }

    #[track_caller]
    fn check(text: &str, want: Option<(&str, bool)>) {
        let got = read(text).map(|moment| {
            let at = moment.timestamp(&shanghai()).map(|at| at.to_string());
            (at.unwrap_or_else(|| format!("{:?}", moment.precision)), moment.standard)
        });
        assert_eq!(got, want.map(|(at, standard)| (at.to_owned(), standard)), "{text}");
    }

    #[test]
    fn as_much_is_read_as_was_written() {
        check("2026", Some(("Year", true)));
        check("202603", Some(("Month", true)));
        check("20260301", Some(("2026-02-28T16:00:00Z", true)));
        check("202603010830", Some(("2026-03-01T00:30:00Z", true)));
        check("20260301083000", Some(("2026-03-01T00:30:00Z", true)));
        check("20260301083000.5", Some(("2026-03-01T00:30:00.5Z", true)));
        check("20260301083000+0000", Some(("2026-03-01T08:30:00Z", true)));
        check("202201251620-0330", Some(("2022-01-25T19:50:00Z", true)));
    }

    #[test]
    fn other_forms_are_read_and_known_as_such() {
        check("2026-03-01", Some(("2026-02-28T16:00:00Z", false)));
        check("2026/3/1", Some(("2026-02-28T16:00:00Z", false)));
        check("2026/03/01 8:05", Some(("2026-03-01T00:05:00Z", false)));
        check("2026-03-01 08:30:00", Some(("2026-03-01T00:30:00Z", false)));
        check("2026-03-01T08:30:00.25+08:00", Some(("2026-03-01T00:30:00.25Z", false)));
        check("2026-03-01T08:30:00Z", Some(("2026-03-01T08:30:00Z", false)));
        check("20260301T083000", Some(("2026-03-01T00:30:00Z", false)));
    }

    #[track_caller]
    fn check_day(text: &str, sent: &str, want: &str) {
        let zones = Zones::of_message(shanghai(), read(sent));
        let day = read(text).and_then(|moment| moment.day(&zones)).map(|day| day.to_string());
        assert_eq!(day.as_deref(), Some(want), "{text} in a message of {sent}");
    }

    #[test]
    fn a_day_is_one_of_the_senders_place() {
        check_day("19500101", "20260310010000+0000", "1950-01-01");
        check_day("19491231160000+0000", "20260310090000", "1950-01-01");
        check_day("19491231160000", "20260310010000+0000", "1950-01-01");
        check_day("19491231110000-0500", "20260310090000", "1950-01-01");
        check_day("19500101000000", "20260310090000+0800", "1950-01-01");
        check_day("19880701233000+0800", "20260310090000", "1988-07-01");
        check_day("19880701233000", "20260310090000+0800", "1988-07-01");
        check_day("19880630150000+0000", "20260310090000", "1988-07-01");
    }

    #[test]
    fn the_zone_of_msh_7_is_that_of_the_message() {
        let utc = Zones::of_message(shanghai(), read("20260310010000+0000"));
        let at = |text: &str| read(text).unwrap().timestamp(&utc.times).unwrap().to_string();

        assert_eq!(at("20260311060000"), "2026-03-11T06:00:00Z");
        assert_eq!(at("20260311060000+0800"), "2026-03-10T22:00:00Z");
        assert_eq!(
            read("20260311").unwrap().end(&utc).unwrap().to_string(),
            "2026-03-11T15:59:59Z"
        );
        let local = Zones::of_message(shanghai(), read("20260310090000+0800"));
        assert_eq!(local.times, shanghai());
    }

    #[test]
    fn what_does_not_exist_is_not_read() {
        for text in [
            "",
            "19761325",
            "19999999",
            "1231231",
            "Aug 15, 1942",
            "20260230",
            "20260301246000",
            "2026030",
            "2026.5",
            "20260301083000+9900",
            "20260301083000+08",
            "三月一日",
            "+0800",
            "2026-13-01",
            "2026-03-01 08:61",
            "2026-03",
            "-",
            "20260301083000.x",
            "1/3/2026",
        ] {
            check(text, None);
        }
    }

    proptest! {
        #[test]
        fn an_instant_reads_back_the_same(
            tenths_of_milliseconds in 0_i64..40_000_000_000_000,
            zone in prop::sample::select(vec!["Asia/Shanghai", "UTC", "Asia/Kathmandu"]),
        ) {
            let at = Timestamp::from_microsecond(tenths_of_milliseconds * 100).unwrap();
            let text = write(at, &TimeZone::get(zone).unwrap());

            let moment = read(&text).unwrap();

            prop_assert_eq!((moment.timestamp(&shanghai()), moment.standard), (Some(at), true));
        }

        #[test]
        fn no_text_makes_it_panic(text in r"[0-9TZ:/\.\- +王]{0,30}") {
            let _ = read(&text);
        }
    }
}
