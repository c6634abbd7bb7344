//! A patient who does not exist, as each format writes one.

use serde_json::{Value, json};

/// A patient who does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The name, rare characters and middle dot welcome.
    pub name: String,
    /// 公民身份号码 of the invented region 990101.
    pub number: String,
    /// Birth date as `YYYY-MM-DD`, as the number says.
    pub born: String,
    /// `male` or `female`, as the number says.
    pub sex: &'static str,
    /// Telephone number of the patient.
    pub phone: String,
    /// Address in one line.
    pub address: String,
    /// ICD-10 code and words of the main diagnosis.
    pub diagnosis: (String, String),
    /// Chief complaint (主诉).
    pub complaint: String,
}

impl Default for Person {
    fn default() -> Self {
        Self {
            name: "汪德福".to_owned(),
            number: "990101195001010010".to_owned(),
            born: "1950-01-01".to_owned(),
            sex: "male",
            phone: "13900000001".to_owned(),
            address: "龙溪县青石镇柳湾村3组18号".to_owned(),
            diagnosis: ("I20.000".to_owned(), "不稳定型心绞痛".to_owned()),
            complaint: "反复活动后胸闷3月".to_owned(),
        }
    }
}

impl Person {
    /// The canonical `patient`.
    #[must_use]
    pub fn canonical(&self) -> Value {
        json!({
            "identity": "known",
            "name": self.name,
            "sex": self.sex,
            "birth_date": self.born,
            "document": { "kind": "01", "number": self.number },
            "phone": self.phone,
            "address": { "text": self.address },
        })
    }

    /// A FHIR Patient.
    #[must_use]
    pub fn fhir(&self) -> Value {
        json!({
            "resourceType": "Patient",
            "id": "patient",
            "identifier": [{ "system": "urn:oid:2.16.156.10011.1.3", "value": self.number }],
            "name": [{ "text": self.name }],
            "gender": self.sex,
            "birthDate": self.born,
            "telecom": [{ "system": "phone", "value": self.phone }],
            "address": [{ "text": self.address }],
        })
    }
}
