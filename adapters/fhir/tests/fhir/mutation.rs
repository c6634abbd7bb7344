//! Every leaf of every example means something: left out, turned into rubbish, or given a modifier,
//! it changes the canonical message or what its sender hears. What only changes the extras or the
//! raw bytes changes nothing for a receiver, so it does not count.
//!
//! A leaf that means nothing is listed with its reason; one that is listed and means something, or
//! that no example has, is struck from the list.

use std::collections::{BTreeMap, BTreeSet};

use crate::county::{self, County, reading};
use crate::samples::{self, Sample};
use serde_json::{Value, json};
use tierlink_codec::Codec;
use tierlink_fhir::Fhir;
use tierlink_schemas::message;

/// Leaves that mean nothing, by resource and path without numbers, each with its reason.
const MEANINGLESS: &[(&str, &str)] = &[
    ("*.id", "names a resource within its message"),
    (
        "*.resourceType",
        "left out or wrong: the reference to it still says what is meant, or it is said in words",
    ),
    ("*.subject.reference", "left out: the message has one patient"),
    ("*.patient.reference", "left out: the message has one patient"),
    ("*.clinicalStatus.coding.system", "the code says the same under any name of its system"),
    ("*.verificationStatus.coding.system", "the code says the same under any name of its system"),
    ("*.telecom.system", "left out: what a value looks like says the same"),
    ("Patient.contact.telecom.system", "left out: what a value looks like says the same"),
    ("*.intent", "left out: order and plan are what is meant by a request"),
    ("AllergyIntolerance.reaction.severity", "left out: of several reactions the worst counts"),
    (
        "Appointment.cancelationReason.coding.system",
        "left out: a code of the table is known without it",
    ),
    ("Appointment.participant.actor.reference", "the patient, whom the request names too"),
    (
        "Appointment.participant.status",
        "that somebody has not answered yet changes nothing for the receiver; who has declined is left out",
    ),
    ("Bundle.entry.fullUrl", "names a resource within its message"),
    ("Bundle.id", "of the transmission; the message's id is that of its header"),
    ("Bundle.timestamp", "left out: the request or the task says when"),
    ("CarePlan.activity.detail.status", "left out: an activity of a plan is planned"),
    ("CarePlan.status", "left out: a plan that is sent is in force"),
    ("Consent.category.coding.code", "the scope says that it is the consent to treatment"),
    ("Consent.category.coding.system", "the scope says that it is the consent to treatment"),
    ("Consent.scope.coding.system", "the code says the same under any name of its system"),
    ("Consent.provision.type", "left out: a consent that is in force permits"),
    ("DocumentReference.custodian.identifier.system", "the code is known without it"),
    ("Encounter.class.code", "the request says whether it is for outpatients"),
    ("Encounter.class.system", "the request says whether it is for outpatients"),
    (
        "Encounter.identifier.value",
        "of a visit beside an answer that names its case in another way",
    ),
    ("Encounter.reasonCode.coding.system", "the code says the same under any name of its system"),
    ("Encounter.status", "how far the visit has come from which the request is made"),
    ("HealthcareService.providedBy.reference", "the header names the receiver too"),
    ("MedicationRequest.dosageInstruction.text", "left out: repeats the parts of the dosage"),
    (
        "MedicationStatement.dosage.timing.repeat.frequency",
        "left out: once is what is meant by a period alone",
    ),
    ("MessageHeader.destination.endpoint", "the request names the receiver too"),
    (
        "MessageHeader.destination.receiver.reference",
        "the request or the endpoint names the receiver too",
    ),
    (
        "MessageHeader.eventUri",
        "an event that is none of ours; the statuses decide, and that is told",
    ),
    ("MessageHeader.focus.reference", "there is one request and one task to mean"),
    ("MessageHeader.reason.coding.code", "advice of BaRS; the statuses decide"),
    ("MessageHeader.reason.coding.system", "advice of BaRS; the statuses decide"),
    ("MessageHeader.response.code", "left out: an answer that is sent is one"),
    (
        "MessageHeader.sender.reference",
        "the connection says who sends, and the endpoint repeats it",
    ),
    ("MessageHeader.source.endpoint", "the connection says who sends"),
    ("MessageHeader.source.version", "the version of the sender's program"),
    ("Observation.code.coding.display", "the code of a national data element has its name"),
    ("Observation.valueRange.high.unit", "left out: the other end has the unit"),
    ("Observation.valueRange.low.unit", "left out: the other end has the unit"),
    ("Organization.identifier.system", "the code is known without it"),
    (
        "Organization.identifier.value",
        "of the sender, whom the connection names, or of the receiver, whom the endpoint names too",
    ),
    ("Organization.telecom.system", "the department has a telephone of its own"),
    ("Organization.telecom.value", "the department has a telephone of its own"),
    ("Patient.active", "left out: a record that is sent is in use"),
    ("Patient.deceasedBoolean", "left out: the patient lives"),
    ("Patient.identifier", "a number that is marked as old has ended"),
    (
        "Patient.identifier.type.coding.system",
        "the code says the same under any name of its system",
    ),
    ("Patient.identifier.use", "left out: a number is in use unless it says otherwise"),
    ("Patient.name", "a name that is marked as old has ended"),
    ("Patient.name.family", "left out: the text holds it"),
    ("Patient.name.given", "left out: the text holds it"),
    ("Patient.name.period.end", "left out: the use says that it is old"),
    ("Patient.name.text", "left out: the parts say the same"),
    ("Patient.name.use", "left out: the only name is the one in use"),
    ("Patient.telecom", "a number that is marked as old has ended"),
    ("Patient.telecom.rank", "a rank is better than none, however low"),
    ("Patient.telecom.use", "left out: the rank says which one is called first, too"),
    ("ServiceRequest.authoredOn", "left out: the Bundle says when"),
    (
        "ServiceRequest.category.coding.code",
        "the event states the family, and an order for a reading its kind",
    ),
    (
        "ServiceRequest.category.coding.system",
        "the event states the family, and an order for a reading its kind",
    ),
    ("ServiceRequest.doNotPerform", "left out: a request asks"),
    ("ServiceRequest.encounter.reference", "of a request beside an answer"),
    ("ServiceRequest.identifier.system", "whose number it is says the sender, or its type"),
    ("ServiceRequest.identifier.type.coding.code", "whose number it is says the sender, too"),
    (
        "ServiceRequest.identifier.type.coding.system",
        "the code says the same under any name of its system",
    ),
    ("ServiceRequest.performer.reference", "the header names the receiver too"),
    ("ServiceRequest.supportingInfo.reference", "the resources are in the message"),
    ("Slot.schedule.display", "FHIR wants a schedule; ours says nothing"),
    ("Slot.status", "left out: what is published is free"),
    ("Task.authoredOn", "left out: the Bundle says when"),
    ("Task.basedOn.identifier.system", "left out: the number says itself that it is ours"),
    ("Task.basedOn.identifier.value", "left out: the focus repeats the number"),
    ("Task.extension.valueString", "left out: what is meant where nothing is said"),
    ("Task.focus.identifier.value", "left out: repeats a number of the case"),
    ("Task.focus.reference", "the request is in the message"),
    ("Task.focus.type", "FHIR wants a type beside an identifier"),
    ("Task.for.reference", "left out: the message has one patient"),
    ("Task.output.type.text", "FHIR wants a type beside a reference"),
    ("Task.output.valueReference.reference", "the parts are in the message"),
    ("Task.status", "left out: the event says it"),
    ("Task.statusReason.coding.code", "a code of the sender's own, whose words are in our table"),
    ("Task.statusReason.coding.system", "the code says the same under any name of its system"),
];

