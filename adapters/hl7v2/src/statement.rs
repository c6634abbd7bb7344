//! Which kind of canonical message an HL7 message is.
//!
//! ```text
//!   REF^I12, SRM^S01, OMG^O19   a request: referral, transfer or consultation
//!   REF^I13, SRM^S02 S03        its amendment          REF^I14            its cancellation
//!   SRM^S01 S02 S03             without an illness: a time is asked for a referral that exists
//!   REF^I15                     where is it?           RRI^I15            here it is
//!   RRI^I12..I14, OSU^O51       accepted, declined …   SRR                booked or not
//!   SIU^S12 S13 S14             appointment            S26                no-show
//!   SIU^S15 S17, SRM^S04 S06    the appointment is off, and the referral goes on
//!   ADT^A01 A04                 arrived                A03                discharged
//!   ORU^R01, MDM^T02            feedback, discharge summary, opinion
//! ```
//!
//! Whether a request refers or hands back follows from the tiers of the two organisations, and
//! from nothing that the message claims: a claim to the contrary refuses it.

use tierlink_codec::{Directory, Profile};
use tierlink_schemas::request::Direction;
use tierlink_schemas::{CaseNumber, Family, Kind, OrganisationCode};

use crate::appointment;
use crate::fault::Fault;
use crate::header::Header;
use crate::local;
use crate::tree::Tree;

/// What MSH-9 takes, for people who read the refusal.
pub(crate) const TAKEN: &str = "REF or RRI with I12 to I15, SRM or SRR with S01 to S04 or S06, \
     SIU with S12 to S15, S17 or S26, ADT with A01, A03 or A04, ORU^R01, MDM^T02, OMG^O19 or OSU^O51";

/// The types of [`TAKEN`].
const TYPES: [&str; 10] = ["REF", "RRI", "SRM", "SRR", "SIU", "ADT", "ORU", "MDM", "OMG", "OSU"];

/// What a message says, before its body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Statement {
    /// A request, or its amendment. Which family, the tiers say.
    Request {
        /// It corrects one that was sent before.
        amends: bool,
    },
    /// Anything about a case that exists.
    About(Kind),
}

/// Tells what kind of statement a message makes.
pub(crate) fn of(tree: &Tree, header: &Header) -> Result<Statement, Fault> {
    use Statement::{About, Request};
    let statement = match (header.message_type.as_str(), header.event.as_str()) {
        ("SRM", "S01" | "S02" | "S03") if asks_for_a_time(tree, &header.event) => {
            About(Kind::ReferralBook)
        }
        ("REF", "I12") | ("SRM", "S01") => Request { amends: false },
        ("REF", "I13") | ("SRM", "S03" | "S02") => Request { amends: true },
        ("REF", "I14") => {
            check_status(tree)?;
            About(Kind::ReferralCancel)
        }
        ("SRM", "S04" | "S06") | ("SIU", "S15" | "S17") => About(Kind::ReferralUnschedule),
        ("SRR", "S04" | "S06") => About(unbooking(tree)?),
        ("SIU", "S12" | "S13" | "S14") if appointment::is_called_off(tree) => {
            About(Kind::ReferralUnschedule)
        }
        ("REF", "I15") => {
            check_status(tree)?;
            About(Kind::StatusQuery)
        }
        ("RRI", event @ ("I12" | "I13" | "I14" | "I15")) => About(answer(tree, event)?),
        ("SRR", "S01" | "S02" | "S03") => About(booking(tree)?),
        ("SIU", "S12" | "S13" | "S14") => About(Kind::ReferralSchedule),
        ("SIU", "S26") => About(Kind::ReferralNoShow),
        ("ADT", "A01" | "A04") => About(Kind::ReferralArrive),
        ("ADT", "A03") => About(Kind::ReferralFeedback),
        ("ORU", "R01") | ("MDM", "T02") => About(document(tree)),
        ("OMG", "O19") => order(tree)?,
        ("OSU", "O51") => About(order_status(tree)?),
        (kind, _) if TYPES.contains(&kind) => return Err(Fault::Event { expected: TAKEN }),
        _ => return Err(Fault::MessageType { expected: TAKEN }),
    };
    stated_kind(tree, statement)
}

/// RF1-1 beside a cancellation or a query is the state that the sender knows, if any.
fn check_status(tree: &Tree) -> Result<(), Fault> {
    match tree.first("RF1").and_then(|rf1| rf1.text(1, 1)) {
        None | Some("A" | "P" | "R" | "E") => Ok(()),
        Some(_) => Err(Fault::Modifier {
            field: "RF1-1".to_owned(),
            why: "is no status of HL7 table 0283; send P, A, R or E, or nothing",
        }),
    }
}

