//! How much one sender may send in a minute: requests, messages, bytes.
//!
//! ```text
//!   HTTP   address ─▶ token ─▶ organisation ─▶ body is read ─▶ bytes are charged
//!   MLLP   address ─▶ organisation ─▶ bytes are charged
//! ```
//!
//! Each sender has one bucket for each thing that is counted. It holds what may be sent in a minute
//! and fills evenly, so a day's backlog that is sent in one go is slowed and never refused for good:
//! whoever sends too much hears how long to wait.
//!
//! Bytes are charged once they are there and may overdraw a bucket, because how long a message is
//! is not known before: the next one waits for it.
//!
//! It reads no clock: the caller says what time it is.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tierlink_schemas::{Code, OrganisationCode};

/// A sender sends more than it may; it is told when to come back.
pub const TOO_MUCH: Code = Code::new("A018");

/// A bucket holds what may be sent in this time.
const FILLS_IN: Duration = Duration::from_mins(1);
/// So many senders are told apart. A prefecture has fewer; a flood from invented addresses has
/// more, and those beyond share one bucket.
const SENDERS_MAX: usize = 16_384;
/// Full buckets are looked for this often at most.
const PRUNED_EVERY: Duration = Duration::from_secs(1);
/// An address that shows wrong tokens faster is told to wait. A person who mistypes shows fewer.
pub const WRONG_TOKENS_PER_MINUTE: u32 = 30;

/// What is allowed within a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerMinute {
    /// Requests and messages from one address.
    pub per_address: u32,
    /// Requests with one token.
    pub per_token: u32,
    /// Messages of one organisation, over all transports.
    pub per_organisation: u32,
    /// Bytes of messages of one organisation, over all transports.
    pub bytes_per_organisation: u64,
}

/// Who sends, and what is counted of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Sender {
    /// Requests and messages of an address.
    Address(IpAddr),
    /// Requests with the token of this name.
    Token(String),
    /// Messages of an organisation.
    Organisation(OrganisationCode),
    /// Bytes of an organisation.
    Bytes(OrganisationCode),
    /// Wrong tokens that an address shows.
    WrongTokens(IpAddr),
}

impl Sender {
    /// What figures call it.
    const fn label(&self) -> &'static str {
        match self {
            Self::Address(_) => "address",
            Self::Token(_) => "token",
            Self::Organisation(_) => "organisation",
            Self::Bytes(_) => "bytes",
            Self::WrongTokens(_) => "wrong_tokens",
        }
    }

    /// Every label, so that figures can begin at zero.
    pub const LABELS: [&'static str; 5] =
        ["address", "token", "organisation", "bytes", "wrong_tokens"];
}

/// Nothing more for now: the bucket has enough again after so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait(pub Duration);

impl Wait {
    /// In whole seconds, at least one, as `Retry-After` says it.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0.as_millis().div_ceil(1_000).max(1).try_into().unwrap_or(u64::MAX)
    }
}

/// The buckets of all senders of this process.
pub struct Rates {
    allowed: PerMinute,
    buckets: Mutex<Buckets>,
}

#[derive(Default)]
struct Buckets {
    /// When each bucket will be full again. `None` is the bucket of all who came when there were
    /// too many.
    full_at: HashMap<Option<Sender>, Instant>,
    /// When those that are full were last thrown away.
    pruned_at: Option<Instant>,
}

impl Rates {
    /// Full buckets for everybody.
    #[must_use]
    pub fn new(allowed: PerMinute) -> Self {
        Self { allowed, buckets: Mutex::default() }
    }

    /// Takes one from the bucket of this sender, or says how long to wait.
    pub fn take(&self, sender: Sender, now: Instant) -> Result<(), Wait> {
        let each = self.each(&sender);
        let label = sender.label();
        self.take_from(sender, each, now).inspect_err(|_| {
            metrics::counter!("tierlink_slowed_total", "by" => label).increment(1);
        })
    }

    /// Whether an organisation may send more bytes now. Charges nothing.
    pub fn may_send_bytes(
        &self,
        organisation: &OrganisationCode,
        now: Instant,
    ) -> Result<(), Wait> {
        self.take(Sender::Bytes(organisation.clone()), now)
    }

