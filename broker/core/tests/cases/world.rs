//! A small county in memory: organisations, their cases, and a broker that only decides.
//!
//! ```text
//!   village-a, village-b ─▶ township-a ─┐
//!   village-c            ─▶ township-b ─┴▶ lead, county-b, reading   (lead: the lead hospital)
//!                                          outside: neighbour (a county hospital), city, province
//! ```

use std::collections::HashMap;

use jiff::{Timestamp, ToSpan};
use tierlink_core::case::Booking;
use tierlink_core::county::{County, Member};
use tierlink_core::deadline::{Clock, Name, Overdue, TimeLimits, overdue};
use tierlink_core::decide::{SlotUse, wanted_bookings};
use tierlink_core::{Ask, Case, Change, Decision, decide, find};
use tierlink_schemas::answer::*;
use tierlink_schemas::calendar::{Calendar, OpeningHours};
use tierlink_schemas::clinical::Clinical;
use tierlink_schemas::message::Source;
use tierlink_schemas::person::{Coded, Party, Patient, Practitioner};
use tierlink_schemas::request::*;
use tierlink_schemas::{Body, Kind, Message, OrganisationCode, Priority, Tier};
use uuid::Uuid;

pub const VILLAGE: &str = "village-a";
pub const VILLAGE_B: &str = "village-b";
pub const VILLAGE_C: &str = "village-c";
pub const TOWNSHIP: &str = "township-a";
pub const TOWNSHIP_B: &str = "township-b";
pub const LEAD: &str = "lead";
pub const COUNTY_B: &str = "county-b";
pub const READING: &str = "reading";
pub const NEIGHBOUR: &str = "neighbour";
pub const CITY: &str = "city";
pub const PROVINCE: &str = "province";
pub const BROKER: &str = "broker";

pub const EVERYBODY: [&str; 11] = [
    VILLAGE, VILLAGE_B, VILLAGE_C, TOWNSHIP, TOWNSHIP_B, LEAD, COUNTY_B, READING, NEIGHBOUR, CITY,
    PROVINCE,
];

/// A Wednesday morning at ten, in Shanghai.
pub fn morning() -> Timestamp {
    "2026-03-04T10:00:00+08:00".parse().unwrap()
}

pub fn org(code: &str) -> OrganisationCode {
    OrganisationCode::new(code).unwrap()
}

pub fn county() -> County {
    let member = |tier, parent: Option<&str>, outside| Member {
        tier,
        parent: parent.map(org),
        outside,
        systems: Vec::new(),
    };
    let members = HashMap::from([
        (org(VILLAGE), member(Tier::Village, Some(TOWNSHIP), false)),
        (org(VILLAGE_B), member(Tier::Village, Some(TOWNSHIP), false)),
        (org(VILLAGE_C), member(Tier::Village, Some(TOWNSHIP_B), false)),
        (org(TOWNSHIP), member(Tier::Township, Some(LEAD), false)),
        (org(TOWNSHIP_B), member(Tier::Township, Some(LEAD), false)),
        (org(LEAD), member(Tier::County, None, false)),
        (org(COUNTY_B), member(Tier::County, None, false)),
        (org(READING), member(Tier::County, None, false)),
        (org(NEIGHBOUR), member(Tier::County, None, true)),
        (org(CITY), member(Tier::City, None, true)),
        (org(PROVINCE), member(Tier::Province, None, true)),
    ]);
    County {
        members,
        lead: Some(org(LEAD)),
        broker: org(BROKER),
        calendar: Calendar::china(OpeningHours::office()).unwrap(),
        limits: TimeLimits::default(),
        one_person_emergency_reading: false,
    }
}

fn patient() -> Patient {
    Patient { name: Some("测试·阿里木".into()), ..Patient::default() }
}

pub fn referral(from: &str, to: &str) -> ReferralRequest {
    ReferralRequest {
        direction: None,
        kind: ReferralKind::default(),
        purpose: None,
        reasons: vec![],
        reason_text: None,
        from: Party::of(org(from)),
        to: Party::of(org(to)),
        patient: patient(),
        clinical: Clinical::default(),
        attachments: vec![],
        wanted: None,
        consent: None,
        transport: None,
        policy: None,
        valid_until: None,
    }
}

