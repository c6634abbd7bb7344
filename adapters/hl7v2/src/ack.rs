//! Answers to senders: ACK with MSA and, when something was wrong, ERR.
//!
//! ```text
//!   MSH-15 and MSH-16 empty  original mode   AA, AE or AR, always
//!   one of them filled       enhanced mode   MSH-15 asks for CA, CE or CR,
//!                                            MSH-16 for AA, AE or AR
//! ```
//!
//! In enhanced mode a refusal is sent once, in the first of the two acknowledgements that is asked
//! for. The application answer to a referral or a booking request is the receiver's own RRI or SRR,
//! which comes later as a message of its own, so none is made here.
//!
//! An acknowledgement is never answered: two systems that answer each other's answers never stop.
//!
//! An answer has the version, delimiters and character set of its message, and MSA-2 is always the
//! message's MSH-10.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tierlink_codec::{Answer, Reply};
use tierlink_schemas::{Problem, Refusal, Verdict};

use crate::charset::Charset;
use crate::delimiters::Delimiters;
use crate::header::Header;
use crate::limits::{ANSWER_TEXT_CHARS_MAX, CONTROL_ID_CHARS_MAX};
use crate::places;
use crate::time;
use crate::write::{Line, Writer};

/// What is needed for an answer, beside the message.
pub(crate) struct Answering<'a> {
    /// MSH-10 of the answer.
    pub(crate) control_id: &'a str,
    /// MSH-7 of the answer, by the broker's clock.
    pub(crate) at: Timestamp,
    /// Time zone in which MSH-7 is written.
    pub(crate) zone: TimeZone,
    /// HL7 version to write if the message states none.
    pub(crate) version: &'a str,
    /// Whether the receiver needs LF after CR.
    pub(crate) line_feeds: bool,
}

/// Most problems in one answer. Old receivers have short buffers.
const PROBLEMS_MAX: usize = 20;

/// Message types whose application answer comes from the receiving organisation.
const ANSWERED_LATER: [&str; 2] = ["REF", "SRM"];

/// HL7 table 0357, the codes that we use.
const SEGMENT_SEQUENCE: (&str, &str) = ("100", "Segment sequence error");
const FIELD_MISSING: (&str, &str) = ("101", "Required field missing");
const DATA_TYPE: (&str, &str) = ("102", "Data type error");
const TABLE_VALUE: (&str, &str) = ("103", "Table value not found");
const OTHER: (&str, &str) = ("199", "Other HL7 error");
const MESSAGE_TYPE: (&str, &str) = ("200", "Unsupported message type");
const EVENT: (&str, &str) = ("201", "Unsupported event code");
const PROCESSING: (&str, &str) = ("202", "Unsupported processing id");
const VERSION: (&str, &str) = ("203", "Unsupported version id");
const UNKNOWN_KEY: (&str, &str) = ("204", "Unknown key identifier");
const DUPLICATE_KEY: (&str, &str) = ("205", "Duplicate key identifier");
const INTERNAL: (&str, &str) = ("207", "Application internal error");

/// Result of a message, as HL7 expresses it.
struct Outcome<'r> {
    /// The second letter of the code: accepted, error or rejected.
    letter: char,
    /// What MSA-3 says where there is no problem.
    text: String,
    problems: &'r [Problem],
    fallback: (&'static str, &'static str),
}

/// Writes the answers to a message. `header` is missing when not even MSH could be read.
pub(crate) fn answer(header: Option<&Header>, reply: &Reply<'_>, with: &Answering<'_>) -> Answer {
    if header.is_some_and(Header::is_acknowledgement) {
        return Answer { frames: Vec::new(), status: status(reply), media_type: crate::MEDIA_TYPE };
    }
    let outcome = outcome(reply);
    let frames = modes(header, outcome.letter == 'A')
        .into_iter()
        .map(|mode| frame(header, mode, &outcome, with))
        .collect();
    Answer { frames, status: status(reply), media_type: crate::MEDIA_TYPE }
}

