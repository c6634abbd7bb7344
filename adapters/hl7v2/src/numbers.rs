//! Numbers that connect a message with its case: ours, and those of hospitals.
//!
//! A number with our check digit is ours wherever it stands. Any other belongs to somebody: to the
//! organisation in its second component, or to the side that the field stands for. Where the number
//! does not name its owner, senders mix up placer and filler, so the case is also looked up by it as
//! the number of any side.

use tierlink_codec::{Directory, Profile, Reading};
use tierlink_schemas::message::{BusinessNumber, CaseRef};
use tierlink_schemas::{CaseNumber, Family, Kind, OrganisationCode};

use crate::fault::Fault;
use crate::header::Header;
use crate::notes::{Notes, What};
use crate::party::{Found, find, origin_stated, other_side};
use crate::read::{Rep, Seg};
use crate::time;
use crate::tree::Tree;

/// Most numbers without an owner that a case is looked up by.
const UNASSIGNED_MAX: usize = 20;

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
    parent: Option<String>,
    /// A request that opens a case is not looked up by its numbers.
    opens: bool,
}

/// The numbers of one message.
pub(crate) struct Numbers {
    /// Those of its case.
    pub(crate) case: CaseRef,
    /// That of the referral which brought the patient up, in a transfer that is offered.
    pub(crate) parent: Option<String>,
}

/// Reads every number of the case that a message of this type can carry.
pub(crate) fn read(
    tree: &Tree,
    header: &Header,
    kind: Kind,
    with: &Reading<'_>,
    notes: &mut Notes,
) -> Result<Numbers, Fault> {
    let (profile, directory) = (with.profile, with.directory);
    let other = match origin_stated(tree, profile, directory) {
        Found::One(code) if code != profile.organisation.code => Some(code),
        _ => other_side(header, profile, directory),
    };
    let mut collector = Collector {
        profile,
        directory,
        other,
        case: CaseRef::default(),
        parent: None,
        opens: kind.opens(),
    };
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
                // A case that is opened has no number of the other side's yet.
                if kind == Kind::TransferOffer && !is_of_transfer(rep) {
                    collector.parent = collector.parent.or_else(|| parent(rep));
                } else {
                    collector.add(rep, filler)?;
                }
            }
        }
    }
    if !kind.states_request()
        && let Some(arq) = tree.first("ARQ")
    {
        collector.add_of_booking(arq)?;
        return Ok(Numbers { case: collector.case, parent: None });
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
    Ok(Numbers { case: collector.case, parent: collector.parent })
}

/// Whether a number is ours, of a transfer.
fn is_of_transfer(rep: Rep<'_>) -> bool {
    let ours = rep.peek(1).and_then(CaseNumber::read);
    ours.is_some_and(|number| number.as_str().chars().next() == Family::Transfer.letter())
}

/// The number of the referral that a transfer answers; its owner is found by looking it up.
fn parent(rep: Rep<'_>) -> Option<String> {
    let number = rep.text(1)?;
    rep.text(2);
    Some(number.to_owned())
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
        let stated = self.stated_owner(rep);
        if stated.is_none() {
            self.add_unassigned(text);
        }
        let Some(organisation) = stated.or_else(|| self.usual_owner(owner)) else {
            rep.text(1);
            return Ok(());
        };
        let known = self.case.numbers.iter().find(|known| known.organisation == organisation);
        if known.is_some_and(|known| known.number != text) {
            // A side has one number for a case; the case may have been told under this one.
            self.add_unassigned(text);
            return Ok(());
        }
        rep.text(1);
        if known.is_none() {
            self.case.numbers.push(BusinessNumber { organisation, number: text.to_owned() });
        }
        Ok(())
    }

    /// ARQ of a message about an appointment of a case that exists: ARQ-1 and ARQ-2 number the
    /// appointment, ARQ-24 and ARQ-25 the referral. Who has one number for both writes ARQ-1 alone.
    fn add_of_booking(&mut self, arq: Seg<'_>) -> Result<(), Fault> {
        self.add(arq.first(24), Owner::Sender)?;
        self.add(arq.first(25), Owner::OtherSide)?;
        for (field, owner) in [(1, Owner::Sender), (2, Owner::OtherSide)] {
            let is_named = self.case.number.is_some() || !self.case.numbers.is_empty();
            let Some(text) = arq.first(field).peek(1) else { continue };
            if !is_named || CaseNumber::read(text).is_some() {
                self.add(arq.first(field), owner)?;
            } else if field == 1 {
                self.add_unassigned(text);
                arq.text(1, 1);
            }
        }
        Ok(())
    }

    /// A number by which the case may be known too, whoever gave it.
    fn add_unassigned(&mut self, text: &str) {
        let unassigned = &mut self.case.unassigned;
        let is_new = !unassigned.iter().any(|known| known == text);
        if !self.opens && is_new && unassigned.len() < UNASSIGNED_MAX {
            unassigned.push(text.to_owned());
        }
    }

    /// The organisation that the number itself names.
    fn stated_owner(&self, rep: Rep<'_>) -> Option<OrganisationCode> {
        if !self.directory.is_empty() {
            let names: Vec<&str> = [2, 3].into_iter().filter_map(|part| rep.peek(part)).collect();
            if let Found::One(code) = find(&names, self.profile, self.directory) {
                rep.text(2);
                return Some(code);
            }
        }
        None
    }

    /// Whose number the field usually holds.
    fn usual_owner(&self, owner: Owner) -> Option<OrganisationCode> {
        match owner {
            Owner::Sender => Some(self.profile.organisation.code.clone()),
            Owner::OtherSide => self.other.clone(),
        }
    }
}