/// What a receiver and the sender see of a message: the canonical message without its extras, and
/// the report.
fn seen(county: &County, sender: &str, bundle: &Value) -> String {
    let decoded = Fhir.decode(bundle.to_string().as_bytes(), &reading(county, sender));
    let message = decoded.outcome.map(|(mut message, family)| {
        message.extras.clear();
        (message::to_vec(&message), family)
    });
    format!("{message:?} {:?}", decoded.deviations)
}

/// A path through the Bundle.
type Steps = Vec<Step>;

#[derive(Clone, Debug)]
enum Step {
    Name(String),
    Index(usize),
}

fn at<'a>(mut value: &'a mut Value, steps: &[Step]) -> &'a mut Value {
    for step in steps {
        value = match step {
            Step::Name(name) => &mut value[name.as_str()],
            Step::Index(index) => &mut value[*index],
        };
    }
    value
}

fn found_at<'a>(mut value: &'a Value, steps: &[Step]) -> &'a Value {
    for step in steps {
        value = match step {
            Step::Name(name) => &value[name.as_str()],
            Step::Index(index) => &value[*index],
        };
    }
    value
}

/// Calls `found` with every value and its path.
fn each(value: &Value, steps: &mut Steps, found: &mut impl FnMut(&Steps, &Value)) {
    found(steps, value);
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                steps.push(Step::Name(name.clone()));
                each(member, steps, found);
                steps.pop();
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                steps.push(Step::Index(index));
                each(item, steps, found);
                steps.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `Patient.name.text`: the resource and the path in it, without numbers.
fn place(bundle: &Value, steps: &[Step]) -> String {
    let mut value = bundle;
    let mut place = "Bundle".to_owned();
    for step in steps {
        match step {
            Step::Name(name) => {
                place.push('.');
                place.push_str(name);
                value = &value[name.as_str()];
            }
            Step::Index(index) => value = &value[*index],
        }
        if let Some(kind) = value["resourceType"].as_str() {
            kind.clone_into(&mut place);
        }
    }
    place
}

/// One change to a message.
struct Mutant {
    place: String,
    how: &'static str,
    bundle: Value,
}

/// Which changes are worth trying.
type Wanted<'a> = dyn FnMut(&str, &'static str) -> bool + 'a;

