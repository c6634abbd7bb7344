//! Derives the judge's policy from a configuration.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tierlink_codec::profile::Receipts;
use tierlink_codec::{OrganisationProfile, Profile};
use tierlink_core::county::County;
use tierlink_core::delivery::{RetryPolicy, Wants};
use tierlink_judge::{DeliveryPolicy, Policy};
use tierlink_schemas::OrganisationCode;

/// The policy of a county and its profiles.
pub(super) fn policy(
    county: &Arc<County>,
    profiles: &HashMap<OrganisationCode, OrganisationProfile>,
) -> Policy {
    let delivery = |profile: &Profile| {
        let receipts = match profile.outbound.receipts {
            Receipts::None => Wants::None,
            Receipts::Problems => Wants::Problems,
            Receipts::All => Wants::All,
        };
        (profile.lane(), DeliveryPolicy { retry: retry_policy(profile), receipts })
    };
    let systems = profiles.values().flat_map(|organisation| &organisation.systems);
    Policy { county: Arc::clone(county), deliveries: systems.map(delivery).collect() }
}

/// The waits between tries at a system, and when to stop.
pub(crate) fn retry_policy(profile: &Profile) -> RetryPolicy {
    let retry = &profile.retry;
    RetryPolicy {
        first_wait: Duration::from_millis(retry.first_wait_ms),
        wait_max: Duration::from_millis(retry.wait_ms_max),
        growth_percent: retry.growth_percent,
        give_up_after: Duration::from_hours(u64::from(retry.give_up_after_hours)),
    }
}
