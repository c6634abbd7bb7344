//! Elements that change what their resource means: how sure it is, whether it still holds, whether
//! it happened at all.
//!
//! ```text
//!   understood, and a fact     ─▶ the canonical field
//!   understood, and no fact    ─▶ the resource is left out; sender and receiver are told
//!   not understood             ─▶ the message is refused
//! ```
//!
//! What was withdrawn, ruled out, not taken or not done would turn into its opposite if it were
//! carried without its status, and not every receiver reads a status. So it is never carried.

use serde_json::{Value, json};

use crate::bundle::{At, BUNDLE};
use crate::codes;
use crate::reader::Reader;

/// What a code of a modifier comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A fact, with the canonical value of the field.
    Fact(&'static str),
    /// A fact as far as the code says; which canonical value is nearest has to be told.
    Nearly(&'static str),
    /// No fact: the resource is left out.
    NoFact,
}

use Standing::{Fact, Nearly, NoFact};

/// A modifier of one type of resource.
#[derive(Debug)]
pub struct Modifier {
    /// The element.
    pub element: &'static str,
    /// HL7's code system, where the element is a `CodeableConcept` and not a code.
    pub system: Option<&'static str>,
    /// FHIR's codes. The first with a canonical value is the one that is written.
    codes: &'static [(&'static str, Standing)],
    /// What people write instead of a code.
    words: &'static [(&'static str, Standing)],
}

/// `Observation.status`.
pub const OBSERVATION: Modifier = Modifier {
    element: "status",
    system: None,
    codes: &[
        ("final", Fact("final")),
        ("registered", Fact("pending")),
        ("preliminary", Fact("preliminary")),
        ("amended", Fact("amended")),
        ("corrected", Fact("corrected")),
        ("cancelled", Fact("not_obtained")),
        ("unknown", Nearly("preliminary")),
        ("entered-in-error", NoFact),
    ],
    words: &[],
};

/// `Condition.verificationStatus`.
pub const CONDITION_CERTAINTY: Modifier = Modifier {
    element: "verificationStatus",
    system: Some("http://terminology.hl7.org/CodeSystem/condition-ver-status"),
    codes: &[
        ("confirmed", Fact("confirmed")),
        ("provisional", Fact("provisional")),
        ("differential", Fact("differential")),
        ("unconfirmed", Fact("unconfirmed")),
        ("refuted", NoFact),
        ("entered-in-error", NoFact),
    ],
    words: CERTAINTY_WORDS,
};

const CERTAINTY_WORDS: &[(&str, Standing)] = &[
    ("确诊", Fact("confirmed")),
    ("明确", Fact("confirmed")),
    ("疑似", Fact("provisional")),
    ("疑诊", Fact("provisional")),
    ("初步", Fact("provisional")),
    ("鉴别", Fact("differential")),
    ("待查", Fact("unconfirmed")),
    ("未证实", Fact("unconfirmed")),
    ("排除", NoFact),
    ("已排除", NoFact),
    ("误录", NoFact),
];

/// `Condition.clinicalStatus`.
pub const CONDITION_STATUS: Modifier = Modifier {
    element: "clinicalStatus",
    system: Some("http://terminology.hl7.org/CodeSystem/condition-clinical"),
    codes: &[
        ("active", Fact("active")),
        ("recurrence", Fact("recurrence")),
        ("relapse", Fact("relapse")),
        ("inactive", Fact("inactive")),
        ("remission", Fact("remission")),
        ("resolved", Fact("resolved")),
    ],
    words: STATUS_WORDS,
};

const STATUS_WORDS: &[(&str, Standing)] = &[
    ("现患", Fact("active")),
    ("活动期", Fact("active")),
    ("复发", Fact("recurrence")),
    ("缓解", Fact("remission")),
    ("痊愈", Fact("resolved")),
    ("治愈", Fact("resolved")),
];

/// `AllergyIntolerance.verificationStatus`.
pub const ALLERGY_CERTAINTY: Modifier = Modifier {
    element: "verificationStatus",
    system: Some("http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"),
    codes: &[
        ("confirmed", Fact("confirmed")),
        ("unconfirmed", Fact("unconfirmed")),
        ("presumed", Fact("provisional")),
        ("provisional", Fact("provisional")),
        ("differential", Fact("differential")),
        ("refuted", NoFact),
        ("entered-in-error", NoFact),
    ],
    words: CERTAINTY_WORDS,
};

/// `AllergyIntolerance.clinicalStatus`.
pub const ALLERGY_STATUS: Modifier = Modifier {
    element: "clinicalStatus",
    system: Some("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"),
    codes: CONDITION_STATUS.codes,
    words: STATUS_WORDS,
};