/// Every leaf left out and turned into rubbish.
fn broken(bundle: &Value, wanted: &mut Wanted<'_>) -> Vec<Mutant> {
    let mut leaves = Vec::new();
    each(bundle, &mut Vec::new(), &mut |steps, value| {
        if !value.is_object() && !value.is_array() {
            leaves.push(steps.clone());
        }
    });
    let mut mutants = Vec::new();
    for steps in leaves {
        let place = place(bundle, &steps);
        if wanted(&place, "left out") {
            let mut without = bundle.clone();
            let (last, parents) = steps.split_last().unwrap();
            match (at(&mut without, parents), last) {
                (Value::Object(members), Step::Name(name)) => {
                    members.remove(name);
                }
                (Value::Array(items), Step::Index(index)) => {
                    items.remove(*index);
                }
                (_, _) => unreachable!("a leaf stands in an object or a list"),
            }
            mutants.push(Mutant { place: place.clone(), how: "left out", bundle: without });
        }
        if wanted(&place, "rubbish") {
            let mut rubbish = bundle.clone();
            let leaf = at(&mut rubbish, &steps);
            *leaf = match &*leaf {
                Value::Bool(it) => json!(!it),
                Value::Number(_) => json!(770_077),
                Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                    json!("rubbish")
                }
            };
            mutants.push(Mutant { place, how: "rubbish", bundle: rubbish });
        }
    }
    mutants
}

/// Elements with a period, by their name.
const WITH_PERIOD: [&str; 5] = ["name", "telecom", "address", "identifier", "contact"];

/// Every object given a modifier that FHIR allows there.
fn modified(bundle: &Value, wanted: &mut Wanted<'_>) -> Vec<Mutant> {
    let mut objects = Vec::new();
    each(bundle, &mut Vec::new(), &mut |steps, value| {
        if value.is_object() {
            objects.push(steps.clone());
        }
    });
    let mut mutants = Vec::new();
    for steps in objects {
        let place = place(bundle, &steps);
        let mut change = |how: &'static str, change: &dyn Fn(&mut Value)| {
            if !wanted(&place, how) {
                return;
            }
            let mut bundle = bundle.clone();
            change(at(&mut bundle, &steps));
            mutants.push(Mutant { place: place.clone(), how, bundle });
        };
        let here = found_at(bundle, &steps).clone();
        let of_patient = place.starts_with("Patient.");
        let name = steps.iter().rev().find_map(|step| match step {
            Step::Name(name) => Some(name.as_str()),
            Step::Index(_) => None,
        });
        let inside_extension = place.contains("xtension");
        if here["resourceType"].is_string() && place != "Bundle" {
            change("modifierExtension", &|it| {
                it["modifierExtension"] =
                    json!([{ "url": "https://his.example/unknown", "valueBoolean": true }]);
            });
            if here
                .get("status")
                .is_some_and(|_| NO_FACT.contains(&here["resourceType"].as_str().unwrap()))
            {
                change("entered in error", &|it| it["status"] = json!("entered-in-error"));
            }
            if matches!(here["resourceType"].as_str(), Some("Condition" | "AllergyIntolerance")) {
                for code in ["refuted", "entered-in-error", "unconfirmed", "rubbish"] {
                    change("verificationStatus", &|it| {
                        it["verificationStatus"] = json!({ "coding": [{ "code": code }] });
                    });
                }
            }
            for element in ["subject", "patient", "for"] {
                if here.get(element).is_some() {
                    change("subject", &|it| {
                        it[element] = json!({ "reference": "Patient/another" });
                    });
                }
            }
        }
        if of_patient && !inside_extension && name.is_some_and(|it| WITH_PERIOD.contains(&it)) {
            change("period", &|it| it["period"] = json!({ "end": "2001-01-01" }));
        }
        if name == Some("valueQuantity") && !inside_extension {
            change("comparator", &|it| it["comparator"] = json!(">="));
        }
    }
    mutants
}