fn outcome<'r>(reply: &Reply<'r>) -> Outcome<'r> {
    match reply {
        Reply::Verdict(Verdict::Accepted { case_number, state, .. }) => {
            accepted("accepted", case_number.as_ref().map(ToString::to_string), state.as_deref())
        }
        Reply::Verdict(Verdict::Repeated { case_number, state, .. }) => {
            let number = case_number.as_ref().map(ToString::to_string);
            accepted("accepted before", number, state.as_deref())
        }
        Reply::Verdict(Verdict::Refused { refusal, problems }) => {
            let (letter, fallback) = match refusal {
                Refusal::Unreadable => ('R', SEGMENT_SEQUENCE),
                Refusal::Sender => ('R', OTHER),
                Refusal::Invalid => ('E', TABLE_VALUE),
                Refusal::NotFound | Refusal::Early => ('E', UNKNOWN_KEY),
                Refusal::Conflict => ('E', DUPLICATE_KEY),
                Refusal::Rule => ('E', OTHER),
            };
            Outcome { letter, text: String::new(), problems, fallback }
        }
        Reply::TryAgain(problem) => Outcome {
            letter: 'E',
            text: String::new(),
            problems: std::slice::from_ref(*problem),
            fallback: INTERNAL,
        },
    }
}

/// The number of the case goes into MSA-3, where people who read the answer find it.
fn accepted<'r>(word: &str, number: Option<String>, state: Option<&str>) -> Outcome<'r> {
    let text = match (number, state) {
        (Some(number), Some(state)) => format!("{word}; case {number} {state}"),
        (Some(number), None) => format!("{word}; case {number}"),
        (None, _) => word.to_owned(),
    };
    Outcome { letter: 'A', text, problems: &[], fallback: OTHER }
}

fn status(reply: &Reply<'_>) -> u16 {
    match reply {
        Reply::Verdict(Verdict::Accepted { .. }) => 202,
        Reply::Verdict(Verdict::Repeated { .. }) => 200,
        Reply::Verdict(Verdict::Refused { refusal, .. }) => match refusal {
            Refusal::Unreadable => 400,
            Refusal::Sender => 403,
            Refusal::NotFound => 404,
            Refusal::Conflict | Refusal::Rule => 409,
            Refusal::Invalid => 422,
            Refusal::Early => 425,
        },
        Reply::TryAgain(_) => 503,
    }
}

/// The first letters of the codes to answer with: `C` commit, `A` application.
fn modes(header: Option<&Header>, positive: bool) -> Vec<char> {
    let Some(header) = header else {
        return vec!['A'];
    };
    if header.accept.is_empty() && header.application.is_empty() {
        return vec!['A'];
    }
    let asks = |condition: &str| match condition {
        "AL" => true,
        "ER" => !positive,
        "SU" => positive,
        // NE, nothing, and codes that do not exist.
        _ => false,
    };
    let commit = asks(&header.accept);
    let later = positive && ANSWERED_LATER.contains(&header.message_type.as_str());
    let application = asks(&header.application) && !later && (positive || !commit);
    let mut modes = Vec::new();
    modes.extend(commit.then_some('C'));
    modes.extend(application.then_some('A'));
    modes
}

fn frame(
    header: Option<&Header>,
    mode: char,
    outcome: &Outcome<'_>,
    with: &Answering<'_>,
) -> Vec<u8> {
    let charset = header.map_or(Charset::UTF_8, |header| header.charset);
    let delimiters = header
        .map(|header| header.delimiters)
        .filter(Delimiters::has_escape)
        .unwrap_or_else(|| usual_with(header));
    let stated = header.map_or(with.version, |h| h.version.as_str());
    let version = if stated.is_empty() { with.version } else { stated };
    let code = format!("{mode}{}", outcome.letter);

    let mut writer = Writer::new(delimiters);
    writer.add(msh(header, mode, version, with));
    let mut msa = Line::new("MSA");
    let told: Vec<Told<'_>> =
        outcome.problems.iter().take(PROBLEMS_MAX).map(|it| Told::new(it, header)).collect();
    let text = told.first().map_or_else(|| outcome.text.clone(), Told::line);
    msa.put(1, 1, code).put(2, 1, header.map_or("", |header| header.control_id.as_str())).put(
        3,
        1,
        shortened(&text),
    );
    writer.add(msa);
    if !is_old(version) {
        for line in told.iter().map(|told| long_error(told, outcome)) {
            writer.add(line);
        }
    } else if !told.is_empty() {
        writer.add(short_error(&told, outcome));
    }
    let text = if with.line_feeds {
        writer.text().replace('\r', "\r\n")
    } else {
        writer.text().to_owned()
    };
    charset.encode(&text).unwrap_or_else(|_| in_ascii(&text))
}

