//! Who refers and who is asked: PRD, MSH-4, MSH-6 and the directory.
//!
//! The recipient is a safety field. PRD with role RT (or IR) names it; MSH-6 counts when no PRD
//! does. A name that the directory does not know refuses the message, also when MSH-6 would have
//! been known: a referral must never go to the second-best guess.

use tierlink_codec::code_maps::{Meaning, Table};
use tierlink_codec::{CodeMaps, Directory, Profile};
use tierlink_schemas::OrganisationCode;
use tierlink_schemas::codes::TableId;

use crate::canon::Canon;
use crate::fault::Fault;
use crate::header::{Header, Version};
use crate::notes::{Notes, What};
use crate::read::Seg;
use crate::telecoms::{read_phone, write_phone};
use crate::time::Zones;
use crate::tree::Tree;
use crate::types::{is_latin, read_name};
use crate::write::Line;

/// Roles in PRD-1 of the referring side.
const REFERS: [&str; 1] = ["RP"];
/// Roles in PRD-1 of the side that is asked. IR is the Australian "intended recipient".
const IS_ASKED: [&str; 2] = ["RT", "IR"];

/// Role in PRD-1 of a doctor whose opinion is asked for (HL7 table 0286).
const GIVES_OPINION: [&str; 1] = ["CP"];

/// Result of looking up the names of an organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// They mean exactly one organisation.
    One(OrganisationCode),
    /// They mean several organisations, so they contradict each other.
    Several,
    /// There are names, and none is known.
    Unknown,
    /// There are no names.
    Nothing,
}

/// Which organisation the names mean that a message mentions.
pub(crate) fn find(names: &[&str], profile: &Profile, directory: &Directory) -> Found {
    let maps = CodeMaps::of(profile);
    found(names, directory, |name| maps.mentioned(name, directory))
}

/// Which organisation the names mean to which a patient shall go.
fn find_recipient(names: &[&str], profile: &Profile, directory: &Directory) -> Found {
    let maps = CodeMaps::of(profile);
    found(names, directory, |name| maps.recipient(name, directory))
}

fn found(
    names: &[&str],
    directory: &Directory,
    code_of: impl Fn(&str) -> Option<OrganisationCode>,
) -> Found {
    let mut found: Vec<OrganisationCode> = Vec::new();
    let mut any = false;
    for name in names.iter().filter(|name| !name.is_empty()) {
        any = true;
        // Without a configuration, the first name that could be a code is taken for one.
        let looked_up = !directory.is_empty() || found.is_empty();
        let code = if looked_up { code_of(name) } else { None };
        found.extend(code.filter(|code| !found.contains(code)));
    }
    match (found.len(), any) {
        (0, false) => Found::Nothing,
        (0, true) => Found::Unknown,
        (1, _) => found.pop().map_or(Found::Nothing, Found::One),
        (_, _) => Found::Several,
    }
}

/// The first PRD with one of these roles.
fn prd<'t>(tree: &'t Tree, roles: &[&str]) -> Option<Seg<'t>> {
    tree.all("PRD").find(|prd| has_role(*prd, roles))
}

fn has_role(prd: Seg<'_>, roles: &[&str]) -> bool {
    prd.repetitions(1).any(|rep| {
        rep.peek(1).is_some_and(|role| roles.iter().any(|r| r.eq_ignore_ascii_case(role)))
    })
}

/// The names by which a PRD calls its organisation, most exact first.
fn names(prd: Seg<'_>) -> Vec<&str> {
    [(10, 10, 1), (10, 3, 1), (10, 1, 1), (4, 4, 2), (4, 4, 1), (4, 9, 1)]
        .into_iter()
        .filter_map(|(field, component, sub)| prd.first(field).peek_sub(component, sub))
        .collect()
}

/// The organisation that refers, as a PRD states it; for answers, whose number RF1-6 is.
pub(crate) fn origin_stated(tree: &Tree, profile: &Profile, directory: &Directory) -> Found {
    prd(tree, &REFERS).map_or(Found::Nothing, |prd| find(&names(prd), profile, directory))
}

/// Reads the side that refers into `from`. It is the sender, so PRD can only confirm it.
pub(crate) fn read_from(
    tree: &Tree,
    profile: &Profile,
    directory: &Directory,
    zones: &Zones,
    canon: &mut Canon,
    notes: &mut Notes,
) -> Result<(), Fault> {
    canon.put("from.organisation", profile.organisation.code.as_str());
    if let Some(prd) = prd(tree, &REFERS) {
        let stated = find(&names(prd), profile, directory);
        let known = !directory.is_empty();
        match stated {
            Found::One(code) if known && code != profile.organisation.code => {
                return Err(Fault::Contradiction { field: prd.path(10) });
            }
            Found::Several => {
                return Err(Fault::Contradiction { field: prd.path(10) });
            }
            Found::Unknown => notes.add(
                prd.path(10),
                What::Mapping("names an organisation that is not known; the sender was taken"),
            ),
            Found::One(_) | Found::Nothing => {}
        }
        read_prd(prd, "from", profile, zones, canon, notes);
    } else {
        notes.add("PRD", What::Mapping("no PRD says who refers; the sender was taken"));
    }
    if let Some(pv1) = tree.first("PV1") {
        canon.put_some("from.encounter", pv1.text(19, 1));
    }
    Ok(())
}

