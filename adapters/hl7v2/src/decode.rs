//! Reads the bytes of a message into a canonical message.
//!
//! ```text
//!   bytes ─▶ charset ─▶ syntax ─▶ tree ─▶ which kind ─▶ body ─▶ envelope
//!                                                        │
//!                       everything that nobody read ─────┴─▶ extras
//! ```
//!
//! The first fault ends the reading; deviations found before are kept. A message is accepted only
//! if every safety field is certain.

use std::borrow::Cow;

use jiff::tz::TimeZone;
use tierlink_codec::{Decoded, FamilyKnown, Profile, Reading};
use tierlink_schemas::message::{Extra, ReplyTo, SOURCE_MESSAGE_ID_LENGTH_MAX, Source};
use tierlink_schemas::request::Direction;
use tierlink_schemas::{Body, Code, Deviation, Family, Kind, Message, OrganisationCode, Problem};

use crate::body;
use crate::canon::Canon;
use crate::charset::{self, Charset, Wish};
use crate::escape::NULL;
use crate::fault::Fault;
use crate::header::{Header, Version};
use crate::limits::EXTRAS_MAX;
use crate::notes::{Notes, What};
use crate::numbers;
use crate::party::{self, Found};
use crate::places;
use crate::read::Left;
use crate::statement::{self, Statement};
use crate::subject;
use crate::time::{self, Zones};
use crate::tree::Tree;
use crate::words;

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::new(Code::new(fault.code()), fault.field(), fault.to_string())
    }
}

/// The character sets that the profile allows.
pub(crate) fn wish(profile: &Profile) -> Result<Wish, Fault> {
    let charset = match profile.format.charset.as_deref() {
        Some(name) => Some(Charset::named(name).ok_or(Fault::ProfileCharset)?),
        None => None,
    };
    Ok(Wish { charset, wins: profile.quirks.charset_wins })
}

/// What the door has read of MSH, if it stands with the sender's profile: the door did not know the
/// profile yet, and its character set may be another one.
pub(crate) fn known_header<'a>(with: &Reading<'a>) -> Option<Cow<'a, Header>> {
    let known = with.known::<Header>()?;
    let wish = wish(with.profile).unwrap_or_default();
    let mut stated = known.charset_stated.split(known.delimiters.repetition);
    let is_stated = stated.any(|name| Charset::named(name.trim()).is_some());
    match wish.charset {
        Some(wished) if wished != known.charset && (wish.wins || !is_stated) => {
            // Every character set agrees on ASCII.
            let other = || Cow::Owned(Header { charset: wished, ..known.clone() });
            known.is_ascii().then(other)
        }
        Some(_) | None => Some(Cow::Borrowed(known)),
    }
}

/// The zone of times without one.
pub(crate) fn zone(profile: &Profile) -> TimeZone {
    TimeZone::get(&profile.format.zone)
        .or_else(|_| TimeZone::get(time::ZONE_DEFAULT))
        .unwrap_or(TimeZone::UTC)
}

/// Splits a message into segments and values, without interpreting it.
pub(crate) fn open(bytes: &[u8], wish: Wish, notes: &mut Notes) -> Result<Tree, Fault> {
    if bytes.len() > crate::limits::MESSAGE_BYTES_MAX {
        return Err(Fault::TooLarge { limit: crate::limits::MESSAGE_BYTES_MAX });
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Fault::Empty);
    }
    if let Some(text) = charset::from_utf_16(bytes) {
        notes.add("MSH", What::Utf16);
        let lines = crate::syntax::mend(&text, notes)?;
        return crate::tree::grow(&lines, Charset::UTF_8, notes);
    }
    let decoded = charset::read(bytes, wish, notes)?;
    let lines = crate::syntax::mend(&decoded.text, notes)?;
    crate::tree::grow(&lines, decoded.charset, notes)
}

