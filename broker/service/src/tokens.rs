//! API tokens: who may call the HTTP API, and for which organisation.
//!
//! A token is 32 random bytes. Only its hash is stored, and the token is shown once. Tokens are
//! read from the store every few seconds, so a revoked one soon stops working everywhere.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rand::Rng;
use sha2::{Digest, Sha256};
use tierlink_schemas::OrganisationCode;
use tierlink_store::{Queries, TokenRow};
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::report::{Trouble, chain};

/// How often tokens are read again.
const READ_EVERY: Duration = Duration::from_secs(5);

/// In whose name a token acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// One organisation: it sees and does what is its own.
    Organisation(OrganisationCode),
    /// An operator of the broker: sees queues and cases of all, and acts under the token's name.
    Operator {
        /// Name of the token.
        token: String,
    },
}

/// Creates a token: returns the text to hand over once, and the row to store.
#[must_use]
pub fn create(
    name: &str,
    organisation: Option<OrganisationCode>,
    expires_at: Option<Timestamp>,
) -> (String, TokenRow) {
    let secret: [u8; 32] = rand::rng().random();
    let text = format!("tl_{}", URL_SAFE_NO_PAD.encode(secret));
    let row = TokenRow {
        name: name.to_owned(),
        organisation,
        hash: hash(&text),
        created_at: Timestamp::now(),
        expires_at,
    };
    (text, row)
}

/// The hash that is stored for a token.
#[must_use]
pub fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Sets the metric of when the next token stops working.
fn tell_next_expiry(rows: &[TokenRow]) {
    let now = Timestamp::now();
    let next = rows.iter().filter_map(|row| row.expires_at).filter(|at| *at > now).min();
    metrics::gauge!("tierlink_token_expires_timestamp_seconds")
        .set(next.map_or(f64::INFINITY, |at| at.as_duration().as_secs_f64()));
}

/// Tokens by their hash.
type Known = HashMap<[u8; 32], TokenRow>;

/// The valid tokens.
pub struct Tokens {
    store: Arc<dyn Queries>,
    known: RwLock<Known>,
}

impl Tokens {
    /// Starts without tokens; call [`Tokens::read`].
    #[must_use]
    pub fn new(store: Arc<dyn Queries>) -> Self {
        Self { store, known: RwLock::new(HashMap::new()) }
    }

    /// In whose name `text` acts. Looked up by hash, so the time it takes reveals nothing
    /// about valid tokens.
    #[must_use]
    pub fn caller(&self, text: &str) -> Option<Caller> {
        let known = self.known.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let token = known.get(&hash(text))?;
        if token.expires_at.is_some_and(|at| at <= Timestamp::now()) {
            return None;
        }
        Some(match &token.organisation {
            Some(organisation) => Caller::Organisation(organisation.clone()),
            None => Caller::Operator { token: token.name.clone() },
        })
    }

    /// Reads the tokens from the store.
    pub async fn read(&self) -> Result<(), tierlink_store::Error> {
        let rows = self.store.tokens().await?;
        tell_next_expiry(&rows);
        let known = rows.into_iter().map(|row| (row.hash, row)).collect();
        *self.known.write().unwrap_or_else(std::sync::PoisonError::into_inner) = known;
        Ok(())
    }

    /// Reads them regularly until told to stop.
    pub async fn keep_fresh(self: Arc<Self>, stop: CancellationToken) {
        let trouble = Trouble::new("API tokens cannot be read");
        loop {
            match self.read().await {
                Ok(()) => trouble.is_over(),
                Err(error) => {
                    if let Some(line) = trouble.begins_or_goes_on(&chain(&error).to_string()) {
                        error!(code = %error.code(), "{line}");
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(READ_EVERY) => {}
            }
        }
    }
}
