//! One batch of parcels: which of them are still due, what the hospital makes of each, and when the bus
//! hears that it is done.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use tierlink_bus::{LaneConsumer, Received, Tag};
use tierlink_codec::{Answered, CodeMaps, Encoded, Profile};
use tierlink_core::delivery::{self, AfterTry, Circumstances, InPlace, Outcome};
use tierlink_schemas::message::from_slice;
use tierlink_schemas::{Code, Loss, Message, Problem};
use tierlink_store::{Attempt, DeliveryId, DeliveryRow, Settlement};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, instrument, warn};

use super::{Lane, Next, UNREADABLE, WAIT_AFTER_FAILURE, parcel_id, pause, policy, read_parcel_id};
use crate::config::Config;
use crate::destination::{Destination, Heard, writing};
use crate::report::{Trouble, chain};

/// RabbitMQ takes a consumer for dead that holds a parcel for 30 minutes. Before that, what a
/// silent hospital keeps us from finishing goes back to the lane and is taken anew.
const HOLD_MAX: Duration = Duration::from_mins(15);
/// For so long what the store said of a batch is believed. Afterwards another process may have the
/// lane and have delivered it: a slow hospital keeps us, or we were halted.
const DUE_FOR: Duration = Duration::from_secs(1);
/// An encoder could not write the message in this format.
const CANNOT_ENCODE: Code = Code::new("E041");
/// The loss of a safety field blocks the delivery.
const SAFETY_LOSS: Code = Code::new("E042");

/// What became of one delivery, before it is settled.
enum Tried {
    /// An outcome to settle.
    Settled(Ended),
    /// Held for too long, or the lane was paused: back to the bus.
    GivenBack,
    /// The process stops.
    Stopped,
}

/// How the last try at a delivery ended.
struct Ended {
    outcome: Outcome,
    attempts: u32,
    silent_since: Option<Timestamp>,
    losses: Vec<Loss>,
}

impl Ended {
    /// It was never tried.
    fn unsendable(problems: Vec<Problem>, losses: Vec<Loss>) -> Tried {
        let outcome = Outcome::Unsendable { problems };
        Tried::Settled(Self { outcome, attempts: 0, silent_since: None, losses })
    }
}

/// A parcel whose name can be read.
type Known = (DeliveryId, Received);

/// A delivery whose outcome is on its way to disk.
struct Pending {
    tag: Tag,
    on_disk: oneshot::Receiver<Result<(), Problem>>,
}

/// One batch of parcels on its way through the front door.
pub(super) struct Batch<'a> {
    pub(super) lane: &'a Lane,
    pub(super) config: &'a Config,
    pub(super) profile: &'a Profile,
    pub(super) silence: &'a Trouble,
    pub(super) poison: &'a Trouble,
    pub(super) stop: &'a CancellationToken,
}

