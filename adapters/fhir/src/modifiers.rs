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

use crate::bundle::At;
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
                self.leave_out(at, &field);
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

    /// Leaves a resource out because it is no fact about the patient.
    pub fn leave_out(&mut self, at: At, field: &str) {
        self.bundle.take_whole(at);
        let text = "this says that its resource is no fact (withdrawn, ruled out, not taken, not \
                    done, replaced); the resource was left out and not sent on";
        self.deviation(codes::LEFT_OUT, field, text);
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
