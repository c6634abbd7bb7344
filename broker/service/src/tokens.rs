//! API tokens: who may call the HTTP API, and for which organisation.
//!
//! A token is 32 random bytes. Only its hash is stored, and the token is shown once. Tokens are
//! read from the store every few seconds, so a revoked one soon stops working everywhere.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use rand::Rng;
use sha2::{Digest, Sha256};
use tierlink_edge::environment::Environment;
use tierlink_schemas::OrganisationCode;
use tierlink_store::{Queries, Scope, TokenRow, Upkeep};
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::report::{Trouble, chain};

/// How often tokens are read again.
const READ_EVERY: Duration = Duration::from_secs(5);
/// How often it is written down when tokens were used.
const NOTE_EVERY: Duration = Duration::from_mins(1);

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

/// A token that was shown and works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its name.
    pub name: String,
    /// Whom it speaks for.
    pub caller: Caller,
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
}

/// A token that somebody asks for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// A name to revoke it by.
    pub name: String,
    /// Whose it is; `None` for an operator.
    pub organisation: Option<OrganisationCode>,
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

impl Wanted {
    /// A token for everything that its owner may do. It does not end.
    #[must_use]
    pub fn of(name: &str, organisation: Option<OrganisationCode>) -> Self {
        let scopes = Scope::all_of(organisation.as_ref());
        Self { name: name.to_owned(), organisation, scopes, expires_at: None }
    }
}

/// A new token: the text to hand over once, and the row to store.
///
/// Its secret is the one random value that nobody hands in: no test may play the same one twice.
#[must_use]
pub fn create(wanted: Wanted, created_at: Timestamp) -> (String, TokenRow) {
    let secret: [u8; 32] = rand::rng().random();
    let text = format!("tl_{}", URL_SAFE_NO_PAD.encode(secret));
    let Wanted { name, organisation, scopes, expires_at } = wanted;
    let row = TokenRow {
        name,
        organisation,
        scopes,
        last_used_at: None,
        hash: hash(&text),
        created_at,
        expires_at,
    };
    (text, row)
}

/// The hash that is stored for a token.
#[must_use]
pub fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Tells figures when the next token stops working; its organisation is refused from then on.
fn tell_next_expiry(rows: &[TokenRow], now: Timestamp) {
    let next = rows.iter().filter_map(|row| row.expires_at).filter(|at| *at > now).min();
    metrics::gauge!("tierlink_token_expires_timestamp_seconds")
        .set(next.map_or(f64::INFINITY, |at| at.as_duration().as_secs_f64()));
}

/// Tokens by their hash.
type Known = HashMap<[u8; 32], TokenRow>;

/// The valid tokens.
pub struct Tokens {
    store: Arc<dyn Queries>,
    environment: Arc<dyn Environment>,
    notes: Arc<dyn Upkeep>,
    known: RwLock<Known>,
    /// When tokens were used since that was noted last, by their names.
    used: Mutex<HashMap<String, Timestamp>>,
}

impl Tokens {
    /// Starts without tokens; call [`Tokens::read`].
    #[must_use]
    pub fn new(
        store: Arc<dyn Queries>,
        notes: Arc<dyn Upkeep>,
        environment: Arc<dyn Environment>,
    ) -> Self {
        Self { store, notes, environment, known: RwLock::default(), used: Mutex::default() }
    }

    /// The token that is `text`. The lookup is by hash, so its time tells nothing about the token.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Shown> {
        let known = self.known.read();
        let token = known.get(&hash(text))?;
        let now = self.environment.now();
        if token.expires_at.is_some_and(|at| at <= now) {
            return None;
        }
        let caller = match &token.organisation {
            Some(organisation) => Caller::Organisation(organisation.clone()),
            None => Caller::Operator { token: token.name.clone() },
        };
        let shown = Shown { name: token.name.clone(), caller, scopes: token.scopes.clone() };
        self.used.lock().insert(shown.name.clone(), now);
        Some(shown)
    }

    /// Reads the tokens from the store.
    pub async fn read(&self) -> Result<(), tierlink_store::Error> {
        let rows = self.store.tokens().await?;
        tell_next_expiry(&rows, self.environment.now());
        let known = rows.into_iter().map(|row| (row.hash, row)).collect();
        *self.known.write() = known;
        Ok(())
    }

    /// Writes down when tokens were used. What cannot be written is told by reading them.
    async fn note_uses(&self) {
        let used = std::mem::take(&mut *self.used.lock());
        if !used.is_empty() {
            let _not_noted = self.notes.note_token_uses(used.into_iter().collect()).await;
        }
    }

    /// Keeps reading them until told to stop.
    pub async fn keep_fresh(self: Arc<Self>, stop: CancellationToken) {
        let trouble = Trouble::new("API tokens cannot be read");
        let mut noted_at = Instant::now();
        loop {
            if noted_at.elapsed() >= NOTE_EVERY {
                self.note_uses().await;
                noted_at = Instant::now();
            }
            match self.read().await {
                Ok(()) => trouble.is_over(),
                Err(error) => {
                    if let Some(line) = trouble.begins_or_goes_on(&chain(&error).to_string()) {
                        error!(code = %error.code(), "{line}");
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => return self.note_uses().await,
                () = tokio::time::sleep(READ_EVERY) => {}
            }
        }
    }
}