impl Batch<'_> {
    pub(super) async fn deliver(
        &self,
        batch: Vec<Received>,
        consumer: &mut dyn LaneConsumer,
        door: &mut dyn Destination,
    ) -> Next {
        let mut known: VecDeque<Known> = VecDeque::with_capacity(batch.len());
        for received in batch {
            let id = read_parcel_id(&received.parcel.id);
            // What is for somebody else must never go through this front door.
            match id.filter(|id| id.to == self.lane.organisation) {
                Some(id) => known.push_back((id, received)),
                None => self.bury(consumer, &received, "its name is none of this lane").await,
            }
        }
        let Some(mut due) = self.still_due(&known).await else { return Next::Rejoin };
        let mut asked_at = Instant::now();
        let mut pending: Vec<Pending> = Vec::new();
        let mut void: Vec<Known> = Vec::new();
        let mut next = Next::GoOn;
        let mut stored = true;
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
            // Settled meanwhile, or a copy from an older round: nothing to do any more.
            let row = due.remove(&id).filter(|row| row.round == received.parcel.round);
            let Some(row) = row else {
                void.push((id, received));
                continue;
            };
            match self.one(row, &received, consumer, door).await {
                Some(Ok(on_disk)) => pending.push(Pending { tag: received.tag, on_disk }),
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
        stored &= self.acknowledge_all(pending, consumer).await;
        if !stored {
            // What the hospital took and we cannot write down comes to it again: not at once.
            pause(WAIT_AFTER_FAILURE, self.stop).await;
        }
        if thrown_away && stored { next } else { Next::Rejoin }
    }

    /// Which of these the destination must still get. `None`: the store cannot say.
    async fn still_due(&self, known: &VecDeque<Known>) -> Option<HashMap<DeliveryId, DeliveryRow>> {
        let asked = known.iter().map(|(id, received)| (id.clone(), received.parcel.round));
        match self.lane.store.still_due(asked.collect()).await {
            Ok(due) => {
                self.lane.store_answers();
                Some(due.into_iter().map(|row| (row.id.clone(), row)).collect())
            }
            Err(error) => self.cannot_say(&error).await,
        }
    }

    /// Finishes what need not be sent any more. What the store never heard of is none of that: the
    /// store is an old copy, or somebody else's parcels come our way. False if it cannot say.
    async fn throw_away(&self, void: Vec<Known>, consumer: &mut dyn LaneConsumer) -> bool {
        if void.is_empty() {
            return true;
        }
        let asked = void.iter().map(|(id, _)| id.clone()).collect();
        let unknown = match self.lane.store.unknown(asked).await {
            Ok(unknown) => unknown,
            Err(error) => return self.cannot_say::<()>(&error).await.is_some(),
        };
        let (buried, done): (Vec<_>, Vec<_>) =
            void.into_iter().partition(|(id, _)| unknown.contains(id));
        for (_, received) in &buried {
            self.bury(consumer, received, "the store does not know its delivery").await;
        }
        let done: Vec<Tag> = done.iter().map(|(_, received)| received.tag).collect();
        if !done.is_empty() {
            finish(consumer, &done).await;
        }
        true
    }

    async fn cannot_say<T>(&self, error: &tierlink_store::Error) -> Option<T> {
        self.lane.store_fails(error);
        pause(WAIT_AFTER_FAILURE, self.stop).await;
        None
    }

    /// Sends one delivery and hands its outcome over. `None`: it was buried.
    #[instrument(level = "debug", name = "deliver", skip_all, fields(
        message.id = %row.id.message,
        case.id = row.case.map(tracing::field::display),
        lane = %row.id.to,
        delivery = %parcel_id(&row.id),
    ))]
    async fn one(
        &self,
        row: DeliveryRow,
        received: &Received,
        consumer: &mut dyn LaneConsumer,
        door: &mut dyn Destination,
    ) -> Option<Result<oneshot::Receiver<Result<(), Problem>>, Next>> {
        let message = from_slice(&received.parcel.body).ok();
        // Another message under this name would be sent and settled in its place.
        let Some(message) = message.filter(|message| message.id == row.id.message) else {
            self.bury(consumer, received, "it does not hold the message of its name").await;
            return None;
        };
        let id = row.id.clone();
        let round = row.round;
        let created_at = row.created_at;
        match self.send(row, &message, door).await {
            Tried::Settled(Ended { outcome, attempts, silent_since, losses }) => {
                let at = self.lane.environment.now();
                self.tell(&id, &message, &outcome, created_at, at);
                let spare = self.lane.environment.id();
                let code_map = CodeMaps::of(self.profile).version();
                let settlement = Settlement {
                    id,
                    round,
                    outcome,
                    attempts,
                    silent_since,
                    losses,
                    code_map,
                    at,
                    spare,
                };
                Some(Ok(self.lane.settler.settle(settlement).await))
            }
            Tried::GivenBack => Some(Err(Next::Rejoin)),
            Tried::Stopped => Some(Err(Next::Stop)),
        }
    }

    async fn send(&self, row: DeliveryRow, message: &Message, door: &mut dyn Destination) -> Tried {
        let codec = self.lane.codecs.of(self.profile.format.name);
        let with = writing(self.profile, &self.config.directory);
        let encoded = match codec.encode(message, &row.id.to, &with) {
            Ok(encoded) => encoded,
            Err(mut problems) => {
                if problems.is_empty() {
                    problems.push(Problem::new(CANNOT_ENCODE, "message", "cannot be written"));
                }
                return Ended::unsendable(problems, Vec::new());
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
            return Ended::unsendable(vec![problem], encoded.losses);
        }
        self.send_until_answered(row, encoded, door).await
    }

    async fn send_until_answered(
        &self,
        row: DeliveryRow,
        encoded: Encoded,
        door: &mut dyn Destination,
    ) -> Tried {
        let codec = self.lane.codecs.of(self.profile.format.name);
        let with = writing(self.profile, &self.config.directory);
        let policy = policy(self.profile);
        let held_since = Instant::now();
        let mut silent_since = row.silent_since;
        let mut attempts = row.attempts;
        let mut in_place = InPlace::default();
        loop {
            attempts += 1;
            in_place.tries += 1;
            metrics::counter!(
                "tierlink_attempts_total",
                "lane" => self.lane.organisation.as_str().to_owned()
            )
            .increment(1);
            let outcome = outcome(door.send(&encoded, &*codec, &with).await);
            let now = self.lane.environment.now();
            match &outcome {
                Outcome::Taken { .. } | Outcome::Refused { .. } => self.silence.is_over(),
                Outcome::NotNow { .. } => {
                    self.silence.is_over();
                    in_place.not_now += 1;
                    silent_since.get_or_insert(now);
                }
                Outcome::Unanswered { .. }
                | Outcome::Unsendable { .. }
                | Outcome::GaveUp { .. } => {
                    silent_since.get_or_insert(now);
                }
            }
            let jitter = self.lane.environment.random();
            let at = Circumstances { now, attempts, silent_since, jitter };
            let wait = match delivery::after_try(&outcome, in_place, &at, &policy) {
                AfterTry::TryAgain { after } => after,
                AfterTry::Settle => {
                    let losses = encoded.losses;
                    return Tried::Settled(Ended { outcome, attempts, silent_since, losses });
                }
            };
            let problem = outcome.problems().first().cloned().unwrap_or_else(no_answer);
            self.note(&row.id, attempts, problem, now).await;
            if held_since.elapsed() > HOLD_MAX {
                return Tried::GivenBack;
            }
            if let Some(tried) = self.wait(wait).await {
                return tried;
            }
            if !self.is_due(&row).await {
                return Tried::GivenBack;
            }
        }
    }

    /// Whether nobody else has settled it while its destination was silent, or seemed so because
    /// we were halted. A store that cannot say is no reason to stop trying.
    async fn is_due(&self, row: &DeliveryRow) -> bool {
        let due = self.lane.store.still_due(vec![(row.id.clone(), row.round)]).await;
        due.map_or(true, |due| !due.is_empty())
    }

    /// Waits between two tries. A pause, a new configuration or the end of the process cut it
    /// short.
    async fn wait(&self, wait: Duration) -> Option<Tried> {
        let mut paused = self.lane.paused.clone();
        let mut changes = self.lane.current_config.changes();
        tokio::select! {
            () = self.stop.cancelled() => Some(Tried::Stopped),
            _ = changes.changed() => Some(Tried::GivenBack),
            () = async {
                loop {
                    if paused.borrow_and_update().contains(&self.lane.organisation) {
                        return;
                    }
                    if paused.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
            } => Some(Tried::GivenBack),
            () = tokio::time::sleep(wait) => None,
        }
    }

    async fn note(&self, id: &DeliveryId, attempts: u32, problem: Problem, at: Timestamp) {
        if let Some(line) = self.silence.begins_or_goes_on(&problem.text) {
            warn!(
                lane = %self.lane.organisation, message.id = %id.message, code = %problem.code,
                "{line}"
            );
        }
        let attempt = Attempt { id: id.clone(), attempts, problem, at };
        match self.lane.store.note_attempts(vec![attempt]).await {
            Ok(()) => self.lane.store_answers(),
            Err(error) => self.lane.store_fails(&error),
        }
    }

    fn tell(
        &self,
        id: &DeliveryId,
        message: &Message,
        outcome: &Outcome,
        created_at: Timestamp,
        at: Timestamp,
    ) {
        let label = label(outcome);
        let lane = &self.lane.organisation;
        metrics::counter!(
            "tierlink_deliveries_total",
            "lane" => lane.as_str().to_owned(),
            "outcome" => label
        )
        .increment(1);
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

    /// Sets aside what must not be sent, and tells it once in a while: who can put one into a lane
    /// can put ten thousand there.
    async fn bury(&self, consumer: &mut dyn LaneConsumer, received: &Received, why: &str) {
        metrics::counter!("tierlink_buried_total").increment(1);
        if let Some(line) = self.poison.begins_or_goes_on(why) {
            error!(lane = %self.lane.organisation, code = %UNREADABLE, "{line}");
        }
        if let Err(error) = consumer.bury(&[received.tag]).await {
            warn!(code = %error.code(), "It could not be buried: {}.", chain(&error));
        }
    }

    /// Acknowledges, in order, what is on disk already, without waiting. False if something will
    /// not be on disk: its answer is used up here, and the parcel comes again.
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
            self.lane.store_answers();
            finish(consumer, &ready).await;
        }
        all
    }

    /// Waits until everything is on disk and acknowledges it. False if something is not.
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
            self.lane.store_answers();
            finish(consumer, &done).await;
        }
        all
    }
}