/// `MedicationStatement.status`.
pub const STATEMENT: Modifier = Modifier {
    element: "status",
    system: None,
    codes: &[
        ("active", Fact("active")),
        ("intended", Fact("intended")),
        ("on-hold", Fact("on_hold")),
        ("stopped", Fact("stopped")),
        ("completed", Fact("completed")),
        ("unknown", Nearly("active")),
        ("not-taken", NoFact),
        ("entered-in-error", NoFact),
    ],
    words: &[],
};

/// `MedicationRequest.status`.
pub const PRESCRIPTION: Modifier = Modifier {
    element: "status",
    system: None,
    codes: &[
        ("active", Fact("active")),
        ("draft", Fact("intended")),
        ("on-hold", Fact("on_hold")),
        ("stopped", Fact("stopped")),
        ("completed", Fact("completed")),
        ("unknown", Nearly("active")),
        ("cancelled", NoFact),
        ("entered-in-error", NoFact),
    ],
    words: &[],
};

/// `Procedure.status`.
pub const PROCEDURE: Modifier = Modifier {
    element: "status",
    system: None,
    codes: &[
        ("completed", Fact("completed")),
        ("preparation", Fact("planned")),
        ("in-progress", Fact("in_progress")),
        ("on-hold", Fact("on_hold")),
        ("stopped", Fact("stopped")),
        ("unknown", Nearly("planned")),
        ("not-done", NoFact),
        ("entered-in-error", NoFact),
    ],
    words: &[],
};

/// `DocumentReference.status`: one that was replaced is a paper of the past, one in error is none.
pub const DOCUMENT: Modifier = Modifier {
    element: "status",
    system: None,
    codes: &[("current", Fact("current")), ("superseded", NoFact), ("entered-in-error", NoFact)],
    words: &[],
};

/// `DocumentReference.docStatus`: how far the paper itself has come.
pub const PAPER: Modifier = Modifier {
    element: "docStatus",
    system: None,
    codes: &[
        ("final", Fact("final")),
        ("amended", Fact("amended")),
        ("preliminary", Fact("preliminary")),
        ("entered-in-error", NoFact),
    ],
    words: &[],
};

/// `Consent.status`: one in error says nothing; the others are read with the consent.
const CONSENT: Modifier = Modifier {
    element: "status",
    system: None,
    codes: &[("entered-in-error", NoFact)],
    words: &[],
};

/// `CarePlan.status`.
const CARE_PLAN: Modifier = Modifier {
    element: "status",
    system: None,
    codes: &[("revoked", NoFact), ("entered-in-error", NoFact)],
    words: &[],
};

/// `DiagnosticReport.status` and `Communication.status`.
const REPORT: Modifier = Modifier {
    element: "status",
    system: None,
    codes: &[
        ("cancelled", NoFact),
        ("not-done", NoFact),
        ("stopped", NoFact),
        ("entered-in-error", NoFact),
    ],
    words: &[],
};

/// `Slot.status`: what is not free is no offer.
const SLOT: Modifier = Modifier {
    element: "status",
    system: None,
    codes: &[
        ("busy", NoFact),
        ("busy-unavailable", NoFact),
        ("busy-tentative", NoFact),
        ("entered-in-error", NoFact),
    ],
    words: &[],
};

/// Which resources may say of themselves that they are no fact, and where.
const MODIFIED: [(&str, &[Modifier]); 12] = [
    ("Observation", &[OBSERVATION]),
    ("Condition", &[CONDITION_CERTAINTY]),
    ("AllergyIntolerance", &[ALLERGY_CERTAINTY]),
    ("MedicationStatement", &[STATEMENT]),
    ("MedicationRequest", &[PRESCRIPTION]),
    ("Procedure", &[PROCEDURE]),
    ("DocumentReference", &[DOCUMENT, PAPER]),
    ("Consent", &[CONSENT]),
    ("CarePlan", &[CARE_PLAN]),
    ("DiagnosticReport", &[REPORT]),
    ("Communication", &[REPORT]),
    ("Slot", &[SLOT]),
];

