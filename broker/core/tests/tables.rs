//! Every state against every message and role, as tables that a reviewer can read: a changed cell
//! is a changed line of a committed file.

#![expect(clippy::unwrap_used, reason = "a test's own mistakes may panic")]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use tierlink_core::rule::{Role, Rule};
use tierlink_core::{consultation, referral, transfer};
use tierlink_schemas::answer::FeedbackStage;
use tierlink_schemas::request::ConsultationForm;

/// One line for each state, act and outcome; roles with the same outcome share it.
fn table<S: Copy, A: Copy>(
    states: &[S],
    acts: &[A],
    show_state: impl Fn(S) -> String,
    show_act: impl Fn(A) -> String,
    step: impl Fn(S, A, Role) -> Result<S, Rule>,
) -> String {
    let mut text = String::new();
    for state in states {
        writeln!(text, "{}", show_state(*state)).unwrap();
        for act in acts {
            let mut outcomes: BTreeMap<String, Vec<&str>> = BTreeMap::new();
            for role in Role::ALL {
                let outcome = match step(*state, *act, role) {
                    Ok(next) => format!("→ {}", show_state(next)),
                    Err(rule) => format!("{} {rule:?}", rule.code_str()),
                };
                outcomes.entry(outcome).or_default().push(role.as_str());
            }
            for (outcome, roles) in outcomes {
                let roles = roles.join(", ");
                writeln!(text, "  {:<31} {roles:<35} {outcome}", show_act(*act)).unwrap();
            }
        }
    }
    text
}

fn referral_acts() -> Vec<referral::Act> {
    use referral::Act;
    vec![
        Act::Amend { reviews_left: true },
        Act::Amend { reviews_left: false },
        Act::Review { reviews_left: true },
        Act::Review { reviews_left: false },
        Act::Return,
        Act::Accept,
        Act::Decline,
        Act::Redirect { reviews_left: true },
        Act::Redirect { reviews_left: false },
        Act::Schedule,
        Act::Book,
        Act::Unschedule,
        Act::Arrive { admitted: false },
        Act::Arrive { admitted: true },
        Act::NoShow,
        Act::Feedback(FeedbackStage::Admitted),
        Act::Feedback(FeedbackStage::Interim),
        Act::Feedback(FeedbackStage::Outcome),
        Act::Cancel,
        Act::ConfirmCancel,
        Act::RefuseCancel,
        Act::Close,
    ]
}

fn transfer_acts() -> Vec<transfer::Act> {
    use transfer::Act;
    vec![
        Act::Amend,
        Act::Accept,
        Act::Decline,
        Act::Redirect,
        Act::Discharge,
        Act::Receive,
        Act::FollowUp,
        Act::Cancel,
        Act::Close,
    ]
}

fn consultation_acts() -> Vec<consultation::Act> {
    use consultation::Act;
    vec![
        Act::Amend { reviews_left: true },
        Act::Amend { reviews_left: false },
        Act::Review { reviews_left: true },
        Act::Review { reviews_left: false },
        Act::Return,
        Act::Accept { all: false },
        Act::Accept { all: true },
        Act::Decline,
        Act::Schedule,
        Act::Start,
        Act::Opinion,
        Act::Acknowledge { critical: false },
        Act::Acknowledge { critical: true },
        Act::NoShow,
        Act::Cancel,
        Act::Close,
        Act::Claim,
        Act::Recollect,
        Act::Report,
        Act::Audit { passed: false },
        Act::Audit { passed: true },
        Act::Critical,
    ]
}

#[test]
fn every_referral_state_answers_every_act() {
    let text = table(
        &referral::State::ALL,
        &referral_acts(),
        |state| match state {
            referral::State::CancelRequested { before } => {
                format!("{} (before: {before:?})", state.as_str())
            }
            _ => state.as_str().to_owned(),
        },
        |act| format!("{act:?}"),
        referral::step,
    );
    insta::assert_snapshot!("referral", text);
}

#[test]
fn every_transfer_state_answers_every_act() {
    let text = table(
        &transfer::State::ALL,
        &transfer_acts(),
        |state| state.as_str().to_owned(),
        |act| format!("{act:?}"),
        transfer::step,
    );
    insta::assert_snapshot!("transfer", text);
}