/// RF1-1 of an answer to a referral (HL7 table 0283).
fn answer(tree: &Tree, event: &str) -> Result<Kind, Fault> {
    let msa = tree.first("MSA").and_then(|msa| msa.text(1, 1));
    if !matches!(msa, Some("AA" | "CA") | None) {
        return Err(Fault::Invalid {
            field: "MSA-1".to_owned(),
            why: "an error answer says nothing about the case; answer AA and state RF1-1",
        });
    }
    if event == "I15" {
        return Ok(Kind::StatusReport);
    }
    // Our own answers say their kind in full.
    if stated(tree).is_some() {
        return Ok(Kind::ReferralAccept);
    }
    let status = tree.first("RF1").and_then(|rf1| rf1.text(1, 1));
    match (status.map(str::to_ascii_uppercase).as_deref(), event) {
        (Some("A"), "I14") => Ok(Kind::ReferralConfirmCancel),
        (Some("R"), "I14") => Ok(Kind::ReferralRefuseCancel),
        (Some("A"), _) => Ok(Kind::ReferralAccept),
        (Some("R"), _) => Ok(Kind::ReferralDecline),
        (Some(_), _) => Err(Fault::Invalid {
            field: "RF1-1".to_owned(),
            why: "an answer accepts (A) or declines (R); anything else decides nothing",
        }),
        (None, _) => Err(Fault::Missing {
            field: "RF1-1".to_owned(),
            why: "it is clear whether the patient is taken; A accepts and R declines",
        }),
    }
}

fn booking(tree: &Tree) -> Result<Kind, Fault> {
    match tree.first("MSA").and_then(|msa| msa.text(1, 1)) {
        Some("AA" | "CA") if appointment::is_called_off(tree) => Ok(Kind::ReferralUnschedule),
        Some("AA" | "CA") if tree.first("SCH").is_some() => Ok(Kind::ReferralSchedule),
        Some("AE" | "AR") => Ok(Kind::ReferralDecline),
        _ => Err(Fault::Missing {
            field: "SCH".to_owned(),
            why: "it is clear what was booked; send it with MSA-1 AA",
        }),
    }
}

/// MSA-1 of the answer to a cancelled appointment.
fn unbooking(tree: &Tree) -> Result<Kind, Fault> {
    match tree.first("MSA").and_then(|msa| msa.text(1, 1)) {
        Some("AA" | "CA") => Ok(Kind::ReferralUnschedule),
        _ => Err(Fault::Modifier {
            field: "MSA-1".to_owned(),
            why: "says that the appointment was not cancelled; say which one stands with SIU^S12",
        }),
    }
}

/// Segments in which a request states the illness, or who refers whom.
const OF_A_REQUEST: [&str; 6] = ["RF1", "PRD", "DG1", "AL1", "PR1", "OBR"];

/// Whether a booking request is about a referral that exists. The standard has one message for
/// both: a request says what the patient has, and the other side has no number for it yet.
fn asks_for_a_time(tree: &Tree, event: &str) -> bool {
    let Some(arq) = tree.first("ARQ") else { return false };
    let ours = |field| arq.first(field).peek(1).and_then(CaseNumber::read).is_some();
    let exists = [1, 2, 24, 25].into_iter().any(ours) || arq.first(25).peek(1).is_some();
    let is_request = OF_A_REQUEST.iter().any(|name| tree.first(name).is_some())
        || tree.all("OBX").any(|obx| local::path(obx).is_none());
    (event == "S01" && exists) || !is_request
}

/// LOINC codes of documents, in OBR-4 or OBX-3.
const CONSULTATION_NOTE: &str = "11488-4";
const REFERRAL_NOTE: &str = "57133-1";

fn document(tree: &Tree) -> Kind {
    let named = tree.first("OBR").and_then(|obr| obr.first(4).peek(1));
    let kind = tree.first("TXA").and_then(|txa| txa.first(2).peek(1));
    if named == Some(CONSULTATION_NOTE) || kind == Some("CN") {
        Kind::ConsultationOpinion
    } else {
        Kind::ReferralFeedback
    }
}

