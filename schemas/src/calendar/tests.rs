//! What the calendar promises, on real dates of 2026 and at the edges of time.

use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// China's calendar with office hours.
fn china() -> Calendar {
    Calendar::china(OpeningHours::office()).unwrap()
}

/// An instant of China, such as `2026-09-30 17:00`.
fn at(text: &str) -> Timestamp {
    instant(&TimeZone::fixed(tz::offset(8)), text)
}

fn instant(zone: &TimeZone, text: &str) -> Timestamp {
    let (date, time) = text.split_once(' ').unwrap();
    let civil: jiff::civil::DateTime = format!("{date}T{time}:00").parse().unwrap();
    zone.to_timestamp(civil).unwrap()
}

/// Checks where a deadline in working hours falls.
#[track_caller]
fn working(start: &str, duration: Duration, due: &str) {
    assert_eq!(china().add_working(at(start), duration), at(due));
}

#[test]
fn a_deadline_within_the_morning_is_plain() {
    working("2026-03-11 09:00", 30 * MINUTE, "2026-03-11 09:30");
}

#[test]
fn the_noon_break_does_not_count() {
    working("2026-03-11 11:45", 30 * MINUTE, "2026-03-11 14:15");
}

#[test]
fn a_deadline_may_fall_on_closing_time_but_not_after_it() {
    working("2026-03-11 17:00", 30 * MINUTE, "2026-03-11 17:30");
    working("2026-03-11 17:00", 31 * MINUTE, "2026-03-12 08:01");
}

#[test]
fn what_comes_in_at_night_starts_to_count_in_the_morning() {
    working("2026-03-11 00:00", 30 * MINUTE, "2026-03-11 08:30");
    working("2026-03-11 23:59", 30 * MINUTE, "2026-03-12 08:30");
}

#[test]
fn the_weekend_does_not_count() {
    working("2026-03-13 17:00", HOUR, "2026-03-16 08:30");
}

#[test]
fn the_national_day_week_does_not_count() {
    // 1 to 7 October 2026 are holidays; the 8th is a Thursday.
    working("2026-09-30 17:00", HOUR, "2026-10-08 08:30");
}

#[test]
fn a_saturday_swapped_for_a_holiday_counts() {
    // Saturday 10 October 2026 is worked for National Day.
    working("2026-10-09 17:00", HOUR, "2026-10-10 08:30");
    // Sunday 11 October is not.
    working("2026-10-10 17:00", HOUR, "2026-10-12 08:30");
}

#[test]
fn a_sunday_swapped_before_a_holiday_counts() {
    // Sunday 20 September 2026 is worked for National Day.
    working("2026-09-18 17:00", HOUR, "2026-09-20 08:30");
}

#[test]
fn the_turn_of_the_year_is_crossed() {
    // 1 to 3 January 2026 are holidays, and Sunday the 4th is worked.
    working("2025-12-31 17:00", HOUR, "2026-01-04 08:30");
}

#[test]
fn a_year_without_data_is_monday_to_friday() {
    assert!(china().covers(2026));
    assert!(!china().covers(2031));
    // Wednesday 1 October 2031 is a holiday that nobody has announced yet.
    working("2031-09-30 17:00", HOUR, "2031-10-01 08:30");
    working("2031-10-03 17:00", HOUR, "2031-10-06 08:30");
}

#[test]
fn nothing_added_changes_nothing() {
    for start in ["2026-03-11 09:00", "2026-03-11 12:30", "2026-10-03 03:00"] {
        working(start, Duration::ZERO, start);
    }
}

#[test]
fn the_elapsed_clock_never_stops() {
    let due = china().deadline(Clock::Elapsed, at("2026-10-01 23:55"), 10 * MINUTE);

    assert_eq!(due, at("2026-10-02 00:05"));
}

#[test]
fn the_working_days_clock_runs_at_night_but_not_at_weekends() {
    let day = |start: &str| china().deadline(Clock::WorkingDays, at(start), 24 * HOUR);

    assert_eq!(day("2026-03-11 17:00"), at("2026-03-12 17:00"));
    assert_eq!(day("2026-03-13 17:00"), at("2026-03-16 17:00"));
    assert_eq!(day("2026-03-14 10:00"), at("2026-03-17 00:00"));
    // 30 September to 8 October: National Day lies between.
    assert_eq!(day("2026-09-30 17:00"), at("2026-10-08 17:00"));
}

#[test]
fn doors_are_open_when_they_open_and_closed_when_they_close() {
    let open = |text: &str| china().is_working(at(text));

    assert!(open("2026-03-11 08:00") && open("2026-03-11 17:29"));
    assert!(!open("2026-03-11 07:59") && !open("2026-03-11 12:00") && !open("2026-03-11 17:30"));
    assert!(!open("2026-03-14 09:00"), "a Saturday");
    assert!(!open("2026-10-01 09:00"), "a holiday");
    assert!(open("2026-10-10 09:00"), "a swapped Saturday");
}

#[test]
fn the_next_opening_is_now_or_later() {
    let next = |text: &str| china().next_opening(at(text)).unwrap();

    assert_eq!(next("2026-03-11 09:10"), at("2026-03-11 09:10"));
    assert_eq!(next("2026-03-11 12:00"), at("2026-03-11 14:00"));
    assert_eq!(next("2026-02-14 17:30"), at("2026-02-24 08:00"));
}

#[test]
fn a_night_shift_counts_across_midnight() {
    let hours = r#"{"monday": ["20:00-24:00"], "tuesday": ["00:00-06:00"]}"#;
    let calendar =
        Calendar::new([], serde_json::from_str(hours).unwrap(), TimeZone::fixed(tz::offset(8)))
            .unwrap();

    assert!(
        calendar.is_working(at("2026-03-09 23:59")) && calendar.is_working(at("2026-03-10 00:00"))
    );
    assert_eq!(calendar.add_working(at("2026-03-09 23:00"), 2 * HOUR), at("2026-03-10 01:00"));
}

