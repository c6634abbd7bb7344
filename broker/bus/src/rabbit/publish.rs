//! Publishes a window of messages and finds out what became of each.
//!
//! ```text
//!  write 1 2 3 4 …  ──────────▶ RabbitMQ
//!                   ◀────────── return "3" (no queue), confirm 1 2 3 4 …
//!  3 was returned: Unroutable.  The others were confirmed: Safe.  No confirm: NotSafe.
//! ```
//!
//! Two traps shape this file. A return carries no number, and the client library hands it to
//! whichever confirm comes next, so a single confirm says nothing about its own message: we collect
//! the returned ids over the whole window before judging any. And windows that shared a channel
//! could get each other's returns, so a channel belongs to one window at a time and is thrown away
//! unless every confirm came.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Channel, Confirmation};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::keeper::Keeper;
use super::link::{Link, said, within};
use super::trouble::Trouble;
use super::wire::{Outgoing, short};
use crate::{BusError, Published};

/// Messages in flight at once on one channel. Beyond a few hundred RabbitMQ gets no faster, and
/// each one is held in memory until it is confirmed.
const WINDOW_MAX: usize = 1_024;

/// Windows in flight at once. More only queue inside RabbitMQ.
const WINDOWS_MAX: usize = 4;

/// What we say we were doing when a window breaks.
const DOING: &str = "publish messages";

/// Whether somebody must be there to take it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    /// A queue must take it, or it comes back.
    AQueue,
    /// Whoever listens, even nobody.
    Anyone,
}

/// Where all publishing passes.
pub(super) struct Desk {
    link: Arc<Link>,
    keeper: Arc<Keeper>,
    confirm_wait: Duration,
    turns: Semaphore,
    /// Channels whose last window was confirmed to the end.
    clean: Mutex<Vec<Channel>>,
    trouble: Trouble,
}

/// What is known of one message when the window ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    Yes,
    No,
    Nothing,
}

/// What RabbitMQ told about a window.
struct Told {
    heard: Vec<Heard>,
    /// Routing key and id of what came back.
    returned: HashSet<(String, String)>,
    /// Why some confirms never came, if so.
    broke: Option<BusError>,
}

type Sending<'a> = Pin<Box<dyn Future<Output = lapin::Result<Confirmation>> + Send + 'a>>;

impl Desk {
    pub(super) fn new(link: Arc<Link>, keeper: Arc<Keeper>, confirm_wait: Duration) -> Self {
        let turns = Semaphore::new(WINDOWS_MAX);
        let trouble = Trouble::with("Publishing to RabbitMQ");
        Self { link, keeper, confirm_wait, turns, clean: Mutex::default(), trouble }
    }

