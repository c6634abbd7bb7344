//! The ledger of a run: who said what, what was acknowledged, what arrived where, and what the
//! broker says of its cases. From these it counts what must never happen.
//!
//! | Count | Means |
//! | --- | --- |
//! | lost | acknowledged, but not in its case; or in the case's custody, but never at the destination |
//! | doubled | one message with two effects; one wire id with two contents; an arrival nobody knows of |
//! | reordered | a message that arrived before its destination had taken the one with the number before |
//! | refused wrongly | a correct message that was refused for good |
//!
//! Repeats are counted and allowed: delivery is at least once.
//!
//! Pure: no sockets, no clock, so that its tests can drop, double and reorder whatever they like.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use uuid::Uuid;

/// A message that a hospital said, with all its tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The organisation that said it.
    pub by: String,
    /// Its own number of the case.
    pub own_number: String,
    /// The organisation that calls the case by that number: its origin.
    pub origin: String,
    /// The canonical kind that it becomes.
    pub kind: String,
    /// How often it was sent.
    pub tries: u32,
    /// Whether a positive answer came back.
    pub acknowledged: bool,
    /// Whether it was refused, although there is nothing wrong with it.
    pub refused: bool,
}

/// A message that reached a destination, once for each time it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Code of the destination.
    pub to: String,
    /// The id on the wire: MSH-10, the id of the FHIR `MessageHeader`, or `id` in JSON.
    pub wire_id: String,
    /// A number for the bytes: the same bytes have the same number.
    pub content: u64,
    /// Whether it was answered well. A destination that stays silent gets it again.
    pub taken: bool,
}

impl Arrived {
    /// These bytes, at this destination under this id.
    #[must_use]
    pub fn of(to: &str, wire_id: &str, bytes: &[u8], taken: bool) -> Self {
        let mut content = DefaultHasher::new();
        bytes.hash(&mut content);
        Self { to: to.to_owned(), wire_id: wire_id.to_owned(), content: content.finish(), taken }
    }
}

/// What the broker says of a case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    /// The readable number.
    pub number: String,
    /// The organisation that opened it.
    pub origin: String,
    /// What the origin calls it.
    pub own_number: String,
    /// What happened, in order: number, message, kind, by whom.
    pub events: Vec<Event>,
    /// What goes where.
    pub custody: Vec<Custody>,
}

/// An event of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Counts from 1 within the case.
    pub number: u64,
    /// The message that caused it.
    pub message: Uuid,
    /// Canonical kind of the message.
    pub kind: String,
    /// Who said it.
    pub by: String,
}

/// One message of a case on its way to one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Custody {
    /// Id of the message.
    pub message: Uuid,
    /// Code of the destination.
    pub to: String,
    /// Its number within the case and destination.
    pub number: u64,
    /// The delivery's state, as the broker writes it.
    pub state: String,
}

/// The counts of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Different messages that were said.
    pub sent: usize,
    /// Of these, how many were answered well.
    pub acknowledged: usize,
    /// Cases that the broker knows.
    pub cases: usize,
    /// Different messages at destinations.
    pub delivered: usize,
    /// Arrivals beyond the first of each.
    pub repeats: usize,
    /// See the table above.
    pub lost: usize,
    /// See the table above.
    pub doubled: usize,
    /// See the table above.
    pub reordered: usize,
    /// See the table above.
    pub refused_wrongly: usize,
    /// What is wrong, one sentence each.
    pub findings: Vec<String>,
}

impl Counts {
    /// Whether nothing happened that must not.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.reordered == 0 && self.refused_wrongly == 0
    }

    fn lose(&mut self, finding: String) {
        self.lost += 1;
        self.findings.push(finding);
    }

    fn double(&mut self, finding: String) {
        self.doubled += 1;
        self.findings.push(finding);
    }

    fn reorder(&mut self, finding: String) {
        self.reordered += 1;
        self.findings.push(finding);
    }
}

// So many findings are printed; the counts tell how many more there are.
const FINDINGS_SHOWN: usize = 20;

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sent {}, acknowledged {}, cases {}, delivered {}, repeats {}, lost {}, doubled {}, \
             reordered {}, refused wrongly {}",
            self.sent,
            self.acknowledged,
            self.cases,
            self.delivered,
            self.repeats,
            self.lost,
            self.doubled,
            self.reordered,
            self.refused_wrongly
        )?;
        for finding in self.findings.iter().take(FINDINGS_SHOWN) {
            write!(f, "\n  {finding}")?;
        }
        Ok(())
    }
}