#[test]
fn daylight_saving_shortens_and_lengthens_the_day() {
    // New York: 2 o'clock becomes 3 on 8 March 2026, and 2 becomes 1 on 1 November.
    let zone = TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").unwrap();
    let hours = r#"{"sunday": ["00:00-24:00"]}"#;
    let calendar = Calendar::new([], serde_json::from_str(hours).unwrap(), zone.clone()).unwrap();
    let counted = |from: &str, to: &str| {
        calendar.counted(Clock::WorkingHours, instant(&zone, from), instant(&zone, to))
    };

    assert_eq!(counted("2026-03-08 00:00", "2026-03-09 00:00"), 23 * HOUR);
    assert_eq!(counted("2026-11-01 00:00", "2026-11-02 00:00"), 25 * HOUR);
    assert_eq!(
        calendar.add_working(instant(&zone, "2026-03-08 00:00"), 23 * HOUR),
        instant(&zone, "2026-03-09 00:00")
    );
}

#[test]
fn an_opening_inside_the_skipped_hour_never_counts_twice() {
    let zone = TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").unwrap();
    let hours = r#"{"sunday": ["02:15-02:45", "03:00-04:00"]}"#;
    let calendar = Calendar::new([], serde_json::from_str(hours).unwrap(), zone.clone()).unwrap();

    let whole_day = calendar.counted(
        Clock::WorkingHours,
        instant(&zone, "2026-03-08 00:00"),
        instant(&zone, "2026-03-09 00:00"),
    );

    // 02:15 to 02:45 does not exist and is read as 03:15 to 03:45; the rest of it is kept.
    assert_eq!(whole_day, 45 * MINUTE);
}

#[test]
fn past_the_horizon_elapsed_time_counts() {
    // One minute a week, so that a thousand minutes lie far beyond the horizon.
    let hours = r#"{"monday": ["08:00-08:01"]}"#;
    let calendar = Calendar::new([], serde_json::from_str(hours).unwrap(), TimeZone::UTC).unwrap();
    let start: Timestamp = "2026-03-09T00:00:00Z".parse().unwrap();

    let due = calendar.add_working(start, 1000 * MINUTE);

    // 400 days hold 58 Mondays.
    assert_eq!(due, horizon(start) + (1000 - 58) * MINUTE);
    assert_eq!(calendar.counted(Clock::WorkingHours, start, due), 1000 * MINUTE);
}

#[test]
fn the_ends_of_time_have_answers() {
    for instant in [Timestamp::MIN, Timestamp::MAX] {
        assert!(china().add_working(instant, Duration::MAX) >= instant);
        assert!(china().deadline(Clock::Elapsed, instant, Duration::MAX) == Timestamp::MAX);
        assert!(!china().is_working(instant) || china().next_opening(instant) == Some(instant));
    }
    let whole = china().counted(Clock::WorkingDays, Timestamp::MIN, Timestamp::MAX);
    assert!(whole <= between(Timestamp::MIN, Timestamp::MAX));
}

#[test]
fn a_calendar_that_makes_no_sense_is_refused() {
    let day =
        Day { date: jiff::civil::date(2026, 1, 1), kind: DayKind::Holiday, name: "元旦".into() };
    let build = |days: Vec<Day>, hours| Calendar::new(days, hours, TimeZone::UTC).map(|_| ());

    assert_eq!(
        build(vec![day.clone(), day.clone()], OpeningHours::office()),
        Err(CalendarError::DayTwice { row: 2 })
    );
    assert_eq!(build(vec![day], OpeningHours::default()), Err(CalendarError::NeverOpen));
}

/// Any minute of 2025 to 2027.
fn any_instant() -> impl Strategy<Value = Timestamp> {
    let start = at("2025-01-01 00:00");
    (0..3 * 365 * 24 * 60_u32).prop_map(move |minutes| start + minutes * MINUTE)
}

fn any_clock() -> impl Strategy<Value = Clock> {
    prop_oneof![Just(Clock::Elapsed), Just(Clock::WorkingHours), Just(Clock::WorkingDays)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_added_is_what_is_counted(
        clock in any_clock(), start in any_instant(), minutes in 0..20_000_u32,
    ) {
        let due = china().deadline(clock, start, minutes * MINUTE);

        prop_assert_eq!(china().counted(clock, start, due), minutes * MINUTE);
    }

    #[test]
    fn two_steps_lead_where_one_does(
        clock in any_clock(), start in any_instant(), first in 0..9_000_u32, second in 0..9_000_u32,
    ) {
        let calendar = china();
        let halfway = calendar.deadline(clock, start, first * MINUTE);

        prop_assert_eq!(
            calendar.deadline(clock, halfway, second * MINUTE),
            calendar.deadline(clock, start, (first + second) * MINUTE)
        );
    }

    #[test]
    fn who_starts_later_is_never_due_earlier(
        clock in any_clock(), one in any_instant(), other in any_instant(), minutes in 1..9_000_u32,
    ) {
        let calendar = china();
        let (early, late) = (one.min(other), one.max(other));

        prop_assert!(
            calendar.deadline(clock, early, minutes * MINUTE)
                <= calendar.deadline(clock, late, minutes * MINUTE)
        );
    }

    #[test]
    fn the_next_opening_is_open(start in any_instant()) {
        let calendar = china();
        let opening = calendar.next_opening(start).unwrap();

        prop_assert!(opening >= start && calendar.is_working(opening));
        prop_assert_eq!(calendar.counted(Clock::WorkingHours, start, opening), Duration::ZERO);
    }
}