/// A sender that stated no escape character gets the usual ones, behind its own field delimiter.
fn usual_with(header: Option<&Header>) -> Delimiters {
    let usual = Delimiters::default();
    let field = header.map_or(usual.field, |header| header.delimiters.field);
    let clashes = usual.encoding_characters().contains(field);
    if clashes { usual } else { usual.with_field(field) }
}

fn msh(header: Option<&Header>, mode: char, version: &str, with: &Answering<'_>) -> Line {
    let mut msh = Line::new("MSH");
    if let Some(header) = header {
        for (field, name) in [
            (3, &header.receiving_application),
            (4, &header.receiving_facility),
            (5, &header.sending_application),
            (6, &header.sending_facility),
        ] {
            for (component, text) in (1_u16..).zip(name) {
                msh.put(field, component, text.as_str());
            }
        }
        msh.put(9, 2, header.event.as_str());
        msh.put(11, 1, if header.processing.is_empty() { "P" } else { &header.processing });
        // A label that was not true is not repeated.
        let stated: Vec<&str> = header.charset_stated.split(header.delimiters.repetition).collect();
        let true_of = |label: &&str| Charset::named(label).is_none_or(|it| it == header.charset);
        if stated.iter().any(true_of) {
            for (repetition, label) in (1_u16..).zip(stated) {
                msh.put_at(18, repetition, 1, 1, label);
            }
        } else {
            msh.put(18, 1, header.charset.msh_18());
        }
    } else {
        msh.put(11, 1, "P").put(18, 1, Charset::UTF_8.msh_18());
    }
    if !is_old(version) {
        msh.put(9, 3, "ACK");
    }
    // Two answers to one message are two messages, each with its own MSH-10.
    let own: String =
        std::iter::once(mode).chain(with.control_id.chars()).take(CONTROL_ID_CHARS_MAX).collect();
    msh.put(7, 1, time::write(with.at, &with.zone))
        .put(9, 1, "ACK")
        .put(10, 1, own)
        .put(12, 1, version);
    msh
}

/// Whether a version has the short ERR and no MSH-9.3: also one that we do not speak, so that its
/// sender can read why.
fn is_old(version: &str) -> bool {
    let mut parts = version.trim().split('.');
    let minor = parts.next().filter(|major| *major == "2").and_then(|_| parts.next());
    minor.and_then(|minor| minor.parse::<u8>().ok()).is_some_and(|minor| minor < 5)
}

fn error_code(problem: &Problem, outcome: &Outcome<'_>) -> (&'static str, &'static str) {
    if outcome.fallback == INTERNAL {
        return INTERNAL;
    }
    match problem.code.as_str() {
        "D019" | "C001" | "C002" | "C007" | "C009" | "C010" | "C012" | "C020" | "C027" => {
            FIELD_MISSING
        }
        "D020" | "D027" | "C006" | "C015" | "C026" => TABLE_VALUE,
        "D011" | "D013" | "D014" | "D015" | "D017" | "D021" | "D026" | "C003" | "C004" | "C013"
        | "C014" | "C016" | "C017" | "C018" | "C019" | "C021" | "C022" | "C023" | "C029"
        | "C032" => DATA_TYPE,
        "D010" | "D012" | "D016" | "D018" | "D028" => SEGMENT_SEQUENCE,
        "D022" if problem.field == "MSH-9.2" => EVENT,
        "D022" => MESSAGE_TYPE,
        "D023" => VERSION,
        "D037" => PROCESSING,
        "D024" | "D025" | "D029" | "C008" | "C011" => OTHER,
        _ => outcome.fallback,
    }
}

/// A problem in the sender's own terms: `PID-5` for `body.patient.name`.
struct Told<'p> {
    problem: &'p Problem,
    place: Option<String>,
}

impl<'p> Told<'p> {
    fn new(problem: &'p Problem, header: Option<&Header>) -> Self {
        let is_own = Location::read(&problem.field).is_some();
        let message_type = header.map_or("", |header| header.message_type.as_str());
        let place = if is_own { None } else { places::of(&problem.field, message_type) };
        Self { problem, place }
    }

