//! Practitioners, organisations and the sides of a case.
//!
//! ```text
//!   Party ─▶ PractitionerRole ─┬▶ Organization   (code, name)
//!                              └▶ Practitioner   (code, name, title, telephone)
//! ```
//!
//! A party of which only the organisation is known is a plain Organization. HealthcareService and
//! a lone Practitioner are read too, because other profiles use them.

use serde_json::{Value, json};
use tierlink_codec::CodeMaps;
use tierlink_codec::code_maps::{Meaning, Table};
use tierlink_schemas::person::{Coded, Party, Practitioner, Translation};

use crate::bundle::At;
use crate::reader::{Named, Reader};
use crate::writer::{Rest, Writer, put, resource};
use crate::{codes, systems};

/// A party as it was read: its organisation may still be unknown.
#[derive(Debug)]
pub struct Side {
    /// The organisation, if it is known.
    pub organisation: Named,
    /// Where that stood.
    pub field: String,
    name: Option<String>,
    department: Option<Coded>,
    practitioner: Option<Practitioner>,
    phone: Option<String>,
    rest: Rest,
}

impl Side {
    fn silent(field: String) -> Self {
        Self {
            organisation: Named::Silent,
            field,
            name: None,
            department: None,
            practitioner: None,
            phone: None,
            rest: Rest::default(),
        }
    }

    /// Adds what another reading knows beyond this one.
    pub fn fill_in(&mut self, other: Self) {
        if self.organisation == Named::Silent {
            (self.organisation, self.field) = (other.organisation, other.field);
        }
        self.name = self.name.take().or(other.name);
        self.department = self.department.take().or(other.department);
        self.practitioner = self.practitioner.take().or(other.practitioner);
        self.phone = self.phone.take().or(other.phone);
    }

    /// Whether a person is named.
    pub fn has_practitioner(&self) -> bool {
        self.practitioner.is_some()
    }

    /// The name of the person.
    pub fn practitioner_name(&self) -> Option<&str> {
        self.practitioner.as_ref()?.name.as_deref()
    }

    /// The party, once its organisation is known.
    pub fn party(self, organisation: tierlink_schemas::OrganisationCode) -> (Party, Rest) {
        let mut party = Party::of(organisation);
        party.name = self.name;
        party.department = self.department;
        party.practitioner = self.practitioner;
        party.phone = self.phone;
        (party, self.rest)
    }
}

