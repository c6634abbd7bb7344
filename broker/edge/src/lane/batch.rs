//! Sends one batch of parcels: checks which are still due, sends them, and acknowledges them
//! to the bus.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use tierlink_bus::{LaneConsumer, Received, Tag};
use tierlink_codec::{Answered, CodeMaps, Codec, Directory, Encoded, Profile, Writing};
use tierlink_schemas::delivery::{DeliveryId, InPlace, Outcome};
use tierlink_schemas::message::from_slice;
use tierlink_schemas::{Code, Loss, Message, Problem, Version, outside};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, instrument, warn};

use super::genuine::{Foreign, compare, compare_old};
use super::parts::{LaneRunner, Next, WAIT_AFTER_FAILURE, parcel_id, pause, read_parcel_id};
use super::poison::Poison;
use crate::deliveries::{AfterTry, DueDelivery, OnDisk, Recorded, Try, no_answer};
use crate::destination::{Destination, SendResult};
use crate::figures::outcome_label;
use crate::trouble::{Trouble, chain};

/// RabbitMQ closes a consumer that keeps a parcel for 30 minutes. Before that, a parcel that could
/// not be delivered returns to the lane and is taken again.
const HOLD_MAX: Duration = Duration::from_mins(15);
/// How long the answer about which parcels are due is valid. Later, another process may have taken
/// over the lane and delivered them, if a hospital was slow or this process was suspended.
const DUE_FOR: Duration = Duration::from_secs(1);
/// Error code: the message cannot be written in the destination's format.
const CANNOT_ENCODE: Code = Code::new("E041");
/// Error code: a safety field would be lost, so the delivery is parked.
const SAFETY_LOSS: Code = Code::new("E042");

/// Result of one delivery.
enum Sent {
    /// The lane is done with it, once its outcome is on disk, and sends nothing for a while.
    Settled { on_disk: OnDisk, quiet_for: Duration },
    /// It was kept for too long, or the lane was paused: it returns to the bus.
    GivenBack,
    /// The process is stopping.
    Stopped,
}

/// A parcel whose id could be read.
type Known = (DeliveryId, Received);

/// A delivery whose outcome is being written to disk.
struct Pending {
    tag: Tag,
    on_disk: OnDisk,
}

/// A delivery that the lane is done with.
struct Settled {
    on_disk: OnDisk,
    quiet_for: Duration,
}

/// One batch of parcels on its way to the destination.
pub(super) struct Batch<'a> {
    pub(super) lane: &'a LaneRunner,
    pub(super) directory: &'a Directory,
    pub(super) profile: &'a Profile,
    pub(super) codec: &'a dyn Codec,
    pub(super) silence: &'a Trouble,
    pub(super) poison: &'a Poison,
    pub(super) stop: &'a CancellationToken,
    /// As the lane last saw it, so that a change during a try is seen in the wait behind it.
    pub(super) changes: &'a watch::Receiver<u64>,
}

