//! What all readers share: the Bundle, what was found wrong in it, and the small types.
//!
//! Problems refuse the message, deviations are told and the message is read. Neither ever holds a
//! value: a value may be a patient's.

use jiff::tz::{Offset, TimeZone};
use serde_json::{Map, Value};
use tierlink_codec::Reading;
use tierlink_codec::code_maps::{CodeMaps, Table};
use tierlink_schemas::message::Extra;
use tierlink_schemas::person::{Coded, TRANSLATIONS_MAX, Translation};
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
    /// Words for the receiver that have no field of their own, with the place where they stood.
    pub said: Vec<(String, String)>,
    /// The Patient whom the message is about.
    pub about: Option<At>,
    /// How the message refers to its patient, where no Patient of it is meant.
    pub about_elsewhere: Option<String>,
    /// Resources that were left out because they are no facts about the patient.
    pub left_out: Vec<String>,
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
        Self {
            bundle,
            with,
            problems: Vec::new(),
            deviations: Vec::new(),
            set_aside: Vec::new(),
            said: Vec::new(),
            about: None,
            about_elsewhere: None,
            left_out: Vec::new(),
        }
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

    /// The zone of times without one.
    pub fn zone(&self) -> TimeZone {
        let name = &self.with.profile.format.zone;
        let china = TimeZone::fixed(Offset::constant(8));
        // China has one zone without summer time; asking no zone files keeps this crate pure.
        if name == "Asia/Shanghai" { china } else { TimeZone::get(name).unwrap_or(china) }
    }

    /// Takes a `CodeableConcept`, a lone `Coding` or a lone text. Of several codings the national
    /// one is the code, or else the first; the others are its translations.
    pub fn concept(&mut self, at: At, path: &str) -> Option<Coded> {
        let codings = self.bundle.count(at, &format!("{path}/coding"));
        let main = (0..codings).find(|i| {
            let coding = format!("{path}/coding/{i}");
            let system = self.bundle.peek(at, &format!("{coding}/system"));
            system.is_some_and(systems::is_national)
                && self.bundle.peek(at, &format!("{coding}/code")).is_some()
        });
        let main = main.unwrap_or_default();
        let coding = if codings > 0 { format!("{path}/coding/{main}") } else { path.to_owned() };
        let translations = (0..codings)
            .filter(|i| *i != main)
            .take(TRANSLATIONS_MAX)
            .filter_map(|i| self.translation(at, &format!("{path}/coding/{i}")))
            .collect();
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
            translations,
        };
        (coded != Coded::default()).then_some(coded)
    }

    /// Takes a further coding of a concept. One without a code stays for the extras.
    fn translation(&mut self, at: At, path: &str) -> Option<Translation> {
        let code = self.short(at, &format!("{path}/code"), CODED_CODE_CHARS_MAX)?;
        let system = self.short(at, &format!("{path}/system"), CODED_SYSTEM_CHARS_MAX);
        Some(Translation {
            code: code.trim().to_owned(),
            system: system.map(|uri| systems::name(uri.trim())),
            text: self.short(at, &format!("{path}/display"), CODED_TEXT_CHARS_MAX),
        })
    }

    /// Takes a text that the canonical field has room for. A longer one stays for the extras.
    pub fn short(&mut self, at: At, path: &str, chars_max: usize) -> Option<String> {
        if self.bundle.peek(at, path).is_some_and(|text| text.chars().count() > chars_max) {
            return None;
        }
        self.bundle.take(at, path)
    }
}
