//! The names of a patient (`HumanName`), both ways.
//!
//! The name is the official one, or else the one that is in use; a former name, a nickname or a
//! maiden name never becomes it while there is another. The others are kept with their use.

use serde_json::{Value, json};
use tierlink_schemas::person::{NameUse, OtherName, Patient};

use crate::bundle::At;
use crate::period::Currency;
use crate::reader::Reader;
use crate::writer::Rest;
use crate::{codes, systems};

/// HL7's extension that says how a name is written.
const REPRESENTATION: &str = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation";
/// Our extension for uses that FHIR has no code for.
const USE: &str = "name_use";
/// Longest name that the canonical `name` takes.
const NAME_CHARS_MAX: usize = 100;
/// Longest further name.
const OTHER_CHARS_MAX: usize = 200;
/// Most further names of a patient, as the canonical schema allows.
const OTHERS_MAX: usize = 20;

/// FHIR's uses of names.
const USES: [(&str, NameUse); 7] = [
    ("official", NameUse::Official),
    ("usual", NameUse::Usual),
    ("old", NameUse::Former),
    ("maiden", NameUse::Maiden),
    ("nickname", NameUse::Nickname),
    ("temp", NameUse::Temporary),
    ("anonymous", NameUse::Anonymous),
];

/// The best rank that is no name in use any more.
const NOT_IN_USE: u8 = 3;

/// Which name the patient is called by: the smaller the better.
const fn rank(usage: Option<NameUse>) -> u8 {
    match usage {
        Some(NameUse::Official) => 0,
        Some(NameUse::Usual) => 1,
        None | Some(NameUse::Other) => 2,
        Some(NameUse::Temporary) => NOT_IN_USE,
        Some(NameUse::Anonymous) => 4,
        Some(NameUse::Alias) => 5,
        Some(NameUse::Nickname) => 6,
        Some(NameUse::Maiden) => 7,
        Some(NameUse::Former) => 8,
    }
}

/// A name as it was read.
struct Found {
    usage: Option<NameUse>,
    text: String,
    path: String,
}

