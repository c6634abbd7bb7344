//! Checks that the settings and profiles of a county fit together; reports every problem.

use std::collections::{BTreeMap, HashMap};

use tierlink_codec::OrganisationProfile;
use tierlink_schemas::{OrganisationCode, Problem};

use super::codes::INVALID;
use super::neighbours;
use super::settings::Settings;
use super::systems;
use crate::codecs::codecs;

/// Adds all problems to `problems`.
pub(super) fn check(
    settings: &Settings,
    profiles: &HashMap<OrganisationCode, OrganisationProfile>,
    problems: &mut Vec<Problem>,
) {
    check_settings(settings, problems);
    check_tree(settings, profiles, problems);
    check_listeners(settings, profiles, problems);
}

fn check_settings(settings: &Settings, problems: &mut Vec<Problem>) {
    let mut problem = |field: &str, text: &str| {
        problems.push(Problem::new(INVALID, field, text));
    };
    let store = &settings.store.url;
    if !(store.starts_with("sqlite:") || store.starts_with("postgres")) {
        problem("store.url", "must be `sqlite:PATH` or `postgres://user@host/database`");
    }
    let bus = &settings.bus.url;
    if !(bus == "in-process" || bus.starts_with("amqp://") || bus.starts_with("amqps://")) {
        problem("bus.url", "must be `in-process`, `amqp://…` or `amqps://…`");
    }
    let limits = &settings.limits;
    if !(1..=5_000).contains(&limits.batch_max) {
        problem("limits.batch_max", "must be 1 to 5000, such as 200");
    }
    if !(1..=16).contains(&limits.committers) {
        problem("limits.committers", "must be 1 to 16, such as 2");
    }
    if limits.message_bytes_max < 1_024 || limits.message_bytes_max > 14 * 1024 * 1024 {
        problem("limits.message_bytes_max", "must be 1024 to 14680064, such as 12582912");
    }
    if limits.receiving_bytes_max / 8 < limits.message_bytes_max {
        // One address has a quarter, and a buffer that grows may have twice what is in it.
        problem(
            "limits.receiving_bytes_max",
            "must be 8 times message_bytes_max or more, such as 268435456",
        );
    }
    if limits.per_minute_and_address == 0
        || limits.per_minute_and_token == 0
        || limits.per_minute_and_organisation == 0
        || limits.bytes_per_minute_and_organisation == 0
    {
        problem("limits.per_minute", "must be at least 1, such as 6000");
    }
    if limits.lane_prefetch == 0 || limits.relay_batch == 0 || limits.waiting_max == 0 {
        problem("limits", "relay_batch, lane_prefetch and waiting_max must be at least 1");
    }
}

fn check_tree(
    settings: &Settings,
    profiles: &HashMap<OrganisationCode, OrganisationProfile>,
    problems: &mut Vec<Problem>,
) {
    if let Some(lead) = settings.county.lead.as_ref().filter(|lead| !profiles.contains_key(*lead)) {
        problems.push(Problem::new(
            INVALID,
            "county.lead",
            format!("no profile has the code {lead}; name the lead hospital's code"),
        ));
    }
    if settings.county.lead.is_none()
        && profiles.values().any(|profile| profile.organisation.outside)
        && profiles.values().any(|profile| !profile.organisation.outside)
    {
        problems.push(Problem::new(
            INVALID,
            "county.lead",
            "an organisation lies outside the county, and nobody would review what leaves it; \
             name the lead hospital's code",
        ));
    }
    if profiles.contains_key(&settings.county.broker) {
        problems.push(Problem::new(
            INVALID,
            "county.broker",
            "a profile has the same code; the broker needs a name of its own, such as TIERLINK",
        ));
    }
    let mut sorted: Vec<_> = profiles.iter().collect();
    sorted.sort_by_key(|(code, _)| *code);
    for (code, profile) in sorted {
        let Some(parent) = &profile.organisation.parent else { continue };
        let field = format!("{code}: organisation.parent");
        match profiles.get(parent) {
            None => problems.push(Problem::new(
                INVALID,
                field,
                format!("no profile has the code {parent}; name an organisation of this county"),
            )),
            Some(above) if above.organisation.tier < profile.organisation.tier => {
                problems.push(Problem::new(
                    INVALID,
                    field,
                    format!(
                        "{parent} is of a lower tier; a parent stands at the same tier or above"
                    ),
                ));
            }
            Some(_) => {}
        }
    }
}

fn check_listeners(
    settings: &Settings,
    profiles: &HashMap<OrganisationCode, OrganisationProfile>,
    problems: &mut Vec<Problem>,
) {
    let mut listeners: BTreeMap<&str, usize> = BTreeMap::new();
    for listener in &settings.mllp {
        *listeners.entry(listener.name.as_str()).or_default() += 1;
    }
    for (name, count) in &listeners {
        if *count > 1 {
            problems.push(Problem::new(
                INVALID,
                "mllp.name",
                format!("two listeners are called {name}; give each a name of its own"),
            ));
        }
    }
    systems::check(profiles, &codecs(), &listeners, problems);
    neighbours::check(profiles, &codecs(), &settings.mllp, problems);
}