/// Counts. `arrived` is in the order in which it arrived, per destination.
#[must_use]
pub fn count(said: &[Said], arrived: &[Arrived], cases: &[Case]) -> Counts {
    let mut counts = Counts {
        sent: said.len(),
        acknowledged: said.iter().filter(|said| said.acknowledged).count(),
        cases: cases.len(),
        ..Counts::default()
    };
    check_effects(said, cases, &mut counts);
    let places = check_contents(arrived, &mut counts);
    check_custody(&places, cases, &mut counts);
    counts
}

/// Every acknowledged message is in its case, and no message is there twice.
fn check_effects(said: &[Said], cases: &[Case], counts: &mut Counts) {
    let mut by_name: BTreeMap<(&str, &str), Vec<&Case>> = BTreeMap::new();
    for case in cases {
        by_name.entry((&case.origin, &case.own_number)).or_default().push(case);
    }
    for (name, twice) in by_name.iter().filter(|(_, cases)| cases.len() > 1) {
        let numbers: Vec<&str> = twice.iter().map(|case| case.number.as_str()).collect();
        counts.double(format!("{} of {}: is {} at once", name.1, name.0, numbers.join(" and ")));
    }
    // Several messages of one kind about one case, as two acknowledgements are, count together.
    let mut alike: BTreeMap<[&str; 4], Vec<&Said>> = BTreeMap::new();
    for said in said {
        let Said { by, own_number, origin, kind, .. } = said;
        if said.refused {
            counts.refused_wrongly += 1;
            counts.findings.push(format!("{own_number}: {kind} of {by} was refused"));
        }
        alike.entry([own_number, origin, kind, by]).or_default().push(said);
    }
    for ([own_number, origin, kind, by], said) in alike {
        let effects = by_name
            .get(&(origin, own_number))
            .into_iter()
            .flatten()
            .flat_map(|case| &case.events)
            .filter(|event| event.kind == kind && event.by == by)
            .count();
        let acknowledged = said.iter().filter(|said| said.acknowledged).count();
        for _ in effects..acknowledged {
            counts.lose(format!(
                "{own_number}: {kind} of {by} was acknowledged and is not in the case"
            ));
        }
        if effects > said.len() {
            counts.double(format!("{own_number}: {kind} of {by} is {effects} events"));
        }
    }
}

/// Where a message stands among the arrivals.
#[derive(Clone, Copy)]
struct Place {
    content: u64,
    came: usize,
    taken: Option<usize>,
}

/// By destination and wire id.
type Places<'a> = HashMap<(&'a str, &'a str), Place>;

/// One wire id has one content, however often it arrives.
fn check_contents<'a>(arrived: &'a [Arrived], counts: &mut Counts) -> Places<'a> {
    let mut places = Places::new();
    for (at, one) in arrived.iter().enumerate() {
        let taken = one.taken.then_some(at);
        let key = (one.to.as_str(), one.wire_id.as_str());
        let Some(place) = places.get_mut(&key) else {
            places.insert(key, Place { content: one.content, came: at, taken });
            continue;
        };
        counts.repeats += 1;
        place.taken = place.taken.or(taken);
        if place.content != one.content {
            counts.double(format!("{} at {}: came with two contents", one.wire_id, one.to));
        }
    }
    counts.delivered = places.values().filter(|place| place.taken.is_some()).count();
    places
}

/// Everything in custody arrived, in the order of its numbers, and nothing else did.
fn check_custody(places: &Places<'_>, cases: &[Case], counts: &mut Counts) {
    let mut known: BTreeSet<(&str, String)> = BTreeSet::new();
    for case in cases {
        let events: HashMap<Uuid, u64> =
            case.events.iter().map(|event| (event.message, event.number)).collect();
        let mut by_destination: BTreeMap<&str, Vec<&Custody>> = BTreeMap::new();
        for custody in &case.custody {
            by_destination.entry(&custody.to).or_default().push(custody);
        }
        for (to, mut custody) in by_destination {
            custody.sort_by_key(|one| one.number);
            let mut before: Option<(u64, usize)> = None;
            let mut event_before = 0;
            for one in custody {
                if let Some(event) = events.get(&one.message) {
                    if *event < event_before {
                        counts.reorder(format!(
                            "{} to {to}: number {} is an older event than the number before it",
                            case.number, one.number
                        ));
                    }
                    event_before = *event;
                }
                if one.state != DELIVERED {
                    counts.lose(format!(
                        "{} to {to}: number {} is still {}",
                        case.number, one.number, one.state
                    ));
                }
                let Some((wire_id, place)) = place_of(places, to, one.message) else {
                    counts.lose(format!(
                        "{} to {to}: number {} never arrived",
                        case.number, one.number
                    ));
                    continue;
                };
                known.insert((to, wire_id));
                let Some(taken) = place.taken else {
                    counts.lose(format!(
                        "{} to {to}: number {} arrived and was never taken",
                        case.number, one.number
                    ));
                    continue;
                };
                if let Some((number, earlier)) = before
                    && place.came < earlier
                {
                    counts.reorder(format!(
                        "{} to {to}: number {} arrived before number {number} was taken",
                        case.number, one.number
                    ));
                }
                before = Some((one.number, taken));
            }
        }
    }
    for (to, wire_id) in places.keys() {
        if !known.contains(&(*to, (*wire_id).to_owned())) {
            counts.double(format!("{wire_id} at {to}: no case knows of it"));
        }
    }
}