/// ORC-1 of a 360X request.
fn order(tree: &Tree) -> Result<Statement, Fault> {
    match tree.first("ORC").and_then(|orc| orc.text(1, 1)) {
        Some("NW") => Ok(Statement::Request { amends: false }),
        Some("XO") => Ok(Statement::Request { amends: true }),
        Some("CA" | "OC") => Ok(Statement::About(Kind::ReferralCancel)),
        Some(_) => Err(Fault::Invalid {
            field: "ORC-1".to_owned(),
            why: "a request says NW, its amendment XO and its cancellation CA",
        }),
        None => Err(Fault::Missing {
            field: "ORC-1".to_owned(),
            why: "it is clear whether a request is made (NW) or cancelled (CA)",
        }),
    }
}

/// ORC-1 and ORC-5 of a 360X status.
fn order_status(tree: &Tree) -> Result<Kind, Fault> {
    let Some(orc) = tree.first("ORC") else {
        return Err(Fault::Missing { field: "ORC".to_owned(), why: "it is clear what happened" });
    };
    match (orc.text(1, 1), orc.text(5, 1)) {
        (Some("CA" | "OC"), _) => Ok(Kind::ReferralCancel),
        (Some(control), _) if !["SC", "OK", "OE", "SN", "RE"].contains(&control) => {
            Err(Fault::Invalid {
                field: "ORC-1".to_owned(),
                why: "a status says SC, and a cancellation CA",
            })
        }
        (_, Some("IP" | "SC")) => Ok(Kind::ReferralAccept),
        (_, Some("CA")) => Ok(Kind::ReferralDecline),
        (_, Some("CM")) => Ok(Kind::ReferralClose),
        _ => Err(Fault::Invalid {
            field: "ORC-5".to_owned(),
            why: "a status says IP (accepted), CA (declined) or CM (closed)",
        }),
    }
}

/// The kind that the message states in so many words, as our own messages do.
fn stated(tree: &Tree) -> Option<crate::read::Seg<'_>> {
    tree.all("OBX").find(|obx| local::path(*obx) == Some(local::KIND))
}

/// A kind stated in words must be one that the HL7 event can mean.
fn stated_kind(tree: &Tree, statement: Statement) -> Result<Statement, Fault> {
    let Some(obx) = stated(tree) else {
        return Ok(statement);
    };
    let kind = obx.text(5, 1).and_then(Kind::read);
    obx.take();
    let invalid = || Fault::Invalid {
        field: obx.path(5),
        why: "the message type cannot carry this kind of message",
    };
    let kind = kind.ok_or_else(invalid)?;
    let fits = match statement {
        Statement::Request { amends } => kind.states_request() && kind.opens() != amends,
        Statement::About(meant) => carriers(kind) == carriers(meant),
    };
    match (fits, statement) {
        (false, _) => Err(invalid()),
        // The tiers decide; `family` compares what was stated with them.
        (true, Statement::Request { .. }) => Ok(statement),
        (true, Statement::About(_)) => Ok(Statement::About(kind)),
    }
}