#[test]
fn every_consultation_state_answers_every_act() {
    for (name, form) in [
        ("consultation_interactive", ConsultationForm::Interactive),
        ("consultation_offline", ConsultationForm::Offline),
        ("consultation_reading", ConsultationForm::Reading),
    ] {
        let text = table(
            &consultation::State::ALL,
            &consultation_acts(),
            |state| state.as_str().to_owned(),
            |act| format!("{act:?}"),
            |state, act, role| consultation::step(state, act, role, form),
        );
        insta::assert_snapshot!(name, text);
    }
}

/// Terminal states never roll back: whatever is said, by whomever, the state stays.
#[test]
fn terminal_states_never_roll_back() {
    for role in Role::ALL {
        for state in referral::State::ALL.into_iter().filter(|state| state.is_terminal()) {
            for act in referral_acts() {
                assert!(
                    referral::step(state, act, role).is_ok_and(|next| next == state)
                        || referral::step(state, act, role).is_err(),
                    "{state:?} {act:?} {role:?}"
                );
            }
        }
        for state in transfer::State::ALL.into_iter().filter(|state| state.is_terminal()) {
            for act in transfer_acts() {
                assert!(transfer::step(state, act, role).is_err(), "{state:?} {act:?} {role:?}");
            }
        }
        for state in consultation::State::ALL.into_iter().filter(|state| state.is_terminal()) {
            for act in consultation_acts() {
                for form in [
                    ConsultationForm::Interactive,
                    ConsultationForm::Offline,
                    ConsultationForm::Reading,
                ] {
                    let next = consultation::step(state, act, role, form);
                    assert!(next.is_ok_and(|next| next == state) || next.is_err(), "{state:?}");
                }
            }
        }
    }
}

/// Every blocking state has an inverse action: somebody can always move the case on.
#[test]
fn somebody_can_lead_the_case_out_of_every_open_state() {
    for state in referral::State::ALL.into_iter().filter(|state| !state.is_terminal()) {
        let out = referral_acts().into_iter().any(|act| {
            Role::ALL.iter().any(|role| referral::step(state, act, *role).is_ok_and(|n| n != state))
        });
        assert!(out, "{state:?}");
    }
    for state in transfer::State::ALL.into_iter().filter(|state| !state.is_terminal()) {
        let out = transfer_acts().into_iter().any(|act| {
            Role::ALL.iter().any(|role| transfer::step(state, act, *role).is_ok_and(|n| n != state))
        });
        assert!(out, "{state:?}");
    }
    for state in consultation::State::ALL.into_iter().filter(|state| !state.is_terminal()) {
        let forms =
            [ConsultationForm::Interactive, ConsultationForm::Offline, ConsultationForm::Reading];
        let out = consultation_acts().into_iter().any(|act| {
            Role::ALL.iter().any(|role| {
                forms.iter().any(|form| {
                    consultation::step(state, act, *role, *form).is_ok_and(|n| n != state)
                })
            })
        });
        assert!(out, "{state:?}");
    }
}

#[test]
fn each_rule_has_a_code_of_its_own_and_says_what_to_do() {
    let mut codes: Vec<&str> = Rule::ALL.iter().map(|rule| rule.code_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), Rule::ALL.len());
    for rule in Rule::ALL {
        assert_eq!(rule.code().as_str(), rule.code_str());
        assert!(rule.code_str().starts_with('R') && rule.text().len() > 30, "{rule:?}");
        assert!(!rule.field().is_empty());
    }
}

#[test]
fn each_rule_has_its_page() {
    let pages = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ops/errors");
    for rule in Rule::ALL {
        let page = std::fs::read_to_string(format!("{pages}/{}.md", rule.code_str()));
        let page = page.unwrap_or_else(|_| panic!("{} has no page", rule.code_str()));
        assert!(page.starts_with(&format!("# {}: ", rule.code_str())), "{rule:?}");
        for part in ["\nCheck   ", "\nFix     ", "\nCall    "] {
            assert!(page.contains(part), "{rule:?} lacks {part:?}");
        }
    }
}
