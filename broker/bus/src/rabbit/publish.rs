//! Publishes messages in windows, and finds out the result of each.
//!
//! ```text
//!  write 1 2 3 4 …  ──────────▶ RabbitMQ
//!                   ◀────────── return "3" (no queue), confirm 1 2 3 4 …
//!  3 was returned: Unroutable.  The others were confirmed: Safe.  Refused: Full.
//!  No confirm: NotSafe.
//! ```
//!
//! Two properties of RabbitMQ and the client library decide how this works. A return carries no
//! delivery tag, and the library attaches it to whichever confirm comes next, so a single confirm
//! says nothing about its own message: the returned ids of the whole window are collected before
//! any result is decided. And two windows on one channel could get each other's returns, so a
//! channel serves one window at a time and is discarded unless every confirm came.

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

/// Unconfirmed messages on one channel. Above a few hundred RabbitMQ gets no faster, and each one
/// stays in memory until it is confirmed.
const WINDOW_MAX: usize = 1_024;

/// Windows being published at once. More would only queue inside RabbitMQ.
const WINDOWS_MAX: usize = 4;

/// What an error says was attempted when a window breaks.
const DOING: &str = "publish messages";

/// Whether a message must reach a queue.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Routing {
    /// It must; RabbitMQ returns it if no queue takes it (`mandatory`).
    Mandatory,
    /// It need not: listeners that exist get it.
    Optional,
}

/// Publishes everything that this process sends.
pub(super) struct Publisher {
    link: Arc<Link>,
    keeper: Arc<Keeper>,
    confirm_wait: Duration,
    turns: Semaphore,
    /// Channels whose last window was confirmed to the end.
    clean: Mutex<Vec<Channel>>,
    trouble: Trouble,
}

/// What RabbitMQ answered about one message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Confirm {
    Ack,
    Nack,
    Missing,
}

/// What RabbitMQ answered about a window.
struct WindowAnswer {
    confirms: Vec<Confirm>,
    /// Routing key and id of each returned message.
    returned: HashSet<(String, String)>,
    /// Why some confirms never came; `None` if all came.
    broke: Option<BusError>,
}

type Sending<'a> = Pin<Box<dyn Future<Output = lapin::Result<Confirmation>> + Send + 'a>>;

impl Publisher {
    pub(super) fn new(link: Arc<Link>, keeper: Arc<Keeper>, confirm_wait: Duration) -> Self {
        let turns = Semaphore::new(WINDOWS_MAX);
        let trouble = Trouble::with("Publishing to RabbitMQ");
        Self { link, keeper, confirm_wait, turns, clean: Mutex::default(), trouble }
    }