/// How the broker writes the state of a delivery that its destination took.
pub const DELIVERED: &str = "delivered";

fn place_of(places: &Places<'_>, to: &str, message: Uuid) -> Option<(String, Place)> {
    [message.to_string(), short_id(message)]
        .into_iter()
        .find_map(|id| places.get(&(to, id.as_str())).map(|place| (id.clone(), *place)))
}

/// The 20 characters that HL7 v2 has for an id: the first 100 bits in Crockford's base 32.
///
/// Written here once more, so that the ledger does not believe the program that it checks.
#[must_use]
pub fn short_id(message: Uuid) -> String {
    const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let bits = message.as_u128() >> 28;
    (0..20_u32)
        .map(|place| {
            let five = (bits >> (5 * (19 - place))) % 32;
            char::from(LETTERS[usize::try_from(five).unwrap_or(0)])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "330199101";
    const TARGET: &str = "330199001";

    fn id(seed: u128) -> Uuid {
        Uuid::from_u128((seed << 100) | seed)
    }

    fn said(kind: &str, by: &str) -> Said {
        Said {
            by: by.into(),
            own_number: "QS-1".into(),
            origin: ORIGIN.into(),
            kind: kind.into(),
            tries: 1,
            acknowledged: true,
            refused: false,
        }
    }

    fn arrived(to: &str, wire_id: String) -> Arrived {
        Arrived { to: to.into(), wire_id, content: 7, taken: true }
    }

    fn event(number: u64, kind: &str, by: &str) -> Event {
        Event { number, message: id(number.into()), kind: kind.into(), by: by.into() }
    }

    fn custody(message: u128, to: &str, number: u64) -> Custody {
        Custody { message: id(message), to: to.into(), number, state: DELIVERED.into() }
    }

    /// A referral that was submitted, accepted and scheduled, and of which everything arrived.
    struct Run {
        said: Vec<Said>,
        arrived: Vec<Arrived>,
        cases: Vec<Case>,
    }

    impl Run {
        fn clean() -> Self {
            let said = vec![
                said("referral.submit", ORIGIN),
                said("referral.accept", TARGET),
                said("referral.schedule", TARGET),
            ];
            let arrived = vec![
                arrived(TARGET, short_id(id(1))),
                arrived(ORIGIN, id(2).to_string()),
                arrived(ORIGIN, id(3).to_string()),
            ];
            let case = Case {
                number: "R1".into(),
                origin: ORIGIN.into(),
                own_number: "QS-1".into(),
                events: vec![
                    event(1, "referral.submit", ORIGIN),
                    event(2, "referral.accept", TARGET),
                    event(3, "referral.schedule", TARGET),
                ],
                custody: vec![custody(1, TARGET, 1), custody(2, ORIGIN, 1), custody(3, ORIGIN, 2)],
            };
            Self { said, arrived, cases: vec![case] }
        }

        /// Lost, doubled, reordered.
        fn verdict(&self) -> [usize; 3] {
            let counts = count(&self.said, &self.arrived, &self.cases);
            assert_eq!(counts.is_clean(), counts.findings.is_empty());
            [counts.lost, counts.doubled, counts.reordered]
        }
    }

    #[test]
    fn a_run_in_which_all_arrived_in_order_is_clean() {
        let run = Run::clean();

        let counts = count(&run.said, &run.arrived, &run.cases);

        assert_eq!(run.verdict(), [0, 0, 0]);
        assert_eq!((counts.sent, counts.acknowledged, counts.delivered), (3, 3, 3));
    }

    #[test]
    fn a_repeat_with_the_same_content_is_counted_and_allowed() {
        let mut run = Run::clean();
        run.arrived.push(run.arrived[1].clone());

        assert_eq!(run.verdict(), [0, 0, 0]);
        assert_eq!(count(&run.said, &run.arrived, &run.cases).repeats, 1);
    }

    #[test]
    fn a_dropped_arrival_is_lost() {
        let mut run = Run::clean();
        run.arrived.remove(2);

        assert_eq!(run.verdict(), [1, 0, 0]);
    }

    #[test]
    fn an_arrival_that_was_never_taken_is_lost() {
        let mut run = Run::clean();
        run.arrived[2].taken = false;

        assert_eq!(run.verdict(), [1, 0, 0]);
    }

    #[test]
    fn what_comes_before_the_one_before_it_was_taken_is_reordered() {
        let mut run = Run::clean();
        let again = run.arrived[1].clone();
        run.arrived[1].taken = false;
        run.arrived.push(again);

        assert_eq!(run.verdict(), [0, 0, 1]);
    }

    #[test]
    fn a_delivery_that_is_not_settled_after_draining_is_lost() {
        let mut run = Run::clean();
        run.cases[0].custody[2].state = "parked".into();

        assert_eq!(run.verdict(), [1, 0, 0]);
    }

    #[test]
    fn an_acknowledged_message_without_an_event_is_lost() {
        let mut run = Run::clean();
        run.cases[0].events.pop();

        assert_eq!(run.verdict(), [1, 0, 0]);
    }

    #[test]
    fn an_acknowledged_case_that_does_not_exist_is_lost_with_all_its_messages() {
        let mut run = Run::clean();
        run.cases.clear();
        run.arrived.clear();

        assert_eq!(run.verdict(), [3, 0, 0]);
    }

    #[test]
    fn a_correct_message_that_was_refused_is_counted() {
        let mut run = Run::clean();
        let refused =
            Said { acknowledged: false, refused: true, ..said("referral.arrive", TARGET) };
        run.said.push(refused);

        let counts = count(&run.said, &run.arrived, &run.cases);

        assert_eq!(run.verdict(), [0, 0, 0]);
        assert_eq!(counts.refused_wrongly, 1);
        assert!(!counts.is_clean());
    }

    #[test]
    fn a_message_that_nobody_acknowledged_may_be_missing() {
        let mut run = Run::clean();
        run.said.push(Said { acknowledged: false, ..said("referral.arrive", TARGET) });

        assert_eq!(run.verdict(), [0, 0, 0]);
    }

    #[test]
    fn two_events_for_one_message_are_doubled() {
        let mut run = Run::clean();
        run.cases[0].events.push(event(4, "referral.schedule", TARGET));

        assert_eq!(run.verdict(), [0, 1, 0]);
    }

    #[test]
    fn two_messages_of_one_kind_are_two_events_and_not_one_or_three() {
        let mut run = Run::clean();
        run.said.push(said("referral.schedule", TARGET));
        let one = run.verdict();
        run.cases[0].events.push(event(4, "referral.schedule", TARGET));
        let two = run.verdict();
        run.cases[0].events.push(event(5, "referral.schedule", TARGET));

        assert_eq!((one, two, run.verdict()), ([1, 0, 0], [0, 0, 0], [0, 1, 0]));
    }

    #[test]
    fn two_cases_for_one_request_are_doubled() {
        let mut run = Run::clean();
        let mut other = run.cases[0].clone();
        other.number = "R2".into();
        other.events.clear();
        other.custody.clear();
        run.cases.push(other);

        assert_eq!(run.verdict(), [0, 1, 0]);
    }

    #[test]
    fn one_wire_id_with_two_contents_is_doubled() {
        let mut run = Run::clean();
        run.arrived.push(Arrived { content: 8, ..run.arrived[1].clone() });

        assert_eq!(run.verdict(), [0, 1, 0]);
    }

    #[test]
    fn an_arrival_that_no_case_knows_of_is_doubled() {
        let mut run = Run::clean();
        run.arrived.push(arrived(TARGET, id(9).to_string()));

        assert_eq!(run.verdict(), [0, 1, 0]);
    }

    #[test]
    fn first_arrivals_in_another_order_are_reordered_and_repeats_are_not() {
        let mut swapped = Run::clean();
        swapped.arrived.swap(1, 2);
        let mut repeated = Run::clean();
        repeated.arrived.push(repeated.arrived[1].clone());

        assert_eq!(swapped.verdict(), [0, 0, 1]);
        assert_eq!(repeated.verdict(), [0, 0, 0]);
    }

    #[test]
    fn numbers_that_contradict_the_events_are_reordered() {
        let mut run = Run::clean();
        run.cases[0].custody[1].number = 2;
        run.cases[0].custody[2].number = 1;
        run.arrived.swap(1, 2);

        assert_eq!(run.verdict(), [0, 0, 1]);
    }

    #[test]
    fn the_short_id_is_twenty_characters_of_the_beginning() {
        assert_eq!(short_id(Uuid::from_u128(u128::MAX)), "Z".repeat(20));
        assert_eq!(short_id(Uuid::from_u128(1 << 28)), format!("{}1", "0".repeat(19)));
        assert_eq!(short_id(Uuid::from_u128(31 << 123)), format!("Z{}", "0".repeat(19)));
    }
}
