//! Checks the systems of each organisation: names, formats, addresses, what they send and receive,
//! and whether their messages can be told apart.

use std::collections::{BTreeMap, HashMap, HashSet};

use tierlink_codec::profile::{Identity, PEOPLE, Receipts};
use tierlink_codec::{Codec, CodecRegistry, OrganisationProfile, Profile, Taken, Transport};
use tierlink_core::traffic::Traffic;
use tierlink_edge::address::Address;
use tierlink_schemas::{OrganisationCode, Problem};

use super::codes::INVALID;

/// Most letters by which a mistyped word may differ from the suggestion for it.
const LETTERS_DIFFER_MAX: usize = 3;

/// Adds all problems among the systems of organisations.
pub(super) fn check(
    profiles: &HashMap<OrganisationCode, OrganisationProfile>,
    formats: &CodecRegistry,
    listeners: &BTreeMap<&str, usize>,
    problems: &mut Vec<Problem>,
) {
    let mut sorted: Vec<_> = profiles.values().collect();
    sorted.sort_by(|a, b| a.organisation.code.cmp(&b.organisation.code));
    for organisation in sorted {
        let mut found = Found { problems: &mut *problems };
        for system in &organisation.systems {
            check_system(system, formats, listeners, &mut found);
        }
        check_together(organisation, &mut found);
    }
}

/// Collects problems of systems, each with the name of its setting.
struct Found<'a> {
    problems: &'a mut Vec<Problem>,
}

impl Found<'_> {
    fn of_system(&mut self, system: &Profile, setting: &str, text: impl Into<String>) {
        let code = &system.organisation.code;
        let field = match &system.name {
            None => format!("{code}: {setting}"),
            Some(name) => format!("{code}: systems.{name}.{setting}"),
        };
        self.problems.push(Problem::new(INVALID, field, text));
    }

    fn of_organisation(&mut self, organisation: &Identity, setting: &str, text: impl Into<String>) {
        let field = format!("{}: {setting}", organisation.code);
        self.problems.push(Problem::new(INVALID, field, text));
    }
}

fn check_system(
    system: &Profile,
    formats: &CodecRegistry,
    listeners: &BTreeMap<&str, usize>,
    found: &mut Found<'_>,
) {
    if let Err(error) = jiff::tz::TimeZone::get(&system.format.zone) {
        let text = format!("is no time zone ({error}); write one such as Asia/Shanghai");
        found.of_system(system, "format.zone", text);
    }
    if let Some(name) = &system.inbound.listener
        && !listeners.contains_key(name.as_str())
    {
        let text = format!("no [[mllp]] listener is called {name}");
        found.of_system(system, "inbound.listener", text);
    }
    for (setting, words) in [("gives", &system.gives), ("takes", &system.takes)] {
        for word in words.iter().filter(|word| Traffic::read(word).is_none()) {
            found.of_system(system, setting, no_traffic(word));
        }
    }
    if system.is_people() {
        check_people(system, found);
        return;
    }
    match formats.get(&system.format.name) {
        Some(codec) => check_format(system, &**codec, found),
        None => {
            let names = formats.names().join(", ");
            let text = format!("is not a format of this program: {names}, {PEOPLE}");
            found.of_system(system, "format.name", text);
        }
    }
}

/// Checks that address and listener fit the format, and that the format has what the
/// profile asks for.
fn check_format(system: &Profile, codec: &dyn Codec, found: &mut Found<'_>) {
    let travels = |transport| codec.transports().contains(&transport);
    let name = codec.name();
    if system.inbound.listener.is_some() && !travels(Transport::Mllp) {
        let text = format!("{name} cannot be sent over MLLP; its messages come in over HTTP");
        found.of_system(system, "inbound.listener", text);
    }
    if system.outbound.receipts != Receipts::None && !codec.has_receipts() {
        let text = "must be none: HL7 v2 has no message for a receipt; look custody up instead";
        found.of_system(system, "outbound.receipts", text);
    }
    let Some(address) = &system.outbound.address else { return };
    let Some(address) = Address::read(address) else {
        let text = "must be mllp://host:port, mllps://host:port, http://… or https://…";
        found.of_system(system, "outbound.address", text);
        return;
    };
    let transport = address.transport();
    let taken = &system.outbound.taken;
    if taken.texts.iter().any(|text| text.trim().is_empty()) {
        let text = "an empty text stands in every page; write what stands only in a real answer";
        found.of_system(system, "outbound.taken.texts", text);
    }
    if transport == Transport::Mllp && *taken != Taken::default() {
        let text = "counts over HTTP only; over MLLP an acknowledgement is the answer";
        found.of_system(system, "outbound.taken", text);
    }
    if !travels(transport) {
        let schemes: Vec<&str> = codec.transports().iter().map(|it| it.scheme()).collect();
        let (over, schemes) = (transport.as_str(), schemes.join(" or "));
        let text = format!("{name} does not travel over {over}; give an {schemes} address");
        found.of_system(system, "outbound.address", text);
    }
}

