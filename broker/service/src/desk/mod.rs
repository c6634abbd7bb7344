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

use jiff::Timestamp;
use tierlink_edge::environment::Environment;
use tierlink_judge::CoreJudge;
use tierlink_schemas::OrganisationCode;
pub use tierlink_store::{Act, ActName, ActQuery, ActRow};
use tierlink_store::{Acted, Acts, NewAct, ReceiptOf};
use tokio::sync::Notify;
use tracing::info;
use uuid::Uuid;

use crate::config::Config;
use crate::current_config::CurrentConfig;
use crate::tokens;

pub use person::{NAME_CHARS_MAX, Person, REASON_CHARS_MAX, Reason, Unsaid};
pub use refusal::{Refusal, state_word};

/// Result of an act that was not refused.
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
        name: &str,
        organisation: Option<OrganisationCode>,
        expires_at: Option<Timestamp>,
        by: &Person,
        why: &Reason,
    ) -> Result<String, Refusal> {
        let name = person::name(name).ok_or(Unsaid::TokenName)?;
        let (text, row) = tokens::create(&name, organisation, expires_at);
        match self.perform(Act::CreateToken(row), by, why).await? {
            Performed::Recorded(_) | Performed::AsBefore => Ok(text),
        }
    }

    /// Replaces the configuration in force, once that is recorded. If recording fails, the
    /// old one stays.
    pub async fn reload(
        &self,
        config: Config,
        by: &Person,
        why: &Reason,
    ) -> Result<Performed, Refusal> {
        let before = self.current_config.load().fingerprint;
        let act = Act::Reload { before, after: config.fingerprint };
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

/// Whether deliveries may be possible after the act that were not before.
fn delivers(act: &Act) -> bool {
    match act {
        Act::Replay(_) | Act::Drop(_) | Act::Resume(_) => true,
        Act::Pause(_) | Act::CreateToken(_) | Act::RevokeToken(_) | Act::Reload { .. } => false,
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
        Act::Replay(_) | Act::Drop(_) | Act::RevokeToken(_) | Act::Reload { .. } => None,
    };
    match organisation {
        Some(code) if !config.profiles.contains_key(code) => Err(Refusal::unknown(act)),
        Some(_) | None => Ok(()),
    }
}
