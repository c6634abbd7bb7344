//! Numbers that connect a message with its case: ours, and those of hospitals.
//!
//! A number with our check digit is ours wherever it stands. Any other belongs to somebody: to the
//! organisation in its second component, or to the side that the field stands for.

use tierlink_codec::{Directory, Profile};
use tierlink_schemas::message::{BusinessNumber, CaseRef};
use tierlink_schemas::{CaseNumber, OrganisationCode};

use crate::fault::Fault;
use crate::header::Header;
use crate::notes::{Notes, What};
use crate::party::{Found, find, origin_stated, other_side};
use crate::read::Rep;
use crate::time;
use crate::tree::Tree;

/// Whose number a field holds when it does not say.
#[derive(Clone, Copy)]
enum Owner {
    Sender,
    OtherSide,
}

/// Collects the numbers of one message.
struct Collector<'a> {
    profile: &'a Profile,
    directory: &'a Directory,
    other: Option<OrganisationCode>,
    case: CaseRef,
}

/// Reads every number of the case that a message of this type can carry.
pub(crate) fn read(
    tree: &Tree,
    header: &Header,
    profile: &Profile,
    directory: &Directory,
    notes: &mut Notes,
) -> Result<CaseRef, Fault> {
    let other = match origin_stated(tree, profile, directory) {
        Found::One(code) if code != profile.organisation.code => Some(code),
        _ => other_side(header, profile, directory),
    };
    let mut collector = Collector { profile, directory, other, case: CaseRef::default() };
    let asks = matches!(header.message_type.as_str(), "REF" | "SRM" | "OMG" | "ADT");
    let (placer, filler) =
        if asks { (Owner::Sender, Owner::OtherSide) } else { (Owner::OtherSide, Owner::Sender) };
    if let Some(rf1) = tree.first("RF1") {
        if is_shifted(tree) {
            notes.add(
                "RF1",
                What::Mapping("its fields are shifted; RF1-4 to RF1-11 are kept among the extras"),
            );
        } else {
            collector.add(rf1.first(6), placer)?;
            for rep in rf1.repetitions(11) {
                collector.add(rep, filler)?;
            }
        }
    }
    let places: &[(&str, u16, Owner)] = match header.message_type.as_str() {
        "SIU" | "SRR" => &[
            ("SCH", 26, Owner::OtherSide),
            ("SCH", 27, Owner::Sender),
            ("SCH", 1, Owner::OtherSide),
        ],
        "SRM" => &[
            ("ARQ", 1, Owner::Sender),
            ("ARQ", 2, Owner::OtherSide),
            ("ARQ", 24, Owner::Sender),
            ("ARQ", 25, Owner::OtherSide),
        ],
        "ADT" => &[("PV1", 5, Owner::Sender), ("PV1", 50, Owner::Sender)],
        "MDM" => &[
            ("TXA", 14, placer),
            ("TXA", 15, filler),
            ("ORC", 2, placer),
            ("ORC", 3, filler),
            ("OBR", 2, placer),
        ],
        "ORU" | "OMG" | "OSU" => &[
            ("ORC", 4, placer),
            ("ORC", 2, placer),
            ("ORC", 3, filler),
            ("OBR", 2, placer),
            ("OBR", 3, filler),
        ],
        _ => &[],
    };
    for (name, field, owner) in places {
        if let Some(segment) = tree.first(name) {
            collector.add(segment.first(*field), *owner)?;
        }
    }
    Ok(collector.case)
}

/// Some systems leave fields out of RF1, so that dates stand where codes and ids belong.
pub(crate) fn is_shifted(tree: &Tree) -> bool {
    let Some(rf1) = tree.first("RF1") else {
        return false;
    };
    let is_day = |field| {
        rf1.first(field).peek(1).is_some_and(|text| {
            matches!(text.len(), 8 | 12 | 14) && time::read(text).is_some_and(|m| m.standard)
        })
    };
    let id_is_day = is_day(6) && rf1.first(6).peek(2).is_none() && !is_day(7);
    is_day(4) || is_day(5) || id_is_day
}

impl Collector<'_> {
    fn add(&mut self, rep: Rep<'_>, owner: Owner) -> Result<(), Fault> {
        let Some(text) = rep.peek(1) else {
            return Ok(());
        };
        if let Some(number) = CaseNumber::read(text) {
            if self.case.number.as_ref().is_some_and(|known| *known != number) {
                return Err(Fault::Contradiction { field: rep.own_path() });
            }
            self.case.number = Some(number);
            rep.text(1);
            rep.text(2);
            return Ok(());
        }
        let Some(organisation) = self.owner(rep, owner) else {
            return Ok(());
        };
        let known = self.case.numbers.iter().find(|known| known.organisation == organisation);
        if known.is_some_and(|known| known.number != text) {
            // A second number of the same side is not needed to find the case.
            return Ok(());
        }
        rep.text(1);
        if known.is_none() {
            self.case.numbers.push(BusinessNumber { organisation, number: text.to_owned() });
        }
        Ok(())
    }

    fn owner(&self, rep: Rep<'_>, owner: Owner) -> Option<OrganisationCode> {
        if !self.directory.is_empty() {
            let names: Vec<&str> = [2, 3].into_iter().filter_map(|part| rep.peek(part)).collect();
            if let Found::One(code) = find(&names, self.profile, self.directory) {
                rep.text(2);
                return Some(code);
            }
        }
        match owner {
            Owner::Sender => Some(self.profile.organisation.code.clone()),
            Owner::OtherSide => self.other.clone(),
        }
    }
}