/// Reads a message.
pub(crate) fn decode(bytes: &[u8], with: &Reading<'_>) -> Decoded {
    let mut notes = Notes::default();
    let mut source_message_id = None;
    let outcome = read(bytes, with, &mut notes, &mut source_message_id);
    let deviations = deviations(&notes);
    match outcome {
        Ok((message, family)) => Decoded::read(message, family, deviations),
        Err(fault) => {
            let id = source_message_id.or_else(|| {
                let wish = wish(with.profile).unwrap_or_default();
                match known_header(with) {
                    Some(known) => Some(known.into_owned().control_id),
                    None => Header::read(bytes, wish).map(|header| header.control_id),
                }
            });
            let id = id.filter(|id| (1..=SOURCE_MESSAGE_ID_LENGTH_MAX).contains(&id.len()));
            Decoded::refused(vec![fault.into()], deviations, id)
        }
    }
}

fn deviations(notes: &Notes) -> Vec<Deviation> {
    notes
        .list()
        .iter()
        .map(|note| {
            Deviation::new(Code::new(note.what.code()), note.path.as_str(), note.what.to_string())
        })
        .collect()
}

fn read(
    bytes: &[u8],
    with: &Reading<'_>,
    notes: &mut Notes,
    source_message_id: &mut Option<String>,
) -> Result<(Message, FamilyKnown), Fault> {
    let profile = with.profile;
    let tree = open(bytes, wish(profile)?, notes)?;
    let header = match known_header(with).filter(|it| it.is_ascii() || it.charset == tree.charset) {
        Some(known) => known,
        None => Cow::Owned(Header::of(&tree).ok_or(Fault::NotHl7)?),
    };
    *source_message_id = Some(header.control_id.clone());
    check_header(&header, &tree, notes)?;

    let sent = tree.first("MSH").and_then(|msh| msh.first(7).peek(1)).and_then(time::read);
    let zones = Zones::of_message(zone(profile), sent);
    let mut canon = Canon::new();
    let context = body::Context { tree: &tree, header: &header, with, zones: &zones };
    let (kind, certain, case) = match statement::of(&tree, &header)? {
        Statement::Request { amends } => {
            let (kind, direction, certain) = sides(&context, amends, &mut canon, notes)?;
            put_direction(kind, direction, &mut canon);
            let numbers = numbers::read(&tree, &header, kind, with, notes)?;
            canon.put_some("parent_referral", numbers.parent);
            (kind, certain, numbers.case)
        }
        Statement::About(kind) => {
            let case = numbers::read(&tree, &header, kind, with, notes)?.case;
            let (kind, certain) = of_the_case(kind, case.number.as_ref(), &tree);
            (kind, certain, case)
        }
    };
    let in_reply_to = tree
        .first("MSA")
        .and_then(|msa| msa.text(2, 1))
        .map(|id| ReplyTo { message_id: Some(id.to_owned()), ..ReplyTo::default() });
    let is_tied = case.number.is_some()
        || !case.numbers.is_empty()
        || !case.unassigned.is_empty()
        || in_reply_to.is_some();
    if !kind.opens() && !is_tied {
        return Err(Fault::Missing {
            field: places::of_number(&header.message_type).to_owned(),
            why: "the case is found; send the case's number there",
        });
    }
    let mut kept = body::read(kind, &context, &mut canon, notes)?;
    let priority = body::priority(&context, notes)?;
    let subject =
        if kind.states_request() { None } else { subject::read(&tree, profile, &zones, notes)? };
    let has_direction = kind.states_request() && kind.family() == Family::Referral;
    if !has_direction && canon.text("direction").is_some() {
        // Only referrals have a direction; anything else that states one contradicts itself.
        return Err(Fault::Direction { field: "OBX-5".to_owned() });
    }
    take_repeated_words(&tree);
    if kind.states_request() && !kind.opens() {
        // An amendment that deletes a field is passed on as such where the receiver can read it.
        let deleted = tree.deleted().into_iter();
        kept.extend(deleted.map(|path| Extra { path, text: NULL.to_owned() }));
    }
    kept.extend(words::add_left_over(&tree, kind, &mut canon, notes));
    body::fill_in(kind, &context, &mut canon, notes);
    let body = Body::read(kind, canon.into_value()).map_err(|error| misfit(&error))?;

    let occurred_at = occurred_at(&tree, &zones.times, notes);
    let source = Source {
        organisation: profile.organisation.code.clone(),
        system: tree.first("MSH").and_then(|msh| msh.text(3, 1)).map(str::to_owned),
        message_id: header.control_id.clone(),
    };
    let mut message = Message::new(with.id, source, occurred_at.unwrap_or(with.received_at), body);
    message.received_at = Some(with.received_at);
    message.case = case;
    message.in_reply_to = in_reply_to;
    message.priority = priority;
    if kind.opens() {
        message.destinations.extend(message.to().map(|to| to.organisation.clone()));
    }
    message.subject = subject;
    take_known_names(&tree, &message, with);
    for path in tree.joined() {
        notes.add(path, What::RawSubcomponent);
    }
    message.extras = extras(&tree, kept, notes);
    Ok((message, certain))
}