pub fn offer(from: &str, to: &str) -> TransferOffer {
    TransferOffer {
        parent_referral: None,
        no_referral_reason: Some(Coded::code("no_referral_reason", "NR01")),
        reasons: vec![],
        reason_text: None,
        from: Party::of(org(from)),
        to: Party::of(org(to)),
        patient: patient(),
        clinical: Clinical::default(),
        stay: Stay::default(),
        plan: CarePlan::default(),
        tracking: Tracking::default(),
        attachments: vec![],
        consent: None,
    }
}

pub fn consultation(from: &str, to: &str, form: ConsultationForm) -> ConsultationRequest {
    let reading = (form == ConsultationForm::Reading).then(|| ReadingOrder {
        modality: Modality::Ecg,
        exam: Coded::code("reading_service", "ecg_routine"),
        order_number: None,
        acquired_at: None,
        uploaded_at: None,
        device: None,
    });
    ConsultationRequest {
        form,
        kind: None,
        purpose: None,
        reason: None,
        from: Party::of(org(from)),
        to: Party::of(org(to)),
        experts: vec![],
        accompanying: None,
        patient: patient(),
        summary: None,
        clinical: Clinical::default(),
        wanted: vec![],
        reading,
        attachments: vec![],
        consent: None,
        parent: None,
    }
}

pub fn person(code: &str) -> Practitioner {
    Practitioner { code: Some(code.into()), ..Practitioner::default() }
}

pub fn expert(organisation: &str, code: &str) -> Expert {
    Expert { organisation: org(organisation), department: None, practitioner: person(code) }
}

pub fn expert_ref(organisation: &str, code: &str) -> ExpertRef {
    ExpertRef { organisation: org(organisation), practitioner: code.into() }
}

/// A session that begins `hours` after the morning and lasts one hour.
pub fn session(hours: i64) -> Appointment {
    let start = morning() + hours.hours();
    Appointment { start: Some(start), end: Some(start + 1.hour()), ..Appointment::default() }
}