    fn location(&self) -> Option<Location<'_>> {
        Location::read(self.place.as_deref().unwrap_or(&self.problem.field))
    }

    fn text(&self) -> String {
        match &self.place {
            Some(place) => format!("{place}: {}", self.problem.text),
            None => self.problem.text.clone(),
        }
    }

    /// What MSA-3 says: the code, the place and the fix.
    fn line(&self) -> String {
        match &self.place {
            Some(place) => format!("{} {place}: {}", self.problem.code, self.problem.text),
            None => self.problem.to_string(),
        }
    }
}

/// ERR of version 2.5 and later: one segment per problem.
fn long_error(told: &Told<'_>, outcome: &Outcome<'_>) -> Line {
    let (code, name) = error_code(told.problem, outcome);
    let mut err = Line::new("ERR");
    if let Some(place) = told.location() {
        place.put(&mut err, 2);
    }
    err.put(3, 1, code)
        .put(3, 2, name)
        .put(3, 3, "HL70357")
        .put(4, 1, "E")
        .put(5, 1, told.problem.code.as_str())
        .put(5, 3, crate::LOCAL_SYSTEM)
        .put(7, 1, told.problem.field.as_str())
        .put(8, 1, shortened(&told.text()));
    err
}

/// ERR of versions 2.3.1 and 2.4: one segment, one repetition per problem.
fn short_error(told: &[Told<'_>], outcome: &Outcome<'_>) -> Line {
    let mut err = Line::new("ERR");
    for (repetition, told) in (1_u16..).zip(told) {
        let (code, name) = error_code(told.problem, outcome);
        if let Some(place) = told.location() {
            err.put_at(1, repetition, 1, 1, place.segment);
            err.put_at(1, repetition, 2, 1, place.nth.to_string());
            if let Some(field) = place.field {
                err.put_at(1, repetition, 3, 1, field.to_string());
            }
        }
        for (subcomponent, text) in (1_u16..).zip([code, name, "HL70357"]) {
            err.put_at(1, repetition, 4, subcomponent, text);
        }
    }
    err
}

/// The location in ERR of a problem.
struct Location<'p> {
    segment: &'p str,
    nth: u16,
    field: Option<u16>,
    repetition: Option<u16>,
    component: Option<u16>,
}

impl<'p> Location<'p> {
    /// Reads `OBX[2]-5[3].1`. Canonical paths have no place in ERR.
    fn read(path: &'p str) -> Option<Self> {
        let (place, rest) = path.split_once('-').map_or((path, None), |(s, r)| (s, Some(r)));
        let (segment, nth) = numbered(place)?;
        let named = segment.len() == 3
            && segment.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
        let mut parts = rest.unwrap_or_default().split('.');
        let field = parts.next().and_then(numbered);
        let component = parts.next().and_then(|text| text.parse().ok());
        named.then_some(Self {
            segment,
            nth: nth.unwrap_or(1),
            field: field.and_then(|(field, _)| field.parse().ok()),
            repetition: field.and_then(|(_, repetition)| repetition),
            component,
        })
    }

    fn put(&self, err: &mut Line, field: u16) {
        err.put(field, 1, self.segment).put(field, 2, self.nth.to_string());
        if let Some(number) = self.field {
            err.put(field, 3, number.to_string());
        }
        if self.repetition.is_some() || self.component.is_some() {
            err.put(field, 4, self.repetition.unwrap_or(1).to_string());
        }
        if let Some(number) = self.component {
            err.put(field, 5, number.to_string());
        }
    }
}

/// `OBX[2]` as `OBX` and 2; `OBX` as itself.
fn numbered(text: &str) -> Option<(&str, Option<u16>)> {
    match text.split_once('[') {
        None => Some((text, None)),
        Some((name, nth)) => Some((name, Some(nth.strip_suffix(']')?.parse().ok()?))),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(ANSWER_TEXT_CHARS_MAX).collect()
}

/// Replaces what is not ASCII. Used only if a text of ours does not fit the character set, because
/// an answer must always be sent.
fn in_ascii(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(c).ok().filter(u8::is_ascii).unwrap_or(b'?')).collect()
}
