//! Checks messages about an open case: reason codes, and the main content of each kind.

use super::found::{
    C001_EMPTY, C006_UNKNOWN_REASON, C007_REASON_NEEDS_TEXT, C024_USUALLY_THERE, Checked, blank,
    says_nothing,
};
use crate::answer::{Feedback, FeedbackStage, Reason};
use crate::codes::{self, TableId};
use crate::kind::Body;
use crate::message::Message;
use crate::person::Practitioner;
use crate::reasons;

pub(super) fn check(message: &Message, found: &mut Checked) {
    if let (Some(table), Some(reason)) = (reasons::table_of(message.kind()), reason(&message.body))
    {
        coded_reason(table, reason, found);
    }
    match &message.body {
        Body::ReferralFeedback(feedback) => self::feedback(feedback, found),
        Body::TransferFollowUp(it)
            if blank(it.findings.as_deref()) && it.observations.is_empty() =>
        {
            let fix = "The follow-up is empty; add findings or observations.";
            found.note(C024_USUALLY_THERE, "body.findings", fix);
        }
        Body::ConsultationOpinion(opinion) if blank(Some(&opinion.text)) => {
            let fix = "The opinion is empty; write what the experts say.";
            found.refuse(C001_EMPTY, "body.text", fix);
        }
        Body::ConsultationClaim(claim) => person(&claim.reader, "body.reader", found),
        Body::ConsultationReport(report) => {
            person(&report.writer, "body.writer", found);
            if blank(Some(&report.conclusion)) {
                let fix = "The conclusion is empty; write what the recording shows.";
                found.refuse(C001_EMPTY, "body.conclusion", fix);
            }
        }
        Body::ConsultationAudit(audit) => {
            person(&audit.auditor, "body.auditor", found);
            if !audit.passed && blank(audit.note.as_deref()) {
                let fix = "The report did not pass; the writer should be told why.";
                found.note(C024_USUALLY_THERE, "body.note", fix);
            }
        }
        Body::ConsultationCritical(critical) => {
            for (at, item) in critical.items.iter().enumerate() {
                if says_nothing(&item.what) {
                    let fix = "Say which value is critical.";
                    found.refuse(C001_EMPTY, format!("body.items[{at}].what"), fix);
                }
            }
        }
        Body::StatusReport(report) if blank(Some(&report.state)) => {
            let fix = "The state is empty; that is what was asked for.";
            found.refuse(C001_EMPTY, "body.state", fix);
        }
        _ => {}
    }
}

/// The reason that a body states.
fn reason(body: &Body) -> Option<&Reason> {
    match body {
        Body::ReferralReturn(it) | Body::ConsultationReturn(it) => Some(&it.reason),
        Body::ReferralDecline(it) | Body::TransferDecline(it) | Body::ConsultationDecline(it) => {
            Some(&it.reason)
        }
        Body::ReferralRedirect(it) | Body::TransferRedirect(it) => Some(&it.reason),
        Body::ReferralCancel(it) | Body::TransferCancel(it) | Body::ConsultationCancel(it) => {
            Some(&it.reason)
        }
        Body::ReferralUnschedule(it) => Some(&it.reason),
        Body::ConsultationRecollect(it) => Some(&it.reason),
        _ => None,
    }
}

fn coded_reason(table: TableId, reason: &Reason, found: &mut Checked) {
    match codes::lookup(table, &reason.code) {
        None => {
            let fix = format!(
                "The code is not in codes/{table}.csv; use one that is, or map it in the profile."
            );
            found.refuse(C006_UNKNOWN_REASON, "body.reason.code", fix);
        }
        Some(row) if row.needs_text() && blank(reason.text.as_deref()) => {
            let fix = "This code needs a sentence that says what to do or why.";
            found.refuse(C007_REASON_NEEDS_TEXT, "body.reason.text", fix);
        }
        Some(_) => {}
    }
}

/// Reader, writer and auditor are compared by their practitioner codes, so a name alone
/// is not enough.
fn person(person: &Practitioner, path: &str, found: &mut Checked) {
    if blank(person.code.as_deref()) {
        let fix = "The practitioner code is missing; writer and auditor are compared by it.";
        found.refuse(C001_EMPTY, format!("{path}.code"), fix);
    }
}

/// The final feedback of a referral should have some content.
fn feedback(feedback: &Feedback, found: &mut Checked) {
    let told = !blank(feedback.summary.as_deref())
        || !blank(feedback.plan.as_deref())
        || !feedback.diagnoses.is_empty()
        || !feedback.attachments.is_empty();
    if feedback.stage == FeedbackStage::Outcome && !told {
        let fix = "The outcome is empty; add diagnoses, a summary or the discharge summary.";
        found.note(C024_USUALLY_THERE, "body.summary", fix);
    }
    for (at, diagnosis) in feedback.diagnoses.iter().enumerate() {
        if says_nothing(&diagnosis.what) {
            let fix = "The diagnosis is empty; write its code or its text.";
            found.refuse(C001_EMPTY, format!("body.diagnoses[{at}].what"), fix);
        }
    }
}