impl Reader<'_> {
    /// Reads whoever the reference at `path` means.
    pub fn side(&mut self, at: At, path: &str) -> Side {
        let field = self.bundle.field(at, path);
        let mut side = Side::silent(field.clone());
        side.organisation = self.logical(at, path);
        let Some(target) = self.bundle.follow(at, path) else {
            return side;
        };
        match self.bundle.kind(target) {
            "Organization" => self.side_of_organisation(target, &mut side),
            "Practitioner" => side.practitioner = self.practitioner(target),
            "PractitionerRole" => self.side_of_role(target, &mut side),
            "HealthcareService" => {
                side.department = self.department(target, "specialty/0");
                self.side_of_inner(target, "providedBy", &mut side);
            }
            _ => {}
        }
        side
    }

    /// The organisation that a reference names by identifier alone.
    fn logical(&mut self, at: At, path: &str) -> Named {
        let value = format!("{path}/identifier/value");
        let Some(code) = self.bundle.peek(at, &value).map(str::to_owned) else {
            return Named::Silent;
        };
        let system = format!("{path}/identifier/system");
        let whose = self.bundle.peek(at, &system).map(str::to_owned);
        let named = self.named(whose.as_deref(), &code, &self.bundle.field(at, &value));
        if matches!(named, Named::As(_)) {
            self.bundle.take(at, &value);
            self.bundle.take(at, &system);
        }
        named
    }

    fn side_of_organisation(&mut self, at: At, side: &mut Side) {
        if side.organisation == Named::Silent {
            (side.organisation, side.field) = self.organisation(at);
        }
        side.name = side.name.take().or_else(|| self.short(at, "name", 200));
        side.phone = side.phone.take().or_else(|| self.phone(at, "telecom"));
    }

    fn side_of_inner(&mut self, at: At, path: &str, side: &mut Side) {
        if side.organisation == Named::Silent {
            side.organisation = self.logical(at, path);
        }
        let organisation = self.bundle.follow(at, path);
        let organisation = organisation.filter(|at| self.bundle.kind(*at) == "Organization");
        if let Some(organisation) = organisation {
            self.side_of_organisation(organisation, side);
        }
    }

    fn side_of_role(&mut self, at: At, side: &mut Side) {
        side.department = self.department(at, "specialty/0");
        side.phone = self.phone(at, "telecom");
        side.rest = Rest(self.extensions(at, ""));
        if let Some(person) = self.bundle.follow(at, "practitioner") {
            side.practitioner = self.practitioner(person);
        }
        if let Some(person) = side.practitioner.as_mut().filter(|p| p.title.is_none()) {
            person.title = self.short(at, "code/0/text", 100);
        }
        self.side_of_inner(at, "organization", side);
    }

    /// Which organisation a resource names, and where it does.
    pub fn organisation(&mut self, at: At) -> (Named, String) {
        let mut unknown = None;
        for index in 0..self.bundle.count(at, "identifier") {
            let value = format!("identifier/{index}/value");
            let system = format!("identifier/{index}/system");
            let Some(code) = self.bundle.peek(at, &value).map(str::to_owned) else {
                continue;
            };
            let whose = self.bundle.peek(at, &system).map(str::to_owned);
            let field = self.bundle.field(at, &value);
            match self.named(whose.as_deref(), &code, &field) {
                Named::As(code) => {
                    self.bundle.take(at, &value);
                    self.bundle.take(at, &system);
                    self.take_same(at, index + 1, &code);
                    return (Named::As(code), field);
                }
                Named::Unknown => unknown = unknown.or(Some(field)),
                Named::Silent => {}
            }
        }
        if let Some(field) = unknown {
            return (Named::Unknown, field);
        }
        // Many senders know a partner by its name alone, which the directory may list.
        let known = self.bundle.peek(at, "name").and_then(|n| self.with.directory.resolve(n));
        let named = known.map_or(Named::Silent, |o| Named::As(o.code.clone()));
        (named, self.bundle.field(at, "identifier"))
    }

    /// Takes the identifiers from `first` on that say nothing but the same in our code.
    fn take_same(&mut self, at: At, first: usize, known: &tierlink_schemas::OrganisationCode) {
        for index in first..self.bundle.count(at, "identifier") {
            let value = format!("identifier/{index}/value");
            let system = format!("identifier/{index}/system");
            let ours = systems::ORGANISATION.trim_end_matches(':');
            if self.bundle.peek(at, &system) == Some(ours)
                && self.bundle.peek(at, &value) == Some(known.as_str())
            {
                self.bundle.take(at, &value);
                self.bundle.take(at, &system);
            }
        }
    }

    /// Reads a department, by the profile's map or as it is.
    pub fn department(&mut self, at: At, path: &str) -> Option<Coded> {
        let mut coded = self.concept(at, path)?;
        let beside = beside(&mut coded, systems::DEPARTMENT);
        let is_ours = coded.system.as_deref() == Some(systems::DEPARTMENT);
        let Some(theirs) = coded.code.clone().filter(|_| !is_ours) else {
            return Some(coded);
        };
        let ours = match CodeMaps::of(self.with.profile).read(Table::Department, &theirs) {
            Meaning::Code(ours) => Some(ours.to_owned()),
            Meaning::NoMap => None,
            Meaning::Unlisted => {
                if beside.is_none() {
                    let text = "the profile's map lists no such department; it was kept as it is";
                    self.deviation(codes::CODE_UNKNOWN, self.bundle.field(at, path), text);
                }
                beside
            }
        };
        if ours.is_some() {
            coded.code = ours;
            coded.system = Some(systems::DEPARTMENT.to_owned());
        }
        Some(coded)
    }

    /// Reads a person who acts.
    pub fn practitioner(&mut self, at: At) -> Option<Practitioner> {
        let person = Practitioner {
            code: self.short(at, "identifier/0/value", 64).map(|code| code.trim().to_owned()),
            name: self.name_in_use(at),
            title: self
                .short(at, "qualification/0/code/text", 100)
                .or_else(|| self.short(at, "qualification/0/code/coding/0/display", 100)),
            phone: self.phone(at, "telecom"),
        };
        (person != Practitioner::default()).then_some(person)
    }

    /// Reads the person whom the reference at `path` means, directly or through a role.
    pub fn person(&mut self, at: At, path: &str) -> Option<Practitioner> {
        let person = match self.bundle.follow(at, path) {
            Some(role) if self.bundle.kind(role) == "PractitionerRole" => {
                self.bundle.follow(role, "practitioner")
            }
            other => other,
        };
        if let Some(person) = person.filter(|at| self.bundle.kind(*at) == "Practitioner") {
            return self.practitioner(person);
        }
        let name = self.short(at, &format!("{path}/display"), 100)?;
        Some(Practitioner { name: Some(name), ..Practitioner::default() })
    }

    /// Which organisation the reference at `path` means, and where it says so. Takes no more than
    /// its identifier, so that the rest is kept by whoever needs it.
    pub fn whom(&mut self, at: At, path: &str) -> (Named, String) {
        let named = self.logical(at, path);
        let target = self.bundle.follow(at, path);
        match (named, target) {
            (Named::Silent, Some(target)) => match self.bundle.kind(target) {
                "Organization" => self.organisation(target),
                "PractitionerRole" => self.whom_inside(target, "organization"),
                "HealthcareService" => self.whom_inside(target, "providedBy"),
                _ => (Named::Silent, self.bundle.field(at, path)),
            },
            (named, _) => (named, self.bundle.field(at, path)),
        }
    }

    fn whom_inside(&mut self, at: At, path: &str) -> (Named, String) {
        let named = self.logical(at, path);
        let target = self.bundle.follow(at, path);
        match (named, target.filter(|at| self.bundle.kind(*at) == "Organization")) {
            (Named::Silent, Some(target)) => self.organisation(target),
            (named, _) => (named, self.bundle.field(at, path)),
        }
    }
}

