//! Words that nobody has read, put where the receiver reads them.
//!
//! ```text
//!   a resource that no list of the kind holds ─▶ one remark with all that it says
//!   a text beside what was read               ─▶ a remark with its place
//!   codes, addresses, marks of the sender's system ─▶ stay for the extras
//! ```
//!
//! What a clinician wrote always reaches the receiver; extras are only for what means nothing to one.

use tierlink_schemas::Kind;

use crate::bundle::At;
use crate::leftovers::is_routine;
use crate::modifiers::NO_FACT;
use crate::reader::Reader;
use crate::writer::Rest;

/// Resources that say nothing clinical of their own.
const NOT_CLINICAL: [&str; 18] = [
    "MessageHeader",
    "Patient",
    "Organization",
    "Practitioner",
    "PractitionerRole",
    "HealthcareService",
    "Location",
    "Endpoint",
    "Schedule",
    "Binary",
    "Medication",
    "OperationOutcome",
    "Provenance",
    "AuditEvent",
    "Subscription",
    "CapabilityStatement",
    "MessageDefinition",
    "Parameters",
];

/// Resources of which the kind of the message reads what it needs; what is left are texts beside it.
const READ_IN_PART: [&str; 3] = ["ServiceRequest", "Task", "Encounter"];

/// Elements in which no clinician writes, by a step of their path.
const NO_WORDS: [&str; 12] = [
    "meta",
    "identifier",
    "requester",
    "owner",
    "performer",
    "for",
    "subject",
    "patient",
    "encounter",
    "focus",
    "basedOn",
    "url",
];

/// Elements that hold words whatever they look like.
const WORDS: [&str; 9] = [
    "text",
    "comment",
    "description",
    "conclusion",
    "patientInstruction",
    "valueString",
    "valueMarkdown",
    "contentString",
    "title",
];

/// Statuses of resources without a list that say that they are no facts.
const NO_FACTS: [&str; 6] =
    ["entered-in-error", "refuted", "not-done", "not-taken", "cancelled", "revoked"];

impl Reader<'_> {
    /// Adds to the body what it has no field for: words beside what was read, whole resources that
    /// no list of the kind holds, and that something was left out.
    pub fn say_the_rest(&mut self, kind: Kind, body: &mut Rest) {
        let clinical: Vec<At> = self
            .bundle
            .present()
            .filter(|at| !NOT_CLINICAL.contains(&self.bundle.kind(*at)))
            .collect();
        for at in self.bundle.present().collect::<Vec<_>>() {
            self.narrative(at);
        }
        for at in clinical {
            let in_part = READ_IN_PART.contains(&self.bundle.kind(at));
            // A request beside an answer is the case's own, and known there.
            if in_part || self.bundle.is_read(at) {
                self.say_what_stands_beside(at);
            } else {
                self.say_whole(at);
            }
        }
        for (place, text) in std::mem::take(&mut self.said) {
            self.remark(kind, &place, text, body);
        }
        self.tell_what_was_left_out(kind, body);
    }

    /// The narrative repeats the elements, unless it says that it holds more.
    fn narrative(&mut self, at: At) {
        let status = self.bundle.take_code(at, "text/status");
        let Some(html) = self.bundle.peek(at, "text/div").map(str::to_owned) else {
            return;
        };
        self.bundle.take(at, "text/div");
        if status.as_deref() == Some("additional") {
            let text = without_tags(&html);
            if !text.is_empty() {
                let place = self.bundle.field(at, "text");
                self.said.push((place.clone(), format!("{place}：{text}")));
            }
        }
    }

    fn say_what_stands_beside(&mut self, at: At) {
        for (pointer, text) in self.bundle.untaken(at) {
            if holds_words(&pointer, &text) && !is_routine(self.bundle.kind(at), &pointer, &text) {
                let place = self.bundle.field(at, &pointer);
                self.said.push((place.clone(), format!("{place}：{}", text.trim())));
                self.bundle.take_as_words(at, pointer);
            }
        }
    }

    /// Says all that a resource holds, or leaves it out where it says that it is no fact.
    pub fn say_whole(&mut self, at: At) {
        let leaves = self.bundle.untaken(at);
        let says_no = leaves.iter().find(|(pointer, text)| {
            let path = pointer.to_ascii_lowercase();
            path.contains("status") && NO_FACTS.contains(&text.trim())
        });
        if let Some((pointer, _)) = says_no {
            let element = pointer.trim_start_matches('/').to_owned();
            return self.leave_out(at, &element, NO_FACT);
        }
        let mut said = Vec::new();
        for (pointer, text) in leaves {
            let last = pointer.rsplit('/').next().unwrap_or_default();
            let says_nothing = pointer.starts_with("/meta")
                || matches!(last, "id" | "reference" | "system" | "url" | "fullUrl");
            if !says_nothing {
                let element = self.bundle.field(at, &pointer);
                let element = element.split_once('.').map_or(element.as_str(), |(_, rest)| rest);
                let text = if last == "div" { without_tags(&text) } else { text.trim().to_owned() };
                said.push(format!("{element}={text}"));
                self.bundle.take_as_words(at, pointer.clone());
            }
        }
        if !said.is_empty() {
            let place = self.bundle.field(at, "");
            self.said.push((place.clone(), format!("{place}：{}", said.join("；"))));
        }
    }
}

/// Whether a leaf holds words and no code, number, date or address.
fn holds_words(pointer: &str, text: &str) -> bool {
    let mut steps = pointer.split('/').filter(|step| !step.is_empty());
    let last = pointer.rsplit('/').find(|step| step.parse::<usize>().is_err()).unwrap_or_default();
    let nowhere = steps.any(|step| NO_WORDS.contains(&step)) || matches!(last, "system" | "id");
    !nowhere && (WORDS.contains(&last) || !text.is_ascii() || text.trim().contains(' '))
}

/// The text of a narrative.
fn without_tags(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut inside = false;
    for letter in html.chars() {
        match letter {
            '<' => {
                inside = true;
                text.push(' ');
            }
            '>' => inside = false,
            _ if !inside => text.push(letter),
            _ => {}
        }
    }
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", " ");
    let text = text.replace("&quot;", "\"").replace("&amp;", "&");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_from_codes_dates_and_addresses() {
        for (pointer, text) in [
            ("/note/0/text", "Fasting"),
            ("/patientInstruction", "空腹"),
            ("/extension/0/valueString", "x"),
            ("/bodySite/0/coding/0/display", "left arm"),
        ] {
            assert!(holds_words(pointer, text), "{pointer}");
        }
        for (pointer, text) in [
            ("/identifier/0/value", "门-12"),
            ("/meta/profile/0", "https://x.example/p"),
            ("/status", "active"),
            ("/authoredOn", "2026-03-10"),
            ("/requester/display", "沈立新"),
            ("/code/coding/0/code", "C1"),
        ] {
            assert!(!holds_words(pointer, text), "{pointer}");
        }
    }

    #[test]
    fn a_narrative_is_read_without_its_tags() {
        let html = "<div xmlns=\"x\"><p>空腹&nbsp;8小时</p><p>血糖 &lt; 4</p></div>";

        assert_eq!(without_tags(html), "空腹 8小时 血糖 < 4");
    }
}
