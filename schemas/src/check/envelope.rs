//! Checks the envelope: schema version, case, priority, clock.

use jiff::SignedDuration;

use super::found::{
    C001_EMPTY, C009_NO_CASE, C019_CLOCK, C029_CASE_NUMBER, C030_SCHEMA_VERSION, Checked, Rules,
    blank,
};
use crate::kind::Family;
use crate::message::Message;
use crate::names::CaseNumber;

/// How far a source's clock may be ahead of ours before it is reported.
pub(super) const CLOCK_AHEAD_MAX: SignedDuration = SignedDuration::from_mins(10);

/// The major schema version that can be read. Minor versions only add fields.
const MAJOR: &str = "1.";

pub(super) fn check(message: &Message, with: &Rules<'_>, found: &mut Checked) {
    if !message.schema.starts_with(MAJOR) {
        let fix = "This version of the schema is not known here; write 1.0.";
        found.refuse(C030_SCHEMA_VERSION, "schema", fix);
    }
    if message.source.message_id.trim().is_empty() {
        let fix = "The source's own id for the message is empty; repeats are known by it.";
        found.refuse(C001_EMPTY, "source.message_id", fix);
    }
    if message.kind().opens() && message.priority.is_none() {
        let fix = "A new case needs its priority; it is never guessed.";
        found.refuse(C001_EMPTY, "priority", fix);
    }
    let received = message.received_at.unwrap_or(with.now);
    if message.occurred_at.duration_since(received) > CLOCK_AHEAD_MAX {
        let fix = "The time is later than our clock; set the clock of the sending system (NTP).";
        found.note(C019_CLOCK, "occurred_at", fix);
    }
    case(message, found);
}

/// A message that does not open a case must name one.
fn case(message: &Message, found: &mut Checked) {
    let case = &message.case;
    if case.number.as_ref().is_some_and(|number| CaseNumber::read(number.as_str()).is_none()) {
        let fix = "This is no case number of ours, or a digit is wrong; compare it with the screen or paper.";
        found.refuse(C029_CASE_NUMBER, "case.number", fix);
    }
    for (at, known) in case.numbers.iter().enumerate() {
        if blank(Some(&known.number)) {
            let fix = "The number is empty; fill it in or leave the entry out.";
            found.refuse(C001_EMPTY, format!("case.numbers[{at}].number"), fix);
        }
    }
    let family = message.kind().family();
    let needs_case = match family {
        Family::Referral | Family::Transfer | Family::Consultation => !message.kind().opens(),
        Family::Status => true,
        Family::Slot | Family::Receipt => false,
    };
    let replies = message
        .in_reply_to
        .as_ref()
        .is_some_and(|reply| reply.id.is_some() || !blank(reply.message_id.as_deref()));
    let named = case.id.is_some() || case.number.is_some() || !case.numbers.is_empty() || replies;
    if needs_case && !named {
        let fix =
            "Name the case: our number, a hospital's own number, or the message that is answered.";
        found.refuse(C009_NO_CASE, "case.number", fix);
    }
}
