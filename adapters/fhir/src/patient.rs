//! The patient, both ways.
//!
//! Who the patient is must be certain: a wrong identity number refuses the message, and of two
//! patients without a subject that points at one, none is taken.
//!
//! The number of the resident identity card is known by its OID (2.16.156.10011.1.3), by the type
//! code of CV02.01.101, or by the type that HL7 gives national person identifiers of China.

use serde_json::{Map, Value, json};
use tierlink_codec::CodeMaps;
use tierlink_codec::code_maps::{Meaning, Table};
use tierlink_schemas::codes::{TableId, by_name};
use tierlink_schemas::identity::{IdentityNumber, Tolerance};
use tierlink_schemas::person::{
    IdentifierKind, Identity, IdentityDocument, Patient, PatientIdentifier, Sex,
};

use crate::bundle::At;
use crate::period::{Currency, When};
use crate::reader::Reader;
use crate::writer::{Rest, Writer, put, resource};
use crate::{address, codes, names, systems, telecom};

/// HL7's types of identifiers.
const HL7_TYPES: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";
/// The name that emergency rooms give to patients nobody knows.
const NOBODY: &str = "无名氏";

/// Systems and HL7 type codes of patient numbers, with the kind they stand for.
const KINDS: [(&str, IdentifierKind); 9] = [
    (systems::OUTPATIENT, IdentifierKind::OutpatientNumber),
    (systems::INPATIENT, IdentifierKind::InpatientNumber),
    (systems::RECORD, IdentifierKind::RecordNumber),
    (systems::HEALTH_CARD, IdentifierKind::HealthCard),
    ("MR", IdentifierKind::RecordNumber),
    ("PI", IdentifierKind::PatientNumber),
    ("PT", IdentifierKind::PatientNumber),
    ("HC", IdentifierKind::InsuranceNumber),
    ("MPI", IdentifierKind::MasterIndex),
];

/// What a patient is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// The receiver treats whom it names: what is wrong refuses the message.
    Taken,
    /// The broker compares it with the case: what is wrong is told.
    Compared,
}

impl Use {
    /// Longest number that is read. What is only compared must fit, or it stays for the extras.
    const fn number_chars_max(self) -> usize {
        match self {
            Self::Taken => 100,
            Self::Compared => 40,
        }
    }

    /// Most numbers that are read. The schema refuses a request with more than 50.
    const fn numbers_max(self) -> usize {
        match self {
            Self::Taken => usize::MAX,
            Self::Compared => 50,
        }
    }
}