/// The message type that carries a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    Referral(&'static str),
    Answer(&'static str),
    Schedule(&'static str),
    /// An appointment that is asked for, or asked to be cancelled.
    Booking(&'static str),
    Visit(&'static str),
    Document,
    None,
}

/// Which HL7 event carries a kind when we write it. An origin asks to cancel an appointment, and
/// whoever gave it says that it is cancelled.
pub(crate) const fn carrier(kind: Kind, by_origin: bool) -> Carrier {
    match kind {
        Kind::ReferralSubmit | Kind::TransferOffer | Kind::ConsultationRequest => {
            Carrier::Referral("I12")
        }
        Kind::ReferralAmend | Kind::TransferAmend | Kind::ConsultationAmend => {
            Carrier::Referral("I13")
        }
        Kind::ReferralCancel | Kind::TransferCancel | Kind::ConsultationCancel => {
            Carrier::Referral("I14")
        }
        Kind::StatusQuery => Carrier::Referral("I15"),
        Kind::StatusReport => Carrier::Answer("I15"),
        Kind::ReferralConfirmCancel | Kind::ReferralRefuseCancel => Carrier::Answer("I14"),
        Kind::ReferralSchedule | Kind::ConsultationSchedule => Carrier::Schedule("S12"),
        Kind::ReferralNoShow | Kind::ConsultationNoShow => Carrier::Schedule("S26"),
        Kind::ReferralBook => Carrier::Booking("S01"),
        Kind::ReferralUnschedule if by_origin => Carrier::Booking("S04"),
        Kind::ReferralUnschedule => Carrier::Schedule("S15"),
        Kind::ReferralArrive | Kind::TransferReceive => Carrier::Visit("A04"),
        Kind::TransferDischarge => Carrier::Visit("A03"),
        Kind::ReferralFeedback
        | Kind::ConsultationOpinion
        | Kind::ConsultationReport
        | Kind::ConsultationCritical
        | Kind::TransferFollowUp => Carrier::Document,
        Kind::ReferralReview
        | Kind::ReferralReturn
        | Kind::ReferralAccept
        | Kind::ReferralDecline
        | Kind::ReferralRedirect
        | Kind::ReferralClose
        | Kind::TransferAccept
        | Kind::TransferDecline
        | Kind::TransferRedirect
        | Kind::TransferClose
        | Kind::ConsultationReview
        | Kind::ConsultationReturn
        | Kind::ConsultationAccept
        | Kind::ConsultationDecline
        | Kind::ConsultationStart
        | Kind::ConsultationAcknowledge
        | Kind::ConsultationClose
        | Kind::ConsultationClaim
        | Kind::ConsultationRecollect
        | Kind::ConsultationAudit => Carrier::Answer("I12"),
        Kind::SlotPublish | Kind::SlotWithdraw | Kind::Receipt => Carrier::None,
    }
}

/// ADT^A03 means feedback for a referral and a discharge for a transfer, so both fit it.
fn carriers(kind: Kind) -> u8 {
    match carrier(kind, false) {
        Carrier::Referral(_) => 1,
        Carrier::Answer(_) => 2,
        // Each of these events says something that the others deny.
        Carrier::Schedule("S15") => 6,
        Carrier::Schedule("S26") => 7,
        Carrier::Schedule(_) => 3,
        Carrier::Booking(_) => 8,
        Carrier::Visit("A03") | Carrier::Document => 4,
        Carrier::Visit(_) => 5,
        Carrier::None => 0,
    }
}

/// Which kind of request goes from one organisation to another, and in which direction.
pub(crate) fn request(
    tree: &Tree,
    amends: bool,
    to: &OrganisationCode,
    profile: &Profile,
    directory: &Directory,
) -> Result<(Kind, Option<Direction>), Fault> {
    if is_order_of_nothing_known(tree) {
        return Err(Fault::Modifier {
            field: "OBR-24".to_owned(),
            why: "names no service that is read here; send EC, RAD, LAB or SP for a reading, or \
                  OBR-4 57133-1 for a referral",
        });
    }
    let claimed = stated(tree).and_then(|obx| obx.first(5).peek(1)).and_then(Kind::read);
    let family =
        if asks_for_opinion(tree) || claimed.map(Kind::family) == Some(Family::Consultation) {
            (Family::Consultation, None)
        } else {
            by_tiers(to, profile, directory)
        };
    let (family, direction) = family;
    let kind = match (family, amends) {
        (Family::Transfer, false) => Kind::TransferOffer,
        (Family::Transfer, true) => Kind::TransferAmend,
        (Family::Consultation, false) => Kind::ConsultationRequest,
        (Family::Consultation, true) => Kind::ConsultationAmend,
        (Family::Referral | Family::Slot | Family::Status | Family::Receipt, false) => {
            Kind::ReferralSubmit
        }
        (Family::Referral | Family::Slot | Family::Status | Family::Receipt, true) => {
            Kind::ReferralAmend
        }
    };
    let unknown = direction.is_none() && family == Family::Referral;
    match claimed {
        // Where the tiers say nothing, the claim is all there is.
        Some(claimed) if unknown => Ok((claimed, direction)),
        Some(claimed) if claimed != kind => {
            let field = stated(tree).map_or_else(|| "OBX-5".to_owned(), |obx| obx.path(5));
            Err(Fault::Direction { field })
        }
        Some(_) | None => Ok((kind, direction)),
    }
}

/// RF1-4 SO (HL7 table 0282): a second opinion leaves the patient where he is.
/// OBR-24 of an order names what a reading centre reads.
fn asks_for_opinion(tree: &Tree) -> bool {
    let second_opinion = tree
        .first("RF1")
        .is_some_and(|rf1| rf1.repetitions(4).any(|rep| rep.peek(1) == Some("SO")));
    second_opinion || modality(tree).is_some()
}

/// What shall be read, when an order asks for a reading (OBR-24, HL7 table 0074).
pub(crate) fn modality(tree: &Tree) -> Option<&'static str> {
    let obr = tree.first("ORC").and(tree.first("OBR"))?;
    if obr.first(4).peek(1) == Some(REFERRAL_NOTE) {
        return None;
    }
    match obr.first(24).peek(1)? {
        "EC" => Some("ecg"),
        "RAD" | "CT" | "RX" | "RUS" | "NMR" | "NMS" | "XRC" | "CUS" | "OUS" | "VUS" => {
            Some("imaging")
        }
        "LAB" | "CH" | "HM" | "MB" | "BG" | "BLB" | "SR" | "TX" => Some("laboratory"),
        "SP" | "CP" | "CG" => Some("pathology"),
        _ => None,
    }
}

/// Whether an order asks for neither a referral nor a reading. To take it for a referral would send
/// a patient where only a recording was meant to go.
fn is_order_of_nothing_known(tree: &Tree) -> bool {
    let is_order = tree.first("RF1").is_none() && tree.first("ORC").is_some();
    let refers = tree
        .first("OBR")
        .is_none_or(|obr| obr.first(4).peek(1) == Some(REFERRAL_NOTE) || !obr.has(4));
    is_order && !refers && modality(tree).is_none()
}

fn by_tiers(
    to: &OrganisationCode,
    profile: &Profile,
    directory: &Directory,
) -> (Family, Option<Direction>) {
    let from = &profile.organisation;
    let from_tier = directory.tier(&from.code).unwrap_or(from.tier);
    match directory.get(to) {
        None => (Family::Referral, None),
        Some(to) if to.tier < from_tier => (Family::Transfer, None),
        Some(to) if to.outside && !from.outside => (Family::Referral, Some(Direction::Out)),
        Some(to) if to.tier == from_tier => (Family::Referral, Some(Direction::Lateral)),
        Some(_) => (Family::Referral, Some(Direction::Up)),
    }
}

/// Whether the message states its kind in words.
pub(crate) fn is_stated(tree: &Tree) -> bool {
    stated(tree).is_some()
}

/// The same statement in the family that the case's number names.
pub(crate) fn in_family(kind: Kind, family: Family, tree: &Tree) -> Option<Kind> {
    if is_stated(tree) {
        return None;
    }
    let (transfer, consultation) = match kind {
        Kind::ReferralAccept => (Some(Kind::TransferAccept), Some(Kind::ConsultationAccept)),
        Kind::ReferralDecline => (Some(Kind::TransferDecline), Some(Kind::ConsultationDecline)),
        Kind::ReferralCancel => (Some(Kind::TransferCancel), Some(Kind::ConsultationCancel)),
        Kind::ReferralClose => (Some(Kind::TransferClose), Some(Kind::ConsultationClose)),
        Kind::ReferralSchedule => (None, Some(Kind::ConsultationSchedule)),
        Kind::ReferralNoShow => (None, Some(Kind::ConsultationNoShow)),
        Kind::ReferralArrive => (Some(Kind::TransferReceive), None),
        Kind::ReferralFeedback => (Some(Kind::TransferDischarge), Some(Kind::ConsultationOpinion)),
        Kind::ConsultationOpinion => {
            return (family == Family::Referral).then_some(Kind::ReferralFeedback);
        }
        Kind::ReferralSubmit
        | Kind::ReferralAmend
        | Kind::ReferralReview
        | Kind::ReferralReturn
        | Kind::ReferralRedirect
        | Kind::ReferralBook
        | Kind::ReferralUnschedule
        | Kind::ReferralConfirmCancel
        | Kind::ReferralRefuseCancel
        | Kind::TransferOffer
        | Kind::TransferAmend
        | Kind::TransferAccept
        | Kind::TransferDecline
        | Kind::TransferRedirect
        | Kind::TransferDischarge
        | Kind::TransferReceive
        | Kind::TransferFollowUp
        | Kind::TransferCancel
        | Kind::TransferClose
        | Kind::ConsultationRequest
        | Kind::ConsultationAmend
        | Kind::ConsultationReview
        | Kind::ConsultationReturn
        | Kind::ConsultationAccept
        | Kind::ConsultationDecline
        | Kind::ConsultationSchedule
        | Kind::ConsultationStart
        | Kind::ConsultationAcknowledge
        | Kind::ConsultationNoShow
        | Kind::ConsultationCancel
        | Kind::ConsultationClose
        | Kind::ConsultationClaim
        | Kind::ConsultationRecollect
        | Kind::ConsultationReport
        | Kind::ConsultationAudit
        | Kind::ConsultationCritical
        | Kind::SlotPublish
        | Kind::SlotWithdraw
        | Kind::StatusQuery
        | Kind::StatusReport
        | Kind::Receipt => return None,
    };
    match family {
        Family::Transfer => transfer,
        Family::Consultation => consultation,
        Family::Referral | Family::Slot | Family::Status | Family::Receipt => None,
    }
}
