//! Code maps: translate an organisation's own codes to ours and back, for every format.
//!
//! ```text
//!   its code ──read──▶ ours     no entry: refused where it is a safety field, else kept
//!   ours ────write──▶ its code  no entry: a loss, of safety where it is a safety field
//! ```
//!
//! **How codes are compared.** Surrounding blanks are ignored, and full-width letters, digits and
//! signs count as their half-width forms. An entry that then matches exactly wins. Otherwise upper
//! and lower case ASCII letters are equal, if exactly one entry matches that way.
//!
//! **A map that is given is complete.** A code that it does not list is never guessed.
//! Organisations are the one exception, because messages also name them in words: the sending
//! organisation is known by its own code and aliases, a name is looked up in the directory, and
//! where a message only mentions an organisation, the county's codes count too.
//!
//! **When several of their codes stand for one of ours**, the first in alphabetical order is
//! written, so that each try sends the same bytes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tierlink_schemas::codes::{self, TableId};
use tierlink_schemas::{Loss, OrganisationCode, Version, outside, safety};

use crate::directory::Directory;
use crate::profile::{Codes, Profile};

/// The tables of a code map. Each is a section of `[codes]` in the profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Administrative sex: ours are `male`, `female`, `unknown`, `unspecified`.
    Sex,
    /// Priority of a case: ours are `emergency`, `urgent`, `routine`, `chronic`.
    Priority,
    /// Departments of a hospital: ours are the codes of `codes/department.csv`.
    Department,
    /// Reasons for return, decline, redirect, cancel and recollection.
    Reason,
    /// Organisations of the county: ours are the county's codes.
    Organisation,
}

impl Table {
    /// The tables, in the order of the profile.
    pub const ALL: [Self; 5] =
        [Self::Sex, Self::Priority, Self::Department, Self::Reason, Self::Organisation];

    /// The name of its section in a profile, below `codes`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sex => "sex",
            Self::Priority => "priority",
            Self::Department => "department",
            Self::Reason => "reason",
            Self::Organisation => "organisation",
        }
    }

    /// The table that translates a field. `path` is the field's path in the canonical message, such
    /// as `body.to.department.code`; list indexes may be written with or without a dot before them.
    #[must_use]
    pub fn of_field(path: &str) -> Option<Self> {
        let mut names = path.rsplit('.').filter(|name| name.parse::<usize>().is_err());
        let last = names.next().map(|name| name.split('[').next().unwrap_or(name))?;
        let parent = names.next().map(|name| name.split('[').next().unwrap_or(name));
        match (last, parent) {
            ("sex", Some("patient" | "subject")) => Some(Self::Sex),
            ("priority", None) => Some(Self::Priority),
            ("code", Some("department")) => Some(Self::Department),
            ("code", Some("reason")) => Some(Self::Reason),
            (
                "organisation" | "to" | "suggestion" | "with" | "destination" | "destinations"
                | "source",
                _,
            ) => Some(Self::Organisation),
            (_, _) => None,
        }
    }
}

/// Result of looking a code up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning<'m> {
    /// The profile has no such table, so the code stands for itself.
    NoMap,
    /// The code on the other side.
    Code(&'m str),
    /// The table exists and does not list the code.
    Unlisted,
}

/// Result of translating one field to our codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// The field holds our code now.
    Read,
    /// No table applies; the field was not changed.
    AsItIs,
    /// The table does not list the code; the field was not changed.
    No,
}

/// The code maps of one system of an organisation.
#[derive(Clone, Copy, Debug)]
pub struct CodeMaps<'p> {
    codes: &'p Codes,
    profile: &'p Profile,
}

impl<'p> CodeMaps<'p> {
    /// Takes the maps from a profile.
    #[must_use]
    pub fn of(profile: &'p Profile) -> Self {
        Self { codes: &profile.codes, profile }
    }

