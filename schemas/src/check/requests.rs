//! Checks requests that open or amend a case: what the receiver needs to know.

use super::found::{
    C001_EMPTY, C006_UNKNOWN_REASON, C007_REASON_NEEDS_TEXT, C008_SAME_ORGANISATION,
    C024_USUALLY_THERE, C027_READING, C028_NAMED_TWICE, Checked, blank, says_nothing,
};
use crate::clinical::Clinical;
use crate::codes::{self, TableId};
use crate::kind::Body;
use crate::message::Message;
use crate::names::Priority;
use crate::person::{Coded, Party};
use crate::request::{
    CarePlan, ConsultationForm, ConsultationRequest, ReferralRequest, TransferOffer,
};

pub(super) fn check(message: &Message, found: &mut Checked) {
    match &message.body {
        Body::ReferralSubmit(request) | Body::ReferralAmend(request) => {
            referral(request, message.priority, found);
        }
        Body::TransferOffer(offer) | Body::TransferAmend(offer) => transfer(offer, found),
        Body::ConsultationRequest(request) | Body::ConsultationAmend(request) => {
            consultation(request, found);
        }
        _ => {}
    }
}

fn referral(request: &ReferralRequest, priority: Option<Priority>, found: &mut Checked) {
    parties(&request.from, &request.to, found);
    reasons(&request.reasons, request.reason_text.as_deref(), found);
    illness(&request.clinical, found);
    call_back(&request.from, found);
    // In an emergency, treatment comes before consent.
    if request.consent.is_none() && priority != Some(Priority::Emergency) {
        let fix = "The slip asks whether the patient agreed; it was left open.";
        found.note(C024_USUALLY_THERE, "body.consent", fix);
    }
}

fn transfer(offer: &TransferOffer, found: &mut Checked) {
    parties(&offer.from, &offer.to, found);
    reasons(&offer.reasons, offer.reason_text.as_deref(), found);
    parent(offer, found);
    if offer.clinical.diagnoses.is_empty() {
        let fix = "The slip asks for the diagnoses at discharge; they were left open.";
        found.note(C024_USUALLY_THERE, "body.clinical.diagnoses", fix);
    }
    diagnoses(&offer.clinical, found);
    if offer.plan == CarePlan::default() {
        let fix = "The care plan is empty; add treatment, medicines, targets or follow-ups.";
        found.note(C024_USUALLY_THERE, "body.plan", fix);
    }
    for (at, planned) in offer.plan.follow_ups.iter().enumerate() {
        if blank(Some(&planned.what)) {
            let fix = "A planned follow-up must say what to do.";
            found.refuse(C001_EMPTY, format!("body.plan.follow_ups[{at}].what"), fix);
        }
    }
    call_back(&offer.from, found);
}

/// A transfer names the referral that brought the patient up, or says why there is none.
fn parent(offer: &TransferOffer, found: &mut Checked) {
    const REASON: &str = "body.no_referral_reason";
    if !blank(offer.parent_referral.as_deref()) {
        return;
    }
    let Some(reason) = &offer.no_referral_reason else {
        let fix = "Name the referral that brought the patient up, or say in no_referral_reason why there is none.";
        return found.refuse(C001_EMPTY, "body.parent_referral", fix);
    };
    let code = reason.code.as_deref().unwrap_or_default();
    match codes::lookup(TableId::NoReferralReason, code) {
        None => {
            let fix = "The code is not in codes/no_referral_reason.csv; use one that is.";
            found.refuse(C006_UNKNOWN_REASON, format!("{REASON}.code"), fix);
        }
        Some(row) if row.needs_text() && blank(reason.text.as_deref()) => {
            let fix = "This code needs a sentence that says why.";
            found.refuse(C007_REASON_NEEDS_TEXT, format!("{REASON}.text"), fix);
        }
        Some(_) => {}
    }
}