/// A body of `kind`, with `flavour` choosing among its variants.
pub fn body(kind: Kind, flavour: u8, from: &str, to: &str) -> Body {
    let reason = || Reason::code("RD01");
    let form =
        [ConsultationForm::Interactive, ConsultationForm::Offline, ConsultationForm::Reading]
            [usize::from(flavour % 3)];
    let other = [LEAD, COUNTY_B, CITY, TOWNSHIP_B][usize::from(flavour % 4)];
    let doctor = ["D1", "D2"][usize::from(flavour % 2)];
    let bit = flavour.is_multiple_of(2);
    let mut asked = consultation(from, to, form);
    if flavour >= 6 && form != ConsultationForm::Reading {
        asked.experts = vec![expert(COUNTY_B, "E1"), expert(to, "E2")];
    }
    if flavour >= 9 {
        asked.experts.push(expert(CITY, "E3"));
    }
    match kind {
        Kind::ReferralSubmit => Body::ReferralSubmit(referral(from, to)),
        Kind::ReferralAmend => Body::ReferralAmend(referral(from, to)),
        Kind::ReferralReview => Body::ReferralReview(Review {
            to: (flavour % 3 == 2).then(|| org(other)),
            ..Review::default()
        }),
        Kind::ReferralReturn => Body::ReferralReturn(Return { reason: reason(), by: None }),
        Kind::ReferralAccept => Body::ReferralAccept(Accept::default()),
        Kind::ReferralDecline => {
            Body::ReferralDecline(Decline { reason: reason(), by: None, suggestion: None })
        }
        Kind::ReferralRedirect => Body::ReferralRedirect(Redirect {
            to: org(other),
            department: None,
            reason: reason(),
            by: None,
        }),
        Kind::ReferralSchedule => Body::ReferralSchedule(Schedule {
            appointment: session(i64::from(flavour)),
            note: None,
        }),
        Kind::ReferralBook => {
            Body::ReferralBook(Book { appointment: session(i64::from(flavour)), ..Book::default() })
        }
        Kind::ReferralUnschedule => Body::ReferralUnschedule(Unschedule {
            reason: reason(),
            appointment: bit.then(|| session(i64::from(flavour))),
            by: None,
        }),
        Kind::ReferralArrive => {
            Body::ReferralArrive(Arrive { admitted: !bit, ..Arrive::default() })
        }
        Kind::ReferralNoShow => Body::ReferralNoShow(NoShow::default()),
        Kind::ReferralFeedback => Body::ReferralFeedback(Feedback {
            stage: [FeedbackStage::Admitted, FeedbackStage::Interim, FeedbackStage::Outcome]
                [usize::from(flavour % 3)],
            ..Feedback::default()
        }),
        Kind::ReferralCancel => Body::ReferralCancel(Cancel { reason: reason(), by: None }),
        Kind::ReferralConfirmCancel => Body::ReferralConfirmCancel(CancelAnswer::default()),
        Kind::ReferralRefuseCancel => Body::ReferralRefuseCancel(CancelAnswer::default()),
        Kind::ReferralClose => Body::ReferralClose(Close::default()),
        Kind::TransferOffer => Body::TransferOffer(offer(from, to)),
        Kind::TransferAmend => Body::TransferAmend(offer(from, to)),
        Kind::TransferAccept => Body::TransferAccept(Accept::default()),
        Kind::TransferDecline => {
            Body::TransferDecline(Decline { reason: reason(), by: None, suggestion: None })
        }
        Kind::TransferRedirect => Body::TransferRedirect(Redirect {
            to: org([TOWNSHIP, TOWNSHIP_B, VILLAGE][usize::from(flavour % 3)]),
            department: None,
            reason: reason(),
            by: None,
        }),
        Kind::TransferDischarge => Body::TransferDischarge(Discharge::default()),
        Kind::TransferReceive => Body::TransferReceive(Receive::default()),
        Kind::TransferFollowUp => {
            Body::TransferFollowUp(FollowUp { last: bit, ..FollowUp::default() })
        }
        Kind::TransferCancel => Body::TransferCancel(Cancel { reason: reason(), by: None }),
        Kind::TransferClose => Body::TransferClose(Close::default()),
        Kind::ConsultationRequest => Body::ConsultationRequest(asked),
        Kind::ConsultationAmend => Body::ConsultationAmend(asked),
        Kind::ConsultationReview => Body::ConsultationReview(Review {
            to: (flavour % 3 == 2).then(|| org(other)),
            ..Review::default()
        }),
        Kind::ConsultationReturn => Body::ConsultationReturn(Return { reason: reason(), by: None }),
        Kind::ConsultationAccept => Body::ConsultationAccept(Accept {
            expert: (flavour % 3 == 1).then(|| expert_ref(COUNTY_B, "E1")),
            ..Accept::default()
        }),
        Kind::ConsultationDecline => {
            Body::ConsultationDecline(Decline { reason: reason(), by: None, suggestion: None })
        }
        Kind::ConsultationSchedule => {
            let mut appointment = session(i64::from(flavour % 4));
            appointment.room = bit.then(|| "r1".to_owned());
            if flavour % 3 == 1 {
                appointment.experts = vec![expert_ref(COUNTY_B, "E1"), expert_ref(LEAD, "E9")];
            }
            if flavour % 4 == 2 {
                appointment.experts.push(expert_ref(PROVINCE, "E7"));
            }
            Body::ConsultationSchedule(Schedule { appointment, note: None })
        }
        Kind::ConsultationStart => Body::ConsultationStart(Start::default()),
        Kind::ConsultationOpinion => Body::ConsultationOpinion(Opinion {
            text: "就地治疗".into(),
            recommendation: (!bit).then_some(Recommendation::ReferUp),
            ..Opinion::default()
        }),
        Kind::ConsultationAcknowledge => {
            Body::ConsultationAcknowledge(Acknowledge { critical: !bit, ..Acknowledge::default() })
        }
        Kind::ConsultationNoShow => Body::ConsultationNoShow(NoShow::default()),
        Kind::ConsultationCancel => Body::ConsultationCancel(Cancel { reason: reason(), by: None }),
        Kind::ConsultationClose => Body::ConsultationClose(Close::default()),
        Kind::ConsultationClaim => {
            Body::ConsultationClaim(Claim { reader: person(doctor), note: None })
        }
        Kind::ConsultationRecollect => {
            Body::ConsultationRecollect(Recollect { reason: reason(), by: None })
        }
        Kind::ConsultationReport => {
            Body::ConsultationReport(Report { writer: person(doctor), ..Report::default() })
        }
        Kind::ConsultationAudit => Body::ConsultationAudit(Audit {
            auditor: person(doctor),
            passed: flavour % 4 != 3,
            note: None,
        }),
        Kind::ConsultationCritical => {
            Body::ConsultationCritical(Critical { items: vec![], by: None, told: None, note: None })
        }
        Kind::SlotPublish => Body::SlotPublish(SlotPublish { slots: vec![] }),
        Kind::SlotWithdraw => Body::SlotWithdraw(SlotWithdraw { numbers: vec![], note: None }),
        Kind::StatusQuery => Body::StatusQuery(StatusQuery {}),
        Kind::StatusReport => Body::StatusReport(StatusReport {
            state: "accepted".into(),
            with: None,
            since: None,
            appointment: None,
            overdue: None,
            escalation: None,
            clock_in_doubt: None,
        }),
        Kind::Receipt => Body::Receipt(Receipt {
            of: Uuid::nil(),
            destination: org(to),
            outcome: ReceiptOutcome::Delivered,
            number: None,
            problems: vec![],
            attempts: 1,
            at: None,
            case_number: None,
        }),
    }
}