/// Codes of elements that decide what a resource means and are read in other files. One that is not
/// here is not understood, wherever the resource stands.
const KNOWN: &[(&str, &str, &[&str])] = &[
    ("ServiceRequest", "status", REQUEST_STATUSES),
    ("ServiceRequest", "intent", INTENTS),
    ("Task", "status", TASK_STATUSES),
    ("Task", "intent", INTENTS),
    ("Appointment", "status", APPOINTMENT_STATUSES),
    ("Encounter", "status", VISIT_STATUSES),
    ("Slot", "status", &["free"]),
    ("CarePlan", "status", &["active", "draft", "on-hold", "completed", "unknown"]),
    ("CarePlan", "intent", &["plan", "order"]),
    ("Consent", "status", &["draft", "proposed", "active", "rejected", "inactive"]),
    ("Consent", "provision/type", &["deny", "permit"]),
    ("MessageHeader", "response/code", &["ok", "transient-error", "fatal-error"]),
];

const REQUEST_STATUSES: &[&str] =
    &["draft", "active", "on-hold", "revoked", "completed", "entered-in-error"];
/// A proposal, an option or a directive asks nobody to act.
const INTENTS: &[&str] =
    &["order", "original-order", "reflex-order", "filler-order", "instance-order", "plan"];
const TASK_STATUSES: &[&str] = &[
    "draft",
    "requested",
    "received",
    "accepted",
    "rejected",
    "ready",
    "cancelled",
    "in-progress",
    "on-hold",
    "failed",
    "completed",
    "entered-in-error",
];
const APPOINTMENT_STATUSES: &[&str] = &[
    "proposed",
    "pending",
    "booked",
    "arrived",
    "fulfilled",
    "cancelled",
    "noshow",
    "entered-in-error",
    "checked-in",
    "waitlist",
];
const VISIT_STATUSES: &[&str] = &[
    "planned",
    "arrived",
    "triaged",
    "in-progress",
    "onleave",
    "finished",
    "cancelled",
    "entered-in-error",
    "unknown",
];

/// What the sender reads of a resource that is no fact.
pub const NO_FACT: &str = "this says that its resource is no fact (withdrawn, ruled out, not taken, \
                       not done, replaced, not free); the resource was left out and not sent on";

impl Modifier {
    fn of(&self, code: &str) -> Option<Standing> {
        let code = code.trim();
        let listed = self.codes.iter().chain(self.words).find(|(known, _)| *known == code);
        listed.map(|(_, standing)| *standing)
    }

    /// The element with a canonical value.
    pub fn write(&self, value: &str) -> Option<Value> {
        let says = |standing: &Standing| matches!(standing, Fact(known) if *known == value);
        let (code, _) = self.codes.iter().find(|(_, standing)| says(standing))?;
        Some(match self.system {
            Some(system) => json!({ "coding": [{ "system": system, "code": code }] }),
            None => Value::from(*code),
        })
    }
}

