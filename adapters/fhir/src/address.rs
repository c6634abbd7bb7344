//! Addresses and contacts of a patient, both ways.
//!
//! The address is the one where the patient is found now, and the contact the one who can be called
//! now, by use and period. The others are kept with their use.

use serde_json::{Map, Value, json};
use tierlink_schemas::person::{Address, AddressUse, Contact, NameUse, Patient};

use crate::bundle::At;
use crate::period::Currency;
use crate::reader::Reader;
use crate::writer::{Rest, put};
use crate::{codes, telecom};

/// Most further addresses and contacts of a patient, as the canonical schema allows.
const OTHERS_MAX: usize = 10;

/// FHIR's uses of addresses. 户籍地址 and 出生地 have none and travel as our extension.
const USES: [(&str, AddressUse); 5] = [
    ("home", AddressUse::Home),
    ("work", AddressUse::Work),
    ("temp", AddressUse::Temporary),
    ("old", AddressUse::Former),
    ("billing", AddressUse::Billing),
];

/// Where the patient is found: the smaller the likelier.
const fn rank(usage: Option<AddressUse>) -> u8 {
    match usage {
        Some(AddressUse::Home) => 0,
        None => 1,
        Some(AddressUse::Temporary) => 2,
        Some(AddressUse::Billing) => 3,
        Some(AddressUse::Registered) => 4,
        Some(AddressUse::Work) => 5,
        Some(AddressUse::Birth) => 6,
        Some(AddressUse::Former) => 7,
    }
}

impl Reader<'_> {
    /// Reads every address of a patient.
    pub fn addresses(&mut self, at: At, patient: &mut Patient) {
        let count = self.bundle.count(at, "address").min(OTHERS_MAX + 1);
        let mut all: Vec<Address> =
            (0..count).filter_map(|index| self.address(at, &format!("address/{index}"))).collect();
        let best = (0..all.len()).min_by_key(|at| rank(all[*at].r#use));
        let best = best.filter(|at| all[*at].r#use != Some(AddressUse::Former));
        patient.address = best.map(|at| all.remove(at));
        patient.other_addresses = all;
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
        let usage = self.address_use(at, path);
        let rest = Rest(self.extensions(at, path));
        let mut address = self.filled_in(at, &part("extension"), address, rest);
        if address == Address::default() {
            return None;
        }
        address.r#use = usage.or(address.r#use);
        Some(address)
    }

    fn address_use(&mut self, at: At, path: &str) -> Option<AddressUse> {
        let field = format!("{path}/use");
        let given = self.bundle.take_code(at, &field);
        let known = given.as_deref().and_then(|given| USES.iter().find(|(code, _)| *code == given));
        if given.is_some() && known.is_none() {
            let text = "the use of an address is not one of FHIR's, and whether the patient is \
                        found there is not certain; send home, work, temp, old or billing";
            self.problem(codes::MODIFIER, self.bundle.field(at, &field), text);
        }
        match self.currency(at, path) {
            Currency::Ended | Currency::NotYet => Some(AddressUse::Former),
            Currency::Now => known.map(|(_, usage)| *usage),
        }
    }

    /// Reads everybody who can be called for the patient.
    pub fn contacts(&mut self, at: At, patient: &mut Patient) {
        let mut all = Vec::new();
        for index in 0..self.bundle.count(at, "contact").min(OTHERS_MAX + 1) {
            let path = format!("contact/{index}");
            if self.currency(at, &path) == Currency::Now {
                all.extend(self.contact(at, &path));
            } else {
                self.bundle.take_all(at, &path);
                let text = "this contact is no longer or not yet one; it was left out";
                self.deviation(codes::LEFT_OUT, self.bundle.field(at, &path), text);
            }
        }
        let mut all = all.into_iter();
        patient.contact = all.next();
        patient.other_contacts = all.collect();
    }

    fn contact(&mut self, at: At, path: &str) -> Option<Contact> {
        let (phone, telecoms) = self.reached(at, &format!("{path}/telecom"));
        let name = format!("{path}/name");
        if self.name_use(at, &name) == Some(NameUse::Former) {
            let text = "the name of the contact is a former one; it was taken all the same";
            self.deviation(codes::IDENTITY_FORM, self.bundle.field(at, &name), text);
        }
        let contact = Contact {
            name: self.human_name(at, &name, 100),
            relation: self.concept(at, &format!("{path}/relationship/0")),
            phone,
            telecoms,
            address: self.address(at, &format!("{path}/address")),
        };
        (contact != Contact::default()).then_some(contact)
    }
}

/// Writes the address and the others.
pub fn write_all(rest: &mut Rest) -> Option<Value> {
    let first = rest.object("address");
    let others = list(rest, "other_addresses");
    let all: Vec<Value> =
        first.into_iter().chain(others).map(|address| write_address(address).into()).collect();
    (!all.is_empty()).then(|| all.into())
}

/// Writes the contact and the others.
pub fn write_contacts(rest: &mut Rest) -> Option<Value> {
    let first = rest.object("contact");
    let others = list(rest, "other_contacts");
    let all: Vec<Value> =
        first.into_iter().chain(others).map(|contact| write_contact(contact).into()).collect();
    (!all.is_empty()).then(|| all.into())
}

fn list(rest: &mut Rest, name: &str) -> Vec<Rest> {
    let items = match rest.take(name) {
        Some(Value::Array(items)) => items,
        Some(_) | None => Vec::new(),
    };
    let objects = items.into_iter().filter_map(|item| {
        let Value::Object(members) = item else { return None };
        Some(Rest(members))
    });
    objects.collect()
}

fn write_address(mut address: Rest) -> Map<String, Value> {
    let mut out = Map::new();
    let usage = address.0.get("use").cloned().and_then(|it| serde_json::from_value(it).ok());
    if let Some((code, _)) = USES.iter().find(|(_, known)| Some(*known) == usage) {
        address.take("use");
        put(&mut out, "use", Value::from(*code));
    }
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
    put(&mut out, "telecom", telecom::write(&mut contact));
    put(&mut out, "address", contact.object("address").map(|a| write_address(a).into()));
    contact.close(&mut out);
    out
}
