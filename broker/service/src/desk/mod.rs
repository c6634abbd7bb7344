//! Performs what people ask the broker to do, whether through the command line, the API or a
//! signal. There is no other way in.
//!
//! ```text
//!   command line ─┐
//!   API ──────────┼─▶ Desk::perform(act, person, reason) ─▶ store: do it and record it, together
//!   SIGHUP ───────┘
//! ```
//!
//! Each act has a person, a reason and a time. It is recorded in the transaction that performs it,
//! so a process that is killed in between leaves both or neither; `tierlink acts list` shows the
//! record. A reload changes only the memory of this process: the new configuration is in force once
//! its record is written, and if that fails the old one stays.
//!
//! The desk does not decide who may act: the API has checked the token, and on the command line
//! whoever can read the configuration can reach the store.

mod person;
mod refusal;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tierlink_edge::environment::Environment;
use tierlink_judge::CoreJudge;
use tierlink_schemas::LaneName;
pub use tierlink_store::{Act, ActName, ActQuery, ActRow};
use tierlink_store::{Acted, Acts, NewAct, ReceiptOf};
use tokio::sync::Notify;
use tracing::info;
use uuid::Uuid;

use crate::config::Config;
use crate::current_config::CurrentConfig;
use crate::tokens::{self, Wanted};

pub use person::{NAME_CHARS_MAX, Person, REASON_CHARS_MAX, Reason, Unsaid};
pub use refusal::{Refusal, state_word};

/// How long an agreement to a removal counts: until the change that it was meant for is made.
const AGREED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// What came of an act that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Performed {
    /// It is done, and recorded under this id.
    Recorded(Uuid),
    /// There was nothing to do: the lane was paused already, or was not paused. Not recorded.
    AsBefore,
}

impl Performed {
    /// The id of the record; `None` if there is none.
    #[must_use]
    pub fn id(self) -> Option<Uuid> {
        match self {
            Self::Recorded(id) => Some(id),
            Self::AsBefore => None,
        }
    }
}

/// Performs what people ask for.
pub struct Desk {
    store: Arc<dyn Acts>,
    current_config: Arc<CurrentConfig>,
    environment: Arc<dyn Environment>,
    /// Wakes the relay of this process when something can be delivered again.
    wake: Arc<Notify>,
}

impl Desk {
    /// Works on this store.
    #[must_use]
    pub fn new(
        store: Arc<dyn Acts>,
        current_config: Arc<CurrentConfig>,
        environment: Arc<dyn Environment>,
        wake: Arc<Notify>,
    ) -> Self {
        Self { store, current_config, environment, wake }
    }

    /// Performs and records an act, or refuses it.
    pub async fn perform(&self, act: Act, by: &Person, why: &Reason) -> Result<Performed, Refusal> {
        let config = self.current_config.load();
        expect_known(&act, &config)?;
        let new = NewAct {
            id: self.environment.id(),
            act,
            by: by.name().to_owned(),
            through: by.through(),
            why: why.text().to_owned(),
            at: self.environment.now(),
        };
        let (id, asked) = (new.id, new.act.clone());
        let receipt = self.receipt_of_drop(&config, new.at);
        match self.store.act(new, Some(receipt)).await.map_err(Refusal::Store)? {
            Acted::Done => {
                info!(act.id = %id, "{} did: {}.", by.name(), asked.name());
                if delivers(&asked) {
                    self.wake.notify_one();
                }
                Ok(Performed::Recorded(id))
            }
            Acted::AsBefore => Ok(Performed::AsBefore),
            Acted::NotParked(state) => Err(Refusal::NotParked(state)),
            Acted::Unknown => Err(Refusal::unknown(&asked)),
            Acted::NameTaken => Err(Refusal::NameTaken),
        }
    }

    /// Creates a token and returns its text, which cannot be read again.
    pub async fn create_token(
        &self,
        mut wanted: Wanted,
        by: &Person,
        why: &Reason,
    ) -> Result<String, Refusal> {
        wanted.name = person::name(&wanted.name).ok_or(Unsaid::TokenName)?;
        let (text, row) = tokens::create(wanted, self.environment.now());
        match self.perform(Act::CreateToken(row), by, why).await? {
            Performed::Recorded(_) | Performed::AsBefore => Ok(text),
        }
    }

    /// Puts another configuration in force, from when this is recorded. If it cannot be recorded,
    /// the one in force stays; so it does if a system would leave that nobody has named for it: a
    /// folder in the middle of a copy looks just like that.
    pub async fn reload(
        &self,
        config: Config,
        by: &Person,
        why: &Reason,
    ) -> Result<Performed, Refusal> {
        let in_force = self.current_config.load();
        let agreed_since = self.environment.now().checked_sub(AGREED_FOR);
        let leaving = leaving(&in_force, &config);
        if !leaving.is_empty() {
            let agreed_since = agreed_since.unwrap_or(Timestamp::MIN);
            let left = self.store.left_behind(leaving, agreed_since).await;
            let mut left = left.map_err(Refusal::Store)?;
            left.retain(|left| !left.agreed);
            if !left.is_empty() {
                return Err(Refusal::WouldLeave(left));
            }
        }
        let act = Act::Reload { before: in_force.fingerprint, after: config.fingerprint };
        let performed = self.perform(act, by, why).await?;
        self.current_config.exchange(config);
        Ok(performed)
    }

    /// Makes the receipt that tells an origin that a person dropped its delivery.
    fn receipt_of_drop(&self, config: &Config, at: Timestamp) -> ReceiptOf {
        let (judge, receipt_id) =
            (CoreJudge::new(Arc::clone(&config.policy)), self.environment.id());
        Arc::new(move |row| judge.withdrawn(row, at, receipt_id))
    }
}

/// The systems that have a lane and are in no profile any more. That of the default system stands
/// for an organisation that leaves as a whole, or comes back under another code.
fn leaving(before: &Config, after: &Config) -> Vec<LaneName> {
    let mut leaving: Vec<LaneName> = before
        .systems()
        .filter(|system| after.system(&system.lane()).is_none())
        .map(|system| {
            let code = &system.organisation.code;
            if after.profiles.contains_key(code) { system.lane() } else { code.clone().into() }
        })
        .collect();
    leaving.sort();
    leaving.dedup();
    leaving
}

/// Whether something may be delivered after it that was not before.
fn delivers(act: &Act) -> bool {
    match act {
        Act::Replay(_) | Act::Drop(_) | Act::Resume(_) => true,
        Act::Pause(_)
        | Act::CreateToken(_)
        | Act::RevokeToken(_)
        | Act::Reload { .. }
        | Act::VouchForClock
        | Act::AgreeToRemoval(_) => false,
    }
}

/// Checks that the organisation of the act exists, which only the configuration knows. Deliveries
/// and tokens are looked up by the store.
fn expect_known(act: &Act, config: &Config) -> Result<(), Refusal> {
    let organisation = match act {
        Act::Pause(lane) | Act::Resume(lane) if config.system(lane).is_none() => {
            return Err(Refusal::unknown(act));
        }
        Act::Pause(lane) | Act::Resume(lane) => Some(lane.organisation()),
        Act::CreateToken(token) => token.organisation.as_ref(),
        Act::Replay(_)
        | Act::Drop(_)
        | Act::RevokeToken(_)
        | Act::Reload { .. }
        | Act::VouchForClock
        // It may have left the files already, and must be named all the same.
        | Act::AgreeToRemoval(_) => None,
    };
    match organisation {
        Some(code) if !config.profiles.contains_key(code) => Err(Refusal::unknown(act)),
        Some(_) | None => Ok(()),
    }
}
