//! Whether senders over MLLP can be told apart: MLLP has no login, and whoever sends from an address
//! that two organisations share can speak in the name of either.
//!
//! This is refused unless both profiles name each other (`inbound.shared_with`), or a listener of its
//! own or a certificate tells them apart.

use std::collections::{BTreeMap, HashMap};

use ipnet::IpNet;
use tierlink_codec::{CodecRegistry, OrganisationProfile, Profile, Transport};
use tierlink_schemas::{OrganisationCode, Problem};

use super::codes::INVALID;
use super::settings::MllpSettings;

/// So many pairs are named; a county that has more needs the first ones to understand.
const PAIRS_NAMED_MAX: usize = 20;

/// Adds each pair that cannot be told apart, and each system that needs a certificate's name.
pub(super) fn check(
    profiles: &HashMap<OrganisationCode, OrganisationProfile>,
    formats: &CodecRegistry,
    listeners: &[MllpSettings],
    problems: &mut Vec<Problem>,
) {
    let speaks = |system: &&Profile| {
        formats.over(Transport::Mllp).any(|codec| codec.name() == system.format.name)
    };
    let systems = || profiles.values().flat_map(|it| &it.systems).filter(speaks);
    check_certificates(systems(), listeners, problems);
    let mut networks: Vec<(IpNet, &Profile)> = systems()
        .flat_map(|system| {
            system.inbound.peers.iter().map(move |network| (network.trunc(), system))
        })
        // This machine is trusted as the broker itself is.
        .filter(|(network, _)| !network.network().is_loopback())
        .collect();
    networks.sort_by(|(a, one), (b, other)| {
        let key = |network: &IpNet| (network.network(), network.prefix_len());
        let codes = || one.organisation.code.cmp(&other.organisation.code);
        key(a).cmp(&key(b)).then_with(codes)
    });
    // Networks lie within each other or apart. Those that the present one lies within are open.
    let mut open: Vec<(IpNet, &Profile)> = Vec::new();
    let mut found: BTreeMap<(&OrganisationCode, &OrganisationCode), IpNet> = BTreeMap::new();
    for (network, system) in networks {
        open.retain(|(outer, _)| outer.contains(&network));
        for (_, other) in &open {
            if found.len() < PAIRS_NAMED_MAX && are_alike(system, other) {
                let (a, b) = (&system.organisation.code, &other.organisation.code);
                found.entry((a.min(b), a.max(b))).or_insert(network);
            }
        }
        open.push((network, system));
    }
    for ((one, other), network) in found {
        let text = format!(
            "{network} is an address of {other} too, and over MLLP whoever sends from there could \
             speak for either; give one of them a listener or a certificate_name, or name each other \
             in inbound.shared_with"
        );
        problems.push(Problem::new(INVALID, format!("{one}: inbound.peers"), text));
    }
}

/// Whether messages of these could be taken for each other's, and nobody has said so.
fn are_alike(one: &Profile, other: &Profile) -> bool {
    let (a, b) = (&one.organisation.code, &other.organisation.code);
    let named = one.inbound.shared_with.contains(b) && other.inbound.shared_with.contains(a);
    let apart = one.inbound.listener != other.inbound.listener
        || match (&one.inbound.certificate_name, &other.inbound.certificate_name) {
            (Some(name), Some(its)) => name != its,
            (None, _) | (_, None) => false,
        };
    a != b && !named && !apart
}