impl Reader<'_> {
    /// Reads the patient whom the request is about, or refuses the message.
    pub fn patient(&mut self) -> Option<Patient> {
        let Some(at) = self.about else {
            let text = "the request names no patient; add a Patient resource";
            self.problem(codes::PATIENT_UNCERTAIN, "Patient", text);
            return None;
        };
        Some(self.patient_at(at, Use::Taken))
    }

    /// Reads a Patient resource.
    pub fn patient_at(&mut self, at: At, used: Use) -> Patient {
        let mut patient = Patient::default();
        self.identifiers(at, used, &mut patient);
        self.names(at, &mut patient);
        patient.sex = self.sex(at, used);
        self.birth(at, &mut patient);
        self.record(at, used, &mut patient);
        (patient.phone, patient.telecoms) = self.reached(at, "telecom");
        self.addresses(at, &mut patient);
        patient.marital_status = self.concept(at, "maritalStatus");
        self.contacts(at, &mut patient);
        let rest = Rest(self.extensions(at, ""));
        let mut patient = self.filled_in(at, "Patient", patient, rest);
        if patient.name.as_deref() == Some(NOBODY)
            && patient.document.is_none()
            && patient.identity == Identity::Known
        {
            patient.identity = Identity::Unknown;
            let field = self.bundle.field(at, "name/0/text");
            let text = "the name is the one for unknown patients; the patient was read as unknown";
            self.deviation(codes::IDENTITY_FORM, field, text);
        }
        patient
    }

    /// Reads the birth date. A year or a month alone is no day, and stays as words.
    fn birth(&mut self, at: At, patient: &mut Patient) {
        let part = self.bundle.peek(at, "birthDate").map(str::trim);
        let part = part.filter(|text| matches!(text.len(), 4 | 7)).map(str::to_owned);
        match part {
            Some(part) => {
                if self.when(at, "birthDate").is_some() {
                    let text = "the day of birth is missing; what was sent was kept in words";
                    self.deviation(codes::TIME, self.bundle.field(at, "birthDate"), text);
                    let year = if part.len() == 4 { "年" } else { "" };
                    patient.age_text = Some(format!("{part}{year}出生"));
                }
            }
            None => patient.birth_date = self.day(at, "birthDate"),
        }
    }

    /// Reads whether the patient has died, and whether the record is the one to use.
    fn record(&mut self, at: At, used: Use, patient: &mut Patient) {
        if self.bundle.take_code(at, "deceasedBoolean").as_deref() == Some("true") {
            patient.deceased = true;
        }
        if let Some(when) = self.when(at, "deceasedDateTime") {
            patient.deceased = true;
            patient.deceased_on = match when {
                When::Instant(instant) => Some(instant.to_zoned(self.zone()).date()),
                When::Day(day) => Some(day),
                When::Part(_) => {
                    let text = "the day of death is missing; only the death itself was read";
                    self.deviation(codes::TIME, self.bundle.field(at, "deceasedDateTime"), text);
                    None
                }
            };
        }
        let mut replaced = None;
        if self.bundle.take_code(at, "active").as_deref() == Some("false") {
            replaced = Some("active".to_owned());
        }
        for index in 0..self.bundle.count(at, "link") {
            let kind = format!("link/{index}/type");
            match self.bundle.take_code(at, &kind).as_deref() {
                Some("replaced-by") => replaced = Some(kind),
                Some("replaces" | "refer" | "seealso") => {
                    let text = "a link to another record of the patient is not followed";
                    self.deviation(codes::LEFT_OUT, self.bundle.field(at, &kind), text);
                }
                Some(_) | None => {}
            }
        }
        let Some(place) = replaced else { return };
        let field = self.bundle.field(at, &place);
        let text = "this record of the patient is no longer in use; send the one that is";
        match used {
            Use::Taken => self.problem(codes::MODIFIER, field, text),
            Use::Compared => self.deviation(codes::MODIFIER, field, text),
        }
    }

    fn identifiers(&mut self, at: At, used: Use, patient: &mut Patient) {
        let mut place_of_document = String::new();
        for index in 0..self.bundle.count(at, "identifier").min(used.numbers_max()) {
            let path = format!("identifier/{index}");
            let most = used.number_chars_max();
            let Some(value) = self.short(at, &format!("{path}/value"), most) else {
                continue;
            };
            let value = value.trim().to_owned();
            let in_use = self.is_in_use(at, &path);
            match self.document_kind(at, &path) {
                Some(kind) if in_use => {
                    let of_mother = self
                        .extensions(at, &path)
                        .get("of_mother")
                        .is_some_and(|value| *value == Value::Bool(true));
                    let number = self.document_number(at, &path, &kind, value, used);
                    let document = IdentityDocument { kind, number, of_mother };
                    let place = self.bundle.field(at, &format!("{path}/value"));
                    self.document(document, place, &mut place_of_document, patient);
                }
                Some(kind) => {
                    let label = format!("CV02.01.101:{kind} 已停用");
                    patient.identifiers.push(PatientIdentifier {
                        kind: IdentifierKind::Other,
                        value,
                        assigner: None,
                        label: Some(label),
                    });
                }
                None => {
                    let mut identifier = self.other_identifier(at, &path, value);
                    if !in_use {
                        let kind = serde_json::to_value(identifier.kind).unwrap_or_default();
                        let kind = kind.as_str().unwrap_or_default().to_owned();
                        let label = identifier.label.take().unwrap_or(kind);
                        identifier.kind = IdentifierKind::Other;
                        identifier.label = Some(format!("{label} 已停用"));
                    }
                    patient.identifiers.push(identifier);
                }
            }
        }
    }

    /// Whether an identifier is the one in use, by its use and its period. One that is not finds
    /// nobody, so it is kept as an old number, and that is told.
    fn is_in_use(&mut self, at: At, path: &str) -> bool {
        let field = format!("{path}/use");
        let given = self.bundle.take_code(at, &field);
        let current = self.currency(at, path) == Currency::Now;
        let known = match given.as_deref() {
            None | Some("usual" | "official" | "secondary") => true,
            Some("old") => false,
            Some("temp") => {
                let text = "the number is marked as one for a time; it was read as any other";
                self.deviation(codes::IDENTITY_FORM, self.bundle.field(at, &field), text);
                true
            }
            Some(_) => {
                let text = "the use of an identifier is not one of FHIR's; send usual, official, \
                            temp, secondary or old";
                self.problem(codes::MODIFIER, self.bundle.field(at, &field), text);
                true
            }
        };
        if !(known && current) {
            let text = "the identifier is no longer in use; it was kept as an old number and \
                        identifies nobody";
            self.deviation(codes::IDENTITY_FORM, self.bundle.field(at, path), text);
        }
        known && current
    }

    /// Takes a document. Of several the resident identity card counts; two of one kind with unlike
    /// numbers contradict each other, and which one is wrong nobody could tell.
    fn document(
        &mut self,
        document: IdentityDocument,
        place: String,
        place_of_first: &mut String,
        patient: &mut Patient,
    ) {
        let Some(first) = &patient.document else {
            *place_of_first = place;
            patient.document = Some(document);
            return;
        };
        if first.kind == document.kind && first.of_mother == document.of_mother {
            if first.number != document.number {
                let text = format!(
                    "this number and the one at {place_of_first} are of one kind of document and \
                     differ; send the right one"
                );
                self.problem(codes::IDENTITY_NUMBER, place, text);
            }
            return;
        }
        let better = |one: &IdentityDocument| (one.kind != "01", one.of_mother);
        let other = if better(&document) < better(first) {
            *place_of_first = place;
            patient.document.replace(document)
        } else {
            Some(document)
        };
        patient.identifiers.extend(other.map(|other| {
            let whose = if other.of_mother { " 母亲" } else { "" };
            PatientIdentifier {
                kind: IdentifierKind::Other,
                value: other.number,
                assigner: None,
                label: Some(format!("CV02.01.101:{}{whose}", other.kind)),
            }
        }));
    }

    /// The kind of identity document (CV02.01.101), where the identifier is one.
    fn document_kind(&mut self, at: At, path: &str) -> Option<String> {
        let type_system = format!("{path}/type/coding/0/system");
        let type_code = format!("{path}/type/coding/0/code");
        let system = format!("{path}/system");
        let is = |this: Option<&str>, uri: &str| {
            this.is_some_and(|s| s == uri || uri.strip_prefix("urn:oid:") == Some(s))
        };
        if is(self.bundle.peek(at, &type_system), systems::IDENTITY_DOCUMENT) {
            self.bundle.take(at, &type_system);
            if is(self.bundle.peek(at, &system), systems::IDENTITY_NUMBER) {
                self.bundle.take(at, &system);
            }
            return self.bundle.take_code(at, &type_code).filter(|code| code.len() <= 8);
        }
        if is(self.bundle.peek(at, &system), systems::IDENTITY_NUMBER) {
            self.bundle.take(at, &system);
            return Some("01".to_owned());
        }
        let kind = match self.bundle.peek(at, &type_code) {
            Some("NNCHN") => "01",
            Some("PPN") => "03",
            Some("DL") => "05",
            _ => return None,
        };
        if is(self.bundle.peek(at, &type_system), HL7_TYPES) {
            self.bundle.take(at, &type_system);
        }
        self.bundle.take(at, &type_code);
        Some(kind.to_owned())
    }

    /// The number as the canonical schema wants it. A wrong identity number refuses a request.
    fn document_number(
        &mut self,
        at: At,
        path: &str,
        kind: &str,
        value: String,
        used: Use,
    ) -> String {
        if kind != "01" {
            return value;
        }
        let field = self.bundle.field(at, &format!("{path}/value"));
        match IdentityNumber::read(&value) {
            Ok((number, tolerances)) => {
                for tolerance in tolerances {
                    let text = match tolerance {
                        Tolerance::Upgraded => {
                            "the number has 15 digits; it was read as its 18-digit form"
                        }
                        Tolerance::Spaces
                        | Tolerance::Hyphens
                        | Tolerance::FullWidth
                        | Tolerance::LowerCase => {
                            "the number was written in an unusual form and was tidied"
                        }
                    };
                    self.deviation(codes::IDENTITY_FORM, field.clone(), text);
                }
                number.as_str().to_owned()
            }
            Err(fault) => {
                match used {
                    Use::Taken => self.problem(codes::IDENTITY_NUMBER, field, fault.to_string()),
                    Use::Compared => {
                        self.deviation(codes::IDENTITY_NUMBER, field, fault.to_string());
                    }
                }
                value
            }
        }
    }

    fn other_identifier(&mut self, at: At, path: &str, value: String) -> PatientIdentifier {
        let type_system = format!("{path}/type/coding/0/system");
        let type_code = format!("{path}/type/coding/0/code");
        let code = self.bundle.peek(at, &type_code).map(str::to_owned);
        let ours = self.bundle.peek(at, &type_system) == Some(systems::IDENTIFIER_KIND);
        let system = self.bundle.peek(at, &format!("{path}/system")).map(str::to_owned);
        let known = |name: &Option<String>| {
            let name = name.as_deref()?;
            KINDS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
        };
        let stated = code
            .clone()
            .filter(|_| ours)
            .and_then(|code| serde_json::from_value::<IdentifierKind>(Value::String(code)).ok());
        let kind = stated.or_else(|| known(&system)).or_else(|| known(&code));
        let mut label = self.short(at, &format!("{path}/type/text"), 64);
        if ours || kind.is_some() {
            self.bundle.take(at, &type_system);
            self.bundle.take(at, &type_code);
        } else if label.is_none() {
            label = self.short(at, &type_code, 64);
        }
        let display = self.short(at, &format!("{path}/assigner/display"), 200);
        PatientIdentifier {
            kind: kind.unwrap_or(IdentifierKind::Other),
            value,
            assigner: display.or_else(|| self.short(at, &format!("{path}/system"), 200)),
            label,
        }
    }

    fn sex(&mut self, at: At, used: Use) -> Option<Sex> {
        let given = self.bundle.take_code(at, "gender")?;
        let meaning = CodeMaps::of(self.with.profile).read(Table::Sex, &given);
        let name = match meaning {
            Meaning::Code(ours) => Some(ours),
            Meaning::Unlisted => None,
            Meaning::NoMap => Some(given.as_str()),
        };
        let field = self.bundle.field(at, "gender");
        if meaning == Meaning::Unlisted && used == Use::Taken {
            let text = "the profile's map does not list this code, and a guess could harm the \
                        patient; correct it, or list it under codes.sex in the profile";
            self.problem(codes::CODE_UNKNOWN, field, text);
            return None;
        }
        let sex = match name {
            Some("male") => Some(Sex::Male),
            Some("female") => Some(Sex::Female),
            Some("other" | "unspecified") => Some(Sex::Unspecified),
            Some("unknown") => Some(Sex::Unknown),
            // Digits mean either sex in the field; only words are certain without a map.
            Some(word) if word.parse::<u32>().is_err() => {
                let sex = match by_name(TableId::Sex, word).map(|row| row.code.as_str()) {
                    Some("1") => Some(Sex::Male),
                    Some("2") => Some(Sex::Female),
                    Some("0") => Some(Sex::Unknown),
                    Some("9") => Some(Sex::Unspecified),
                    Some(_) | None => None,
                };
                if sex.is_some() {
                    let text = "FHIR writes male, female, other or unknown";
                    self.deviation(codes::CODE_UNKNOWN, field.clone(), text);
                }
                sex
            }
            Some(_) | None => None,
        };
        if sex.is_none() {
            self.bundle.give_back(at, "gender");
            let text =
                "the code is not known and was left open; list it under codes.sex in the profile";
            self.deviation(codes::CODE_UNKNOWN, field, text);
        }
        sex
    }
}