/// Checks a system of people: it has neither an address nor a listener.
fn check_people(system: &Profile, found: &mut Found<'_>) {
    let text = "people have none; leave it out, or name the format of a program";
    let set = [
        ("outbound.address", system.outbound.address.is_some()),
        ("outbound.remote", system.outbound.remote),
        ("inbound.listener", system.inbound.listener.is_some()),
        ("inbound.peers", !system.inbound.peers.is_empty()),
        ("inbound.certificate_name", system.inbound.certificate_name.is_some()),
    ];
    for (setting, _) in set.into_iter().filter(|(_, is_set)| *is_set) {
        found.of_system(system, setting, text);
    }
}

/// Checks what can be seen only with all systems of an organisation together.
fn check_together(organisation: &OrganisationProfile, found: &mut Found<'_>) {
    let (identity, systems) = (&organisation.organisation, &organisation.systems);
    let defaults = systems.iter().filter(|system| system.is_default).count();
    if defaults != 1 {
        let text = format!(
            "{defaults} systems have default = true; exactly one receives what no other takes"
        );
        found.of_organisation(identity, "systems.default", text);
    }
    let mut names = HashSet::new();
    for system in systems {
        if let Some(name) = &system.name
            && !names.insert(name)
        {
            let text = format!("two systems are called {name}; give each a name of its own");
            found.of_organisation(identity, "systems.name", text);
        }
    }
    for (at, one) in systems.iter().enumerate() {
        for other in &systems[at + 1..] {
            check_pair(one, other, found);
        }
    }
}

fn check_pair(one: &Profile, other: &Profile, found: &mut Found<'_>) {
    let name = one.name.as_ref().map_or("", |name| name.as_str());
    for word in one.takes.intersection(&other.takes) {
        let text = format!("{name} takes {word} too; each message goes to one system");
        found.of_system(other, "takes", text);
    }
    if cannot_be_told_apart(one, other) {
        let text = format!(
            "its messages cannot be told from those of {name}: give one of them a format.application \
             (MSH-3), a listener or inbound.peers of its own"
        );
        found.of_system(other, "inbound", text);
    }
}

/// Whether a message that names no system could be from either.
fn cannot_be_told_apart(one: &Profile, other: &Profile) -> bool {
    let speak = !one.is_people() && !other.is_people() && one.format.name == other.format.name;
    let application = |system: &Profile| {
        system.format.application.as_deref().map(|name| name.trim().to_ascii_lowercase())
    };
    speak
        && application(one) == application(other)
        && one.inbound.listener == other.inbound.listener
        && one.inbound.certificate_name == other.inbound.certificate_name
        && one.inbound.shares_an_address(&other.inbound)
}

/// The error text for a word that is neither kind nor service, with a suggestion.
fn no_traffic(word: &str) -> String {
    let nearest = Traffic::words()
        .map(|known| (letters_that_differ(known, word), known))
        .min()
        .filter(|(letters, _)| *letters <= LETTERS_DIFFER_MAX);
    match nearest {
        Some((_, known)) => format!("{word} is no kind of message and no service; is it {known}?"),
        None => format!(
            "{word} is no kind of message and no service; write one such as referral.submit, \
             referral or ecg"
        ),
    }
}