fn consultation(request: &ConsultationRequest, found: &mut Checked) {
    parties(&request.from, &request.to, found);
    diagnoses(&request.clinical, found);
    let reading = request.form == ConsultationForm::Reading;
    match (&request.reading, reading) {
        (Some(order), true) => {
            if says_nothing(&order.exam) {
                let fix =
                    "Say what shall be read, as a code of codes/reading_service.csv or in words.";
                found.refuse(C001_EMPTY, "body.reading.exam", fix);
            }
            if request.attachments.is_empty() {
                let fix = "A reading needs the recording or a reference to it; there is none.";
                found.note(C024_USUALLY_THERE, "body.attachments", fix);
            }
        }
        (None, true) => {
            let fix = "The form is reading; add the order that says what shall be read.";
            found.refuse(C027_READING, "body.reading", fix);
        }
        (Some(_), false) => {
            let fix =
                "There is an order for a reading; set form to reading, or leave the order out.";
            found.refuse(C027_READING, "body.form", fix);
        }
        (None, false) => {
            if blank(request.purpose.as_deref()) && blank(request.reason.as_deref()) {
                let fix = "Say what the consultation is for, or why it is needed.";
                found.refuse(C001_EMPTY, "body.purpose", fix);
            }
        }
    }
    experts(request, found);
}

fn experts(request: &ConsultationRequest, found: &mut Checked) {
    for (at, expert) in request.experts.iter().enumerate() {
        let path = format!("body.experts[{at}].practitioner");
        let person = &expert.practitioner;
        if blank(person.code.as_deref()) && blank(person.name.as_deref()) {
            let fix = "An expert who is asked for needs a number or a name.";
            found.refuse(C001_EMPTY, path, fix);
            continue;
        }
        if blank(person.code.as_deref()) {
            let fix =
                "Without the expert's number the time cannot be booked; the name alone was kept.";
            found.note(C024_USUALLY_THERE, format!("{path}.code"), fix);
            continue;
        }
        let twice = request.experts[..at].iter().any(|earlier| {
            earlier.organisation == expert.organisation && earlier.practitioner.code == person.code
        });
        if twice {
            let fix = "The same expert is asked for twice; once is enough.";
            found.note(C028_NAMED_TWICE, path, fix);
        }
    }
}

fn parties(from: &Party, to: &Party, found: &mut Checked) {
    if from.organisation == to.organisation {
        let fix = "Origin and target are the same organisation; a case goes to another one.";
        found.refuse(C008_SAME_ORGANISATION, "body.to.organisation", fix);
    }
}

fn reasons(coded: &[Coded], text: Option<&str>, found: &mut Checked) {
    if coded.iter().all(says_nothing) && blank(text) {
        let fix = "Say why, as a code in reasons or in words in reason_text.";
        found.refuse(C001_EMPTY, "body.reasons", fix);
    }
}

fn illness(clinical: &Clinical, found: &mut Checked) {
    if clinical.diagnoses.is_empty() && blank(clinical.chief_complaint.as_deref()) {
        let fix =
            "Say what the patient has: a diagnosis, or the chief complaint in chief_complaint.";
        found.refuse(C001_EMPTY, "body.clinical.diagnoses", fix);
    }
    diagnoses(clinical, found);
}

fn diagnoses(clinical: &Clinical, found: &mut Checked) {
    for (at, diagnosis) in clinical.diagnoses.iter().enumerate() {
        if says_nothing(&diagnosis.what) {
            let fix = "The diagnosis is empty; write its code or its text.";
            found.refuse(C001_EMPTY, format!("body.clinical.diagnoses[{at}].what"), fix);
        }
    }
    let main = clinical.diagnoses.iter().filter(|diagnosis| diagnosis.main).count();
    if main > 1 {
        let fix = "More than one diagnosis is marked as the main one; the first counts.";
        found.note(C028_NAMED_TWICE, "body.clinical.diagnoses", fix);
    }
}

/// The paper form has a field for the doctor's telephone, because the target will have questions.
fn call_back(from: &Party, found: &mut Checked) {
    let doctors = from.practitioner.as_ref().and_then(|doctor| doctor.phone.as_deref());
    if blank(doctors) && blank(from.phone.as_deref()) {
        let fix =
            "The slip asks for a telephone of the doctor or the department; it was left open.";
        found.note(C024_USUALLY_THERE, "body.from.practitioner.phone", fix);
    }
}
