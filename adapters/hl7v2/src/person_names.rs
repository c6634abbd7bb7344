//! PID-5 and PID-9 to the names of the patient and back.
//!
//! Several repetitions are several names. Which one the patient goes by follows from their types
//! (XPN.7, HL7 table 0200) and their ends, never from their order: the legal one, then the one that
//! is in use, then any other. The rest are kept with their use.

use tierlink_codec::Profile;

use crate::canon::Canon;
use crate::notes::{Notes, What};
use crate::read::{Rep, Seg};
use crate::time::{self, Zones};
use crate::types::{is_latin, read_name};
use crate::write::Line;

/// XPN.7: its rank, and its use in the canonical message. The first of a use is the one that we
/// write.
const TYPES: [(&str, u8, &str); 15] = [
    ("L", 0, "official"),
    ("D", 1, "usual"),
    ("U", 2, "other"),
    ("C", 3, "other"),
    ("R", 3, "other"),
    ("P", 3, "other"),
    ("A", 5, "alias"),
    ("M", 6, "maiden"),
    ("B", 6, "maiden"),
    ("N", 7, "nickname"),
    ("S", 8, "anonymous"),
    ("TEMP", 8, "temporary"),
    ("T", 7, "other"),
    ("I", 4, "other"),
    ("NOUSE", ENDED, "former"),
];

/// A name without a type.
const UNTYPED: u8 = 2;
/// A name of a type that the table does not have.
const UNKNOWN: u8 = 4;
/// A name that is no longer used.
const ENDED: u8 = 9;
/// From this rank on, a name is not what somebody is called by.
const NO_PROPER_NAME: u8 = 5;

/// Most further names of the canonical message.
const OTHERS_MAX: usize = 20;

struct Name<'t> {
    rep: Rep<'t>,
    rank: u8,
    r#use: &'static str,
    alphabetic: bool,
}

/// Reads the names of a PID.
pub(crate) fn read(
    pid: Seg<'_>,
    profile: &Profile,
    zones: &Zones,
    canon: &mut Canon,
    notes: &mut Notes,
) {
    let mut names: Vec<Name<'_>> = pid.repetitions(5).map(|rep| name(rep, zones, notes)).collect();
    // Until version 2.3.1, aliases have a field of their own.
    names.extend(pid.repetitions(9).map(|rep| Name {
        rank: 5,
        r#use: "alias",
        ..name(rep, zones, notes)
    }));
    names.retain(|name| (1..=4).any(|component| name.rep.peek(component).is_some()));
    // The name in Chinese comes before the same in Latin letters, whatever their order.
    names.sort_by_key(|name| (name.rank, name.alphabetic));
    let mut names = names.into_iter();
    let Some(main) = names.next() else { return };
    if main.rank >= NO_PROPER_NAME {
        let what = "holds no name but an alias, a former or a protected one; it was taken";
        notes.add(main.rep.own_path(), What::Mapping(what));
    }
    take_types(main.rep);
    read_main(main.rep, profile, canon, notes);
    for other in names {
        take_types(other.rep);
        let Some(text) = read_name(other.rep) else { continue };
        let is_pinyin = other.rank < NO_PROPER_NAME
            && (other.alphabetic || is_latin(&text))
            && canon.text("patient.name").is_some_and(|name| !is_latin(name) || other.alphabetic)
            && canon.text("patient.name_latin").is_none();
        let nth = canon.len("patient.other_names");
        if is_pinyin {
            canon.put("patient.name_latin", text);
        } else if canon.text("patient.name") != Some(&text) && nth < OTHERS_MAX {
            canon.put(&format!("patient.other_names.{nth}.text"), text);
            canon.put(&format!("patient.other_names.{nth}.use"), other.r#use);
        }
    }
    if canon.text("patient.name") == Some("无名氏") {
        canon.put("patient.identity", "unknown");
    }
}

fn name<'t>(rep: Rep<'t>, zones: &Zones, notes: &mut Notes) -> Name<'t> {
    let stated = rep.peek(7);
    let known = stated.and_then(|code| TYPES.iter().find(|(it, _, _)| *it == code));
    if stated.is_some() && known.is_none() {
        notes.add(rep.path(7), What::Mapping("is no name type of HL7 table 0200; not used"));
    }
    let (rank, r#use) = match (known, stated) {
        (Some((_, rank, r#use)), _) => (*rank, *r#use),
        (None, Some(_)) => (UNKNOWN, "other"),
        (None, None) => (UNTYPED, "other"),
    };
    let (rank, r#use) = if has_ended(rep, zones) { (ENDED, "former") } else { (rank, r#use) };
    Name { rep, rank, r#use, alphabetic: matches!(rep.peek(8), Some("A" | "P")) }
}

/// XPN.13, or the end of the range in XPN.10, lies before the message.
fn has_ended(rep: Rep<'_>, zones: &Zones) -> bool {
    let end = rep.peek(13).or_else(|| rep.peek_sub(10, 2));
    let end = end.and_then(time::read).and_then(|moment| moment.end(zones));
    end.zip(zones.sent).is_some_and(|(end, sent)| end < sent)
}

fn take_types(rep: Rep<'_>) {
    for component in [7, 8, 12, 13] {
        rep.text(component);
    }
    rep.sub(10, 1);
    rep.sub(10, 2);
}

/// Some systems write `pinyin^汉字` where `family^given` belongs.
fn read_main(rep: Rep<'_>, profile: &Profile, canon: &mut Canon, notes: &mut Notes) {
    let (first, second) = (rep.peek(1), rep.peek(2));
    let pinyin = first.is_some_and(is_latin) && second.is_some_and(|name| !is_latin(name));
    if pinyin || (profile.quirks.pinyin_first && second.is_some()) {
        if !profile.quirks.pinyin_first {
            notes.add("PID-5", What::Mapping("holds pinyin^汉字; read so, not as family^given"));
        }
        canon.put_some("patient.name_latin", rep.text(1));
        canon.put_some("patient.name", rep.text(2));
    } else {
        canon.put_some("patient.name", read_name(rep));
    }
}

/// Writes the names of the patient. The main one is marked as legal where others could be taken
/// for it.
pub(crate) fn write(pid: &mut Line, canon: &mut Canon, profile: &Profile) {
    let name = canon.take("patient.name");
    let latin = canon.take("patient.name_latin");
    let others = canon.len("patient.other_names");
    if profile.quirks.pinyin_first {
        pid.put_some(5, 1, latin);
        pid.put_some(5, 2, name);
    } else {
        pid.put_some(5, 1, name);
        if let Some(latin) = latin {
            pid.put_at(5, 2, 1, 1, latin);
            pid.put_at(5, 2, 8, 1, "A");
        }
    }
    let mut repetition = 3;
    for index in 0..others {
        let path = |part: &str| format!("patient.other_names.{index}.{part}");
        let code = canon.text(&path("use")).and_then(|it| TYPES.iter().find(|(_, _, u)| *u == it));
        // What would be read as the main name travels on its own.
        let Some((code, _, _)) = code.filter(|(_, rank, _)| *rank > 0) else { continue };
        if let Some(text) = canon.take(&path("text")) {
            canon.take(&path("use"));
            pid.put_at(5, 1, 7, 1, "L");
            pid.put_at(5, repetition, 1, 1, text);
            pid.put_at(5, repetition, 7, 1, *code);
            repetition += 1;
        }
    }
}
