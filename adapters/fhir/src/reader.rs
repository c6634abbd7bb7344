//! What all readers share: the Bundle, what was found wrong in it, and the small types.
//!
//! Problems refuse the message, deviations are told and the message is read. Neither ever holds a
//! value: a value may be a patient's.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use serde_json::{Map, Value};
use tierlink_codec::Reading;
use tierlink_codec::code_maps::{CodeMaps, Table};
use tierlink_schemas::message::Extra;
use tierlink_schemas::person::Coded;
use tierlink_schemas::{Code, Deviation, OrganisationCode, Problem};

use crate::bundle::{At, Bundle};
use crate::limits::FINDINGS_MAX;
use crate::{codes, systems};

/// Longest words beside a code that the canonical schema takes; longer ones become extras.
const CODED_TEXT_CHARS_MAX: usize = 1_000;
/// Longest code of a canonical `Coded`.
const CODED_CODE_CHARS_MAX: usize = 64;
/// Longest name of a code system in a canonical `Coded`.
const CODED_SYSTEM_CHARS_MAX: usize = 128;

/// A message being read.
pub struct Reader<'a> {
    /// The Bundle that is read.
    pub bundle: Bundle,
    /// Profile of the sender, and the directory.
    pub with: &'a Reading<'a>,
    /// Why the message is refused. Empty if it is accepted.
    pub problems: Vec<Problem>,
    /// Where the message breaks its standard and is read anyway.
    pub deviations: Vec<Deviation>,
    /// Texts of our extensions that belong to no canonical field.
    pub set_aside: Vec<Extra>,
}

/// Result of looking up the name of an organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// The name is known.
    As(OrganisationCode),
    /// There is a name, and it is not known.
    Unknown,
    /// There is no name.
    Silent,
}

impl Named {
    /// The code, if it is known.
    pub fn code(self) -> Option<OrganisationCode> {
        match self {
            Self::As(code) => Some(code),
            Self::Unknown | Self::Silent => None,
        }
    }
}

impl<'a> Reader<'a> {
    /// A reader that has read nothing yet.
    pub fn new(bundle: Bundle, with: &'a Reading<'a>) -> Self {
        Self { bundle, with, problems: Vec::new(), deviations: Vec::new(), set_aside: Vec::new() }
    }

    /// Refuses the message.
    pub fn problem(&mut self, code: Code, field: impl Into<String>, text: impl Into<String>) {
        if self.problems.len() < FINDINGS_MAX {
            self.problems.push(Problem::new(code, field, text));
        }
    }

    /// Tells of a tolerance.
    pub fn deviation(&mut self, code: Code, field: impl Into<String>, text: impl Into<String>) {
        if self.deviations.len() < FINDINGS_MAX {
            self.deviations.push(Deviation::new(code, field, text));
        }
    }

    /// The organisation whose profile this is.
    pub fn own(&self) -> &OrganisationCode {
        &self.with.profile.organisation.code
    }

    /// Whom an identifier names. `system` says whose code it is.
    pub fn named(&mut self, system: Option<&str>, value: &str, field: &str) -> Named {
        let value = value.trim();
        if value.is_empty() {
            return Named::Silent;
        }
        let with = self.with;
        let ours = system.is_some_and(|s| {
            s.trim_end_matches(':') == systems::ORGANISATION.trim_end_matches(':')
        });
        let value = value.strip_prefix(systems::ORGANISATION).unwrap_or(value);
        let maps = CodeMaps::of(with.profile);
        if with.directory.is_empty() && !maps.is_given(Table::Organisation) {
            return OrganisationCode::new(value).map_or(Named::Unknown, |code| {
                if code != *self.own() {
                    let text = "no configuration lists organisations; the code was taken as it is";
                    self.deviation(codes::NO_DIRECTORY, field, text);
                }
                Named::As(code)
            });
        }
        let found = if ours { maps.listed(value, with.directory) } else { None };
        let found = found.or_else(|| maps.recipient(value, with.directory)).or_else(|| {
            let qualified = system.map(|system| format!("{system}|{value}"))?;
            let found = with.directory.resolve(&qualified)?;
            (!maps.is_given(Table::Organisation)).then(|| found.code.clone())
        });
        found.map_or(Named::Unknown, Named::As)
    }

    /// Takes our extensions of an element, with the sender's own codes turned into ours.
    pub fn extensions(&mut self, at: At, path: &str) -> Map<String, Value> {
        let mut value = Value::Object(self.bundle.take_extensions(at, path));
        // What nobody knows stays as it is; the checks behind all formats look at it.
        CodeMaps::of(self.with.profile).read_into(&mut value, "body", self.with.directory);
        match value {
            Value::Object(members) => members,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Map::new(),
        }
    }

