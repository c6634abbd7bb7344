//! How near the end of a certificate is, and when that has to be told.
//!
//! A certificate that ends stops a hospital from one second to the next, usually at night, and a new
//! one takes days of telephone calls. So its end is told well before, and again as it comes nearer.
//!
//! Architecture Invariant: this file reads no clock and no certificate.

use jiff::{SignedDuration, Timestamp};

/// Days before the end at which it is told, the nearest last.
pub const TOLD_DAYS_BEFORE: [i64; 4] = [30, 14, 7, 1];

/// How near the end of a certificate is. A later one is graver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nearness {
    /// More than 30 days.
    Far,
    /// At most so many days, one of [`TOLD_DAYS_BEFORE`]; the nearest is the gravest.
    Within(std::cmp::Reverse<i64>),
    /// It has ended.
    Over,
}

/// How near `ends_at` is.
#[must_use]
pub fn nearness(ends_at: Timestamp, now: Timestamp) -> Nearness {
    let left = now.duration_until(ends_at);
    if left <= SignedDuration::ZERO {
        return Nearness::Over;
    }
    let within = |days: &&i64| left <= SignedDuration::from_hours(24 * **days);
    TOLD_DAYS_BEFORE
        .iter()
        .rev()
        .find(within)
        .map_or(Nearness::Far, |days| Nearness::Within(std::cmp::Reverse(*days)))
}

/// Whether it has to be told now: nothing graver was told of this end before.
#[must_use]
pub fn is_news(told: Option<Nearness>, now: Nearness) -> bool {
    now > told.unwrap_or(Nearness::Far)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_thirty_fourteen_seven_and_one_day_before_and_when_it_has_come() {
        let ends_at: Timestamp = "2026-12-31T00:00:00Z".parse().unwrap_or_default();
        let mut told = None;
        let mut days = Vec::new();

        for hours in (0..=24 * 60).rev() {
            let now = nearness(ends_at, ends_at - SignedDuration::from_hours(hours));
            if is_news(told, now) {
                told = Some(now);
                days.push((hours / 24, now));
            }
        }

        let within = |days| Nearness::Within(std::cmp::Reverse(days));
        let wanted = [
            (30, within(30)),
            (14, within(14)),
            (7, within(7)),
            (1, within(1)),
            (0, Nearness::Over),
        ];
        assert_eq!(days, wanted);
    }

    #[test]
    fn a_new_certificate_is_told_anew_when_its_own_end_comes() {
        let now: Timestamp = "2026-12-31T00:00:00Z".parse().unwrap_or_default();
        let far = nearness(now + SignedDuration::from_hours(24 * 90), now);

        assert_eq!(far, Nearness::Far);
        assert!(!is_news(None, far));
        assert!(is_news(Some(far), nearness(now + SignedDuration::from_hours(24), now)));
    }
}
