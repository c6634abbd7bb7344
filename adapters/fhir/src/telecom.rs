//! Telephone numbers, e-mail and the like (`ContactPoint`), both ways.
//!
//! Whom a receiver calls must be the one who answers: of several numbers the one that is in use,
//! by `use` and `period`, with the best `rank`. A number that is no longer in use is kept as what
//! it is and never becomes the one to call.

use serde_json::{Value, json};
use tierlink_schemas::person::{Telecom, TelecomSystem, TelecomUse};

use crate::bundle::At;
use crate::codes;
use crate::period::Currency;
use crate::reader::Reader;
use crate::writer::Rest;

/// Longest number that the canonical `phone` takes.
const PHONE_CHARS_MAX: usize = 64;
/// Longest number or address of a canonical `Telecom`.
const TELECOM_CHARS_MAX: usize = 200;
/// Most further numbers of one person, as the canonical schema allows.
const TELECOMS_MAX: usize = 20;
/// Where a number without a rank stands: behind every number that has one.
const UNRANKED: u32 = u32::MAX;

/// FHIR's systems of contact points.
const SYSTEMS: [(&str, TelecomSystem); 7] = [
    ("phone", TelecomSystem::Phone),
    ("fax", TelecomSystem::Fax),
    ("email", TelecomSystem::Email),
    ("pager", TelecomSystem::Pager),
    ("url", TelecomSystem::Url),
    ("sms", TelecomSystem::Sms),
    ("other", TelecomSystem::Other),
];

/// FHIR's uses of contact points.
const USES: [(&str, TelecomUse); 5] = [
    ("home", TelecomUse::Home),
    ("work", TelecomUse::Work),
    ("temp", TelecomUse::Temporary),
    ("old", TelecomUse::Former),
    ("mobile", TelecomUse::Mobile),
];

/// A contact point as it was found; its value is not taken yet.
struct Point {
    path: String,
    system: TelecomSystem,
    r#use: Option<TelecomUse>,
    rank: u32,
    /// Whether its use or period keeps it from being the one to call.
    usable: bool,
}