    /// Takes an instant. One without a zone is read in the zone of the profile, and told.
    pub fn time(&mut self, at: At, path: &str) -> Option<Timestamp> {
        let text = self.bundle.take_code(at, path)?;
        if let Ok(instant) = text.parse::<Timestamp>() {
            return Some(instant);
        }
        let field = self.bundle.field(at, path);
        let civil = text
            .parse::<DateTime>()
            .ok()
            .or_else(|| text.parse::<Date>().ok().map(|day| day.at(0, 0, 0, 0)));
        let instant = civil.and_then(|civil| self.zone().to_timestamp(civil).ok());
        if instant.is_some() {
            let text =
                "the time has no zone or no hour; it was read in the profile's zone, from midnight";
            self.deviation(codes::TIME, field, text);
        } else {
            self.bundle.give_back(at, path);
            let text = "this is no FHIR time; it was kept as it is beside the message";
            self.deviation(codes::TIME, field, text);
        }
        instant
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

    /// The zone of times without one.
    fn zone(&self) -> TimeZone {
        let name = &self.with.profile.format.zone;
        let china = TimeZone::fixed(Offset::constant(8));
        // China has one zone without summer time; asking no zone files keeps this crate pure.
        if name == "Asia/Shanghai" { china } else { TimeZone::get(name).unwrap_or(china) }
    }

    /// Takes a `CodeableConcept`, a lone `Coding` or a lone text.
    pub fn concept(&mut self, at: At, path: &str) -> Option<Coded> {
        let coding = if self.bundle.peek(at, &format!("{path}/coding/0/code")).is_some()
            || self.bundle.count(at, &format!("{path}/coding")) > 0
        {
            format!("{path}/coding/0")
        } else {
            path.to_owned()
        };
        let code = self.short(at, &format!("{coding}/code"), CODED_CODE_CHARS_MAX);
        let system = self.short(at, &format!("{coding}/system"), CODED_SYSTEM_CHARS_MAX);
        let display = format!("{coding}/display");
        let text = self.short(at, &format!("{path}/text"), CODED_TEXT_CHARS_MAX);
        let text = match text {
            None => self
                .short(at, &display, CODED_TEXT_CHARS_MAX)
                .or_else(|| self.short(at, path, CODED_TEXT_CHARS_MAX)),
            Some(text) => {
                if self.bundle.peek(at, &display) == Some(text.as_str()) {
                    self.bundle.take(at, &display);
                }
                Some(text)
            }
        };
        let coded = Coded {
            code: code.map(|code| code.trim().to_owned()),
            system: system.map(|uri| systems::name(uri.trim())),
            text,
        };
        (coded != Coded::default()).then_some(coded)
    }

    /// Takes a text that the canonical field has room for. A longer one stays for the extras.
    pub fn short(&mut self, at: At, path: &str, chars_max: usize) -> Option<String> {
        if self.bundle.peek(at, path).is_some_and(|text| text.chars().count() > chars_max) {
            return None;
        }
        self.bundle.take(at, path)
    }

    /// Takes the first telephone number of a list of contact points.
    pub fn phone(&mut self, at: At, path: &str) -> Option<String> {
        for index in 0..self.bundle.count(at, path) {
            let one = format!("{path}/{index}");
            let system = self.bundle.peek(at, &format!("{one}/system"));
            if matches!(system, None | Some("phone" | "mobile" | "sms"))
                && self.bundle.peek(at, &format!("{one}/value")).is_some()
            {
                self.bundle.take(at, &format!("{one}/system"));
                return self.short(at, &format!("{one}/value"), 64);
            }
        }
        None
    }

    /// Takes a person's name: the text, or its parts in the order that the script asks for.
    pub fn human_name(&mut self, at: At, path: &str) -> Option<String> {
        let text = self.short(at, &format!("{path}/text"), 100);
        let givens = self.bundle.count(at, &format!("{path}/given"));
        let Some(text) = text else {
            let family = self.short(at, &format!("{path}/family"), 50).unwrap_or_default();
            let given: Vec<String> = (0..givens)
                .filter_map(|i| self.short(at, &format!("{path}/given/{i}"), 50))
                .collect();
            if family.is_empty() && given.is_empty() {
                return self.short(at, path, 100);
            }
            // 张三 is written family first and without a space; Li Ming is not.
            let latin = family.is_ascii() && given.iter().all(|part| part.is_ascii());
            return Some(if latin {
                format!("{} {family}", given.join(" ")).trim().to_owned()
            } else {
                family + &given.concat()
            });
        };
        for part in ["family", "prefix/0", "suffix/0"]
            .map(str::to_owned)
            .into_iter()
            .chain((0..givens).map(|i| format!("given/{i}")))
        {
            let part = format!("{path}/{part}");
            if self.bundle.peek(at, &part).is_some_and(|part| text.contains(part)) {
                self.bundle.take(at, &part);
            }
        }
        Some(text)
    }
}