/// The Levenshtein distance: letters to change, add or remove to turn one word into the other.
fn letters_that_differ(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut before = at;
        row[0] = at + 1;
        for (column, wanted) in other.iter().enumerate() {
            let changed = before + usize::from(letter != *wanted);
            before = row[column + 1];
            row[column + 1] = changed.min(before + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(systems: &str) -> Vec<String> {
        let identity = "[organisation]\ncode = \"A\"\nname = \"A\"\ntier = \"county\"\n";
        let profile = OrganisationProfile::from_toml(&format!("{identity}{systems}")).unwrap();
        let profiles = HashMap::from([(profile.organisation.code.clone(), profile)]);
        let mut problems = Vec::new();
        let listeners = BTreeMap::from([("default", 1)]);
        check(&profiles, &crate::codecs::codecs(), &listeners, &mut problems);
        problems.iter().map(|problem| format!("{}: {}", problem.field, problem.text)).collect()
    }

    fn fields(systems: &str) -> Vec<String> {
        let all = check_text(systems);
        all.iter().map(|text| text.split(": ").take(2).collect::<Vec<_>>().join(": ")).collect()
    }

    const HIS: &str = "[[systems]]\nname = \"his\"\ndefault = true\nformat.name = \"hl7v2\"\n";
    const ECG: &str = "[[systems]]\nname = \"ecg\"\ntakes = [\"ecg\"]\nformat.name = \"json\"\n\
                       outbound.address = \"http://ecg/in\"\n";
    const PEOPLE: &str = "[[systems]]\nname = \"desk\"\ntakes = [\"transfer\"]\n\
                          format.name = \"people\"\n";

    #[test]
    fn three_different_systems_fit_together() {
        assert_eq!(fields(&format!("{HIS}{ECG}{PEOPLE}")), Vec::<String>::new());
    }

    #[test]
    fn exactly_one_system_is_the_default() {
        let no_default = HIS.replace("default = true\n", "");
        let two = format!("{HIS}{}", ECG.replace("takes", "default = true\ntakes"));

        assert_eq!(fields(&no_default), ["A: systems.default"]);
        assert_eq!(fields(&two), ["A: systems.default"]);
    }

    #[test]
    fn a_name_and_what_is_taken_belong_to_one_system() {
        let named_twice = format!("{HIS}{ECG}{}", PEOPLE.replace("desk", "ecg"));
        let taken_twice = format!("{HIS}{ECG}{}", PEOPLE.replace("transfer", "ecg"));

        assert_eq!(fields(&named_twice), ["A: systems.name"]);
        assert_eq!(fields(&taken_twice), ["A: systems.desk.takes"]);
    }

    #[test]
    fn an_unknown_word_is_told_with_the_right_one() {
        let typo = ECG.replace("[\"ecg\"]", "[\"egc\", \"referal.submit\", \"dialysis\"]");

        let told = check_text(&format!("{HIS}{typo}"));

        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told.iter().any(|text| text.contains("egc") && text.ends_with("is it ecg?")));
        assert!(told.iter().any(|text| text.ends_with("is it referral.submit?")), "{told:?}");
        assert!(told.iter().any(|text| text.contains("dialysis") && text.contains("such as")));
    }

    #[test]
    fn a_format_must_exist_and_fit_its_transport() {
        let unknown = ECG.replace("json", "cda");
        let over_mllp = ECG.replace("http://ecg/in", "mllp://ecg:1");
        let listener = format!("{ECG}inbound.listener = \"default\"\n");

        assert_eq!(fields(&format!("{HIS}{unknown}")), ["A: systems.ecg.format.name"]);
        assert_eq!(fields(&format!("{HIS}{over_mllp}")), ["A: systems.ecg.outbound.address"]);
        assert_eq!(fields(&format!("{HIS}{listener}")), ["A: systems.ecg.inbound.listener"]);
    }

    #[test]
    fn what_takes_a_message_is_nothing_that_stands_in_every_page() {
        let blank = format!("{ECG}outbound.taken.texts = [\" \"]\n");
        let fine = format!("{ECG}outbound.taken.texts = ['\"code\":0']\n");
        let over_mllp = fine.replace("http://ecg/in", "mllp://ecg:1").replace("json", "hl7v2");

        assert_eq!(fields(&format!("{HIS}{blank}")), ["A: systems.ecg.outbound.taken.texts"]);
        assert!(fields(&format!("{HIS}{fine}")).is_empty());
        let over_mllp = fields(&format!("{HIS}{over_mllp}"));
        assert!(over_mllp.contains(&"A: systems.ecg.outbound.taken".to_owned()), "{over_mllp:?}");
    }

    #[test]
    fn people_have_no_address() {
        let dialled = format!("{PEOPLE}outbound.address = \"http://desk\"\n");

        assert_eq!(fields(&format!("{HIS}{dialled}")), ["A: systems.desk.outbound.address"]);
    }

    #[test]
    fn two_systems_that_could_be_either_are_told() {
        let lis = "[[systems]]\nname = \"lis\"\nformat.name = \"hl7v2\"\n";
        let named = format!("{lis}format.application = \"LAB\"\n");
        let elsewhere = format!("{lis}inbound.peers = [\"10.1.0.0/16\"]\n");

        assert_eq!(fields(&format!("{HIS}{lis}")), ["A: systems.lis.inbound"]);
        assert_eq!(fields(&format!("{HIS}{named}")), Vec::<String>::new());
        assert_eq!(fields(&format!("{HIS}{elsewhere}")), Vec::<String>::new());
    }
}