/// What every message must say of itself.
fn check_header(header: &Header, tree: &Tree, notes: &mut Notes) -> Result<(), Fault> {
    let missing = |field: &str, why| Fault::Missing { field: field.to_owned(), why };
    if header.control_id.is_empty() {
        return Err(missing("MSH-10", "a repeat of the message can be told from a new one"));
    }
    if header.control_id.len() > SOURCE_MESSAGE_ID_LENGTH_MAX {
        return Err(Fault::Invalid { field: "MSH-10".to_owned(), why: "it is too long for an id" });
    }
    if header.message_type.is_empty() {
        return Err(missing("MSH-9", "it is clear what the message says"));
    }
    if header.version.is_empty() {
        notes.add("MSH-12", What::Mapping("states no version; read like 2.5.1"));
    } else if Version::read(&header.version).is_none() {
        return Err(Fault::Version);
    }
    check_processing(header, tree, notes)?;
    let structure = tree.first("MSH").and_then(|msh| msh.first(9).peek(3));
    let expected = structure_of(header);
    if structure.is_some_and(|structure| expected.is_some_and(|known| known != structure)) {
        notes
            .add("MSH-9", What::Mapping("names a structure that does not exist; the event counts"));
    }
    Ok(())
}

/// Only messages about real patients of today open cases: no tests (D, T), no old messages that are
/// loaded again (MSH-11.2), no part of a message (MSH-14).
fn check_processing(header: &Header, tree: &Tree, notes: &mut Notes) -> Result<(), Fault> {
    match header.processing.as_str() {
        "P" => {}
        "p" => notes.add("MSH-11", What::Mapping("is a small p; read as P")),
        "" => notes.add("MSH-11", What::Mapping("is empty; read as production all the same")),
        _ => return Err(Fault::NotProduction { field: "MSH-11" }),
    }
    let Some(msh) = tree.first("MSH") else { return Ok(()) };
    if msh.first(11).peek(2).is_some_and(|mode| mode != "T") {
        return Err(Fault::NotProduction { field: "MSH-11.2" });
    }
    if msh.first(14).peek(1).is_some() {
        return Err(Fault::Continued { field: "MSH-14".to_owned() });
    }
    Ok(())
}

/// Every MSH-9.3 that a message which is taken can rightly state.
const STRUCTURES: [&str; 11] = [
    "REF_I12", "RRI_I12", "SIU_S12", "SRM_S01", "SRR_S01", "ADT_A03", "ADT_A01", "ORU_R01",
    "MDM_T02", "OMG_O19", "OSU_O51",
];