    /// Publishes all messages, window after window, and returns the result of each.
    ///
    /// An error means that nothing was sent. Later failures show as `NotSafe` in the results.
    pub(super) async fn send<T: Outgoing>(
        &self,
        exchange: &str,
        routing: Routing,
        messages: &[T],
    ) -> Result<Vec<Published>, BusError> {
        let mut fates = Vec::with_capacity(messages.len());
        for window in messages.chunks(WINDOW_MAX) {
            match self.send_window(exchange, routing, window).await {
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
        routing: Routing,
        window: &[T],
    ) -> Result<Vec<Published>, BusError> {
        let Ok(Ok(_turn)) = timeout(self.confirm_wait, self.turns.acquire()).await else {
            return Err(BusError::Silent { doing: DOING, waited: self.confirm_wait });
        };
        self.keeper.mend().await;
        self.link.open_to_publishers().await?;
        let channel = self.channel().await?;

        let WindowAnswer { confirms, returned, broke } =
            exchange_window(&channel, exchange, routing, window, self.confirm_wait).await?;

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
        if !confirms.contains(&Confirm::Missing) {
            self.clean.lock().await.push(channel);
        }
        Ok(results(window, &confirms, &returned))
    }

    /// A channel in confirm mode that nothing else uses.
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

/// Sends the whole window, then waits for RabbitMQ's answers about it.
async fn exchange_window<T: Outgoing>(
    channel: &Channel,
    exchange: &str,
    routing: Routing,
    window: &[T],
    wait: Duration,
) -> Result<WindowAnswer, BusError> {
    let deadline = Instant::now() + wait;
    let exchange = short(exchange)?;
    let options =
        BasicPublishOptions { mandatory: routing == Routing::Mandatory, immediate: false };
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
            // Keeps the index aligned; `results` checks the size first and ignores this entry.
            sending.push(Box::pin(async { Ok(Confirmation::NotRequested) }));
        }
    }
    // The first poll of each hands it to the library, in order; confirms are awaited below.
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
    Ok(sort_confirmations(confirmations, wait))
}

/// Sorts the confirmations, and collects the returned messages.
fn sort_confirmations(
    confirmations: Vec<Option<lapin::Result<Confirmation>>>,
    waited: Duration,
) -> WindowAnswer {
    let mut answers = WindowAnswer { confirms: Vec::new(), returned: HashSet::new(), broke: None };
    for confirmation in confirmations {
        let (answer, came_back) = match confirmation {
            Some(Ok(Confirmation::Ack(came_back))) => (Confirm::Ack, came_back),
            Some(Ok(Confirmation::Nack(came_back))) => (Confirm::Nack, came_back),
            Some(Ok(Confirmation::NotRequested)) => (Confirm::Nack, None),
            Some(Err(error)) => {
                answers.broke.get_or_insert_with(|| said(DOING, error));
                (Confirm::Missing, None)
            }
            None => {
                answers.broke.get_or_insert(BusError::Silent { doing: DOING, waited });
                (Confirm::Missing, None)
            }
        };
        answers.confirms.push(answer);
        if let Some(message) = came_back {
            let id = message.properties.message_id().as_ref();
            let id = id.map(ToString::to_string).unwrap_or_default();
            answers.returned.insert((message.routing_key.to_string(), id));
        }
    }
    answers
}

/// Decides the result of each message of a window.
///
/// When some confirms never came, a return may be missing too, because the library attaches it to
/// the next confirm, which may be one of those. That requires an earlier return that was still
/// waiting for a confirm, so in a window without any return the confirms can be trusted.
fn results<T: Outgoing>(
    window: &[T],
    confirms: &[Confirm],
    returned: &HashSet<(String, String)>,
) -> Vec<Published> {
    let trusted = returned.is_empty() || !confirms.contains(&Confirm::Missing);
    let fate = |(message, confirm): (&T, &Confirm)| {
        let came_back = || returned.contains(&(message.key().to_owned(), message.id().to_owned()));
        if !message.fits() {
            Published::TooLong
        } else if !returned.is_empty() && came_back() {
            Published::Unroutable
        } else if *confirm == Confirm::Ack && trusted {
            Published::Safe
        } else if *confirm == Confirm::Nack && trusted {
            // A queue that is full says no (`reject-publish`).
            Published::Full
        } else {
            Published::NotSafe
        }
    };
    window.iter().zip(confirms).map(fate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Lane, Parcel};
    use bytes::Bytes;

    fn check(confirms: &[Confirm], returned: &[&str], want: &[Published]) {
        let lane = Lane::new("A").unwrap();
        let window: Vec<Parcel> = (0..confirms.len())
            .map(|n| Parcel {
                lane: lane.clone(),
                id: n.to_string(),
                round: 1,
                number: n as u64,
                body: Bytes::new(),
            })
            .collect();
        let returned = returned.iter().map(|id| ("A".to_owned(), (*id).to_owned())).collect();

        assert_eq!(results(&window, confirms, &returned), want);
    }

    #[test]
    fn a_return_counts_whichever_confirm_carried_it() {
        check(
            &[Confirm::Ack, Confirm::Ack, Confirm::Nack],
            &["1"],
            &[Published::Safe, Published::Unroutable, Published::Full],
        );
    }

    #[test]
    fn a_window_that_broke_after_a_return_trusts_no_confirm() {
        check(
            &[Confirm::Ack, Confirm::Ack, Confirm::Missing],
            &["1"],
            &[Published::NotSafe, Published::Unroutable, Published::NotSafe],
        );
    }

    #[test]
    fn a_window_that_broke_without_a_return_keeps_what_was_confirmed() {
        check(&[Confirm::Ack, Confirm::Missing], &[], &[Published::Safe, Published::NotSafe]);
    }
}