    fn entries(&self, table: Table) -> &'p BTreeMap<String, String> {
        match table {
            Table::Sex => &self.codes.sex,
            Table::Priority => &self.codes.priority,
            Table::Department => &self.codes.department,
            Table::Reason => &self.codes.reason,
            Table::Organisation => &self.codes.organisation,
        }
    }

    /// Whether the profile has this table.
    #[must_use]
    pub fn is_given(&self, table: Table) -> bool {
        !self.entries(table).is_empty()
    }

    /// Looks up our code for one of theirs.
    #[must_use]
    pub fn read(&self, table: Table, theirs: &str) -> Meaning<'p> {
        let entries = self.entries(table);
        if entries.is_empty() {
            return Meaning::NoMap;
        }
        let theirs = half_width(theirs.trim());
        if let Some(ours) = entries.get(theirs.as_ref()) {
            return Meaning::Code(ours);
        }
        let only = |is_it: &dyn Fn(&str) -> bool| {
            let mut found = entries.iter().filter(|(code, _)| is_it(&half_width(code.trim())));
            found.next().filter(|_| found.next().is_none()).map(|(_, ours)| ours.as_str())
        };
        only(&|code| code == theirs)
            .or_else(|| only(&|code| code.eq_ignore_ascii_case(&theirs)))
            .map_or(Meaning::Unlisted, Meaning::Code)
    }

    /// Looks up their code for one of ours.
    #[must_use]
    pub fn write(&self, table: Table, ours: &str) -> Meaning<'p> {
        let entries = self.entries(table);
        if entries.is_empty() {
            return Meaning::NoMap;
        }
        let theirs = entries.iter().find(|(_, known)| known.as_str() == ours);
        theirs.map_or(Meaning::Unlisted, |(theirs, _)| Meaning::Code(theirs))
    }

    /// Finds an organisation that a message only mentions: through the map, as the sending
    /// organisation itself, or by any code or name in the directory.
    #[must_use]
    pub fn mentioned(&self, name: &str, directory: &Directory) -> Option<OrganisationCode> {
        match self.read(Table::Organisation, name) {
            Meaning::Code(ours) => known(ours, directory),
            Meaning::NoMap | Meaning::Unlisted => self.listed(name, directory),
        }
    }

    /// Finds an organisation that decides where a patient goes. A code must be in the map if there
    /// is one; only names are looked up in the directory.
    #[must_use]
    pub fn recipient(&self, name: &str, directory: &Directory) -> Option<OrganisationCode> {
        match self.read(Table::Organisation, name) {
            Meaning::Unlisted if name.is_ascii() => self.own(name),
            Meaning::Code(_) | Meaning::NoMap | Meaning::Unlisted => {
                self.mentioned(name, directory)
            }
        }
    }

    /// The sending organisation, if `name` is its code, an alias or its facility.
    fn own(&self, name: &str) -> Option<OrganisationCode> {
        let identity = &self.profile.organisation;
        let name = half_width(name.trim());
        let is_own = identity.code.as_str().eq_ignore_ascii_case(&name)
            || identity.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(&name))
            || self
                .profile
                .format
                .facility
                .as_ref()
                .is_some_and(|it| it.eq_ignore_ascii_case(&name));
        is_own.then(|| identity.code.clone())
    }

    /// Finds an organisation that the message names by the county's code, not by one
    /// of the sender's.
    #[must_use]
    pub fn listed(&self, code: &str, directory: &Directory) -> Option<OrganisationCode> {
        self.own(code).or_else(|| Self::in_directory(code, directory))
    }

    fn in_directory(name: &str, directory: &Directory) -> Option<OrganisationCode> {
        let name = half_width(name.trim());
        if directory.is_empty() {
            // Without a configuration, any text that has the form of a code counts as one.
            return OrganisationCode::new(name.as_ref()).ok();
        }
        directory.resolve(&name).map(|organisation| organisation.code.clone())
    }

    /// Looks up their code for an organisation. The receiving organisation needs no
    /// entry for itself.
    #[must_use]
    pub fn write_organisation(&self, ours: &str) -> Meaning<'p> {
        match self.write(Table::Organisation, ours) {
            Meaning::Unlisted if self.profile.organisation.code.as_str() == ours => Meaning::NoMap,
            said => said,
        }
    }

    /// What the receiver calls an organisation: its own code for it, or ours if it has none.
    #[must_use]
    pub fn known_as<'a>(&self, ours: &'a str) -> &'a str
    where
        'p: 'a,
    {
        match self.write_organisation(ours) {
            Meaning::Code(theirs) => theirs,
            Meaning::NoMap | Meaning::Unlisted => ours,
        }
    }

    /// Replaces our codes by theirs, in a canonical message or in the part of it at `path`.
    ///
    /// Returns the losses. Where they have no code, a sex or priority is left out, a department or
    /// reason keeps its text only, and an organisation keeps our code.
    pub fn write_into(
        &self,
        value: &mut Value,
        path: &str,
        tables: &[Table],
        losses: &mut Vec<Loss>,
    ) {
        match value {
            Value::Object(fields) => {
                let of_text = |name: &str, value: &Value| {
                    let path = joined(path, name);
                    let table = Table::of_field(&path).filter(|table| tables.contains(table))?;
                    value.is_string().then_some((path, table))
                };
                let mapped: Vec<(String, String, Table)> = fields
                    .iter()
                    .filter_map(|(name, value)| {
                        of_text(name, value).map(|(path, table)| (name.clone(), path, table))
                    })
                    .collect();
                for (name, path, table) in mapped {
                    self.write_field(fields, &name, &path, table, losses);
                }
                for (name, inner) in fields.iter_mut() {
                    if !inner.is_string() && !NEVER_MAPPED.contains(&joined(path, name).as_str()) {
                        self.write_into(inner, &joined(path, name), tables, losses);
                    }
                }
            }
            Value::Array(items) => {
                for (at, item) in items.iter_mut().enumerate() {
                    let path = format!("{path}[{at}]");
                    if let Value::String(ours) = item
                        && Table::of_field(&path) == Some(Table::Organisation)
                        && tables.contains(&Table::Organisation)
                    {
                        *ours = self.written_organisation(ours, &path, losses);
                    } else {
                        self.write_into(item, &path, tables, losses);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn write_field(
        &self,
        fields: &mut Map<String, Value>,
        name: &str,
        path: &str,
        table: Table,
        losses: &mut Vec<Loss>,
    ) {
        let Some(ours) = fields.get(name).and_then(Value::as_str).map(str::to_owned) else {
            return;
        };
        if table == Table::Organisation {
            let written = self.written_organisation(&ours, path, losses);
            fields.insert(name.to_owned(), written.into());
            return;
        }
        match self.write(table, &ours) {
            Meaning::NoMap => {}
            Meaning::Code(theirs) => {
                fields.insert(name.to_owned(), theirs.into());
                if table == Table::Department {
                    fields.remove("system");
                }
            }
            Meaning::Unlisted => {
                losses.push(unlisted(table, path));
                fields.remove(name);
                if matches!(table, Table::Department | Table::Reason) {
                    fields.remove("system");
                    if let Some(words) = words(table, &ours) {
                        fields.entry("text").or_insert_with(|| words.into());
                    }
                }
            }
        }
    }

    /// Their code for an organisation, or ours with a loss added to `losses`.
    pub fn written_organisation(&self, ours: &str, path: &str, losses: &mut Vec<Loss>) -> String {
        match self.write_organisation(ours) {
            Meaning::NoMap => ours.to_owned(),
            Meaning::Code(theirs) => theirs.to_owned(),
            Meaning::Unlisted => {
                let loss = unlisted(Table::Organisation, path);
                if !losses.contains(&loss) {
                    losses.push(loss);
                }
                ours.to_owned()
            }
        }
    }

    /// Replaces their codes by ours, in a message in canonical form or in the part of it at `path`.
    /// Numbers are read as written. Returns the fields whose code is unknown to the map (for
    /// organisations, to the directory too); those fields are not changed.
    pub fn read_into(
        &self,
        value: &mut Value,
        path: &str,
        directory: &Directory,
    ) -> Vec<(Table, String)> {
        let mut unknown = Vec::new();
        self.read_below(value, path, directory, &mut unknown);
        unknown
    }

    fn read_below(
        &self,
        value: &mut Value,
        path: &str,
        directory: &Directory,
        unknown: &mut Vec<(Table, String)>,
    ) {
        match value {
            Value::Object(fields) => {
                let mut is_our_department = false;
                for (name, inner) in fields.iter_mut() {
                    let path = joined(path, name);
                    if NEVER_MAPPED.contains(&path.as_str()) {
                        continue;
                    }
                    match Table::of_field(&path) {
                        Some(table) if inner.is_string() || inner.is_number() => {
                            let known = self.read_field(inner, table, &path, directory);
                            match known {
                                Known::Read => is_our_department |= table == Table::Department,
                                Known::AsItIs => {}
                                Known::No => unknown.push((table, path)),
                            }
                        }
                        Some(_) | None => self.read_below(inner, &path, directory, unknown),
                    }
                }
                if is_our_department {
                    fields.insert("system".to_owned(), TableId::Department.key().into());
                }
            }
            Value::Array(items) => {
                for (at, item) in items.iter_mut().enumerate() {
                    let path = format!("{path}[{at}]");
                    if item.is_string() && Table::of_field(&path) == Some(Table::Organisation) {
                        if self.read_field(item, Table::Organisation, &path, directory) == Known::No
                        {
                            unknown.push((Table::Organisation, path));
                        }
                    } else {
                        self.read_below(item, &path, directory, unknown);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn read_field(
        &self,
        value: &mut Value,
        table: Table,
        path: &str,
        directory: &Directory,
    ) -> Known {
        let text = match &*value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        if table == Table::Organisation {
            let found = if safety::is_safety(path) {
                self.recipient(&text, directory)
            } else {
                self.mentioned(&text, directory)
            };
            let Some(code) = found else {
                return if self.is_given(table) { Known::No } else { Known::AsItIs };
            };
            *value = code.as_str().into();
            return Known::Read;
        }
        match self.read(table, &text) {
            Meaning::NoMap => Known::AsItIs,
            Meaning::Code(ours) => {
                *value = ours.into();
                Known::Read
            }
            Meaning::Unlisted => Known::No,
        }
    }

    /// The version of these maps; `None` if the profile has none.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        if !Table::ALL.into_iter().any(|table| self.is_given(table)) {
            return None;
        }
        let label = self.codes.version.clone();
        let mut digest = Sha256::new();
        digest.update(format!("{}\n", label.as_deref().unwrap_or_default()));
        for table in Table::ALL {
            for (theirs, ours) in self.entries(table) {
                // No code contains a line feed, so different maps always give different texts.
                digest.update(format!("{}\n{theirs}\n{ours}\n", table.as_str()));
            }
        }
        let mut hash = String::with_capacity(16);
        for byte in digest.finalize().iter().take(8) {
            let _ = write!(hash, "{byte:02x}");
        }
        Some(Version { label, hash })
    }
}

/// Fields that hold no codes of ours: fields of another format, and the trace.
const NEVER_MAPPED: [&str; 2] = ["extras", "trace"];

fn joined(path: &str, name: &str) -> String {
    // A name that no schema has may contain anything, so it is not repeated in errors.
    let name = outside::name(name);
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The loss for a code that a map does not list.
#[must_use]
pub fn unlisted(table: Table, path: &str) -> Loss {
    let text = format!(
        "the receiver's code map has no code for it; add one to [codes.{}]",
        table.as_str()
    );
    safety::loss(path, text)
}

/// The meaning of one of our codes, in words, where the table has it.
#[must_use]
pub fn words(table: Table, ours: &str) -> Option<String> {
    let tables: &[TableId] = match table {
        Table::Department => &[TableId::Department],
        Table::Reason => &[
            TableId::ReturnReason,
            TableId::DeclineReason,
            TableId::RedirectReason,
            TableId::CancelReason,
            TableId::RecollectReason,
        ],
        Table::Sex | Table::Priority | Table::Organisation => &[],
    };
    tables.iter().find_map(|table| codes::lookup(*table, ours)).map(|row| row.name.clone())
}

/// The code, if the directory has such an organisation.
fn known(code: &str, directory: &Directory) -> Option<OrganisationCode> {
    let code = OrganisationCode::new(code).ok()?;
    (directory.is_empty() || directory.get(&code).is_some()).then_some(code)
}

/// Turns full-width letters, digits and signs (`Ａ１－`) into half-width ones (`A1-`).
fn half_width(text: &str) -> Cow<'_, str> {
    const FIRST: char = '！';
    const LAST: char = '～';
    if !text.chars().any(|c| (FIRST..=LAST).contains(&c)) {
        return Cow::Borrowed(text);
    }
    let half = |c: char| {
        let code = u32::from(c).checked_sub(u32::from(FIRST) - u32::from('!'));
        code.filter(|_| (FIRST..=LAST).contains(&c)).and_then(char::from_u32).unwrap_or(c)
    };
    Cow::Owned(text.chars().map(half).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tierlink_schemas::Tier;

    use super::*;
    use crate::Organisation;

    fn profile() -> Profile {
        let code = OrganisationCode::new("T-01").unwrap();
        let mut profile = Profile::bare(code, Tier::Township, "json");
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(theirs, ours)| ((*theirs).to_owned(), (*ours).to_owned())).collect()
        };
        profile.organisation.aliases.push("青石".to_owned());
        profile.codes.sex = map(&[("1", "male"), ("2", "female")]);
        profile.codes.priority = map(&[("A", "urgent"), ("a1", "routine"), ("A1", "emergency")]);
        profile.codes.department = map(&[("0304", "03.04"), ("X", "03.05"), ("W", "03.05")]);
        profile.codes.organisation = map(&[("12", "H-01"), ("99", "CLOSED")]);
        profile
    }

    fn directory() -> Directory {
        let organisation = |code: &str, alias: &str| Organisation {
            code: OrganisationCode::new(code).unwrap(),
            name: code.to_owned(),
            name_en: None,
            tier: Tier::County,
            parent: None,
            outside: false,
            aliases: vec![alias.to_owned()],
        };
        Directory::new(vec![organisation("H-01", "县医院"), organisation("H-02", "中医院")], None)
    }

    #[test]
    fn blanks_width_and_where_it_is_certain_case_do_not_count() {
        let profile = profile();
        let maps = CodeMaps::of(&profile);
        let read = |code| maps.read(Table::Priority, code);

        for code in ["A", "a", " A ", "Ａ", "　ａ　"] {
            assert_eq!(read(code), Meaning::Code("urgent"), "{code}");
        }
        assert_eq!(read("a1"), Meaning::Code("routine"));
        assert_eq!(read("Ａ１"), Meaning::Code("emergency"));
        assert_eq!(read("urgent"), Meaning::Unlisted);
        assert_eq!(maps.read(Table::Reason, "7"), Meaning::NoMap);
    }

    #[test]
    fn of_several_codes_the_same_one_is_written_every_time() {
        let profile = profile();
        let maps = CodeMaps::of(&profile);

        assert_eq!(maps.write(Table::Department, "03.05"), Meaning::Code("W"));
        assert_eq!(maps.write(Table::Department, "03.06"), Meaning::Unlisted);
        assert_eq!(maps.write(Table::Reason, "RT01"), Meaning::NoMap);
    }

    #[test]
    fn a_recipient_is_named_by_the_map_or_in_words_and_a_mention_by_any_known_name() {
        let (profile, directory) = (profile(), directory());
        let maps = CodeMaps::of(&profile);
        let code = |found: Option<OrganisationCode>| found.map(|code| code.to_string());
        let recipient = |name| code(maps.recipient(name, &directory));
        let mentioned = |name| code(maps.mentioned(name, &directory));

        assert_eq!(recipient("１２").as_deref(), Some("H-01"));
        assert_eq!(recipient("中医院").as_deref(), Some("H-02"));
        assert_eq!(recipient("t-01").as_deref(), Some("T-01"));
        assert_eq!((recipient("H-02"), recipient("99")), (None, None));
        assert_eq!(mentioned("H-02").as_deref(), Some("H-02"));
        assert_eq!((mentioned("H-03"), mentioned("99")), (None, None));
    }

    #[test]
    fn every_code_of_a_message_is_written_in_theirs_and_what_has_none_is_a_loss() {
        let profile = profile();
        let mut message = json!({
            "priority": "chronic", "destinations": ["T-01", "H-01"],
            "source": { "organisation": "H-01" },
            "extras": [{ "path": "source", "text": "H-01" }],
            "case": { "numbers": [{ "organisation": "H-02", "number": "1" }] },
            "body": {
                "patient": { "sex": "female" },
                "from": { "organisation": "H-01", "department": { "code": "03.04", "system": "department" } },
                "to": { "organisation": "H-02", "department": { "code": "03.01", "text": "呼吸" } },
            },
        });
        let mut losses = Vec::new();

        let all = [Table::Sex, Table::Priority, Table::Department, Table::Organisation];
        CodeMaps::of(&profile).write_into(&mut message, "", &all, &mut losses);

        assert_eq!(
            message,
            json!({
                "destinations": ["T-01", "12"], "source": { "organisation": "12" },
                "extras": [{ "path": "source", "text": "H-01" }],
                "case": { "numbers": [{ "organisation": "H-02", "number": "1" }] },
                "body": {
                    "patient": { "sex": "2" },
                    "from": { "organisation": "12", "department": { "code": "0304" } },
                    "to": { "organisation": "H-02", "department": { "text": "呼吸" } },
                },
            })
        );
        let told: Vec<_> = losses.iter().map(|loss| (loss.field.as_str(), loss.safety)).collect();
        assert_eq!(
            told,
            [
                ("priority", true),
                ("body.to.organisation", true),
                ("body.to.department.code", false),
                ("case.numbers[0].organisation", false),
            ]
        );
    }

    #[test]
    fn a_version_changes_with_every_entry_and_is_the_same_for_the_same_maps() {
        let mut profile = profile();
        profile.codes.version = Some("2026-03".to_owned());
        let before = CodeMaps::of(&profile).version().unwrap();
        assert_eq!(CodeMaps::of(&profile.clone()).version().unwrap(), before);
        assert_eq!((before.label.as_deref(), before.hash.len()), (Some("2026-03"), 16));

        profile.codes.sex.insert("2".to_owned(), "male".to_owned());

        assert_ne!(CodeMaps::of(&profile).version().unwrap().hash, before.hash);
        profile.codes = Codes::default();
        assert_eq!(CodeMaps::of(&profile).version(), None);
    }
}