fn structure_of(header: &Header) -> Option<&'static str> {
    Some(match (header.message_type.as_str(), header.event.as_str()) {
        ("REF", _) => "REF_I12",
        ("RRI", _) => "RRI_I12",
        ("SIU", _) => "SIU_S12",
        ("SRM", _) => "SRM_S01",
        ("SRR", _) => "SRR_S01",
        ("ADT", "A03") => "ADT_A03",
        ("ADT", "A01" | "A04") => "ADT_A01",
        ("ORU", _) => "ORU_R01",
        ("MDM", _) => "MDM_T02",
        ("OMG", _) => "OMG_O19",
        ("OSU", _) => "OSU_O51",
        _ => return None,
    })
}

/// Reads both sides of a request and says what kind of request goes between them.
fn sides(
    context: &body::Context<'_>,
    amends: bool,
    canon: &mut Canon,
    notes: &mut Notes,
) -> Result<(Kind, Option<Direction>, FamilyKnown), Fault> {
    let (tree, profile, directory) = (context.tree, context.with.profile, context.with.directory);
    let zones = context.zones;
    party::read_from(tree, profile, directory, zones, canon, notes)?;
    let to = party::read_to(tree, context.header, profile, directory, zones, canon, notes)?;
    if to == profile.organisation.code {
        return Err(Fault::Contradiction { field: "PRD-10".to_owned() });
    }
    let (kind, direction) = statement::request(tree, amends, &to, profile, directory)?;
    let unknown = directory.get(&to).is_none() && kind.family() != Family::Consultation;
    if unknown {
        notes.add(
            "PRD",
            What::Mapping("the tiers of the organisations are unknown; no direction was set"),
        );
    }
    Ok((kind, direction, FamilyKnown::Stated))
}

fn put_direction(kind: Kind, direction: Option<Direction>, canon: &mut Canon) {
    if kind.family() != Family::Referral {
        return;
    }
    canon.put_some(
        "direction",
        direction.map(|direction| match direction {
            Direction::Up => "up",
            Direction::Lateral => "lateral",
            Direction::Out => "out",
        }),
    );
}

/// The family of a statement about a case: what our number says, or what the message says.
fn of_the_case(
    kind: Kind,
    number: Option<&tierlink_schemas::CaseNumber>,
    tree: &Tree,
) -> (Kind, FamilyKnown) {
    let letter = number.and_then(|number| number.as_str().chars().next());
    if let Some(family) = letter.and_then(Family::of_letter) {
        if kind.family() == family {
            return (kind, FamilyKnown::Stated);
        }
        // A report is an opinion of a consultation, and a report of a reading: the case says which.
        let is_report = kind == Kind::ReferralFeedback && family == Family::Consultation;
        if is_report && !statement::is_stated(tree) {
            return (kind, FamilyKnown::ByCase);
        }
        if let Some(same) = statement::in_family(kind, family, tree) {
            return (same, FamilyKnown::Stated);
        }
    }
    let of_one_family = match kind.family() {
        Family::Transfer | Family::Status => true,
        Family::Consultation => kind == Kind::ConsultationOpinion,
        Family::Referral | Family::Slot | Family::Receipt => false,
    };
    let exact = of_one_family || statement::is_stated(tree);
    (kind, if exact { FamilyKnown::Stated } else { FamilyKnown::ByCase })
}

/// serde names the field that does not fit; the value stays out of it.
fn misfit(error: &serde_json::Error) -> Fault {
    let text = error.to_string();
    let missing = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    match missing {
        Some(field) => Fault::Missing {
            field: format!("body.{field}"),
            why: "the message says what its kind must say",
        },
        None => Fault::Invalid {
            field: "OBX-5".to_owned(),
            why: "a field of ours (99TL) holds something of another type",
        },
    }
}

fn occurred_at(tree: &Tree, zone: &TimeZone, notes: &mut Notes) -> Option<jiff::Timestamp> {
    let msh = tree.first("MSH")?;
    let moment = crate::types::try_time(msh, 7, 1, notes);
    let at = moment.and_then(|moment| moment.timestamp(zone));
    if at.is_none() {
        notes.add("MSH-7", What::Mapping("gives no time; the time of arrival was taken"));
    }
    at
}