/// A broker without disk or road: it remembers cases and requests, and decides.
#[derive(Clone)]
pub struct World {
    pub county: County,
    pub now: Timestamp,
    pub cases: Vec<Case>,
    pub requests: HashMap<Uuid, Message>,
    pub slot: Option<SlotUse>,
    /// Every change of every case, oldest first.
    pub history: Vec<Change>,
    counter: u64,
}

impl World {
    pub fn new() -> Self {
        Self {
            county: county(),
            now: morning(),
            cases: vec![],
            requests: HashMap::new(),
            slot: None,
            history: vec![],
            counter: 0,
        }
    }

    fn fresh(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    pub fn message(&mut self, author: &str, body: Body) -> Message {
        let n = self.fresh();
        let source =
            Source { organisation: org(author), system: None, message_id: format!("m{n}") };
        let opens = body.kind().opens();
        let mut message =
            Message::new(Uuid::from_u128(u128::from(n) << 64), source, self.now, body);
        if opens {
            message.priority = Some(Priority::Routine);
        }
        message
    }

    /// What the store would find for `message`.
    pub fn looked_up(&self, keys: &[find::Key]) -> Vec<Vec<&Case>> {
        keys.iter().map(|key| self.cases.iter().filter(|case| names(key, case)).collect()).collect()
    }

    /// Decides and remembers what changed.
    pub fn tell(&mut self, message: &Message) -> Decision {
        self.tell_of(message, true)
    }

    fn tell_of(&mut self, message: &Message, family_stated: bool) -> Decision {
        let second_message_id = Uuid::from_u128((u128::from(self.fresh()) << 64) + 1);
        let counter = self.fresh();
        let sender = &message.source.organisation;
        let found = self.looked_up(&find::keys(message, sender));
        let case = match find::pick(&found, sender, message.kind().opens()).case() {
            Ok(case) => case,
            Err(refused) => return Decision::Refused(refused),
        };
        // A shell that looked too far must not matter: `decide` may be given what is hidden.
        let case = case.or_else(|| found.iter().flatten().next().copied());
        let parents = self.looked_up(&find::parent_keys(message));
        let parent = find::pick(&parents, sender, false).case().ok().flatten();
        let taken: Vec<Booking> = self
            .cases
            .iter()
            .filter(|other| case.is_none_or(|case| case.id != other.id))
            .flat_map(|other| other.bookings.clone())
            .filter(|held| {
                wanted_bookings(message, case).iter().any(|want| want.resource == held.resource)
            })
            .collect();
        let decision = decide(&Ask {
            message,
            family_stated,
            case,
            parent,
            request: case.and_then(|case| self.requests.get(&case.request)),
            taken: &taken,
            slot: self.slot,
            county: &self.county,
            now: self.now,
            counter,
            second_message_id,
        });
        if let Decision::Changed(change) = &decision {
            self.keep(change);
        }
        decision
    }

    fn keep(&mut self, change: &Change) {
        self.history.push(change.clone());
        for message in change.messages.iter().filter(|m| m.kind().states_request()) {
            self.requests.insert(message.id, message.clone());
        }
        match self.cases.iter_mut().find(|case| case.id == change.case.id) {
            Some(case) => *case = change.case.clone(),
            None => self.cases.push(change.case.clone()),
        }
    }

    /// Says something about the case at `at`, or opens one.
    pub fn say(&mut self, author: &str, at: Option<usize>, body: Body) -> Decision {
        let mut message = self.message(author, body);
        message.case.id = at.and_then(|at| self.cases.get(at)).map(|case| case.id);
        self.tell(&message)
    }

    /// The same in a format that does not say of which family the case is.
    pub fn say_of_unstated_family(&mut self, author: &str, body: Body) -> Decision {
        let mut message = self.message(author, body);
        message.case.id = self.cases.first().map(|case| case.id);
        self.tell_of(&message, false)
    }

    /// Says something about the only case, which must be taken.
    pub fn taken(&mut self, author: &str, kind: Kind, flavour: u8) -> Change {
        let (from, to) = match self.cases.first() {
            Some(case) => (case.origin.to_string(), case.target.to_string()),
            None => (author.to_owned(), LEAD.to_owned()),
        };
        let at = (!self.cases.is_empty()).then_some(0);
        match self.say(author, at, body(kind, flavour, &from, &to)) {
            Decision::Changed(change) => *change,
            other => panic!("{author} {kind}: {other:?}"),
        }
    }

    /// Says something about the only case, which must be refused; gives the code.
    pub fn refused(&mut self, author: &str, kind: Kind, flavour: u8) -> String {
        let (from, to) = (self.cases[0].origin.to_string(), self.cases[0].target.to_string());
        code(&self.say(author, Some(0), body(kind, flavour, &from, &to)))
    }

    /// Opens a case.
    pub fn open(&mut self, author: &str, body: Body) -> Change {
        match self.say(author, None, body) {
            Decision::Changed(change) => *change,
            other => panic!("{author}: {other:?}"),
        }
    }

    /// Lets the clock find what is due, once for each case.
    pub fn clock(&mut self) -> Vec<Change> {
        let mut changes = vec![];
        for at in 0..self.cases.len() {
            let second_message_id = Uuid::from_u128((u128::from(self.fresh()) << 64) + 2);
            if let Overdue::Changed(change) =
                overdue(&self.cases[at], &self.county, self.now, second_message_id, Clock::Certain)
            {
                self.keep(&change);
                changes.push(*change);
            }
        }
        changes
    }

    pub fn case(&self) -> &Case {
        &self.cases[0]
    }

    pub fn state(&self) -> &'static str {
        self.cases[0].state.as_str()
    }
}