/// Writes the patient and gives the reference. A sex that the receiver has no code for is told
/// as a loss of the field at `path_of_sex`.
pub fn write(writer: &mut Writer<'_>, patient: &Patient, path_of_sex: &str) -> Value {
    let mut rest = Rest::of(patient);
    let mut out = resource("Patient");
    if patient.identity == Identity::Known {
        rest.take("identity");
    }
    rest.take("document");
    rest.take("identifiers");
    let identifiers: Vec<Value> = patient
        .document
        .iter()
        .map(write_document)
        .chain(patient.identifiers.iter().map(write_identifier))
        .collect();
    put(&mut out, "identifier", (!identifiers.is_empty()).then(|| identifiers.into()));
    put(&mut out, "name", names::write(&mut rest));
    rest.take("sex");
    if let Some(sex) = patient.sex {
        let ours = serde_json::to_value(sex).unwrap_or_default();
        let ours = ours.as_str().unwrap_or_default();
        put(&mut out, "gender", writer.code(Table::Sex, ours, gender(sex), path_of_sex));
    }
    put(&mut out, "birthDate", rest.take("birth_date"));
    put(&mut out, "telecom", telecom::write(&mut rest));
    match (rest.take("deceased"), rest.take("deceased_on")) {
        (_, Some(on)) => put(&mut out, "deceasedDateTime", on),
        (dead, None) => put(&mut out, "deceasedBoolean", dead),
    }
    put(&mut out, "address", address::write_all(&mut rest));
    put(&mut out, "maritalStatus", rest.concept("marital_status"));
    put(&mut out, "contact", address::write_contacts(&mut rest));
    rest.close(&mut out);
    writer.add("Patient", out)
}

