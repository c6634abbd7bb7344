//! Medicines: as a statement of what the patient takes, or as a request to go on with.
//!
//! The canonical medicine has one dosage. Further dosages, instructions and reasons stay in order,
//! in the remark on the medicine.

use serde_json::{Map, Number, Value, json};
use tierlink_schemas::clinical::{Comparator, Medication, MedicationStatus};
use tierlink_schemas::person::Coded;

use crate::bundle::At;
use crate::items::{NOTE_CHARS_MAX, annotation, modifier, value_of};
use crate::modifiers::Modifier;
use crate::reader::Reader;
use crate::writer::{Rest, put};

/// What has no field of its own and goes into the remark on a medicine.
const MEDICATION_NOTES: [(&str, &str); 3] =
    [("reasonCode/0", "原因"), ("effectivePeriod/start", "开始"), ("effectivePeriod/end", "结束")];

impl Reader<'_> {
    /// Reads one medicine. Gives nothing where none is named.
    pub fn medication(&mut self, at: At, status: &Modifier) -> Option<Medication> {
        let status = self.modifier(at, status).ok()?;
        let mut status: MedicationStatus = status.and_then(value_of).unwrap_or_default();
        let intent = self.bundle.take_code(at, "intent");
        if matches!(intent.as_deref(), Some("proposal" | "option")) {
            status = MedicationStatus::Intended;
        }
        let drug = self.concept(at, "medicationCodeableConcept").or_else(|| {
            let medication = self.bundle.follow(at, "medicationReference")?;
            self.concept(medication, "code")
        });
        let drug = drug.or_else(|| {
            let words = self.short(at, "medicationReference/display", 1_000)?;
            Some(Coded::text(words))
        })?;
        // MedicationRequest calls the same element `dosageInstruction`.
        let dosages = ["dosage", "dosageInstruction"];
        let list = dosages.into_iter().find(|list| self.bundle.count(at, list) > 0);
        let list = list.unwrap_or("dosage");
        let dosage = format!("{list}/0");
        let part = |part: &str| format!("{dosage}/{part}");
        let dose = self.dose(at, &dosage);
        let frequency = self.frequency(at, &dosage);
        let route = self.phrase(at, &part("route"));
        let mut notes: Vec<String> = Vec::new();
        notes.extend(self.notes(at, &MEDICATION_NOTES, Vec::new()));
        let text = self.short(at, &part("text"), NOTE_CHARS_MAX);
        for index in 0..self.bundle.count(at, &part("additionalInstruction")).min(10) {
            notes.extend(self.phrase(at, &part(&format!("additionalInstruction/{index}"))));
        }
        notes.extend(self.short(at, &part("patientInstruction"), NOTE_CHARS_MAX));
        if self.bundle.take_code(at, &part("asNeededBoolean")).as_deref() == Some("true") {
            notes.push("必要时".to_owned());
        }
        let needed = self.phrase(at, &part("asNeededCodeableConcept"));
        notes.extend(needed.map(|why| format!("必要时：{why}")));
        // What further dosages say stays in order, in words.
        for index in 1..self.bundle.count(at, list).min(20) {
            let one = format!("{list}/{index}");
            let text = self.short(at, &format!("{one}/text"), NOTE_CHARS_MAX);
            let (dose, often) = (self.dose(at, &one), self.frequency(at, &one));
            let route = self.phrase(at, &format!("{one}/route"));
            let line = in_one_line(dose.as_deref(), often.as_deref(), route.as_deref());
            notes.extend(text.or((!line.is_empty()).then_some(line)));
        }
        let item = Medication { drug, status, dose, frequency, route, ..Medication::default() };
        let mut item = self.with_rest(at, item);
        let line =
            in_one_line(item.dose.as_deref(), item.frequency.as_deref(), item.route.as_deref());
        // What only repeats the parts says nothing new.
        notes.extend(text.filter(|text| *text != line));
        let note = notes.join("\n");
        if note.chars().count() > NOTE_CHARS_MAX {
            self.said.push((self.bundle.field(at, "note"), note));
        } else if !note.is_empty() {
            item.note = Some(note);
        }
        Some(item)
    }

    /// The dose with its unit; a range of doses as it was written.
    fn dose(&mut self, at: At, dosage: &str) -> Option<String> {
        let rate = format!("{dosage}/doseAndRate/0");
        let quantity = format!("{rate}/doseQuantity");
        let measured = if self.bundle.peek(at, &format!("{quantity}/value")).is_some() {
            self.quantity(at, &quantity)
        } else {
            self.compound(at, &format!("{rate}/doseRange"), ["low", "high"], "-")?
        };
        let sign = measured.comparator.map(Comparator::as_str).unwrap_or_default();
        let unit = measured.unit.unwrap_or_default();
        Some(format!("{sign}{} {unit}", measured.text?).trim().to_owned())
    }

    /// How often: the words, or `3次/1d` of `Timing.repeat`.
    fn frequency(&mut self, at: At, dosage: &str) -> Option<String> {
        if let Some(words) = self.phrase(at, &format!("{dosage}/timing/code")) {
            return Some(words);
        }
        let repeat = format!("{dosage}/timing/repeat");
        let times = self.bundle.take_code(at, &format!("{repeat}/frequency"));
        let period = self.bundle.take_code(at, &format!("{repeat}/period"))?;
        let unit = self.bundle.take_code(at, &format!("{repeat}/periodUnit"))?;
        Some(format!("{}次/{period}{unit}", times.as_deref().unwrap_or("1")))
    }
}

/// Writes a medicine. `element` is what the resource calls its dosages.
pub fn write(rest: &mut Rest, out: &mut Map<String, Value>, element: &str, status: &Modifier) {
    put(out, "status", Value::from("active"));
    modifier(rest, out, "status", status);
    put(out, "medicationCodeableConcept", rest.concept("drug"));
    let mut dosage = Map::new();
    let (frequency, route) = (rest.text("frequency"), rest.text("route"));
    let dose = rest.0.get("dose").and_then(Value::as_str).map(str::to_owned);
    let line = in_one_line(dose.as_deref(), frequency.as_deref(), route.as_deref());
    put(&mut dosage, "text", (!line.is_empty()).then(|| line.into()));
    let quantity = dose.as_deref().and_then(as_quantity);
    if quantity.is_some() {
        rest.take("dose");
    }
    put(&mut dosage, "doseAndRate", quantity.map(|it| json!([{ "doseQuantity": it }])));
    put(&mut dosage, "timing", frequency.map(|text| json!({ "code": { "text": text } })));
    put(&mut dosage, "route", route.map(|text| json!({ "text": text })));
    put(out, element, (!dosage.is_empty()).then(|| json!([dosage])));
    put(out, "note", annotation(rest));
}

/// A dose of the form `5 mg` as a quantity, where it reads back as the same.
fn as_quantity(dose: &str) -> Option<Value> {
    let (number, unit) = dose.split_once(' ')?;
    let number =
        serde_json::from_str::<Number>(number).ok().filter(|it| it.to_string() == number)?;
    let plain = !unit.is_empty() && unit.trim() == unit && unit.chars().count() <= 64;
    plain.then(|| json!({ "value": number, "unit": unit }))
}

/// Dose, frequency and route as one line, for whoever reads only the text of a dosage.
fn in_one_line(dose: Option<&str>, frequency: Option<&str>, route: Option<&str>) -> String {
    let parts = [dose, frequency, route];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}
