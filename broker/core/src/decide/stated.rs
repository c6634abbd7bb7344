//! The content of a whole request, read the same way for opening and for amending a case.

use tierlink_schemas::Body;
use tierlink_schemas::answer::ExpertRef;
use tierlink_schemas::clinical::Clinical;
use tierlink_schemas::person::{Party, Patient};
use tierlink_schemas::request::{ConsultationForm, ConsultationRequest, Direction, Expert};

use super::draft::Draft;
use crate::bodies::no_request;
use crate::case::{AskedExpert, Terms};
use crate::county::County;
use crate::rule::{Refused, Rule};

/// How many experts one case may ask.
pub const EXPERTS_MAX: usize = 40;

/// The common parts of a request of any family.
pub(super) struct WholeRequest<'a> {
    pub(super) from: &'a Party,
    pub(super) to: &'a Party,
    pub(super) patient: &'a Patient,
    clinical: &'a Clinical,
    pub(super) direction: Option<Direction>,
    terms: Terms,
    experts: &'a [Expert],
}

/// Reads the request in `body`; `None` if it is no request.
pub(super) fn whole_request(body: &Body) -> Option<WholeRequest<'_>> {
    match body {
        Body::ReferralSubmit(b) | Body::ReferralAmend(b) => Some(WholeRequest {
            from: &b.from,
            to: &b.to,
            patient: &b.patient,
            clinical: &b.clinical,
            direction: b.direction,
            terms: Terms { valid_until: b.valid_until, ..Terms::default() },
            experts: &[],
        }),
        Body::TransferOffer(b) | Body::TransferAmend(b) => Some(WholeRequest {
            from: &b.from,
            to: &b.to,
            patient: &b.patient,
            clinical: &b.clinical,
            direction: None,
            terms: Terms::default(),
            experts: &[],
        }),
        Body::ConsultationRequest(b) | Body::ConsultationAmend(b) => Some(WholeRequest {
            from: &b.from,
            to: &b.to,
            patient: &b.patient,
            clinical: &b.clinical,
            direction: None,
            terms: consultation_terms(b),
            experts: &b.experts,
        }),
        no_request!() => None,
    }
}

fn consultation_terms(b: &ConsultationRequest) -> Terms {
    let reading = b.reading.as_ref();
    let service = match b.form {
        ConsultationForm::Reading => reading.and_then(|reading| reading.exam.code.clone()),
        ConsultationForm::Interactive | ConsultationForm::Offline => {
            b.kind.as_ref().and_then(|kind| kind.code.clone())
        }
    };
    Terms {
        form: b.form,
        service,
        modality: reading.map(|reading| reading.modality),
        uploaded_at: reading.and_then(|reading| reading.uploaded_at),
        ..Terms::default()
    }
}

impl WholeRequest<'_> {
    /// The form of a consultation.
    pub(super) const fn form(&self) -> ConsultationForm {
        self.terms.form
    }

    /// Copies patient, clinical subject and terms of the request into the draft. Target and
    /// direction are decided elsewhere.
    pub(super) fn take_over(&self, draft: &mut Draft<'_>) {
        let now = draft.ask.now;
        let case = &mut draft.case;
        case.context.patient = self.patient.clone();
        case.context.from = self.from.clone();
        case.context.diagnoses.clone_from(&self.clinical.diagnoses);
        case.terms.form = self.terms.form;
        case.terms.service.clone_from(&self.terms.service);
        case.terms.modality = self.terms.modality;
        case.terms.valid_until = self.terms.valid_until;
        // A time in the future would extend the reading centre's deadline, so now is the latest.
        let uploaded_at = self.terms.uploaded_at.map_or(now, |at| at.min(now));
        case.terms.uploaded_at =
            (self.terms.form == ConsultationForm::Reading).then_some(uploaded_at);
    }

    /// The experts that are asked. An expert of the origin itself has agreed by asking.
    pub(super) fn experts(&self, county: &County) -> Result<Vec<AskedExpert>, Refused> {
        if self.experts.len() > EXPERTS_MAX {
            return Err(Rule::TooManyExperts.refuse());
        }
        let mut asked: Vec<AskedExpert> = Vec::new();
        for (at, expert) in self.experts.iter().enumerate() {
            if county.member(&expert.organisation).is_none() {
                let field = format!("body.experts[{at}].organisation");
                return Err(Rule::UnknownTarget.refuse_at(&field));
            }
            // An expert without a practitioner code cannot be booked, so it stays a wish
            // in the request.
            let Some(practitioner) = expert.practitioner.code.clone() else {
                continue;
            };
            let expert = ExpertRef { organisation: expert.organisation.clone(), practitioner };
            let own = expert.organisation == self.from.organisation;
            if !asked.iter().any(|other| other.expert == expert) {
                asked.push(AskedExpert { expert, accepted: own.then_some(true), held: None });
            }
        }
        Ok(asked)
    }
}

/// Whether every expert has accepted.
pub(super) fn all_accepted(experts: &[AskedExpert]) -> bool {
    experts.iter().all(|asked| asked.accepted == Some(true))
}