/// Reads the side that is asked into `to`, and says who it is.
pub(crate) fn read_to(
    tree: &Tree,
    header: &Header,
    profile: &Profile,
    directory: &Directory,
    zones: &Zones,
    canon: &mut Canon,
    notes: &mut Notes,
) -> Result<OrganisationCode, Fault> {
    let asked = prd(tree, &IS_ASKED);
    let stated =
        asked.map_or(Found::Nothing, |prd| find_recipient(&names(prd), profile, directory));
    let field = || asked.map_or_else(|| "PRD-10".to_owned(), |prd| prd.path(10));
    let code = match stated {
        Found::One(code) => code,
        Found::Several => return Err(Fault::Contradiction { field: field() }),
        Found::Unknown if !directory.is_empty() => {
            return Err(Fault::UnknownOrganisation { field: field() });
        }
        Found::Unknown | Found::Nothing => {
            notes.add(
                "PRD",
                What::Mapping("no PRD names the receiving organisation; MSH-6 was taken"),
            );
            receiver(header, profile, directory)?
        }
    };
    canon.put("to.organisation", code.as_str());
    if let Some(prd) = asked {
        read_prd(prd, "to", profile, zones, canon, notes);
    }
    Ok(code)
}

/// What an expert of a consultation has.
const OF_AN_EXPERT: [&str; 8] = [
    "organisation",
    "department.system",
    "department.code",
    "department.text",
    "practitioner.code",
    "practitioner.name",
    "practitioner.title",
    "practitioner.phone",
];

/// Reads every doctor whose opinion a consultation asks for. One without an organisation is of the
/// side that is asked; one of an organisation that nobody knows refuses the message, because the
/// case would not reach it.
pub(crate) fn read_experts(
    tree: &Tree,
    profile: &Profile,
    directory: &Directory,
    zones: &Zones,
    canon: &mut Canon,
    notes: &mut Notes,
) -> Result<(), Fault> {
    for prd in tree.all("PRD").filter(|prd| has_role(*prd, &GIVES_OPINION)) {
        let code = match find_recipient(&names(prd), profile, directory) {
            Found::One(code) => code.as_str().to_owned(),
            Found::Several => return Err(Fault::Contradiction { field: prd.path(10) }),
            Found::Unknown => return Err(Fault::UnknownOrganisation { field: prd.path(10) }),
            Found::Nothing => canon.text("to.organisation").unwrap_or_default().to_owned(),
        };
        let mut one = Canon::new();
        one.put("it.organisation", code);
        read_prd(prd, "it", profile, zones, &mut one, notes);
        let phone = one.take("it.phone");
        one.put_some("it.practitioner.phone", phone);
        let path = format!("experts.{}", canon.len("experts"));
        for part in OF_AN_EXPERT {
            canon.put_some(&format!("{path}.{part}"), one.take(&format!("it.{part}")));
        }
    }
    Ok(())
}

/// The receiver that MSH-6 names.
fn receiver(
    header: &Header,
    profile: &Profile,
    directory: &Directory,
) -> Result<OrganisationCode, Fault> {
    let facility: Vec<&str> =
        header.receiving_facility[..2].iter().rev().map(String::as_str).collect();
    // Without a configuration nobody can say whether an OID is an organisation; its name may be.
    let facility = if directory.is_empty() { facility[1..].to_vec() } else { facility };
    match find_recipient(&facility, profile, directory) {
        Found::One(code) if code == profile.organisation.code => {
            Err(Fault::Contradiction { field: "MSH-6".to_owned() })
        }
        Found::One(code) => Ok(code),
        Found::Several => Err(Fault::Contradiction { field: "MSH-6".to_owned() }),
        Found::Unknown => Err(Fault::UnknownOrganisation { field: "MSH-6".to_owned() }),
        Found::Nothing => Err(Fault::Missing {
            field: "PRD-10".to_owned(),
            why: "it is clear who is asked to take the patient",
        }),
    }
}

/// The receiver that MSH-6 names, where it names one at all.
pub(crate) fn other_side(
    header: &Header,
    profile: &Profile,
    directory: &Directory,
) -> Option<OrganisationCode> {
    receiver(header, profile, directory).ok()
}

