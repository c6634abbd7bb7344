//! Whether something with a period holds at present, and days that FHIR writes in part.
//!
//! A date stands for the whole of its day, month or year, so the end of a period is inclusive
//! (R4, `Period.end`).

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};

use crate::bundle::At;
use crate::codes;
use crate::reader::Reader;

/// How a period lies to the moment at which the message arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Currency {
    /// It holds, or nothing says otherwise.
    Now,
    /// It is over.
    Ended,
    /// It has not begun.
    NotYet,
}

/// A FHIR `dateTime`: an instant, or a day, month or year.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// To the second, with a zone.
    Instant(Timestamp),
    /// A whole day.
    Day(Date),
    /// A month or a year, as written.
    Part(String),
}

impl Reader<'_> {
    /// Whether the element at `path` is in force, by its `period`.
    pub fn currency(&mut self, at: At, path: &str) -> Currency {
        let ended = self.lies(at, &format!("{path}/period/end"), |now, end| now > end);
        let early = self.lies(at, &format!("{path}/period/start"), |now, start| now < start);
        match (ended, early) {
            (true, _) => Currency::Ended,
            (false, true) => Currency::NotYet,
            (false, false) => Currency::Now,
        }
    }

    /// Compares the present with a date, as precisely as the date is.
    fn lies(&mut self, at: At, path: &str, is: impl Fn(&str, &str) -> bool) -> bool {
        let Some(when) = self.when(at, path) else {
            return false;
        };
        let now = self.with.received_at;
        let today = now.to_zoned(self.zone()).date().to_string();
        match when {
            // Instants of one form compare as their texts do.
            When::Instant(it) => {
                is(&format!("{:020}", now.as_second()), &format!("{:020}", it.as_second()))
            }
            When::Day(day) => is(&today, &day.to_string()),
            When::Part(part) => is(today.get(..part.len()).unwrap_or(&today), &part),
        }
    }

    /// Takes a `dateTime` as precisely as it was written. What is none stays for the extras, and
    /// that is told. A time without a zone is read in the zone of the profile, and told.
    pub fn when(&mut self, at: At, path: &str) -> Option<When> {
        let text = self.bundle.take_code(at, path)?;
        if let Ok(instant) = text.parse::<Timestamp>() {
            return Some(When::Instant(instant));
        }
        if let Some(day) = text.parse::<Date>().ok().filter(|_| text.len() == "2026-11-21".len()) {
            return Some(When::Day(day));
        }
        let digits = |part: &str, length| {
            part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        let in_part = match text.split_once('-') {
            Some((year, month)) => {
                digits(year, 4) && digits(month, 2) && ("01"..="12").contains(&month)
            }
            None => digits(&text, 4),
        };
        if in_part {
            return Some(When::Part(text));
        }
        let field = self.bundle.field(at, path);
        let civil = text.parse::<DateTime>().ok();
        let instant = civil.and_then(|civil| self.zone().to_timestamp(civil).ok());
        if let Some(instant) = instant {
            let text = "the time has no zone; it was read in the profile's zone";
            self.deviation(codes::TIME, field, text);
            return Some(When::Instant(instant));
        }
        self.bundle.give_back(at, path);
        let text = "this is no FHIR time; it was kept as it is beside the message";
        self.deviation(codes::TIME, field, text);
        None
    }

    /// Takes an instant that the receiver books or acts by. A day alone is not a midnight: it
    /// refuses the message.
    pub fn exact(&mut self, at: At, path: &str) -> Option<Timestamp> {
        match self.when(at, path)? {
            When::Instant(instant) => Some(instant),
            When::Day(_) | When::Part(_) => {
                let field = self.bundle.field(at, path);
                let text = "this is a day and not a time, and nobody can be asked to come at a \
                            guessed hour; send the time with its zone";
                self.problem(codes::TIME, field, text);
                None
            }
        }
    }

    /// Takes the end of a period: a day, month or year lasts until it is over in the zone of the
    /// profile.
    pub fn end(&mut self, at: At, path: &str) -> Option<Timestamp> {
        let last = match self.when(at, path)? {
            When::Instant(instant) => return Some(instant),
            When::Day(day) => day,
            When::Part(part) if part.len() == 4 => format!("{part}-12-31").parse().ok()?,
            When::Part(part) => format!("{part}-01").parse::<Date>().ok()?.last_of_month(),
        };
        let text = "the period ends with a day and not with a time; it was read as the end of that \
                    day in the profile's zone";
        self.deviation(codes::TIME, self.bundle.field(at, path), text);
        self.zone().to_timestamp(last.at(23, 59, 59, 0)).ok()
    }

    /// Takes a time that nobody acts by. A day alone is no instant: it goes into the words of
    /// the message, under `label`.
    pub fn about(&mut self, at: At, path: &str, label: &str) -> Option<Timestamp> {
        let mut words = Vec::new();
        let instant = self.instant_or_words(at, path, label, &mut words);
        let field = self.bundle.field(at, path);
        self.said.extend(words.into_iter().map(|text| (field.clone(), text)));
        instant
    }

    /// The same with the words of a day for whoever has a better place for them.
    pub fn instant_or_words(
        &mut self,
        at: At,
        path: &str,
        label: &str,
        words: &mut Vec<String>,
    ) -> Option<Timestamp> {
        let text = match self.when(at, path)? {
            When::Instant(instant) => return Some(instant),
            When::Day(day) => day.to_string(),
            When::Part(part) => part,
        };
        words.push(format!("{label}：{text}"));
        None
    }

    /// Takes an instant. One without a zone is read in the zone of the profile, and told. A day alone
    /// is none; it stays for the extras, and that is told.
    pub fn time(&mut self, at: At, path: &str) -> Option<Timestamp> {
        match self.when(at, path)? {
            When::Instant(instant) => Some(instant),
            When::Day(_) | When::Part(_) => {
                self.bundle.give_back(at, path);
                let field = self.bundle.field(at, path);
                let text = "this is a day and not a time; it was kept as it is beside the message";
                self.deviation(codes::TIME, field, text);
                None
            }
        }
    }

    /// Takes a day. An instant is read as its day in the zone of the profile.
    pub fn day(&mut self, at: At, path: &str) -> Option<Date> {
        let text = self.bundle.take_code(at, path)?;
        if let Ok(day) = text.parse::<Date>() {
            if text.len() != "2026-11-21".len() {
                let field = self.bundle.field(at, path);
                self.deviation(codes::TIME, field, "a FHIR day is written YYYY-MM-DD");
            }
            return Some(day);
        }
        let field = self.bundle.field(at, path);
        if let Ok(instant) = text.parse::<Timestamp>() {
            self.deviation(codes::TIME, field, "only the day of the instant was read");
            return Some(instant.to_zoned(self.zone()).date());
        }
        self.bundle.give_back(at, path);
        self.deviation(
            codes::TIME,
            field,
            "this is no whole day; it was kept as it is beside the message",
        );
        None
    }
}
