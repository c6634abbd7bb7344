//! The deadlines that code tables carry, with their types.
//!
//! These are defaults. A county may set others in its configuration; which applies is for the
//! broker to say. Which time counts is the row's [`Clock`]; [`crate::calendar`] does the counting.

use std::time::Duration;

use super::{Row, TableId, lookup};
use crate::calendar::Clock;

/// How long a referral of one urgency may wait for its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Urgency {
    /// By when the target accepts, declines or returns.
    pub accept: Duration,
    /// How long after that, and again and again, the next person up is told.
    pub escalate: Duration,
    /// Which time counts.
    pub clock: Clock,
    /// The RabbitMQ message priority.
    pub bus_priority: u8,
}

/// How long a reading centre may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// From the upload to the written report.
    pub write: Duration,
    /// From the upload to the audited report.
    pub audit: Duration,
    /// From the upload to an opinion in an emergency, in elapsed time.
    pub emergency: Option<Duration>,
    /// Which time counts for the first two.
    pub clock: Clock,
}

/// How long a consultation may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consultation {
    /// From the request to the answer of the invited side.
    pub accept: Duration,
    /// From the acceptance to the session; `None` where the booked time decides.
    pub start: Option<Duration>,
    /// From the end of the session to the opinion.
    pub report: Duration,
    /// Which time counts.
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

/// The elapsed time after which a critical value alert should have reached a status.
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
