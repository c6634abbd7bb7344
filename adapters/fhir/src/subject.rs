//! Whose message it is, and that everything in it is about the same patient.
//!
//! ```text
//!   ServiceRequest.subject, Task.for, Encounter.subject  ─▶ the patient of the message
//!   every other subject   ─▶ the same: read     another, or nobody here: left out, and told
//! ```
//!
//! Another person's finding in a patient's record is worse than a finding that comes late, so what
//! has another subject is never read, and a message whose own subject leads nowhere is refused:
//! the one Patient that happens to be in the Bundle may be the mother.
//!
//! In a statement about a case the broker knows the patient already and only compares, so a Bundle
//! without a Patient is as good, as long as all its references are the same.

use tierlink_schemas::kind::{Family, Kind};
use tierlink_schemas::person::Patient;

use crate::bundle::At;
use crate::codes;
use crate::patient::Use;
use crate::reader::Reader;

/// Resources that decide what the message is about, and where they name the patient.
const DECIDING: [(&str, &str); 4] = [
    ("ServiceRequest", "subject"),
    ("Task", "for"),
    ("Encounter", "subject"),
    ("Appointment", "subject"),
];

/// Where resources name the patient. `focus` is whom an Observation is really about.
const POINTERS: [&str; 4] = ["subject", "patient", "for", "beneficiary"];

/// Resources that are about no patient.
const ABOUT_NOBODY: [&str; 14] = [
    "MessageHeader",
    "Patient",
    "Organization",
    "Practitioner",
    "PractitionerRole",
    "HealthcareService",
    "Location",
    "Endpoint",
    "Schedule",
    "Slot",
    "Binary",
    "Medication",
    "OperationOutcome",
    "Provenance",
];

/// What the sender reads of a resource about somebody else.
const SOMEBODY_ELSE: &str = "this resource is about another subject than the message, or about one \
                             that is not in it; it was left out and not sent on";

/// Whom a reference to a patient means.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pointer {
    /// Nobody is named.
    Absent,
    /// A Patient of this message.
    Patient(At),
    /// Something else of this message, such as a Group.
    Another,
    /// Somebody who is not in this message.
    Elsewhere(String),
}