impl Batch<'_> {
    pub(super) async fn deliver(
        &self,
        batch: Vec<Received>,
        consumer: &mut dyn LaneConsumer,
        destination: &mut dyn Destination,
    ) -> Next {
        let mut known: VecDeque<Known> = VecDeque::with_capacity(batch.len());
        for received in batch {
            let id = read_parcel_id(&received.parcel.id);
            // A parcel for another organisation must never be sent to this one.
            match id.filter(|id| id.to == *self.lane.name.organisation()) {
                Some(id) => known.push_back((id, received)),
                None => self.bury(consumer, &received, Foreign::Name).await,
            }
        }
        let Some(mut due) = self.still_due(&known).await else { return Next::Rejoin };
        let mut asked_at = Instant::now();
        let mut pending: Vec<Pending> = Vec::new();
        let mut void: Vec<Known> = Vec::new();
        let mut changed: Vec<(DeliveryId, u32)> = Vec::new();
        let mut next = Next::GoOn;
        let mut stored = true;
        let begun = Instant::now();
        while let Some((id, received)) = known.pop_front() {
            if asked_at.elapsed() > DUE_FOR {
                known.push_front((id, received));
                let Some(now_due) = self.still_due(&known).await else {
                    next = Next::Rejoin;
                    break;
                };
                (due, asked_at) = (now_due, Instant::now());
                continue;
            }
            // It was settled meanwhile, or is of an older round: nothing to do.
            let its = due.remove(&id).filter(|due| due.round == received.parcel.round);
            let Some(its) = its else {
                void.push((id, received));
                continue;
            };
            if let Err(foreign) = compare(&received.parcel, &its, &self.lane.name) {
                self.bury(consumer, &received, foreign).await;
                if foreign.is_change() {
                    changed.push((id.clone(), its.round));
                }
                // The true one may come right behind it.
                due.insert(id, its);
                continue;
            }
            changed.retain(|(other, _)| *other != id);
            match self.one(&its, &received, consumer, destination).await {
                Some(Ok(Settled { on_disk, quiet_for })) => {
                    pending.push(Pending { tag: received.tag, on_disk });
                    if !quiet_for.is_zero() {
                        stored = self.acknowledge_all(std::mem::take(&mut pending), consumer).await;
                        destination.rest().await;
                        next = self.keep_quiet(quiet_for, begun).await;
                        if !stored || !matches!(next, Next::GoOn) {
                            break;
                        }
                    }
                }
                Some(Err(after)) => {
                    next = after;
                    break;
                }
                None => {}
            }
            if !self.acknowledge_ready(&mut pending, consumer).await {
                stored = false;
                break;
            }
        }
        let thrown_away = self.throw_away(void, consumer).await;
        self.publish_again(changed).await;
        stored &= self.acknowledge_all(pending, consumer).await;
        if !stored {
            // The outcome could not be recorded, so the hospital will get these again, but
            // not at once.
            pause(WAIT_AFTER_FAILURE, self.stop).await;
        }
        if thrown_away && stored { next } else { Next::Rejoin }
    }

    /// Asks which of these are still due. `None` if that is unknown now.
    async fn still_due(&self, known: &VecDeque<Known>) -> Option<HashMap<DeliveryId, DueDelivery>> {
        let asked = known.iter().map(|(id, received)| (id.clone(), received.parcel.round));
        match self.lane.due.still_due(&self.lane.name, asked.collect()).await {
            Ok(due) => Some(due.into_iter().map(|due| (due.id.clone(), due)).collect()),
            Err(_told) => self.cannot_say().await,
        }
    }

    /// Acknowledges what need not be sent any more. What the broker did not publish is
    /// dead-lettered instead: somebody put it there, or the store is an old copy. Returns false if
    /// nothing is known now.
    async fn throw_away(&self, void: Vec<Known>, consumer: &mut dyn LaneConsumer) -> bool {
        if void.is_empty() {
            return true;
        }
        let asked = void.iter().map(|(id, _)| id.clone()).collect();
        let on_record: HashMap<DeliveryId, Recorded> =
            match self.lane.due.on_record(&self.lane.name, asked).await {
                Ok(known) => known.into_iter().map(|one| (one.id.clone(), one)).collect(),
                Err(_told) => return self.cannot_say::<()>().await.is_some(),
            };
        let mut done: Vec<Tag> = Vec::new();
        for (id, received) in &void {
            match compare_old(&received.parcel, on_record.get(id), &self.lane.name) {
                Ok(()) => done.push(received.tag),
                Err(foreign) => self.bury(consumer, received, foreign).await,
            }
        }
        if !done.is_empty() {
            finish(consumer, &done).await;
        }
        true
    }

    /// Has what somebody changed published again. Not without end: whoever changes each parcel of the
    /// lane would keep it and the store busy. The rest is found missing within a minute or two, as
    /// what RabbitMQ loses is.
    async fn publish_again(&self, mut changed: Vec<(DeliveryId, u32)>) {
        changed.sort();
        changed.dedup();
        changed.truncate(self.poison.may_publish_again(changed.len()));
        if changed.is_empty() {
            return;
        }
        // A failure was told where it occurred, and leaves them to be found missing.
        let _told = self.lane.due.publish_again(&self.lane.name, changed).await;
    }

    async fn cannot_say<T>(&self) -> Option<T> {
        pause(WAIT_AFTER_FAILURE, self.stop).await;
        None
    }

    /// Sends one delivery and reports the outcome. `None` if it was dead-lettered.
    #[instrument(level = "debug", name = "deliver", skip_all, fields(
        message.id = %due.id.message,
        case.id = due.case.map(tracing::field::display),
        lane = %due.lane,
        delivery = %parcel_id(&due.id),
    ))]
    async fn one(
        &self,
        due: &DueDelivery,
        received: &Received,
        consumer: &mut dyn LaneConsumer,
        destination: &mut dyn Destination,
    ) -> Option<Result<Settled, Next>> {
        let message = from_slice(&received.parcel.body).ok();
        // Otherwise another message would be sent and settled in its place. It has the hash of what
        // is stored, so this would be a fault of ours.
        let Some(message) = message.filter(|message| message.id == due.id.message) else {
            self.bury(consumer, received, Foreign::Body).await;
            return None;
        };
        Some(match self.send(due, &message, destination).await {
            Sent::Settled { on_disk, quiet_for } => Ok(Settled { on_disk, quiet_for }),
            Sent::GivenBack => Err(Next::Rejoin),
            Sent::Stopped => Err(Next::Stop),
        })
    }

    async fn send(
        &self,
        due: &DueDelivery,
        message: &Message,
        destination: &mut dyn Destination,
    ) -> Sent {
        let encoded = match self.codec.encode(message, &due.id.to, &self.writing()) {
            Ok(encoded) => encoded,
            Err(mut problems) => {
                if problems.is_empty() {
                    problems.push(Problem::new(CANNOT_ENCODE, "message", "cannot be written"));
                }
                // Nothing was written, so nobody but the maps themselves can say which they were.
                let maps = CodeMaps::of(self.profile).version();
                return self.unsendable(due, message, problems, Vec::new(), maps).await;
            }
        };
        if let Some(loss) = encoded.losses.iter().find(|loss| loss.safety) {
            let problem = Problem::new(
                SAFETY_LOSS,
                loss.field.clone(),
                format!(
                    "would be lost on the way: {}; map it in the profile and replay",
                    loss.text
                ),
            );
            let Encoded { losses, code_maps, .. } = encoded;
            return self.unsendable(due, message, vec![problem], losses, code_maps).await;
        }
        self.send_until_answered(due, message, encoded, destination).await
    }

    /// The arguments for the encoder.
    fn writing(&self) -> Writing<'_> {
        Writing { profile: self.profile, directory: self.directory }
    }

    /// Reports that the message could not be sent.
    async fn unsendable(
        &self,
        due: &DueDelivery,
        message: &Message,
        problems: Vec<Problem>,
        losses: Vec<Loss>,
        code_map: Option<Version>,
    ) -> Sent {
        let tried = Try {
            id: due.id.clone(),
            lane: due.lane.clone(),
            round: due.round,
            outcome: Outcome::Unsendable { problems },
            attempts: 0,
            in_place: InPlace::default(),
            retry_after: None,
            silent_since: due.silent_since,
            losses,
            code_map,
            at: self.lane.environment.now(),
        };
        match self.lane.outcomes.report(&tried).await {
            AfterTry::Settled { outcome, quiet_for, on_disk } => {
                self.tell(&tried, &outcome, message, due.created_at);
                Sent::Settled { on_disk, quiet_for }
            }
            // These are for messages that were sent; here the parcel returns to the bus.
            AfterTry::TryAgain { .. } | AfterTry::GiveBack => Sent::GivenBack,
        }
    }

    async fn send_until_answered(
        &self,
        due: &DueDelivery,
        message: &Message,
        encoded: Encoded,
        destination: &mut dyn Destination,
    ) -> Sent {
        let held_since = Instant::now();
        let mut silent_since = due.silent_since;
        let mut attempts = due.attempts;
        let mut in_place = InPlace::default();
        loop {
            attempts += 1;
            in_place.tries += 1;
            self.lane.figures.count_attempt(&self.lane.name);
            let heard = destination.send(&encoded, self.codec, &self.writing()).await;
            if let Some(ends_at) = destination.certificate_ends_at() {
                self.lane.figures.saw_certificate(&self.lane.name, ends_at);
            }
            let (outcome, retry_after) = (outcome(heard.result), heard.retry_after);
            let at = self.lane.environment.now();
            match &outcome {
                // Where something answers that is not the hospital, only the keeper of deliveries
                // counts the time: it knows whether this message is meant.
                Outcome::Taken { .. }
                | Outcome::Refused { .. }
                | Outcome::TurnedAway { .. }
                | Outcome::Held { .. } => self.silence.is_over(),
                Outcome::NotNow { .. } => {
                    self.silence.is_over();
                    in_place.not_now += 1;
                    silent_since.get_or_insert(at);
                }
                Outcome::Unanswered { .. }
                | Outcome::Unsendable { .. }
                | Outcome::GaveUp { .. } => {
                    silent_since.get_or_insert(at);
                }
            }
            let tried = Try {
                id: due.id.clone(),
                lane: due.lane.clone(),
                round: due.round,
                outcome,
                attempts,
                in_place,
                retry_after,
                silent_since,
                losses: encoded.losses.clone(),
                code_map: encoded.code_maps.clone(),
                at,
            };
            let after = match self.lane.outcomes.report(&tried).await {
                AfterTry::Settled { outcome, quiet_for, on_disk } => {
                    self.tell(&tried, &outcome, message, due.created_at);
                    return Sent::Settled { on_disk, quiet_for };
                }
                AfterTry::TryAgain { after } => after,
                AfterTry::GiveBack => return Sent::GivenBack,
            };
            self.tell_silence(&tried);
            // Nobody sends soon, and thousands may be silent at once.
            destination.rest().await;
            if held_since.elapsed() > HOLD_MAX {
                return Sent::GivenBack;
            }
            if let Some(sent) = self.wait(after).await {
                return sent;
            }
            if !self.is_due(due).await {
                return Sent::GivenBack;
            }
        }
    }

    /// Whether another process has settled it while its destination did not answer or this process
    /// was suspended. If that is unknown, the lane goes on trying.
    async fn is_due(&self, due: &DueDelivery) -> bool {
        let still =
            self.lane.due.still_due(&self.lane.name, vec![(due.id.clone(), due.round)]).await;
        still.map_or(true, |still| !still.is_empty())
    }

    /// Waits between two tries. A pause, another profile or the end of the process cut it short.
    async fn wait(&self, wait: Duration) -> Option<Sent> {
        let mut paused = self.lane.paused.clone();
        let mut changes = self.changes.clone();
        tokio::select! {
            () = self.stop.cancelled() => Some(Sent::Stopped),
            () = async {
                while changes.changed().await.is_ok() {
                    if !self.lane.still_goes_by(self.profile) {
                        return;
                    }
                }
                std::future::pending::<()>().await;
            } => Some(Sent::GivenBack),
            () = async {
                loop {
                    if paused.borrow_and_update().contains(&self.lane.name) {
                        return;
                    }
                    if paused.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
            } => Some(Sent::GivenBack),
            () = tokio::time::sleep(wait) => None,
        }
    }

    /// Sends nothing for a while. A batch that would be kept for too long goes back to the bus.
    async fn keep_quiet(&self, quiet_for: Duration, begun: Instant) -> Next {
        match self.wait(quiet_for).await {
            Some(Sent::Stopped) => Next::Stop,
            Some(Sent::GivenBack | Sent::Settled { .. }) => Next::Rejoin,
            None if begun.elapsed() > HOLD_MAX => Next::Rejoin,
            None => Next::GoOn,
        }
    }

    fn tell_silence(&self, tried: &Try) {
        // That of a lane that is held is told by whoever holds it.
        if matches!(tried.outcome, Outcome::TurnedAway { .. } | Outcome::Held { .. }) {
            return;
        }
        let problem = tried.problem();
        if let Some(line) = self.silence.begins_or_goes_on(&problem.text) {
            warn!(
                lane = %self.lane.name, message.id = %tried.id.message,
                code = %problem.code, "{line}"
            );
        }
    }

    /// Writes the end of a delivery to log and metrics.
    fn tell(&self, tried: &Try, outcome: &Outcome, message: &Message, created_at: Timestamp) {
        let Try { id, at, .. } = tried;
        let label = outcome_label(outcome);
        let lane = &self.lane.name;
        self.lane.figures.count_outcome(lane, outcome);
        let took = at.duration_since(created_at).as_secs_f64();
        metrics::histogram!("tierlink_delivery_seconds").record(took);
        let kind = message.kind();
        match outcome {
            Outcome::Taken { .. } => {
                info!(message.id = %id.message, %lane, "Delivered a {kind} to {lane}.");
            }
            Outcome::NotNow { problems } => info!(
                message.id = %id.message, %lane,
                "Put a {kind} aside, {lane} cannot take it now: {}.", codes(problems)
            ),
            Outcome::TurnedAway { problems, .. } | Outcome::Held { problems } => info!(
                message.id = %id.message, %lane,
                "Put a {kind} aside, something else than {lane} answered: {}.", codes(problems)
            ),
            Outcome::Refused { problems }
            | Outcome::Unsendable { problems }
            | Outcome::Unanswered { problems }
            | Outcome::GaveUp { problems } => error!(
                message.id = %id.message, %lane,
                "Parked a {kind} to {lane} ({label}): {}. See `tierlink parked show {}`.",
                codes(problems), parcel_id(id)
            ),
        }
    }

    /// Dead-letters a parcel that must not be sent. Logs at intervals, because whoever can put one
    /// such parcel into a lane can put in thousands.
    async fn bury(&self, consumer: &mut dyn LaneConsumer, received: &Received, foreign: Foreign) {
        self.poison.tell(&self.lane.name, foreign);
        if let Err(error) = consumer.bury(&[received.tag]).await {
            warn!(code = %error.code(), "It could not be buried: {}.", chain(&error));
        }
    }

    /// Acknowledges, in order, those whose outcome is on disk already. Does not wait. Returns false
    /// if an outcome could not be written: that parcel comes again.
    async fn acknowledge_ready(
        &self,
        pending: &mut Vec<Pending>,
        consumer: &mut dyn LaneConsumer,
    ) -> bool {
        let mut ready = Vec::new();
        let mut all = true;
        while let Some(first) = pending.first_mut() {
            match first.on_disk.try_recv() {
                Ok(Ok(())) => ready.push(first.tag),
                Ok(Err(_)) | Err(oneshot::error::TryRecvError::Closed) => all = false,
                Err(oneshot::error::TryRecvError::Empty) => break,
            }
            pending.remove(0);
        }
        if !ready.is_empty() {
            finish(consumer, &ready).await;
        }
        all
    }

    /// Waits until all outcomes are on disk and acknowledges them. Returns false if one could
    /// not be written.
    async fn acknowledge_all(
        &self,
        pending: Vec<Pending>,
        consumer: &mut dyn LaneConsumer,
    ) -> bool {
        let mut done = Vec::with_capacity(pending.len());
        let mut all = true;
        for one in pending {
            match one.on_disk.await {
                Ok(Ok(())) => done.push(one.tag),
                Ok(Err(_)) | Err(_) => all = false,
            }
        }
        if !done.is_empty() {
            finish(consumer, &done).await;
        }
        all
    }
}