    /// Publishes all, window after window, and says what became of each.
    ///
    /// An error means that nothing was sent. Trouble on the way shows as `NotSafe` instead.
    pub(super) async fn send<T: Outgoing>(
        &self,
        exchange: &str,
        wants: Wants,
        messages: &[T],
    ) -> Result<Vec<Published>, BusError> {
        let mut fates = Vec::with_capacity(messages.len());
        for window in messages.chunks(WINDOW_MAX) {
            match self.send_window(exchange, wants, window).await {
                Ok(known) => fates.extend(known),
                Err(error) if fates.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        fates.resize(messages.len(), Published::NotSafe);
        Ok(fates)
    }

    async fn send_window<T: Outgoing>(
        &self,
        exchange: &str,
        wants: Wants,
        window: &[T],
    ) -> Result<Vec<Published>, BusError> {
        let Ok(Ok(_turn)) = timeout(self.confirm_wait, self.turns.acquire()).await else {
            return Err(BusError::Silent { doing: DOING, waited: self.confirm_wait });
        };
        self.keeper.mend().await;
        self.link.open_to_publishers().await?;
        let channel = self.channel().await?;

        let Told { heard, returned, broke } =
            exchange_window(&channel, exchange, wants, window, self.confirm_wait).await?;

        match broke {
            Some(error) => {
                self.keeper.doubt();
                self.trouble.begins(&error);
            }
            None if returned.is_empty() => self.trouble.ends(),
            None => {
                let name = format!("the queue of {} of {} messages", returned.len(), window.len());
                self.trouble.begins(&BusError::Missing { doing: "route messages", name });
            }
        }
        if !heard.contains(&Heard::Nothing) {
            self.clean.lock().await.push(channel);
        }
        Ok(judge(window, &heard, &returned))
    }

    /// A channel that nobody else uses, in confirm mode.
    async fn channel(&self) -> Result<Channel, BusError> {
        while let Some(channel) = self.clean.lock().await.pop() {
            if channel.status().connected() {
                return Ok(channel);
            }
        }
        let channel = self.link.channel().await?;
        let asking = channel.confirm_select(ConfirmSelectOptions::default());
        within("ask for publisher confirms", asking).await?;
        Ok(channel)
    }
}

/// Writes the whole window, then waits for what RabbitMQ says about it.
async fn exchange_window<T: Outgoing>(
    channel: &Channel,
    exchange: &str,
    wants: Wants,
    window: &[T],
    wait: Duration,
) -> Result<Told, BusError> {
    let deadline = Instant::now() + wait;
    let exchange = short(exchange)?;
    let options = BasicPublishOptions { mandatory: wants == Wants::AQueue, immediate: false };
    let mut confirmations: Vec<Option<lapin::Result<Confirmation>>> = Vec::new();
    let mut sending: Vec<Sending<'_>> = Vec::new();
    for message in window {
        if message.fits() {
            let (key, properties) = (short(message.key())?, message.properties()?);
            let exchange = exchange.clone();
            sending.push(Box::pin(async move {
                let body = message.body();
                channel.basic_publish(exchange, key, options, body, properties).await?.await
            }));
        } else {
            // Keeps the place; `judge` looks at the size before it looks here.
            sending.push(Box::pin(async { Ok(Confirmation::NotRequested) }));
        }
    }
    // The first look at each hands it to the library, in order; nothing waits for a confirm yet.
    for one in &mut sending {
        confirmations.push(match futures::poll!(one.as_mut()) {
            Poll::Ready(confirmation) => Some(confirmation),
            Poll::Pending => None,
        });
    }
    for (one, confirmation) in sending.iter_mut().zip(&mut confirmations) {
        if confirmation.is_none() {
            *confirmation = timeout_at(deadline, one).await.ok();
        }
    }
    Ok(listen(confirmations, wait))
}

/// Sorts what was confirmed from what was refused, and collects what came back.
fn listen(confirmations: Vec<Option<lapin::Result<Confirmation>>>, waited: Duration) -> Told {
    let mut told = Told { heard: Vec::new(), returned: HashSet::new(), broke: None };
    for confirmation in confirmations {
        let (answer, came_back) = match confirmation {
            Some(Ok(Confirmation::Ack(came_back))) => (Heard::Yes, came_back),
            Some(Ok(Confirmation::Nack(came_back))) => (Heard::No, came_back),
            Some(Ok(Confirmation::NotRequested)) => (Heard::No, None),
            Some(Err(error)) => {
                told.broke.get_or_insert_with(|| said(DOING, error));
                (Heard::Nothing, None)
            }
            None => {
                told.broke.get_or_insert(BusError::Silent { doing: DOING, waited });
                (Heard::Nothing, None)
            }
        };
        told.heard.push(answer);
        if let Some(message) = came_back {
            let id = message.properties.message_id().as_ref();
            let id = id.map(ToString::to_string).unwrap_or_default();
            told.returned.insert((message.routing_key.to_string(), id));
        }
    }
    told
}

/// Says what became of each message of a window.
///
/// When some confirms never came, a return may be missing too: the library gives it to the next
/// confirm, which may be one of those. It can only be missing if an earlier return was still
/// waiting for a confirm, so a window without any return is safe to trust.
fn judge<T: Outgoing>(
    window: &[T],
    heard: &[Heard],
    returned: &HashSet<(String, String)>,
) -> Vec<Published> {
    let trusted = returned.is_empty() || !heard.contains(&Heard::Nothing);
    let fate = |(message, heard): (&T, &Heard)| {
        let came_back = || returned.contains(&(message.key().to_owned(), message.id().to_owned()));
        if !message.fits() {
            Published::TooLong
        } else if !returned.is_empty() && came_back() {
            Published::Unroutable
        } else if *heard == Heard::Yes && trusted {
            Published::Safe
        } else {
            Published::NotSafe
        }
    };
    window.iter().zip(heard).map(fate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Lane, Parcel};
    use bytes::Bytes;

    fn check(heard: &[Heard], returned: &[&str], want: &[Published]) {
        let lane = Lane::new("A").unwrap();
        let window: Vec<Parcel> = (0..heard.len())
            .map(|n| Parcel {
                lane: lane.clone(),
                id: n.to_string(),
                round: 1,
                number: n as u64,
                body: Bytes::new(),
            })
            .collect();
        let returned = returned.iter().map(|id| ("A".to_owned(), (*id).to_owned())).collect();

        assert_eq!(judge(&window, heard, &returned), want);
    }

    #[test]
    fn a_return_counts_whichever_confirm_carried_it() {
        check(
            &[Heard::Yes, Heard::Yes, Heard::No],
            &["1"],
            &[Published::Safe, Published::Unroutable, Published::NotSafe],
        );
    }

    #[test]
    fn a_window_that_broke_after_a_return_trusts_no_confirm() {
        check(
            &[Heard::Yes, Heard::Yes, Heard::Nothing],
            &["1"],
            &[Published::NotSafe, Published::Unroutable, Published::NotSafe],
        );
    }

    #[test]
    fn a_window_that_broke_without_a_return_keeps_what_was_confirmed() {
        check(&[Heard::Yes, Heard::Nothing], &[], &[Published::Safe, Published::NotSafe]);
    }
}