/// Takes our code out of the translations of one of theirs, which our own messages state.
pub fn beside(coded: &mut Coded, system: &str) -> Option<String> {
    let ours = |it: &Translation| it.system.as_deref() == Some(system);
    let at = coded.translations.iter().position(ours)?;
    Some(coded.translations.remove(at).code)
}

/// Writes an organisation and gives the reference to it. `code` is what the receiver calls it.
pub fn write_organisation(writer: &mut Writer<'_>, code: &str, name: Option<&str>) -> Value {
    let mut organisation = resource("Organization");
    put(&mut organisation, "identifier", Value::from(writer.organisation_identifiers(code)));
    put(&mut organisation, "name", name.map(Value::from));
    writer.add(&format!("Organization/{code}/{}", name.unwrap_or_default()), organisation)
}

/// Writes a person and gives the reference, or nothing for a person without any detail.
pub fn write_practitioner(writer: &mut Writer<'_>, mut person: Rest) -> Option<Value> {
    let label = format!("Practitioner/{}", Value::Object(person.0.clone()));
    let mut practitioner = resource("Practitioner");
    put(
        &mut practitioner,
        "identifier",
        person.text("code").map(|code| json!([{ "value": code }])),
    );
    put(&mut practitioner, "name", person.text("name").map(|name| json!([{ "text": name }])));
    let title = person.text("title");
    put(&mut practitioner, "qualification", title.map(|t| json!([{ "code": { "text": t } }])));
    put(&mut practitioner, "telecom", person.phone("phone"));
    person.close(&mut practitioner);
    (practitioner.len() > 1).then(|| writer.add(&label, practitioner))
}

/// Writes one side of a case and gives the reference to it.
pub fn write_side(writer: &mut Writer<'_>, label: &str, mut party: Rest) -> Value {
    let code = party.text("organisation").unwrap_or_default();
    let name = party.text("name");
    let organisation = write_organisation(writer, &code, name.as_deref());
    let mut role = resource("PractitionerRole");
    let person = party.object("practitioner");
    put(&mut role, "practitioner", person.and_then(|person| write_practitioner(writer, person)));
    put(
        &mut role,
        "specialty",
        writer.department(&mut party).map(|department| json!([department])),
    );
    put(&mut role, "telecom", party.phone("phone"));
    party.close(&mut role);
    if role.len() == 1 {
        return organisation;
    }
    put(&mut role, "organization", organisation);
    writer.add(&format!("PractitionerRole/{label}"), role)
}
