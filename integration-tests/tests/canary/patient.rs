//! The patient that must not be seen, the messages about it, and what was shown.

use serde_json::{Value, json};
use tierlink_integration_tests::hospitals::{MllpSender, Person, said};

use crate::search::Search;

/// `𠮷` is outside the BMP and GBK, `龘` is rare, the dot is in every such name.
pub const NAME: &str = "龘𠮷·隐娘";
/// What the canary complains of.
pub const COMPLAINT: &str = "金丝雀啼鸣样喘息七七日";
/// The canary's telephone.
pub const PHONE: &str = "13900000077";
const ADDRESS: &str = "隐秘巷七十七号金丝雀楼";

/// The patient that must not be seen.
pub fn canary() -> Person {
    Person {
        name: NAME.to_owned(),
        number: identity_number("99010119610307707"),
        born: "1961-03-07".to_owned(),
        sex: "male",
        phone: PHONE.to_owned(),
        address: ADDRESS.to_owned(),
        ..Person::default()
    }
}

/// The number with its check digit (ISO 7064 MOD 11-2).
fn identity_number(digits: &str) -> String {
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = digits.bytes().zip(weights).map(|(b, w)| u32::from(b - b'0') * w).sum();
    let check = ["1", "0", "X", "9", "8", "7", "6", "5", "4", "3", "2"];
    format!("{digits}{}", check[(sum % 11) as usize])
}

/// What must never be seen: whole values, and parts that nothing else holds.
pub fn search() -> Search {
    let person = canary();
    let mut search = Search::default();
    for value in ["龘𠮷", "隐娘", &person.number, PHONE, "隐秘巷", "金丝雀"] {
        search.add(value);
    }
    search
}

/// Everything that was shown, by where it was shown.
#[derive(Default)]
pub struct Shown(Vec<(String, Vec<u8>)>);

impl Shown {
    /// Remembers what was shown at a place.
    pub fn add(&mut self, place: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.push((place.into(), bytes.into()));
    }

    /// Fails if any place shows what is searched, or if fewer than `least` were looked at.
    pub fn check(&self, search: &Search, least: usize) {
        assert!(self.0.len() >= least, "only {} places were looked at", self.0.len());
        for (place, bytes) in &self.0 {
            if let Some((value, encoding)) = search.find(bytes) {
                panic!("{place} shows {value} as {encoding}:\n{}", String::from_utf8_lossy(bytes));
            }
        }
    }
}

/// A referral of the canary in JSON.
pub fn json_referral(from: &str, to: &str) -> Value {
    let mut message = said(from, "referral.submit", None, Some(to)).unwrap();
    message["body"]["patient"] = canary().canonical();
    message["body"]["clinical"]["chief_complaint"] = json!(COMPLAINT);
    message["body"]["reason_text"] = json!(COMPLAINT);
    message
}

/// The answer without its MSH, which repeats the sender's own header as HL7 wants it.
pub async fn exchange(line: &mut MllpSender, message: &[u8]) -> Vec<u8> {
    line.send(message).await.unwrap();
    let answer = line.answer().await.unwrap().unwrap_or_default();
    let rest = answer.iter().position(|b| *b == b'\r').map_or(&[][..], |at| &answer[at..]);
    assert!(rest.windows(4).any(|four| four == b"MSA|"), "no MSA in the answer");
    rest.to_vec()
}