impl Reader<'_> {
    /// Finds the patient of the message, and leaves out what is about somebody else.
    pub fn settle_subjects(&mut self) {
        self.about = self.patient_of_the_message();
        if !self.problems.is_empty() {
            return;
        }
        let everything: Vec<At> = self.bundle.present().collect();
        let patients = self.bundle.all("Patient").len();
        for at in everything {
            let kind = self.bundle.kind(at).to_owned();
            if ABOUT_NOBODY.contains(&kind.as_str()) || self.bundle.resources[at].left_out {
                continue;
            }
            let Some(element) = self.about_somebody_else(at, patients) else { continue };
            if DECIDING.iter().any(|(deciding, _)| *deciding == kind) {
                let text = "this is about another patient than the message, or about one that is \
                            not in it; send one message for each patient";
                self.problem(codes::PATIENT_UNCERTAIN, self.bundle.field(at, &element), text);
            } else {
                self.leave_out(at, &element, SOMEBODY_ELSE);
            }
        }
        for other in self.bundle.all("Patient") {
            if self.about.is_some_and(|about| about != other) {
                self.leave_out(other, "", SOMEBODY_ELSE);
            }
        }
    }

    /// The Patient that the deciding resources mean.
    fn patient_of_the_message(&mut self) -> Option<At> {
        let patients = self.bundle.all("Patient");
        let mut meant: Vec<(At, String, Pointer)> = Vec::new();
        for (kind, element) in DECIDING {
            for at in self.bundle.all(kind) {
                meant.push((at, element.to_owned(), self.pointer(at, element)));
            }
        }
        for at in self.bundle.all("Appointment") {
            for index in 0..self.bundle.count(at, "participant") {
                let actor = format!("participant/{index}/actor");
                let pointer = self.pointer(at, &actor);
                if matches!(pointer, Pointer::Patient(_)) {
                    meant.push((at, actor, pointer));
                }
            }
        }
        meant.retain(|(_, _, pointer)| *pointer != Pointer::Absent);
        let first = meant.first().map(|(_, _, pointer)| pointer.clone());
        for (at, element, pointer) in &meant {
            let nobody_here = match pointer {
                Pointer::Another => true,
                Pointer::Elsewhere(_) => !patients.is_empty(),
                Pointer::Patient(_) | Pointer::Absent => false,
            };
            if nobody_here {
                let text = "the subject is no Patient of this message; send the Patient that it \
                            refers to, because whose message it is must not be guessed";
                self.problem(codes::PATIENT_UNCERTAIN, self.bundle.field(*at, element), text);
                return None;
            }
            if Some(pointer) != first.as_ref() {
                let text = "the subjects of this message are different patients; send one message \
                            for each patient";
                self.problem(codes::PATIENT_UNCERTAIN, self.bundle.field(*at, element), text);
                return None;
            }
        }
        match first {
            Some(Pointer::Patient(at)) => Some(at),
            Some(Pointer::Elsewhere(reference)) => {
                self.about_elsewhere = Some(reference);
                None
            }
            Some(Pointer::Absent | Pointer::Another) => None,
            None => self.patient_that_all_point_at(&patients),
        }
    }

    /// Without a deciding reference: the only Patient, or the one that everything else points at.
    fn patient_that_all_point_at(&mut self, patients: &[At]) -> Option<At> {
        let mut pointed: Vec<At> = Vec::new();
        for at in self.bundle.present().collect::<Vec<_>>() {
            for element in POINTERS {
                match self.pointer(at, element) {
                    Pointer::Patient(patient) if !pointed.contains(&patient) => {
                        pointed.push(patient);
                    }
                    Pointer::Elsewhere(reference) => {
                        self.about_elsewhere.get_or_insert(reference);
                    }
                    Pointer::Patient(_) | Pointer::Absent | Pointer::Another => {}
                }
            }
        }
        match (pointed.as_slice(), patients) {
            ([at], _) | ([], [at]) => Some(*at),
            ([], []) => None,
            (_, _) => {
                let text = "there are several patients and nothing says whose message it is; let \
                            ServiceRequest.subject or Task.for refer to one";
                self.problem(codes::PATIENT_UNCERTAIN, "Patient", text);
                None
            }
        }
    }

    /// Where a resource says that it is about somebody else, if it does.
    fn about_somebody_else(&mut self, at: At, patients: usize) -> Option<String> {
        let mut named = false;
        for element in POINTERS {
            let pointer = self.pointer(at, element);
            named |= pointer != Pointer::Absent;
            if self.is_another(&pointer, patients) {
                return Some(element.to_owned());
            }
        }
        if self.bundle.kind(at) == "Observation" {
            for index in 0..self.bundle.count(at, "focus") {
                let focus = format!("focus/{index}");
                let pointer = self.pointer(at, &focus);
                if pointer != Pointer::Absent && self.is_another(&pointer, usize::MAX) {
                    return Some(focus);
                }
            }
        }
        // Among several patients, what names nobody could be about any of them.
        let deciding = DECIDING.iter().any(|(kind, _)| *kind == self.bundle.kind(at));
        (!named && !deciding && patients > 1).then(String::new)
    }

    fn is_another(&self, pointer: &Pointer, patients: usize) -> bool {
        match pointer {
            Pointer::Absent => false,
            Pointer::Patient(at) => self.about != Some(*at),
            Pointer::Another => true,
            Pointer::Elsewhere(reference) => {
                patients > 0 || self.about_elsewhere.as_ref().is_some_and(|it| it != reference)
            }
        }
    }

    /// Whom the reference at `path` means.
    fn pointer(&mut self, at: At, path: &str) -> Pointer {
        let reference = self.bundle.peek(at, &format!("{path}/reference")).map(str::to_owned);
        if let Some(reference) = reference {
            return match self.bundle.target(at, &reference) {
                Some(target) if self.bundle.kind(target) == "Patient" => {
                    self.bundle.follow(at, path);
                    Pointer::Patient(target)
                }
                Some(_) => Pointer::Another,
                None => Pointer::Elsewhere(reference),
            };
        }
        let value = self.bundle.peek(at, &format!("{path}/identifier/value")).map(str::to_owned);
        let Some(value) = value else {
            return Pointer::Absent;
        };
        let system = self.bundle.peek(at, &format!("{path}/identifier/system")).map(str::to_owned);
        match self.patient_with(&value, system.as_deref()) {
            Some(patient) => {
                self.bundle.take_all(at, &format!("{path}/identifier"));
                Pointer::Patient(patient)
            }
            None => Pointer::Elsewhere(format!("{}|{value}", system.unwrap_or_default())),
        }
    }

    /// The Patient that has an identifier.
    fn patient_with(&self, value: &str, system: Option<&str>) -> Option<At> {
        let has = |at: &At| {
            (0..self.bundle.count(*at, "identifier")).any(|index| {
                let of = |part: &str| self.bundle.peek(*at, &format!("identifier/{index}/{part}"));
                of("value").map(str::trim) == Some(value.trim()) && of("system") == system
            })
        };
        let all = self.bundle.all("Patient");
        let mut found = all.into_iter().filter(has);
        found.next().filter(|_| found.next().is_none())
    }

    /// Reads whom a statement is about, if it says so.
    pub fn subject(&mut self, kind: Kind) -> Option<Patient> {
        let about_a_case = match kind.family() {
            Family::Referral | Family::Transfer | Family::Consultation | Family::Status => true,
            Family::Slot | Family::Receipt => false,
        };
        if !about_a_case || kind.states_request() {
            return None;
        }
        let patient = self.patient_at(self.about?, Use::Compared);
        (patient != Patient::default()).then_some(patient)
    }
}