    /// Charges an organisation for the bytes of a message.
    pub fn charge_bytes(&self, organisation: &OrganisationCode, bytes: usize, now: Instant) {
        let sender = Sender::Bytes(organisation.clone());
        let each = self.each_byte();
        let cost = each.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX));
        let mut buckets = self.buckets();
        let at = buckets.full_at(sender, now);
        *at = (*at).max(now) + cost;
    }

    fn take_from(&self, sender: Sender, each: Duration, now: Instant) -> Result<(), Wait> {
        let mut buckets = self.buckets();
        let at = buckets.full_at(sender, now);
        let then = (*at).max(now) + each;
        let over = then.duration_since(now).saturating_sub(FILLS_IN);
        if over > Duration::ZERO {
            return Err(Wait(over));
        }
        *at = then;
        Ok(())
    }

    /// How long the bucket takes to fill by what one of these takes out.
    fn each(&self, sender: &Sender) -> Duration {
        match sender {
            Sender::Address(_) => FILLS_IN / self.allowed.per_address.max(1),
            Sender::Token(_) => FILLS_IN / self.allowed.per_token.max(1),
            Sender::Organisation(_) => FILLS_IN / self.allowed.per_organisation.max(1),
            Sender::WrongTokens(_) => FILLS_IN / WRONG_TOKENS_PER_MINUTE,
            // What was sent is charged afterwards.
            Sender::Bytes(_) => Duration::ZERO,
        }
    }

    fn each_byte(&self) -> Duration {
        let nanos = FILLS_IN.as_nanos() / u128::from(self.allowed.bytes_per_organisation.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn buckets(&self) -> MutexGuard<'_, Buckets> {
        self.buckets.lock()
    }
}

impl Buckets {
    /// When the bucket of this sender will be full: its own, or the one that all share who came
    /// when there were too many.
    fn full_at(&mut self, sender: Sender, now: Instant) -> &mut Instant {
        let sender = Some(sender);
        let fits = self.full_at.contains_key(&sender) || self.has_place(now);
        self.full_at.entry(if fits { sender } else { None }).or_insert(now)
    }

    /// Whether one more sender can be told apart. Looking for buckets that are full takes long, so it
    /// is done once in a while.
    fn has_place(&mut self, now: Instant) -> bool {
        let may_prune = self.pruned_at.is_none_or(|at| now.duration_since(at) >= PRUNED_EVERY);
        if self.full_at.len() >= SENDERS_MAX && may_prune {
            self.full_at.retain(|_, at| *at > now);
            self.pruned_at = Some(now);
        }
        self.full_at.len() < SENDERS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: PerMinute = PerMinute {
        per_address: 60,
        per_token: 6,
        per_organisation: 2,
        bytes_per_organisation: 60,
    };

    fn organisation() -> OrganisationCode {
        OrganisationCode::new("330199001").unwrap()
    }

    fn address(last: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from_bits(last))
    }

    #[test]
    fn a_minutes_worth_goes_at_once_and_the_rest_hears_how_long_to_wait() {
        let (rates, now) = (Rates::new(ALLOWED), Instant::now());
        let sender = || Sender::Organisation(organisation());
        assert!(rates.take(sender(), now).is_ok() && rates.take(sender(), now).is_ok());

        let wait = rates.take(sender(), now).unwrap_err();

        assert_eq!(wait.seconds(), 30);
        assert!(rates.take(sender(), now + wait.0).is_ok());
        assert!(rates.take(sender(), now + wait.0).is_err());
    }

    #[test]
    fn nobody_is_slowed_by_another() {
        let (rates, now) = (Rates::new(ALLOWED), Instant::now());
        while rates.take(Sender::Address(address(1)), now).is_ok() {}

        assert!(rates.take(Sender::Address(address(2)), now).is_ok());
        assert!(rates.take(Sender::Token("his".to_owned()), now).is_ok());
    }

    #[test]
    fn a_large_message_is_taken_and_the_next_one_waits_for_it() {
        let (rates, now) = (Rates::new(ALLOWED), Instant::now());
        assert!(rates.may_send_bytes(&organisation(), now).is_ok());
        rates.charge_bytes(&organisation(), 90, now);

        let wait = rates.may_send_bytes(&organisation(), now).unwrap_err();

        assert_eq!(wait.seconds(), 30);
        assert!(rates.may_send_bytes(&organisation(), now + wait.0).is_ok());
    }

    #[test]
    fn a_flood_of_addresses_fills_no_memory_and_slows_nobody_known() {
        let (rates, now) = (Rates::new(ALLOWED), Instant::now());
        let token = || Sender::Token("his".to_owned());
        assert!(rates.take(token(), now).is_ok());
        for last in 0..2 * u32::try_from(SENDERS_MAX).unwrap() {
            let _slowed = rates.take(Sender::Address(address(last)), now);
        }

        assert!(rates.buckets().full_at.len() <= SENDERS_MAX + 1);
        assert!(rates.take(token(), now).is_ok());
    }
}