impl Reader<'_> {
    /// Reads every name of a patient.
    pub fn names(&mut self, at: At, patient: &mut Patient) {
        let mut found: Vec<Found> = Vec::new();
        for index in 0..self.bundle.count(at, "name").min(OTHERS_MAX + 2) {
            let path = format!("name/{index}");
            let usage = self.name_use(at, &path);
            let former = usage == Some(NameUse::Former);
            if !former && patient.name_latin.is_none() && self.is_syllabic(at, &path) {
                patient.name_latin = self.human_name(at, &path, OTHER_CHARS_MAX);
                continue;
            }
            if let Some(text) = self.human_name(at, &path, OTHER_CHARS_MAX) {
                found.push(Found { usage, text, path });
            }
        }
        let Some(best) = (0..found.len()).min_by_key(|at| rank(found[*at].usage)) else {
            return;
        };
        let best = found.remove(best);
        if best.text.chars().count() > NAME_CHARS_MAX {
            let text = "the name is too long; at most 100 characters fit";
            self.problem(codes::TOO_LONG, self.bundle.field(at, &best.path), text);
            return;
        }
        if rank(best.usage) >= NOT_IN_USE {
            let text = "no name is official or usual; this one was taken although its use or its \
                        period says that the patient is not called so";
            self.deviation(codes::IDENTITY_FORM, self.bundle.field(at, &best.path), text);
            let (text, usage) = (best.text.clone(), best.usage.unwrap_or(NameUse::Other));
            patient.other_names.push(OtherName { text, r#use: usage });
        }
        for Found { usage, text, .. } in found {
            if text != best.text {
                let usage = usage.unwrap_or(NameUse::Other);
                patient.other_names.push(OtherName { text, r#use: usage });
            }
        }
        patient.other_names.truncate(OTHERS_MAX);
        patient.name = Some(best.text);
    }

    /// The name of somebody who acts: the one in use of several.
    pub fn name_in_use(&mut self, at: At) -> Option<String> {
        let mut best: Option<(u8, String)> = None;
        for index in 0..self.bundle.count(at, "name").min(OTHERS_MAX) {
            let path = format!("name/{index}");
            let usage = rank(self.name_use(at, &path));
            if best.as_ref().is_none_or(|(known, _)| usage < *known)
                && let Some(text) = self.human_name(at, &path, NAME_CHARS_MAX)
            {
                best = Some((usage, text));
            }
        }
        best.map(|(_, text)| text)
    }

    /// What a name is used for, by its use and its period.
    pub fn name_use(&mut self, at: At, path: &str) -> Option<NameUse> {
        let field = format!("{path}/use");
        let ours = self.extensions(at, path).remove(USE);
        let ours = ours.and_then(|value| serde_json::from_value(value).ok());
        let given = self.bundle.take_code(at, &field);
        let known = given.as_deref().and_then(|given| USES.iter().find(|(code, _)| *code == given));
        if given.is_some() && known.is_none() {
            let text = "the use of a name is not one of FHIR's, and whether the patient is called \
                        so is not certain; send official, usual, old, maiden, nickname, temp or \
                        anonymous";
            self.problem(codes::MODIFIER, self.bundle.field(at, &field), text);
        }
        match self.currency(at, path) {
            Currency::Ended | Currency::NotYet => Some(NameUse::Former),
            Currency::Now => ours.or(known.map(|(_, usage)| *usage)),
        }
    }

    /// Whether a name is written in Latin letters for its sound, as HL7's extension says.
    fn is_syllabic(&mut self, at: At, path: &str) -> bool {
        let extensions = self.bundle.count(at, &format!("{path}/extension"));
        let says = (0..extensions).find(|index| {
            let one = format!("{path}/extension/{index}");
            self.bundle.peek(at, &format!("{one}/url")) == Some(REPRESENTATION)
                && self.bundle.peek(at, &format!("{one}/valueCode")) == Some("SYL")
        });
        if let Some(index) = says {
            self.bundle.take_all(at, &format!("{path}/extension/{index}"));
        }
        says.is_some()
    }

    /// Takes a person's name: the text, or its parts in the order that the script asks for.
    pub fn human_name(&mut self, at: At, path: &str, chars_max: usize) -> Option<String> {
        let text = self.short(at, &format!("{path}/text"), chars_max);
        let givens = self.bundle.count(at, &format!("{path}/given"));
        let Some(text) = text else {
            let family = self.short(at, &format!("{path}/family"), 50).unwrap_or_default();
            let given: Vec<String> = (0..givens)
                .filter_map(|i| self.short(at, &format!("{path}/given/{i}"), 50))
                .collect();
            if family.is_empty() && given.is_empty() {
                return self.short(at, path, chars_max);
            }
            // 张三 is written family first and without a space; Li Ming is not.
            let latin = family.is_ascii() && given.iter().all(|part| part.is_ascii());
            return Some(if latin {
                format!("{} {family}", given.join(" ")).trim().to_owned()
            } else {
                family + &given.concat()
            });
        };
        for part in
            std::iter::once("family".to_owned()).chain((0..givens).map(|i| format!("given/{i}")))
        {
            let part = format!("{path}/{part}");
            let known = self.bundle.peek(at, &part).map(|part| text.contains(part.trim()));
            if known == Some(false) {
                let advice = "this part of the name is not in its text; the text was taken";
                self.deviation(codes::SHAPE, self.bundle.field(at, &part), advice);
            }
            if known == Some(true) {
                self.bundle.take(at, &part);
            }
        }
        for part in ["prefix/0", "suffix/0"] {
            let part = format!("{path}/{part}");
            if self.bundle.peek(at, &part).is_some_and(|part| text.contains(part)) {
                self.bundle.take(at, &part);
            }
        }
        Some(text)
    }
}

/// Writes the names, the one that the patient is called by first.
pub fn write(rest: &mut Rest) -> Option<Value> {
    let mut names = Vec::new();
    names.extend(rest.text("name").map(|name| json!({ "use": "official", "text": name })));
    names.extend(rest.text("name_latin").map(|name| {
        let syllabic = json!([{ "url": REPRESENTATION, "valueCode": "SYL" }]);
        json!({ "text": name, "extension": syllabic })
    }));
    let others = rest.take("other_names");
    let others: Vec<OtherName> =
        others.and_then(|others| serde_json::from_value(others).ok()).unwrap_or_default();
    for other in others {
        let code = USES.iter().find(|(_, usage)| *usage == other.r#use).map(|(code, _)| *code);
        let mut name = json!({ "text": other.text });
        match code {
            Some(code) => name["use"] = code.into(),
            None if other.r#use == NameUse::Alias => {
                let url = format!("{}{USE}", systems::EXTENSION);
                name["extension"] = json!([{ "url": url, "valueString": "alias" }]);
            }
            None => {}
        }
        names.push(name);
    }
    (!names.is_empty()).then(|| names.into())
}