impl Reader<'_> {
    /// Takes the number to call and every other contact point of a list, the better ones first.
    pub fn reached(&mut self, at: At, path: &str) -> (Option<String>, Vec<Telecom>) {
        let mut points = self.points(at, path);
        let phone = self.called(at, &mut points);
        let mut others = Vec::new();
        for point in points.into_iter().take(TELECOMS_MAX) {
            let value = format!("{}/value", point.path);
            let Some(value) = self.short(at, &value, TELECOM_CHARS_MAX) else { continue };
            self.take_marks(at, &point.path);
            others.push(Telecom { system: point.system, value, r#use: point.r#use });
        }
        (phone, others)
    }

    /// Takes the number to call, and leaves the others alone.
    pub fn phone(&mut self, at: At, path: &str) -> Option<String> {
        let mut points = self.points(at, path);
        self.called(at, &mut points)
    }

    fn called(&mut self, at: At, points: &mut Vec<Point>) -> Option<String> {
        let best = points.iter().position(|point| {
            let length = self.bundle.peek(at, &format!("{}/value", point.path));
            point.usable
                && point.system == TelecomSystem::Phone
                && length.is_some_and(|number| number.chars().count() <= PHONE_CHARS_MAX)
        })?;
        let point = points.remove(best);
        self.take_marks(at, &point.path);
        self.short(at, &format!("{}/value", point.path), PHONE_CHARS_MAX)
    }

    fn take_marks(&mut self, at: At, path: &str) {
        for mark in ["system", "use", "rank", "period/start", "period/end"] {
            self.bundle.take(at, &format!("{path}/{mark}"));
        }
    }

    /// Every contact point with a value, the best to call first.
    fn points(&mut self, at: At, path: &str) -> Vec<Point> {
        let mut points = Vec::new();
        for index in 0..self.bundle.count(at, path) {
            let one = format!("{path}/{index}");
            if self.bundle.peek(at, &format!("{one}/value")).is_some() {
                points.push(self.point(at, one));
            }
        }
        points.sort_by_key(|point| (!point.usable, point.rank, preference(point.r#use)));
        points
    }

    fn point(&mut self, at: At, path: String) -> Point {
        let (system, mobile) = self.system(at, &path);
        let given = self.bundle.peek(at, &format!("{path}/use")).map(str::trim).map(str::to_owned);
        let known = given.as_deref().and_then(|given| USES.iter().find(|(code, _)| *code == given));
        let mut usage = known.map(|(_, usage)| *usage).or(mobile);
        let mut rank = self
            .bundle
            .peek(at, &format!("{path}/rank"))
            .and_then(|rank| rank.trim().parse().ok())
            .unwrap_or(UNRANKED);
        if given.is_some() && known.is_none() {
            let text = "the use is not one of FHIR's; another number is called first";
            self.deviation(
                codes::CODE_UNKNOWN,
                self.bundle.field(at, &format!("{path}/use")),
                text,
            );
            rank = UNRANKED;
            usage = Some(TelecomUse::Temporary);
        }
        let currency = self.currency(at, &path);
        if currency == Currency::Ended {
            usage = Some(TelecomUse::Former);
        }
        let usable = currency == Currency::Now && usage != Some(TelecomUse::Former);
        Point { path, system, r#use: usage, rank, usable }
    }

    /// The system that is stated, or else what the value looks like.
    fn system(&mut self, at: At, path: &str) -> (TelecomSystem, Option<TelecomUse>) {
        let field = format!("{path}/system");
        let stated = self.bundle.peek(at, &field).map(str::trim).map(str::to_owned);
        let value = self.bundle.peek(at, &format!("{path}/value")).unwrap_or_default();
        let looks_like = if value.contains('@') {
            TelecomSystem::Email
        } else if value.contains("://") {
            TelecomSystem::Url
        } else {
            TelecomSystem::Phone
        };
        match stated.as_deref() {
            None => (looks_like, None),
            Some("mobile" | "cell") => (TelecomSystem::Phone, Some(TelecomUse::Mobile)),
            Some(code) => match SYSTEMS.iter().find(|(known, _)| *known == code) {
                Some((_, TelecomSystem::Phone)) if looks_like == TelecomSystem::Email => {
                    let text = "this is marked as a telephone and looks like an e-mail address; it \
                                was read as one";
                    self.deviation(codes::SHAPE, self.bundle.field(at, &field), text);
                    (TelecomSystem::Email, None)
                }
                Some((_, system)) => (*system, None),
                None => {
                    let text = "the system is not one of FHIR's; it was read as another";
                    self.deviation(codes::CODE_UNKNOWN, self.bundle.field(at, &field), text);
                    (TelecomSystem::Other, None)
                }
            },
        }
    }
}

/// Which use is called first where no rank decides.
const fn preference(usage: Option<TelecomUse>) -> u8 {
    match usage {
        Some(TelecomUse::Mobile) => 0,
        Some(TelecomUse::Home) => 1,
        None => 2,
        Some(TelecomUse::Work) => 3,
        Some(TelecomUse::Temporary) => 4,
        Some(TelecomUse::Former) => 5,
    }
}

/// Writes the number to call and the others.
pub fn write(rest: &mut Rest) -> Option<Value> {
    let others = rest.take("telecoms");
    let others: Vec<Telecom> =
        others.and_then(|others| serde_json::from_value(others).ok()).unwrap_or_default();
    let mut points: Vec<Value> = Vec::new();
    if let Some(number) = rest.text("phone") {
        let mut point = json!({ "system": "phone", "value": number });
        if !others.is_empty() {
            // Beside others, only a rank says for certain which one to call.
            point["rank"] = 1.into();
        }
        points.push(point);
    }
    for other in others {
        let code = SYSTEMS.iter().find(|(_, system)| *system == other.system);
        let mut point = json!({ "system": code.map(|(code, _)| code), "value": other.value });
        let usage = USES.iter().find(|(_, usage)| Some(*usage) == other.r#use);
        if let Some((code, _)) = usage {
            point["use"] = (*code).into();
        }
        points.push(point);
    }
    (!points.is_empty()).then(|| points.into())
}