/// Marks names as read that only repeat the envelope.
fn take_known_names(tree: &Tree, message: &Message, with: &Reading<'_>) {
    let Some(msh) = tree.first("MSH") else { return };
    if msh.first(5).peek(1) == Some(crate::APPLICATION) {
        msh.text(5, 1);
    }
    let is_kept = |code: &OrganisationCode| {
        *code == with.profile.organisation.code
            || message.to().is_some_and(|to| to.organisation == *code)
            || message.case.numbers.iter().any(|number| number.organisation == *code)
    };
    for field in [4, 6] {
        let Some(name) = msh.first(field).peek(1) else {
            continue;
        };
        let found = party::find(&[name], with.profile, with.directory);
        if matches!(found, Found::One(code) if is_kept(&code)) {
            msh.text(field, 1);
        }
    }
    for field in [10, 12, 15, 16] {
        msh.text(field, 1);
    }
    msh.text(11, 1);
    msh.text(11, 2);
    msh.text(9, 1);
    msh.text(9, 2);
    // A structure that does not exist is worth keeping.
    if msh.first(9).peek(3).is_some_and(|structure| STRUCTURES.contains(&structure)) {
        msh.text(9, 3);
    }
    msh.whole_field(18);
}

/// Words of the standard that only repeat a code beside them: segment, field, component, text.
const REPEATED_WORDS: [(&str, u16, u16, &str); 23] = [
    ("ARQ", 6, 1, "REFERRAL"),
    ("RF1", 1, 1, "P"),
    ("RF1", 1, 3, "HL70283"),
    ("RF1", 2, 2, "STAT"),
    ("RF1", 2, 2, "ASAP"),
    ("RF1", 2, 2, "Routine"),
    ("RF1", 2, 3, "HL70280"),
    ("RF1", 2, 5, "慢病/康复"),
    ("RF1", 2, 6, crate::LOCAL_SYSTEM),
    ("RF1", 4, 2, "Second opinion"),
    ("RF1", 4, 3, "HL70282"),
    ("RF1", 5, 3, "HL70284"),
    ("RF1", 6, 2, crate::APPLICATION),
    ("PRD", 1, 2, "Referring Provider"),
    ("PRD", 1, 2, "Referred to Provider"),
    ("PRD", 1, 3, "HL70286"),
    ("OBR", 1, 1, "1"),
    ("OBR", 4, 1, "57133-1"),
    ("OBR", 4, 2, "Referral note"),
    ("OBR", 4, 3, "LN"),
    ("PV1", 1, 1, "1"),
    ("PV1", 2, 1, "O"),
    ("PV1", 2, 1, "I"),
];

/// Marks words as read that only repeat something that was read.
fn take_repeated_words(tree: &Tree) {
    for obr in tree.all("OBR").filter(|obr| obr.first(4).peek(3) == Some(crate::LOCAL_SYSTEM)) {
        obr.first(4).whole();
    }
    for (name, field, component, word) in REPEATED_WORDS {
        for rep in tree.all(name).flat_map(|segment| segment.repetitions(field)) {
            if rep.peek(component) == Some(word) {
                rep.text(component);
            }
        }
    }
    // When a message was processed is MSH-7's to say. An engine that sends one again writes some of
    // these times anew and some not, and it is the same message all the same.
    for (name, field) in [("RF1", 9), ("ORC", 9), ("MSH", 13)] {
        if let Some(segment) = tree.first(name) {
            segment.text(field, 1);
        }
    }
}

/// Everything that nobody has read, and what was kept whole because its field is too short.
fn extras(tree: &Tree, kept: Vec<Extra>, notes: &mut Notes) -> Vec<Extra> {
    let mut extras = kept;
    for Left { path, text } in tree.left_over() {
        extras.extend(words::keep(&path, &text));
    }
    if extras.len() > EXTRAS_MAX {
        notes.add("MSH", What::Mapping("very many fields without a canonical place; all are kept"));
    }
    extras
}