fn label(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Taken { .. } => "taken",
        Outcome::Refused { .. } => "refused",
        Outcome::Unsendable { .. } => "unsendable",
        Outcome::NotNow { .. } => "not_now",
        Outcome::Unanswered { .. } | Outcome::GaveUp { .. } => "gave_up",
    }
}

async fn finish(consumer: &mut dyn LaneConsumer, tags: &[Tag]) {
    // What is not acknowledged comes again, and the store knows that it is settled.
    if let Err(error) = consumer.done(tags).await {
        info!(code = %error.code(), "Parcels were not acknowledged and will come again.");
    }
}

fn codes(problems: &[Problem]) -> String {
    let codes: Vec<String> =
        problems.iter().take(5).map(|p| format!("{} {}", p.code, p.field)).collect();
    codes.join(", ")
}

fn no_answer() -> Problem {
    Problem::new(Code::new("E003"), "outbound", "no answer to this message came")
}

/// How a try ended.
fn outcome(heard: Heard) -> Outcome {
    match heard {
        Heard::Answered(Answered::Taken { number }) => Outcome::Taken { number },
        Heard::Answered(Answered::Refused { problems }) => Outcome::Refused { problems },
        Heard::Answered(Answered::NotNow { problems }) => Outcome::NotNow { problems },
        Heard::Answered(Answered::Unreadable { problem }) | Heard::Silent(problem) => {
            Outcome::Unanswered { problems: vec![problem] }
        }
        Heard::Answered(Answered::Stray | Answered::MoreComes) => {
            Outcome::Unanswered { problems: vec![no_answer()] }
        }
    }
}