impl Reader<'_> {
    /// Takes a modifier. Gives its canonical value, `Ok(None)` where there is none, and `Err` where
    /// the resource must be left out or the message is refused.
    pub fn modifier(&mut self, at: At, which: &Modifier) -> Result<Option<&'static str>, NotAFact> {
        let places = self.places(at, which);
        let mut standing: Option<Standing> = None;
        for place in &places {
            let Some(code) = self.bundle.peek(at, place) else { continue };
            let found = which.of(code);
            let Some(found) = found else { continue };
            if standing.is_some_and(|known| known != found) {
                let text = "the codes of this element contradict each other; send one";
                self.problem(codes::MODIFIER, self.bundle.field(at, which.element), text);
                return Err(NotAFact);
            }
            standing = Some(found);
        }
        if places.is_empty() {
            // R4 requires every plain status, and makes the others optional.
            if which.system.is_none() && which.element == "status" {
                let text = "the status is missing; it was read as what such a resource mostly is";
                self.deviation(codes::SHAPE, self.bundle.field(at, which.element), text);
            }
            return Ok(None);
        }
        let field = self.bundle.field(at, which.element);
        let Some(standing) = standing else {
            let text = "this element changes what its resource means, and its code is not known; \
                        send one of FHIR's codes";
            self.problem(codes::MODIFIER, field, text);
            return Err(NotAFact);
        };
        self.bundle.take_all(at, which.element);
        match standing {
            Fact(value) => Ok(Some(value)),
            Nearly(value) => {
                let text = format!("the status is unknown; it was read as {value}");
                self.deviation(codes::CODE_UNKNOWN, field, text);
                Ok(Some(value))
            }
            NoFact => {
                self.leave_out(at, which.element, NO_FACT);
                Err(NotAFact)
            }
        }
    }

    /// Where a modifier states its codes or its words.
    fn places(&self, at: At, which: &Modifier) -> Vec<String> {
        let element = which.element;
        let filled = |place: &String| self.bundle.peek(at, place).is_some();
        let lone = element.to_owned();
        if which.system.is_none() || filled(&lone) {
            return Some(lone).filter(filled).into_iter().collect();
        }
        let codings = self.bundle.count(at, &format!("{element}/coding"));
        let mut places: Vec<String> =
            (0..codings).map(|i| format!("{element}/coding/{i}/code")).filter(filled).collect();
        if places.is_empty() {
            places.extend(Some(format!("{element}/text")).filter(filled));
        }
        places
    }

    /// Leaves out every resource that says of itself that it is no fact. Comes before anything is
    /// read, so that nothing refers to one of them.
    pub fn leave_out_what_is_no_fact(&mut self) {
        for (kind, modifiers) in MODIFIED {
            for at in self.bundle.all(kind) {
                let no_fact = modifiers.iter().find(|which| {
                    let places = self.places(at, which);
                    places.iter().any(|place| {
                        self.bundle.peek(at, place).and_then(|code| which.of(code)) == Some(NoFact)
                    })
                });
                if let Some(which) = no_fact {
                    self.leave_out(at, which.element, NO_FACT);
                }
            }
        }
        for at in self.bundle.all("MedicationRequest") {
            if self.bundle.take(at, "doNotPerform").as_deref() == Some("true") {
                self.leave_out(at, "doNotPerform", NO_FACT);
            }
        }
    }

    /// Refuses what changes the meaning of the message and is not understood: FHIR forbids to
    /// process a resource with an unknown `modifierExtension` or `implicitRules`, and whoever reads
    /// past `doNotPerform` does the opposite.
    pub fn refuse_unknown_modifiers(&mut self) {
        let places: Vec<At> = std::iter::once(BUNDLE).chain(self.bundle.present()).collect();
        for at in places {
            let mut told = String::new();
            for (pointer, text) in self.bundle.untaken(at) {
                let path = pointer.trim_start_matches('/');
                let last = path.rsplit('/').next().unwrap_or_default();
                let why = if path.split('/').any(|step| step == "modifierExtension") {
                    "this extension changes the meaning of its resource and is not known here; \
                     leave it out only if the resource means the same without it"
                } else if last == "implicitRules" {
                    "these rules are not known here; send the message without them"
                } else if last == "doNotPerform" && text == "true" {
                    "this forbids what it names; a prohibition is no request"
                } else if last == "active" && text == "false" && self.bundle.kind(at) != "Patient" {
                    "this is marked as no longer in use; name the one that is"
                } else {
                    if matches!(last, "doNotPerform" | "active")
                        && self.bundle.kind(at) != "Patient"
                    {
                        self.bundle.take_pointer(at, pointer);
                    }
                    continue;
                };
                let element = match pointer.split_once("/modifierExtension") {
                    Some((before, _)) => format!("{before}/modifierExtension"),
                    None => pointer.clone(),
                };
                if element != told {
                    self.problem(codes::MODIFIER, self.bundle.field(at, &element), why);
                }
                told = element;
            }
        }
    }

    /// Refuses codes of deciding elements that are not known.
    pub fn refuse_unknown_codes(&mut self) {
        for (kind, element, known) in KNOWN {
            for at in self.bundle.all(kind) {
                let code = self.bundle.peek(at, element).map(str::trim);
                if code.is_some_and(|code| !known.contains(&code)) {
                    let text = "this decides what the message means, and its code is not understood \
                                here; send one that adapters/fhir/MAPPING.md lists";
                    self.problem(codes::MODIFIER, self.bundle.field(at, element), text);
                }
            }
        }
    }

    /// Leaves a resource out, and remembers it for the receiver.
    pub fn leave_out(&mut self, at: At, element: &str, why: &str) {
        self.bundle.leave_out(at);
        self.deviation(codes::LEFT_OUT, self.bundle.field(at, element), why);
        self.left_out.push(self.bundle.field(at, ""));
    }
}

/// The resource is left out, or the message is refused; which of the two is told already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAFact;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_canonical_value_is_written_as_a_code_that_is_read_as_it() {
        for modifier in [
            OBSERVATION,
            CONDITION_CERTAINTY,
            CONDITION_STATUS,
            ALLERGY_CERTAINTY,
            ALLERGY_STATUS,
            STATEMENT,
            PRESCRIPTION,
            PROCEDURE,
            DOCUMENT,
        ] {
            for (_, standing) in modifier.codes {
                let Fact(value) = standing else { continue };
                let written = modifier.write(value).unwrap();
                let code = written.as_str().or(written["coding"][0]["code"].as_str()).unwrap();

                assert_eq!(modifier.of(code), Some(Fact(value)), "{}", modifier.element);
            }
        }
    }
}
