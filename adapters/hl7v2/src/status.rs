//! How sure a result is: OBX-11 (HL7 table 0085) and OBR-25 (table 0123).
//!
//! ```text
//!   F U V      final                 C        corrected        A B   amended
//!   P R S      preliminary           X N      could not be, or was not obtained
//!   I O        there is no result    D W      withdrawn: deleted, or of another patient
//! ```
//!
//! A status changes what a result means, so a code that the table does not have refuses the message.

use crate::fault::Fault;
use crate::notes::{Notes, What};
use crate::read::Seg;

/// How sure a result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// A fact.
    Final,
    /// A fact that replaces an earlier one, which was wrong.
    Corrected,
    /// A fact that was added to after it was final.
    Amended,
    /// Not yet confirmed.
    Preliminary,
    /// Asked for, and impossible to find out.
    NotObtained,
    /// Asked for, and not there yet.
    Awaited,
    /// Never, or no longer, a fact about this patient.
    Withdrawn,
}

impl Status {
    /// The word of the canonical message. Nothing for what is final, and for what is not carried.
    pub(crate) const fn word(self) -> Option<&'static str> {
        match self {
            Self::Final | Self::Withdrawn => None,
            Self::Corrected => Some("corrected"),
            Self::Amended => Some("amended"),
            Self::Preliminary => Some("preliminary"),
            Self::NotObtained => Some("not_obtained"),
            Self::Awaited => Some("pending"),
        }
    }

    /// What is written before words that have no field for a status beside them.
    pub(crate) const fn mark(self) -> &'static str {
        match self {
            Self::Final | Self::Withdrawn => "",
            Self::Corrected => "（更正）",
            Self::Amended => "（修订）",
            Self::Preliminary => "（初步，未确认）",
            Self::NotObtained => "（未能取得结果）",
            Self::Awaited => "（结果未出）",
        }
    }
}

/// HL7 table 0085.
fn of_code(code: &str) -> Option<Status> {
    Some(match code {
        "F" | "U" | "V" => Status::Final,
        "C" => Status::Corrected,
        "A" | "B" => Status::Amended,
        "P" | "R" | "S" => Status::Preliminary,
        "X" | "N" => Status::NotObtained,
        "I" | "O" => Status::Awaited,
        "D" | "W" => Status::Withdrawn,
        _ => return None,
    })
}

/// Reads OBX-11. Where it states nothing, the status of its order counts, and final where that
/// states none either.
pub(crate) fn read(
    obx: Seg<'_>,
    order: Option<Seg<'_>>,
    notes: &mut Notes,
) -> Result<Status, Fault> {
    let Some(code) = obx.text(11, 1) else {
        let of_order = order.and_then(|obr| obr.text(25, 1)).and_then(of_code);
        if let Some(status) = of_order {
            return Ok(status);
        }
        notes.add(obx.path(11), What::Mapping("states no status; the result was read as final"));
        return Ok(Status::Final);
    };
    of_code(code).ok_or_else(|| Fault::Modifier {
        field: obx.path(11),
        why: "is no result status of HL7 table 0085; send F, C, P, X, D or W",
    })
}

/// Whether a result is none any more. Does not mark it as read.
pub(crate) fn is_withdrawn(obx: Seg<'_>) -> bool {
    obx.first(11).peek(1).and_then(of_code) == Some(Status::Withdrawn)
}

/// Leaves a withdrawn result out, and says so. The raw message keeps it.
pub(crate) fn leave_out(seg: Seg<'_>, field: u16, notes: &mut Notes) {
    notes.add(
        seg.path(field),
        What::Mapping(
            "says that it is withdrawn, wrong or deleted; it was left out and not sent on",
        ),
    );
    seg.take();
}

/// Reads OBR-25 of a report (HL7 table 0123): a cancelled order has no report.
pub(crate) fn of_report(obr: Seg<'_>) -> Result<Status, Fault> {
    let wrong = |why| Fault::Modifier { field: obr.path(25), why };
    Ok(match obr.text(25, 1) {
        None | Some("F") => Status::Final,
        Some("C") => Status::Corrected,
        Some("P" | "R" | "A" | "M") => Status::Preliminary,
        Some("X") => {
            return Err(wrong("says that the order was cancelled, so there is no report"));
        }
        Some("I" | "O" | "S" | "N" | "Y" | "Z") => {
            return Err(wrong("says that there are no results; send the report when there are"));
        }
        Some(_) => {
            return Err(wrong("is no result status of HL7 table 0123; send F, C, P or X"));
        }
    })
}

/// Reads TXA-17 and TXA-19 of a document (HL7 tables 0271 and 0273).
pub(crate) fn of_document(txa: Seg<'_>) -> Result<Status, Fault> {
    let wrong = |field, why| Fault::Modifier { field: txa.path(field), why };
    match txa.text(19, 1) {
        None | Some("AV") => {}
        Some("CA" | "OB" | "UN") => {
            return Err(wrong(19, "says that the document is deleted, obsolete or not available"));
        }
        Some(_) => {
            return Err(wrong(19, "is no availability of HL7 table 0273; send AV"));
        }
    }
    match txa.text(17, 1) {
        None | Some("AU" | "LA" | "DO") => Ok(Status::Final),
        Some("DI" | "IP" | "IN" | "PA") => Ok(Status::Preliminary),
        Some(_) => Err(wrong(17, "is no completion status of HL7 table 0271; send AU or LA")),
    }
}

/// OBX-11 of a word of the canonical message. What the table has no code for is no fact.
pub(crate) fn code(word: Option<&str>) -> &'static str {
    match word {
        None | Some("final") => "F",
        Some("corrected") => "C",
        Some("amended") => "A",
        Some("not_obtained") => "X",
        Some("pending") => "I",
        Some(_) => "P",
    }
}

/// The word that OBX-11 is read as.
pub(crate) fn word_of(code: &str) -> Option<&'static str> {
    of_code(code).and_then(Status::word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_the_same_status() {
        for status in [
            Status::Final,
            Status::Corrected,
            Status::Amended,
            Status::Preliminary,
            Status::NotObtained,
            Status::Awaited,
        ] {
            assert_eq!(of_code(code(status.word())), Some(status));
        }
        for code in ["", "f", "Q", "FF", "1"] {
            assert_eq!(of_code(code), None, "{code}");
        }
    }
}
