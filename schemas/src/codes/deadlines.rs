//! The deadlines in code tables.
//!
//! These are defaults; a county may configure others. Each row states its [`Clock`], and
//! [`crate::calendar`] does the counting.

use std::time::Duration;

use super::{Row, TableId, lookup};
use crate::calendar::Clock;

/// Deadlines for one urgency of a referral (`codes/urgency.csv`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Urgency {
    /// Time for the target to accept, decline or return.
    pub accept: Duration,
    /// Interval of escalations after that time.
    pub escalate: Duration,
    /// The clock for `accept`.
    pub clock: Clock,
    /// RabbitMQ message priority.
    pub bus_priority: u8,
}

/// Deadlines of a reading service (`codes/reading_service.csv`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// From the upload to the written report.
    pub write: Duration,
    /// From the upload to the audited report.
    pub audit: Duration,
    /// From the upload to the audited report in an emergency, in elapsed time.
    pub emergency: Option<Duration>,
    /// The clock for `write` and `audit`.
    pub clock: Clock,
}

/// Deadlines of a type of consultation (`codes/consultation_type.csv`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consultation {
    /// From the request to the target's answer.
    pub accept: Duration,
    /// From the acceptance to the session; `None` if the appointed time counts.
    pub start: Option<Duration>,
    /// From the end of the session to the opinion.
    pub report: Duration,
    /// The clock for all of them.
    pub clock: Clock,
}

/// The deadlines of an urgency; `None` for an unknown code.
#[must_use]
pub fn urgency(code: &str) -> Option<Urgency> {
    let row = lookup(TableId::Urgency, code)?;
    Some(Urgency {
        accept: row.minutes("accept_minutes")?,
        escalate: row.minutes("escalate_minutes")?,
        clock: clock(row)?,
        bus_priority: row.column("bus_priority")?.parse().ok()?,
    })
}

/// The deadlines of a remote reading service; `None` for an unknown code.
#[must_use]
pub fn reading(code: &str) -> Option<Reading> {
    let row = lookup(TableId::ReadingService, code)?;
    Some(Reading {
        write: row.minutes("write_minutes")?,
        audit: row.minutes("audit_minutes")?,
        emergency: row.minutes("emergency_minutes"),
        clock: clock(row)?,
    })
}

/// The deadlines of a type of consultation; `None` for an unknown code.
#[must_use]
pub fn consultation(code: &str) -> Option<Consultation> {
    let row = lookup(TableId::ConsultationType, code)?;
    Some(Consultation {
        accept: row.minutes("accept_minutes")?,
        start: row.minutes("start_minutes"),
        report: row.minutes("report_minutes")?,
        clock: clock(row)?,
    })
}

/// Elapsed time after which a critical value should have reached this status.
#[must_use]
pub fn critical_value(status: &str) -> Option<Duration> {
    lookup(TableId::CriticalValueStatus, status)?.minutes("within_minutes")
}

fn clock(row: &Row) -> Option<Clock> {
    Clock::from_key(row.column("clock")?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::table;

    const MINUTE: Duration = Duration::from_mins(1);

    /// Every code of `id`.
    fn codes(id: TableId) -> impl Iterator<Item = &'static str> {
        table(id).rows().iter().map(|row| row.code.as_str())
    }

    #[test]
    fn every_row_with_deadlines_has_all_of_them() {
        for code in codes(TableId::Urgency) {
            assert!(urgency(code).is_some(), "{code}");
        }
        for code in codes(TableId::ReadingService) {
            assert!(reading(code).is_some(), "{code}");
        }
        for code in codes(TableId::ConsultationType) {
            assert!(consultation(code).is_some(), "{code}");
        }
        for code in codes(TableId::CriticalValueStatus) {
            assert!(critical_value(code).is_some(), "{code}");
        }
        assert_eq!(urgency("whenever"), None);
    }

    #[test]
    fn an_emergency_is_accepted_within_ten_minutes_of_any_day() {
        let emergency = urgency("emergency").unwrap();

        assert_eq!(emergency.accept, 10 * MINUTE);
        assert_eq!(emergency.clock, Clock::Elapsed);
    }

    #[test]
    fn a_routine_ecg_is_written_in_30_and_audited_in_45_minutes_of_working_time() {
        let ecg = reading("ecg_routine").unwrap();

        assert_eq!((ecg.write, ecg.audit), (30 * MINUTE, 45 * MINUTE));
        assert_eq!(ecg.emergency, Some(10 * MINUTE));
        assert_eq!(ecg.clock, Clock::WorkingHours);
    }

    #[test]
    fn a_report_is_never_due_for_audit_before_it_is_due_in_writing() {
        for code in codes(TableId::ReadingService) {
            let times = reading(code).unwrap();

            assert!(times.write <= times.audit, "{code}");
        }
    }
}