async fn finish(consumer: &mut dyn LaneConsumer, tags: &[Tag]) {
    // Unacknowledged parcels come again, and the store knows that they are settled.
    if let Err(error) = consumer.done(tags).await {
        info!(code = %error.code(), "Parcels were not acknowledged and will come again.");
    }
}

fn codes(problems: &[Problem]) -> String {
    let codes: Vec<String> =
        problems.iter().take(5).map(|p| format!("{} {}", p.code, p.field)).collect();
    codes.join(", ")
}

/// Converts the result of sending into an outcome.
fn outcome(result: SendResult) -> Outcome {
    match result {
        // The codecs have looked already; a new one may forget to.
        SendResult::Answered(Answered::Taken { number }) => {
            Outcome::Taken { number: number.as_deref().and_then(outside::number) }
        }
        SendResult::Answered(Answered::Refused { problems }) => Outcome::Refused { problems },
        SendResult::Answered(Answered::NotNow { problems }) => Outcome::NotNow { problems },
        SendResult::Answered(Answered::Unreadable { problem }) => {
            Outcome::TurnedAway { status: None, problems: vec![problem] }
        }
        SendResult::TurnedAway { status, problem } => {
            Outcome::TurnedAway { status: Some(status), problems: vec![problem] }
        }
        SendResult::NoAnswer(problem) => Outcome::Unanswered { problems: vec![problem] },
        SendResult::Answered(Answered::Stray | Answered::MoreComes) => {
            Outcome::Unanswered { problems: vec![no_answer()] }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_a_codec_let_through_is_looked_at_once_more() {
        let taken = |number: &str| {
            let number = Some(number.to_owned());
            outcome(SendResult::Answered(Answered::Taken { number }))
        };

        for evil in ["990101195001010010", "13900000001", "7\u{1b}[2J", &"9".repeat(3_000_000)] {
            assert_eq!(taken(evil), Outcome::Taken { number: None });
        }
        assert_eq!(taken("ZY-7"), Outcome::Taken { number: Some("ZY-7".to_owned()) });
    }
}
