//! Reads what a destination's answer means: accepted, refused, not now, or for another message.
//!
//! MSA-2 is always compared with the MSH-10 that was sent. A late answer to the message before
//! would otherwise count for this one, and a referral would be lost without a trace.
//!
//! The destination's own words stay out of the result, because they may quote the patient. Its
//! codes and the places that it names are enough to act on.

use tierlink_codec::Answered;
use tierlink_codec::profile::{Acknowledgement, Profile};
use tierlink_schemas::{Code, Problem, outside};

use crate::fault::Fault;
use crate::tree::Tree;

/// Error code: the destination refused the message.
const REFUSED: Code = Code::new("D035");
/// Error code: the destination could not take the message now.
const NOT_NOW: Code = Code::new("D036");

/// HL7 table 0357: the record is locked, or something inside the destination failed.
const TRANSIENT: [&str; 2] = ["206", "207"];

/// Most errors of one answer that are passed on.
const ERRORS_MAX: usize = 20;

/// Reads the answer to the transmission `control_id`.
pub(crate) fn read(control_id: &str, answer: Result<Tree, Fault>, profile: &Profile) -> Answered {
    let unreadable = |fault: Fault| Answered::Unreadable { problem: fault.into() };
    let tree = match answer {
        Ok(tree) => tree,
        Err(fault) => return unreadable(fault),
    };
    let Some(msa) = tree.first("MSA") else {
        return unreadable(Fault::Answer);
    };
    match msa.text(2, 1) {
        Some(answered) if answered == control_id => {}
        _ if profile.quirks.ignores_msa2 => {}
        Some(_) => return Answered::Stray,
        None => return unreadable(Fault::OtherAnswer),
    }
    let code = msa.text(1, 1).unwrap_or_default().to_ascii_uppercase();
    let more_comes = profile.format.acknowledgement == Acknowledgement::CommitAndApplication;
    match code.as_str() {
        "CA" if more_comes => Answered::MoreComes,
        "AA" | "CA" => Answered::Taken { number: number(&tree) },
        "AE" | "CE" if profile.quirks.application_error_is_transient => {
            Answered::NotNow { problems: problems(&tree, &code, &NOT_NOW) }
        }
        "AE" | "AR" | "CE" | "CR" if is_transient(&tree) => {
            Answered::NotNow { problems: problems(&tree, &code, &NOT_NOW) }
        }
        "AE" | "AR" | "CE" | "CR" => {
            Answered::Refused { problems: problems(&tree, &code, &REFUSED) }
        }
        _ => unreadable(Fault::Answer),
    }
}

/// An RRI or SRR that comes as the answer carries the destination's own number.
fn number(tree: &Tree) -> Option<String> {
    let referral = tree.first("RF1").and_then(|rf1| rf1.text(11, 1));
    let booking = tree.first("SCH").and_then(|sch| sch.text(2, 1));
    referral.or(booking).and_then(outside::number)
}

/// The HL7 error codes with the places that they name, in whichever layout they come.
fn errors(tree: &Tree) -> Vec<(String, Option<String>)> {
    let mut errors = Vec::new();
    for err in tree.all("ERR") {
        if let Some(code) = err.text(3, 1) {
            let place = place(err.text(2, 1), err.text(2, 3));
            errors.push((code.to_owned(), place));
        }
        for rep in err.repetitions(1) {
            if let Some(code) = rep.sub(4, 1) {
                errors.push((code.to_owned(), place(rep.text(1), rep.text(3))));
            }
        }
    }
    if let Some(code) = tree.first("MSA").and_then(|msa| msa.text(6, 1)) {
        errors.push((code.to_owned(), None));
    }
    errors.retain(|(code, _)| code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit()));
    errors.truncate(ERRORS_MAX);
    errors
}

fn place(segment: Option<&str>, field: Option<&str>) -> Option<String> {
    let segment =
        segment.filter(|s| s.len() == 3 && s.bytes().all(|b| b.is_ascii_alphanumeric()))?;
    let field = field.filter(|f| f.len() <= 3 && f.bytes().all(|b| b.is_ascii_digit()));
    Some(field.map_or_else(|| segment.to_owned(), |field| format!("{segment}-{field}")))
}

fn is_transient(tree: &Tree) -> bool {
    let errors = errors(tree);
    !errors.is_empty() && errors.iter().all(|(code, _)| TRANSIENT.contains(&code.as_str()))
}

fn problems(tree: &Tree, code: &str, ours: &Code) -> Vec<Problem> {
    let say = |what: String, field: Option<String>| {
        let text = format!(
            "the destination answered {code}{what}; its own words are with the stored answer"
        );
        Problem::new(ours.clone(), field.unwrap_or_else(|| "MSA-1".to_owned()), text)
    };
    let errors = errors(tree);
    if errors.is_empty() {
        return vec![say(String::new(), None)];
    }
    errors
        .into_iter()
        .map(|(error, place)| say(format!(" with HL7 error {error}"), place))
        .collect()
}