/// Where every listener on which a system speaks asks for a certificate, its profile says which:
/// every hospital of the county has one of the same authority.
fn check_certificates<'a>(
    systems: impl Iterator<Item = &'a Profile>,
    listeners: &[MllpSettings],
    problems: &mut Vec<Problem>,
) {
    let mut nameless: Vec<&Profile> = systems
        .filter(|system| {
            let own = system.inbound.listener.as_deref();
            let mut there =
                listeners.iter().filter(|it| own.is_none_or(|own| own == it.name)).peekable();
            let asks = |it: &MllpSettings| {
                it.tls.as_ref().is_some_and(|tls| tls.client_authorities.is_some())
            };
            system.inbound.certificate_name.is_none() && there.peek().is_some() && there.all(asks)
        })
        .collect();
    nameless.sort_by_key(|system| system.lane());
    for system in nameless {
        let text = "is needed: the listener asks for certificates, and any of the county's would do; \
                    write the name in its certificate";
        let field = format!("{}: inbound.certificate_name", system.lane());
        problems.push(Problem::new(INVALID, field, text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(code: &str, inbound: &str) -> OrganisationProfile {
        OrganisationProfile::from_toml(&format!(
            "[organisation]\ncode = \"{code}\"\nname = \"{code}\"\ntier = \"county\"\n\
             [format]\nname = \"hl7v2\"\n[inbound]\n{inbound}\n"
        ))
        .unwrap()
    }

    fn fields(listener: &str, inbound: &[(&str, &str)]) -> Vec<String> {
        let profiles = inbound.iter().map(|(code, inbound)| profile(code, inbound));
        let profiles = profiles.map(|it| (it.organisation.code.clone(), it)).collect();
        let listener: MllpSettings = toml::from_str(listener).unwrap();
        let mut problems = Vec::new();
        check(&profiles, &crate::codecs::codecs(), &[listener], &mut problems);
        problems.into_iter().map(|problem| problem.field).collect()
    }

    const PLAIN: &str = "listen = \"127.0.0.1:0\"";
    const MUTUAL: &str = "listen = \"127.0.0.1:0\"\n[tls]\ncertificate = \"c\"\nkey = \"k\"\n\
                          client_authorities = \"a\"";
    const NONE: [&str; 0] = [];

    #[test]
    fn two_organisations_behind_one_address_must_name_each_other() {
        let gateway = "peers = [\"10.1.0.1/32\"]";
        let around = "peers = [\"10.0.0.0/8\"]";
        let elsewhere = "peers = [\"10.2.0.0/16\"]";
        let named = |other: &str| format!("{gateway}\nshared_with = [\"{other}\"]");

        assert_eq!(fields(PLAIN, &[("A", gateway), ("B", gateway)]), ["A: inbound.peers"]);
        assert_eq!(fields(PLAIN, &[("A", gateway), ("B", around)]), ["A: inbound.peers"]);
        assert_eq!(fields(PLAIN, &[("A", gateway), ("B", elsewhere)]), NONE);
        assert_eq!(fields(PLAIN, &[("A", &named("B")), ("B", gateway)]), ["A: inbound.peers"]);
        assert_eq!(fields(PLAIN, &[("A", &named("B")), ("B", &named("A"))]), NONE);
        let here = "peers = [\"127.0.0.1/32\"]";
        assert_eq!(fields(PLAIN, &[("A", here), ("B", here)]), NONE);
        assert_eq!(fields(PLAIN, &[("A", ""), ("B", "")]), NONE);
    }

    #[test]
    fn a_listener_or_a_certificate_of_its_own_tells_an_organisation_apart() {
        let own = "peers = [\"10.1.0.1/32\"]\nlistener = \"own\"";
        let certificate =
            |name: &str| format!("peers = [\"10.1.0.1/32\"]\ncertificate_name = \"{name}\"");

        assert_eq!(fields(PLAIN, &[("A", own), ("B", "peers = [\"10.1.0.1/32\"]")]), NONE);
        assert_eq!(fields(MUTUAL, &[("A", &certificate("a")), ("B", &certificate("b"))]), NONE);
        let same = [("A", &*certificate("a")), ("B", &*certificate("a"))];
        assert_eq!(fields(MUTUAL, &same), ["A: inbound.peers"]);
    }

    #[test]
    fn where_certificates_are_shown_each_profile_names_its_own() {
        let all = [("A", ""), ("B", "certificate_name = \"b\"")];

        assert_eq!(fields(MUTUAL, &all), ["A: inbound.certificate_name"]);
        assert_eq!(fields(PLAIN, &all), NONE);
    }
}
