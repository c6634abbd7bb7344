//! Results: a value must fit what is said about it.
//!
//! A status, a comparator or a reason for absence changes what the value means, so a receiver that
//! reads only one of the two would read the wrong thing.

use super::found::{C001_EMPTY, C033_VALUE_CONTRADICTED, Checked, blank, says_nothing};
use crate::clinical::{Comparator, Observation};
use crate::kind::Body;
use crate::message::Message;
use crate::person::Coded;

pub(super) fn check(message: &Message, found: &mut Checked) {
    let Some((list, observations)) = observations(&message.body) else { return };
    for (at, observation) in observations.iter().enumerate() {
        let path = format!("{list}[{at}]");
        self::observation(observation, &path, found);
    }
}

/// The results of a message, and where they stand.
fn observations(body: &Body) -> Option<(&'static str, &[Observation])> {
    match body {
        Body::ReferralFeedback(it) => Some(("body.observations", &it.observations)),
        Body::TransferFollowUp(it) => Some(("body.observations", &it.observations)),
        Body::ConsultationReport(it) => Some(("body.observations", &it.observations)),
        Body::ConsultationCritical(it) => Some(("body.items", &it.items)),
        other => other.clinical().map(|it| ("body.clinical.observations", &*it.observations)),
    }
}

fn observation(it: &Observation, path: &str, found: &mut Checked) {
    let valued = !blank(it.value.as_deref());
    if !it.status.has_value() && (valued || !it.components.is_empty()) {
        let fix = "The status says that there is no value, and there is one; correct the status, or leave the value out.";
        found.refuse(C033_VALUE_CONTRADICTED, format!("{path}.status"), fix);
    }
    value(it.value.as_deref(), it.comparator, it.absent_reason.as_ref(), path, found);
    for (at, part) in it.components.iter().enumerate() {
        let path = format!("{path}.components[{at}]");
        if says_nothing(&part.what) {
            let fix = "Say what the part of the observation is, as a code or in words.";
            found.refuse(C001_EMPTY, format!("{path}.what"), fix);
        }
        value(part.value.as_deref(), part.comparator, part.absent_reason.as_ref(), &path, found);
    }
}

fn value(
    value: Option<&str>,
    comparator: Option<Comparator>,
    absent: Option<&Coded>,
    path: &str,
    found: &mut Checked,
) {
    let is_number = value.is_some_and(|text| text.trim().parse::<f64>().is_ok_and(f64::is_finite));
    if comparator.is_some() && !is_number {
        let fix = "A comparator stands before a number; write the number alone in value, or leave the comparator out.";
        found.refuse(C033_VALUE_CONTRADICTED, format!("{path}.comparator"), fix);
    }
    if absent.is_some() && !blank(value) {
        let fix = "There is a value and a reason why there is none; leave one of them out.";
        found.refuse(C033_VALUE_CONTRADICTED, format!("{path}.absent_reason"), fix);
    }
}