const fn gender(sex: Sex) -> &'static str {
    match sex {
        Sex::Male => "male",
        Sex::Female => "female",
        Sex::Unknown => "unknown",
        Sex::Unspecified => "other",
    }
}

fn write_document(document: &IdentityDocument) -> Value {
    let mut out = Map::new();
    let coding = json!([{ "system": systems::IDENTITY_DOCUMENT, "code": document.kind }]);
    put(&mut out, "type", json!({ "coding": coding }));
    if document.kind == "01" {
        put(&mut out, "system", Value::from(systems::IDENTITY_NUMBER));
    }
    put(&mut out, "value", Value::from(document.number.as_str()));
    if document.of_mother {
        let url = format!("{}of_mother", systems::EXTENSION);
        put(&mut out, "extension", json!([{ "url": url, "valueBoolean": true }]));
    }
    Value::Object(out)
}

fn write_identifier(identifier: &PatientIdentifier) -> Value {
    let mut out = Map::new();
    let kind = serde_json::to_value(identifier.kind).unwrap_or_default();
    let mut kinds = Map::new();
    put(&mut kinds, "coding", json!([{ "system": systems::IDENTIFIER_KIND, "code": kind }]));
    put(&mut kinds, "text", identifier.label.as_deref().map(Value::from));
    put(&mut out, "type", Value::Object(kinds));
    put(&mut out, "value", Value::from(identifier.value.as_str()));
    match identifier.assigner.as_deref() {
        Some(uri) if uri.contains(':') && uri.bytes().all(|b| b.is_ascii_graphic()) => {
            put(&mut out, "system", Value::from(uri));
        }
        Some(name) => put(&mut out, "assigner", json!({ "display": name })),
        None => {}
    }
    Value::Object(out)
}