fn read_prd(
    prd: Seg<'_>,
    side: &str,
    profile: &Profile,
    zones: &Zones,
    canon: &mut Canon,
    notes: &mut Notes,
) {
    prd.text(1, 1);
    for (field, component, sub) in [(10, 10, 1), (10, 3, 1), (4, 4, 2), (4, 4, 1)] {
        // The code is kept as the resolved one; what does not equal it stays among the extras.
        let rep = prd.first(field);
        if rep.peek_sub(component, sub) == canon.text(&format!("{side}.organisation")) {
            rep.sub(component, sub);
        }
    }
    let name = prd.text(10, 1).or_else(|| prd.text(4, 9));
    canon.put_some(&format!("{side}.name"), name);
    let location = prd.first(4);
    if location.peek(9) == name {
        location.text(9);
    }
    if let Some(first) = location.sub(1, 1) {
        let words = location.sub(1, 2);
        if words.is_none() && !is_latin(first) {
            canon.put(&format!("{side}.department.text"), first);
        } else {
            let code = match CodeMaps::of(profile).read(Table::Department, first) {
                Meaning::Code(ours) => {
                    canon.put(&format!("{side}.department.system"), TableId::Department.key());
                    ours
                }
                Meaning::NoMap => first,
                Meaning::Unlisted => {
                    let what = "is no department of the profile's map; it was kept as it is";
                    notes.add(prd.path(4), What::Mapping(what));
                    first
                }
            };
            canon.put(&format!("{side}.department.code"), code);
            canon.put_some(&format!("{side}.department.text"), words);
        }
    }
    canon.put_some(&format!("{side}.practitioner.name"), read_name(prd.first(2)));
    canon.put_some(&format!("{side}.practitioner.title"), prd.text(2, 5));
    canon.put_some(&format!("{side}.practitioner.code"), prd.text(7, 1));
    canon.put_some(&format!("{side}.phone"), read_phone(prd, 5, zones));
}

/// Writes both sides as PRD. Their codes are the receiver's own already.
pub(crate) fn write(canon: &mut Canon, version: Version) -> Vec<Line> {
    [("from", "RP", "Referring Provider"), ("to", "RT", "Referred to Provider")]
        .into_iter()
        .filter_map(|(side, role, words)| {
            let code = canon.take(&format!("{side}.organisation"))?;
            let mut prd = Line::new("PRD");
            prd.put(1, 1, role).put(1, 2, words).put(1, 3, "HL70286");
            prd.put_at(4, 1, 4, 1, code.as_str());
            let part = |part: &str| format!("{side}.{part}");
            if let Some(name) = canon.take(&part("name")) {
                prd.put(4, 9, name.as_str());
                if version >= Version::V2_7 {
                    prd.put(10, 1, name).put(10, 10, code);
                }
            }
            write_department(&mut prd, canon, &part("department"));
            prd.put_some(2, 1, canon.take(&part("practitioner.name")));
            prd.put_some(2, 5, canon.take(&part("practitioner.title")));
            prd.put_some(7, 1, canon.take(&part("practitioner.code")));
            write_phone(&mut prd, 5, canon, &part("phone"), version);
            Some(prd)
        })
        .collect()
}

fn write_department(prd: &mut Line, canon: &mut Canon, path: &str) {
    let (code, text) = (format!("{path}.code"), format!("{path}.text"));
    match (canon.text(&code), canon.text(&text)) {
        (Some(_), _) => {
            prd.put_some(4, 1, canon.take(&code));
            if let Some(text) = canon.take(&text) {
                prd.put_at(4, 1, 1, 2, text);
            }
        }
        (None, Some(words)) if !is_latin(words) => {
            prd.put_some(4, 1, canon.take(&text));
        }
        (None, _) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tierlink_codec::Organisation;
    use tierlink_schemas::Tier;

    fn organisation(code: &str, alias: &str) -> Organisation {
        Organisation {
            code: OrganisationCode::new(code).unwrap(),
            name: code.to_owned(),
            name_en: None,
            tier: Tier::County,
            parent: None,
            outside: false,
            aliases: vec![alias.to_owned()],
        }
    }

    #[test]
    fn names_lead_to_one_organisation_or_to_none() {
        let directory =
            Directory::new(vec![organisation("XH", "县医院"), organisation("ZY", "中医院")], None);
        let code = OrganisationCode::new("TS01").unwrap();
        let mut profile = Profile::bare(code, Tier::Township, "hl7v2");
        profile.codes.organisation.insert("0101".to_owned(), "XH".to_owned());
        let found = |names: &[&str]| find(names, &profile, &directory);
        let one = |code| Found::One(OrganisationCode::new(code).unwrap());

        assert_eq!(found(&["县医院", "xh", ""]), one("XH"));
        assert_eq!(found(&["0101"]), one("XH"));
        assert_eq!(found(&["县医院", "中医院"]), Found::Several);
        assert_eq!(found(&["省医院"]), Found::Unknown);
        assert_eq!(found(&["", ""]), Found::Nothing);
    }
}
