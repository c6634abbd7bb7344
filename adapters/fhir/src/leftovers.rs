//! What nobody has read: the texts that become the message's extras.
//!
//! Ids, references inside the Bundle and the few elements that our own writers always fill in the
//! same way say nothing and are left out.

use tierlink_schemas::Problem;
use tierlink_schemas::message::Extra;

use crate::bundle::Bundle;
use crate::codes;
use crate::leaves::each_leaf;
use crate::limits::{EXTRA_CHARS_MAX, EXTRA_PATH_CHARS_MAX, EXTRAS_MAX};

/// Elements that our own writers always fill in the same way and that say nothing.
const ROUTINE: &[(&str, &str, &str)] = &[
    ("Bundle", "/type", "message"),
    ("ServiceRequest", "/intent", "order"),
    ("Task", "/intent", "order"),
    ("Task", "/focus/type", "ServiceRequest"),
    ("Observation", "/status", "final"),
    ("DocumentReference", "/status", "current"),
    ("MedicationStatement", "/status", "active"),
    ("MedicationRequest", "/status", "active"),
    ("MedicationRequest", "/intent", "plan"),
    ("Procedure", "/status", "completed"),
    ("CarePlan", "/status", "active"),
    ("CarePlan", "/intent", "plan"),
    ("CarePlan", "/activity/detail/status", "scheduled"),
    ("Encounter", "/class/system", "http://terminology.hl7.org/CodeSystem/v3-ActCode"),
    ("Encounter", "/class/code", "AMB"),
    ("Encounter", "/class/code", "IMP"),
    ("Encounter", "/status", "unknown"),
    ("MessageHeader", "/response/code", "ok"),
    ("Slot", "/status", "free"),
    ("Slot", "/schedule/display", "schedule"),
    ("Appointment", "/participant/status", "accepted"),
    ("Patient", "/name/use", "official"),
    ("Consent", "/scope/coding/system", "http://terminology.hl7.org/CodeSystem/consentscope"),
    ("Consent", "/scope/coding/code", "treatment"),
    ("Consent", "/category/coding/system", "http://loinc.org"),
    ("Consent", "/category/coding/code", "59284-0"),
    ("Task", "/output/type/text", "part"),
];

impl Bundle {
    /// What nobody took, or that it is more than a message may carry.
    pub fn leftovers(&self) -> Result<Vec<Extra>, Problem> {
        let mut extras = Vec::new();
        for (at, resource) in self.resources.iter().enumerate() {
            each_leaf(&resource.body, &mut String::new(), &mut |pointer, text| {
                let read = resource.taken.contains(pointer)
                    || is_of_the_transmission(pointer)
                    || is_routine(&resource.kind, pointer, text)
                    || (pointer.ends_with("/reference") && self.target(at, text).is_some());
                if !read && extras.len() <= EXTRAS_MAX {
                    keep(&mut extras, &self.field(at, pointer), text);
                }
            });
        }
        if extras.len() > EXTRAS_MAX {
            let text = "the message has too many elements that no canonical field holds; split it";
            return Err(Problem::new(codes::TOO_MUCH, "Bundle", text));
        }
        Ok(extras)
    }
}

/// Whether an element belongs to this transmission and not to what is said. A message that is sent
/// again may have others, and is the same message all the same: its id is that of the header.
fn is_of_the_transmission(pointer: &str) -> bool {
    matches!(pointer, "/id" | "/meta/lastUpdated" | "/meta/versionId" | "/lastModified")
}

/// Whether our own writers always fill in an element in this way.
pub fn is_routine(kind: &str, pointer: &str, text: &str) -> bool {
    let matches = |(its_kind, its_path, its_text): &(&str, &str, &str)| {
        *its_kind == kind && *its_text == text && same_place(pointer, its_path)
    };
    ROUTINE.iter().any(matches)
}

/// Compares places without the numbers in them.
fn same_place(pointer: &str, path: &str) -> bool {
    let steps = |p: &str| -> Vec<String> {
        p.split('/')
            .filter(|step| !step.bytes().all(|b| b.is_ascii_digit()))
            .map(str::to_owned)
            .collect()
    };
    steps(pointer) == steps(path)
}

/// Keeps a text, in parts where it is longer than one extra may be.
pub fn keep(extras: &mut Vec<Extra>, field: &str, text: &str) {
    let path: String = field.chars().take(EXTRA_PATH_CHARS_MAX).collect();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.char_indices().nth(EXTRA_CHARS_MAX).map_or(rest.len(), |(end, _)| end);
        let (part, more) = rest.split_at(end);
        extras.push(Extra { path: path.clone(), text: part.to_owned() });
        rest = more;
    }
}
