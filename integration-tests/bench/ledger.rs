//! What was sent, acknowledged and received, one slot per message, without locks on the way.
//!
//! Every message carries its number in the text, as the sender's business number, so that a
//! receiver finds it in any format without reading that format.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::timing::Times;

/// What stands before the number of a message. No other text of ours holds it.
pub const MARK: &[u8] = b"BQ";
/// Digits of the number.
pub const DIGITS: usize = 10;
/// Messages that one ledger has room for: far more than any scenario sends.
const ROOM: usize = 1_500_000;
/// How long the rest may take once nothing more is sent and nothing more moves.
const STANDSTILL_MAX: Duration = Duration::from_mins(1);

struct Slot {
    /// Sender's connection and lane, so that order can be judged.
    stream: AtomicU32,
    acknowledged_at: AtomicU64,
    received_at: AtomicU64,
}

/// Who sent what when, and who received it when.
pub struct Ledger {
    began: Instant,
    first: u64,
    next: AtomicU64,
    slots: Vec<Slot>,
    received: AtomicU64,
    repeated: AtomicU64,
    reordered: AtomicU64,
    unknown: AtomicU64,
    last_received_at: AtomicU64,
    last_of_stream: Vec<AtomicU64>,
}

/// Streams: connections times lanes, at most.
const STREAMS: usize = 256 * 64;

impl Ledger {
    /// An empty ledger whose numbers nobody used before in this process.
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let slot = || Slot {
            stream: AtomicU32::new(0),
            acknowledged_at: AtomicU64::new(0),
            received_at: AtomicU64::new(0),
        };
        let room = u64::try_from(ROOM).unwrap_or(u64::MAX);
        let first = NEXT.fetch_add(room, Ordering::Relaxed);
        Self {
            began: Instant::now(),
            first,
            next: AtomicU64::new(first),
            slots: std::iter::repeat_with(slot).take(ROOM).collect(),
            received: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            reordered: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            last_received_at: AtomicU64::new(0),
            last_of_stream: std::iter::repeat_with(AtomicU64::default).take(STREAMS).collect(),
        }
    }

    fn slot(&self, number: u64) -> Option<&Slot> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.slots.get(at)
    }

    /// Nanoseconds since the beginning, never zero: zero means "not yet".
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
    }

    /// The number of the next message of this connection to this lane.
    pub fn begin(&self, connection: usize, lane: usize) -> Result<u64> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let Some(slot) = self.slot(number) else { bail!("the ledger has no room for more") };
        let stream = u32::try_from((connection * 64 + lane) % STREAMS)?;
        slot.stream.store(stream, Ordering::Release);
        Ok(number)
    }

    /// The sender has its positive answer.
    pub fn acknowledged(&self, number: u64) {
        if let Some(slot) = self.slot(number) {
            slot.acknowledged_at.store(self.now(), Ordering::Release);
        }
    }

    /// A receiver has the message and answers it now.
    pub fn receive(&self, body: &[u8]) {
        let slot = find_number(body).and_then(|number| Some((number, self.slot(number)?)));
        let Some((number, slot)) = slot else {
            self.unknown.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let now = self.now();
        let first = slot.received_at.compare_exchange(0, now, Ordering::AcqRel, Ordering::Acquire);
        if first.is_err() {
            self.repeated.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.received.fetch_add(1, Ordering::Relaxed);
        self.last_received_at.fetch_max(now, Ordering::Relaxed);
        let stream = usize::try_from(slot.stream.load(Ordering::Acquire)).unwrap_or(0);
        // One connection sends to one lane one after the other, each after the answer to the last.
        if self.last_of_stream[stream].fetch_max(number, Ordering::AcqRel) > number {
            self.reordered.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many messages were begun.
    pub fn sent(&self) -> u64 {
        self.next.load(Ordering::Relaxed) - self.first
    }

    /// How many arrived.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// When the last one arrived, since the beginning.
    pub fn last_received_at(&self) -> Duration {
        Duration::from_nanos(self.last_received_at.load(Ordering::Relaxed))
    }

    /// The time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Waits until everything that was sent, but `missing` messages, has arrived.
    pub async fn wait_for_all_but(&self, missing: u64) -> Result<()> {
        let (mut seen, mut since) = (self.received(), Instant::now());
        while self.received() + missing < self.sent() {
            tokio::time::sleep(Duration::from_millis(5)).await;
            if self.received() != seen {
                (seen, since) = (self.received(), Instant::now());
            }
            ensure!(
                since.elapsed() < STANDSTILL_MAX,
                "{} of {} messages arrived, and no more for {} s",
                self.received(),
                self.sent(),
                STANDSTILL_MAX.as_secs()
            );
        }
        Ok(())
    }

    /// Fails if anything came twice, out of order, or was never sent.
    pub fn judge(&self) -> Result<()> {
        let [repeated, reordered, unknown] = [&self.repeated, &self.reordered, &self.unknown]
            .map(|count| count.load(Ordering::Relaxed));
        ensure!(
            repeated + reordered + unknown == 0,
            "of {} messages received, {repeated} came twice, {reordered} out of order, and \
             {unknown} were never sent",
            self.received()
        );
        Ok(())
    }

    /// Times from the sender's answer to the receiver's, of the messages from `first` on.
    pub fn deliveries(&self, first: u64) -> Times {
        let mut times = Times::default();
        let from = usize::try_from(first).unwrap_or(usize::MAX);
        for slot in self.slots.iter().take(usize::try_from(self.sent()).unwrap_or(0)).skip(from) {
            let acknowledged = slot.acknowledged_at.load(Ordering::Acquire);
            let received = slot.received_at.load(Ordering::Acquire);
            if acknowledged > 0 && received > 0 {
                // On a busy machine the receiver may be quicker than the sender's own reading.
                times.note(Duration::from_nanos(received.saturating_sub(acknowledged)));
            }
        }
        times
    }
}

/// The number behind the first mark.
fn find_number(body: &[u8]) -> Option<u64> {
    let mut rest = body;
    while let Some(at) = rest.iter().position(|byte| *byte == MARK[0]) {
        rest = &rest[at..];
        if rest.starts_with(MARK)
            && let Some(digits) = rest.get(MARK.len()..MARK.len() + DIGITS)
            && digits.iter().all(u8::is_ascii_digit)
        {
            return Some(digits.iter().fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0')));
        }
        rest = &rest[1..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(number: u64) -> Vec<u8> {
        format!("{{\"value\":\"BQ{number:010}\"}}").into_bytes()
    }

    #[test]
    fn a_message_that_comes_twice_is_seen() {
        let ledger = Ledger::new();
        let number = ledger.begin(0, 0).unwrap();

        ledger.receive(&letter(number));
        ledger.receive(&letter(number));

        assert!(ledger.judge().is_err());
    }

    #[test]
    fn an_overtaken_message_is_seen_and_one_of_another_stream_is_not() {
        let ledger = Ledger::new();
        let [first, second] = [0, 0].map(|lane| ledger.begin(0, lane).unwrap());
        let other = ledger.begin(0, 1).unwrap();

        ledger.receive(&letter(other));
        ledger.receive(&letter(second));
        let fine = ledger.judge().is_ok();
        ledger.receive(&letter(first));

        assert!(fine);
        assert!(ledger.judge().is_err());
    }

    #[test]
    fn a_number_is_found_in_any_text() {
        assert_eq!(find_number(b"MSH|BQ|..BQ12|BQ0000000042|"), Some(42));
        assert_eq!(find_number(b"MSH|nothing here|"), None);
    }
}