/// The code of a refusal.
pub fn code(decision: &Decision) -> String {
    match decision {
        Decision::Refused(refused) => refused.problem.code.as_str().to_owned(),
        other => panic!("not refused: {other:?}"),
    }
}

/// Who gets what, as text: `lead referral.submit`.
pub fn told(change: &Change) -> Vec<String> {
    change
        .dispatches
        .iter()
        .map(|dispatch| {
            let message = change.messages.iter().find(|m| m.id == dispatch.message).unwrap();
            format!("{} {}", dispatch.to, message.kind())
        })
        .collect()
}

fn names(key: &find::Key, case: &Case) -> bool {
    match key {
        find::Key::Id(id) => case.id == *id,
        find::Key::Number(number) => case.number == *number,
        find::Key::Theirs { organisation, number } => case.numbers.iter().any(|known| {
            known.number == *number
                && organisation.as_ref().is_none_or(|whose| *whose == known.organisation)
        }),
        find::Key::Answered { first, last } => (first..=last).contains(&&case.request),
        find::Key::AnsweredId(id) => case.request == *id,
    }
}

/// A referral from the township to the lead hospital: no review on the way.
pub fn submitted() -> World {
    let mut world = World::new();
    world.open(TOWNSHIP, Body::ReferralSubmit(referral(TOWNSHIP, LEAD)));
    world
}

pub fn after(kinds: &[(&str, Kind)]) -> World {
    let mut world = submitted();
    for (author, kind) in kinds {
        world.taken(author, *kind, 0);
    }
    world
}

pub fn consulting(form: ConsultationForm, to: &str) -> World {
    let mut world = World::new();
    world.open(TOWNSHIP, Body::ConsultationRequest(consultation(TOWNSHIP, to, form)));
    world
}

pub fn due(world: &World, name: Name) -> String {
    let deadline = world.case().deadlines.iter().find(|d| d.name == name).unwrap();
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    deadline.due.to_zoned(zone).strftime("%a %H:%M").to_string()
}
