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
    Address, Contact, IdentifierKind, Identity, IdentityDocument, Patient, PatientIdentifier, Sex,
};

use crate::bundle::At;
use crate::reader::Reader;
use crate::writer::{Rest, Writer, put, resource};
use crate::{codes, systems};

/// HL7's extension that says how a name is written.
const REPRESENTATION: &str = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation";
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
    pub fn patient(&mut self, subject: Option<At>) -> Option<Patient> {
        let all = self.bundle.all("Patient");
        let at = match (subject.filter(|at| self.bundle.kind(*at) == "Patient"), all.as_slice()) {
            (Some(at), _) => at,
            (None, [at]) => *at,
            (None, []) => {
                let text = "the request names no patient; add a Patient resource";
                self.problem(codes::PATIENT_UNCERTAIN, "Patient", text);
                return None;
            }
            (None, _) => {
                let text = "there are several patients and no subject; let ServiceRequest.subject \
                            refer to one";
                self.problem(codes::PATIENT_UNCERTAIN, "ServiceRequest.subject", text);
                return None;
            }
        };
        Some(self.patient_at(at, Use::Taken))
    }

    /// Reads a Patient resource.
    pub fn patient_at(&mut self, at: At, used: Use) -> Patient {
        let mut patient = Patient::default();
        self.identifiers(at, used, &mut patient);
        self.names(at, &mut patient);
        patient.sex = self.sex(at, used);
        patient.birth_date = self.day(at, "birthDate");
        patient.phone = self.phone(at, "telecom");
        patient.address = self.address(at, "address/0");
        patient.marital_status = self.concept(at, "maritalStatus");
        patient.contact = self.contact(at, "contact/0");
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

    fn identifiers(&mut self, at: At, used: Use, patient: &mut Patient) {
        for index in 0..self.bundle.count(at, "identifier").min(used.numbers_max()) {
            let path = format!("identifier/{index}");
            let most = used.number_chars_max();
            let Some(value) = self.short(at, &format!("{path}/value"), most) else {
                continue;
            };
            let value = value.trim().to_owned();
            match self.document_kind(at, &path) {
                Some(kind) if patient.document.is_none() => {
                    let of_mother = self
                        .extensions(at, &path)
                        .get("of_mother")
                        .is_some_and(|value| *value == Value::Bool(true));
                    let number = self.document_number(at, &path, &kind, value, used);
                    patient.document = Some(IdentityDocument { kind, number, of_mother });
                }
                Some(kind) => patient.identifiers.push(PatientIdentifier {
                    kind: IdentifierKind::Other,
                    value,
                    assigner: None,
                    label: Some(format!("CV02.01.101:{kind}")),
                }),
                None => {
                    let identifier = self.other_identifier(at, &path, value);
                    patient.identifiers.push(identifier);
                }
            }
        }
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

    fn names(&mut self, at: At, patient: &mut Patient) {
        let count = self.bundle.count(at, "name");
        let latin = (0..count).find(|i| {
            self.bundle.peek(at, &format!("name/{i}/extension/0/url")) == Some(REPRESENTATION)
                && self.bundle.peek(at, &format!("name/{i}/extension/0/valueCode")) == Some("SYL")
        });
        let main = (0..count)
            .filter(|i| Some(*i) != latin)
            .min_by_key(|i| self.bundle.peek(at, &format!("name/{i}/use")) != Some("official"));
        if let Some(i) = main {
            patient.name = self.human_name(at, &format!("name/{i}"));
        }
        if let Some(i) = latin {
            self.bundle.take_all(at, &format!("name/{i}/extension/0"));
            patient.name_latin = self.short(at, &format!("name/{i}/text"), 200);
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

    /// Reads an address with the levels that Chinese addresses have.
    fn address(&mut self, at: At, path: &str) -> Option<Address> {
        let part = |name: &str| format!("{path}/{name}");
        let text = self.short(at, &part("text"), 400);
        let mut lines = Vec::new();
        for index in 0..self.bundle.count(at, &part("line")) {
            let line = part(&format!("line/{index}"));
            // A line that the whole text repeats says nothing new.
            let repeated = index > 0
                && self
                    .bundle
                    .peek(at, &line)
                    .is_some_and(|l| text.as_ref().is_some_and(|t| t.contains(l)));
            if let Some(line) = self.bundle.take(at, &line).filter(|_| !repeated) {
                lines.push(line);
            }
        }
        let address = Address {
            text,
            province: self.short(at, &part("state"), 100),
            city: self.short(at, &part("city"), 100),
            county: self.short(at, &part("district"), 100),
            street: (!lines.is_empty()).then(|| lines.join(" ")),
            postal_code: self.short(at, &part("postalCode"), 20),
            ..Address::default()
        };
        let rest = Rest(self.extensions(at, path));
        let address = self.filled_in(at, &part("extension"), address, rest);
        (address != Address::default()).then_some(address)
    }

    fn contact(&mut self, at: At, path: &str) -> Option<Contact> {
        let contact = Contact {
            name: self.human_name(at, &format!("{path}/name")),
            relation: self.concept(at, &format!("{path}/relationship/0")),
            phone: self.phone(at, &format!("{path}/telecom")),
            address: self.address(at, &format!("{path}/address")),
            ..Contact::default()
        };
        (contact != Contact::default()).then_some(contact)
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
    let mut names = Vec::new();
    names.extend(rest.text("name").map(|name| json!({ "use": "official", "text": name })));
    names.extend(rest.text("name_latin").map(|name| {
        let syllabic = json!([{ "url": REPRESENTATION, "valueCode": "SYL" }]);
        json!({ "text": name, "extension": syllabic })
    }));
    put(&mut out, "name", (!names.is_empty()).then(|| names.into()));
    rest.take("sex");
    if let Some(sex) = patient.sex {
        let ours = serde_json::to_value(sex).unwrap_or_default();
        let ours = ours.as_str().unwrap_or_default();
        put(&mut out, "gender", writer.code(Table::Sex, ours, gender(sex), path_of_sex));
    }
    put(&mut out, "birthDate", rest.take("birth_date"));
    put(&mut out, "telecom", rest.phone("phone"));
    put(&mut out, "address", rest.object("address").map(|a| json!([write_address(a)])));
    put(&mut out, "maritalStatus", rest.concept("marital_status"));
    put(&mut out, "contact", rest.object("contact").map(|c| json!([write_contact(c)])));
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

fn write_address(mut address: Rest) -> Map<String, Value> {
    let mut out = Map::new();
    for (ours, theirs) in [
        ("text", "text"),
        ("province", "state"),
        ("city", "city"),
        ("county", "district"),
        ("postal_code", "postalCode"),
    ] {
        put(&mut out, theirs, address.take(ours));
    }
    put(&mut out, "line", address.take("street").map(|street| json!([street])));
    address.close(&mut out);
    out
}

fn write_contact(mut contact: Rest) -> Map<String, Value> {
    let mut out = Map::new();
    put(&mut out, "name", contact.text("name").map(|name| json!({ "text": name })));
    put(&mut out, "relationship", contact.concept("relation").map(|relation| json!([relation])));
    put(&mut out, "telecom", contact.phone("phone"));
    put(&mut out, "address", contact.object("address").map(|a| write_address(a).into()));
    contact.close(&mut out);
    out
}
