//! The Patient of a statement about a case: whom the sender believes it is about.
//!
//! The broker knows the patient already and only compares, so a Bundle without one is as
//! good. Several are refused unless every reference points at the same: whose finding it is
//! nobody could tell.

use tierlink_schemas::kind::{Family, Kind};
use tierlink_schemas::person::Patient;

use crate::bundle::At;
use crate::codes;
use crate::patient::Use;
use crate::reader::Reader;

/// Where resources name the patient.
const POINTERS: [(&str, &str); 8] = [
    ("Task", "for"),
    ("ServiceRequest", "subject"),
    ("Encounter", "subject"),
    ("Observation", "subject"),
    ("DiagnosticReport", "subject"),
    ("Condition", "subject"),
    ("Communication", "subject"),
    ("DocumentReference", "subject"),
];

impl Reader<'_> {
    /// Reads whom a statement is about, if it says so.
    pub fn subject(&mut self, kind: Kind) -> Option<Patient> {
        let about_a_case = match kind.family() {
            Family::Referral | Family::Transfer | Family::Consultation | Family::Status => true,
            Family::Slot | Family::Receipt => false,
        };
        if !about_a_case || kind.states_request() {
            return None;
        }
        let all = self.bundle.all("Patient");
        let pointed = self.pointed();
        let at = match (pointed.as_slice(), all.as_slice()) {
            ([at], _) | ([], [at]) => *at,
            ([], []) => return None,
            (_, _) => {
                let text = "there are several patients; send one, and let Task.for and every \
                            subject refer to it";
                self.problem(codes::PATIENT_UNCERTAIN, "Patient", text);
                return None;
            }
        };
        let patient = self.patient_at(at, Use::Compared);
        (patient != Patient::default()).then_some(patient)
    }

    /// Every Patient that a resource points at.
    fn pointed(&mut self) -> Vec<At> {
        let mut pointed = Vec::new();
        for (kind, path) in POINTERS {
            for at in self.bundle.all(kind) {
                let target = self.bundle.follow(at, path);
                let patient = target.filter(|target| self.bundle.kind(*target) == "Patient");
                pointed.extend(patient.filter(|patient| !pointed.contains(patient)));
            }
        }
        pointed
    }
}
