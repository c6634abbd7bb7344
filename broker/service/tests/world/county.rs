//! The county of all worlds, and what its people say.

use std::path::PathBuf;

use jiff::civil::date;
use tierlink::config::Config;
use tierlink_codec::Profile;
use tierlink_schemas::answer::{
    Accept, Appointment, Arrive, Book, Cancel, CancelAnswer, Close, Decline, Feedback,
    FeedbackStage, NoShow, Reason, Redirect, Return, Review, Schedule, Unschedule,
};
use tierlink_schemas::clinical::Clinical;
use tierlink_schemas::person::{Party, Patient, Sex};
use tierlink_schemas::request::{ReferralKind, ReferralRequest};
use tierlink_schemas::{Body, Kind, OrganisationCode};

pub const EVERYBODY: [&str; 6] = ["village", "township", "lead", "county-b", "township-b", "city"];

const COUNTY: &str = r#"
    [county]
    name = "World"
    lead = "lead"
    [store]
    url = "sqlite:not-opened"
"#;

const RETRY: &str = "[retry]\nfirst_wait_ms = 300\nwait_ms_max = 4000\n";

pub fn org(code: &str) -> OrganisationCode {
    OrganisationCode::new(code).unwrap()
}

/// The configuration, the same in all worlds.
pub fn config() -> Config {
    let profiles = [
        ("village", "village", "parent = \"township\"", "all"),
        ("township", "township", "parent = \"lead\"", "problems"),
        ("lead", "county", "", "none"),
        ("county-b", "county", "", "all"),
        ("township-b", "township", "parent = \"lead\"", "none"),
        ("city", "city", "outside = true", "problems"),
    ];
    let profiles = profiles.map(|(code, tier, more, receipts)| {
        let text = format!(
            "[organisation]\ncode = \"{code}\"\nname = \"{code}\"\ntier = \"{tier}\"\n{more}\n\
             [format]\nname = \"json\"\n[outbound]\naddress = \"http://{code}\"\n\
             receipts = \"{receipts}\"\n{RETRY}"
        );
        (format!("{code}.toml"), Profile::from_toml(&text).unwrap())
    });
    let settings = toml::from_str(COUNTY).unwrap();
    Config::build(settings, PathBuf::new(), profiles.into(), Vec::new()).unwrap()
}

pub fn submit(from: &str, to: &str) -> Body {
    Body::ReferralSubmit(referral(from, to))
}

fn referral(from: &str, to: &str) -> ReferralRequest {
    ReferralRequest {
        direction: None,
        kind: ReferralKind::default(),
        purpose: None,
        reasons: vec![],
        reason_text: Some("需进一步检查".into()),
        from: Party::of(org(from)),
        to: Party::of(org(to)),
        patient: Patient {
            name: Some("测试·阿里木".into()),
            sex: Some(Sex::Male),
            birth_date: Some(date(1950, 1, 1)),
            ..Patient::default()
        },
        clinical: Clinical { chief_complaint: Some("胸闷".into()), ..Clinical::default() },
        attachments: vec![],
        wanted: None,
        consent: None,
        transport: None,
        policy: None,
        valid_until: None,
    }
}

/// What may well be said next about a case in this state: by whom (`o`rigin, `t`arget, or a
/// `r`eviewer) and what.
pub fn next_steps(state: &str) -> &'static [(char, Kind)] {
    match state {
        "in_review" => &[('r', Kind::ReferralReview), ('r', Kind::ReferralReview)],
        "submitted" => &[
            ('t', Kind::ReferralAccept),
            ('t', Kind::ReferralAccept),
            ('t', Kind::ReferralDecline),
            ('t', Kind::ReferralReturn),
            ('t', Kind::ReferralRedirect),
            ('o', Kind::ReferralCancel),
        ],
        "returned" => &[('o', Kind::ReferralAmend)],
        "accepted" => &[
            ('t', Kind::ReferralSchedule),
            ('t', Kind::ReferralArrive),
            ('o', Kind::ReferralBook),
            ('o', Kind::ReferralCancel),
        ],
        "scheduled" => &[
            ('t', Kind::ReferralArrive),
            ('t', Kind::ReferralNoShow),
            ('t', Kind::ReferralUnschedule),
            ('o', Kind::ReferralUnschedule),
            ('o', Kind::ReferralBook),
        ],
        "cancel_requested" => {
            &[('t', Kind::ReferralConfirmCancel), ('t', Kind::ReferralRefuseCancel)]
        }
        "no_show" => &[('t', Kind::ReferralSchedule), ('t', Kind::ReferralArrive)],
        _ => &[
            ('t', Kind::ReferralFeedback),
            ('t', Kind::ReferralClose),
            ('o', Kind::StatusQuery),
            ('o', Kind::ReferralCancel),
        ],
    }
}

/// A body of this kind about a case from `from` to `to`.
pub fn body(kind: Kind, from: &str, to: &str, turn: u64) -> Body {
    let stages = [FeedbackStage::Admitted, FeedbackStage::Interim, FeedbackStage::Outcome];
    match kind {
        Kind::ReferralAmend => Body::ReferralAmend(referral(from, to)),
        Kind::ReferralReview => Body::ReferralReview(Review::default()),
        Kind::ReferralReturn => {
            Body::ReferralReturn(Return { reason: Reason::code("RT01"), by: None })
        }
        Kind::ReferralAccept => Body::ReferralAccept(Accept::default()),
        Kind::ReferralDecline => {
            let reason = Reason::code("RJ01");
            Body::ReferralDecline(Decline { reason, by: None, suggestion: None })
        }
        Kind::ReferralRedirect => {
            let to = org(["county-b", "lead", "city"][usize::try_from(turn % 3).unwrap()]);
            let reason = Reason::code("RD01");
            Body::ReferralRedirect(Redirect { to, department: None, reason, by: None })
        }
        Kind::ReferralSchedule => {
            let appointment = Appointment { bed: Some("12".into()), ..Appointment::default() };
            Body::ReferralSchedule(Schedule { appointment, note: None })
        }
        Kind::ReferralBook => Body::ReferralBook(Book::default()),
        Kind::ReferralUnschedule => Body::ReferralUnschedule(Unschedule {
            reason: Reason::code("CN11"),
            appointment: None,
            by: None,
        }),
        Kind::ReferralArrive => Body::ReferralArrive(Arrive::default()),
        Kind::ReferralNoShow => Body::ReferralNoShow(NoShow::default()),
        Kind::ReferralFeedback => {
            let stage = stages[usize::try_from(turn % 3).unwrap()];
            Body::ReferralFeedback(Feedback { stage, ..Feedback::default() })
        }
        Kind::ReferralCancel => {
            Body::ReferralCancel(Cancel { reason: Reason::code("CN01"), by: None })
        }
        Kind::ReferralConfirmCancel => Body::ReferralConfirmCancel(CancelAnswer::default()),
        Kind::ReferralRefuseCancel => Body::ReferralRefuseCancel(CancelAnswer::default()),
        Kind::ReferralClose => Body::ReferralClose(Close::default()),
        _ => Body::StatusQuery(tierlink_schemas::answer::StatusQuery {}),
    }
}