/// Resources that FHIR lets be entered in error and that carry facts.
const NO_FACT: [&str; 7] = [
    "Observation",
    "MedicationStatement",
    "MedicationRequest",
    "Procedure",
    "DocumentReference",
    "Consent",
    "CarePlan",
];

/// How often one change of one place is tried over all samples. Each kind reads an element the same.
const TRIED_MAX: usize = 2;

/// Places where a change is seen by nobody, with how it was made and in which sample.
fn survivors(
    see: &dyn Fn(&Sample, &Value) -> String,
    samples: &[Sample],
    of_interest: &dyn Fn(&str, &str) -> bool,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut survivors: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut tried: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for sample in samples {
        let before = see(sample, &sample.bundle);
        let mut wanted = |place: &str, how: &'static str| {
            let times = tried.entry((place.to_owned(), how)).or_default();
            *times += 1;
            of_interest(place, how) && (*times <= TRIED_MAX || sample.name == "natural")
        };
        let mut mutants = broken(&sample.bundle, &mut wanted);
        mutants.extend(modified(&sample.bundle, &mut wanted));
        for mutant in mutants {
            if see(sample, &mutant.bundle) == before {
                let how = format!("{} in {}", mutant.how, sample.name);
                survivors.entry(mutant.place).or_default().insert(how);
            }
        }
    }
    survivors
}

#[test]
fn every_leaf_means_something_or_is_listed_as_meaningless() {
    let county = county::open();
    let samples = samples::all(&county);

    let found =
        survivors(&|sample, bundle| seen(&county, &sample.sender, bundle), &samples, &|_, _| true);

    let listed = |place: &String| MEANINGLESS.iter().any(|(known, _)| covers(known, place));
    let unlisted: Vec<_> = found.iter().filter(|(place, _)| !listed(place)).collect();
    assert!(unlisted.is_empty(), "{unlisted:#?}");
    let means_something =
        |(known, _): &&(&str, &str)| !found.keys().any(|place| covers(known, place));
    let stale: Vec<_> = MEANINGLESS.iter().filter(means_something).collect();
    assert!(stale.is_empty(), "listed, and meaning something: {stale:#?}");
    assert!(MEANINGLESS.iter().all(|(_, reason)| !reason.is_empty()));
}

/// Whether an entry of the list stands for a place: `*` is any resource.
fn covers(known: &str, place: &str) -> bool {
    match known.strip_prefix("*.") {
        Some(path) => place.split_once('.').is_some_and(|(_, it)| it == path),
        None => known == place,
    }
}

/// Takes an element out of every resource, as a decoder that does not read it would.
fn blinded(bundle: &Value, element: &str) -> Value {
    match bundle {
        Value::Object(members) => {
            let kept = members.iter().filter(|(name, _)| *name != element);
            Value::Object(kept.map(|(name, it)| (name.clone(), blinded(it, element))).collect())
        }
        Value::Array(items) => items.iter().map(|item| blinded(item, element)).collect(),
        leaf => leaf.clone(),
    }
}

#[test]
fn a_decoder_that_is_blind_to_a_modifier_is_noticed() {
    let county = county::open();
    let samples: Vec<Sample> =
        samples::all(&county).into_iter().filter(|it| it.name == "natural").collect();
    for element in [
        "verificationStatus",
        "clinicalStatus",
        "status",
        "subject",
        "modifierExtension",
        "period",
        "comparator",
        "use",
        "rank",
        "component",
        "dataAbsentReason",
        "criticality",
        "severity",
        "note",
    ] {
        let blind = |sample: &Sample, bundle: &Value| {
            seen(&county, &sample.sender, &blinded(bundle, element))
        };

        let of_it = |place: &str, how: &str| {
            let added = if how == "entered in error" { "status" } else { how };
            place.split('.').any(|step| step == element) || added == element
        };
        let sighted = |sample: &Sample, bundle: &Value| seen(&county, &sample.sender, bundle);
        let before = survivors(&sighted, &samples, &of_it);
        let found = survivors(&blind, &samples, &of_it);

        let unlisted = found.iter().any(|(place, how)| {
            before.get(place).is_none_or(|known| how.difference(known).next().is_some())
        });
        assert!(unlisted, "nobody noticed that {element} is not read");
    }
}
