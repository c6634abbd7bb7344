//! The relay: publishes deliveries from the outbox, and marks them once the bus has confirmed them.
//!
//! ```text
//!   store.to_publish ─▶ store.queue_due ─▶ bus.publish (a window at once) ─▶ store.mark_published
//!                            └─ lane missing ─▶ open it, queue again what it contained
//! ```
//!
//! One process relays at a time, by lease. A second one that still believes to hold the lease (it
//! was suspended and resumed) only causes repeats, which lanes recognise by round and state.
//!
//! The store returns only the first unsettled delivery of each case and destination, so the order
//! does not depend on the bus.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use tierlink_bus::{Announcement, Bus, BusError, Lane, Parcel, Published};
use tierlink_codec::Profile;
use tierlink_core::delivery::{self, Outcome};
use tierlink_edge::destination::answer_lasts;
use tierlink_edge::environment::Environment;
use tierlink_edge::lane::parcel_id;
use tierlink_judge::CoreJudge;
use tierlink_schemas::{Code, LaneName, Problem};
use tierlink_store::{DeliveryId, Outbox, Outgoing, Repair, Settlement};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, instrument, warn};

use crate::committer::count;
use crate::config::retry_policy;
use crate::current_config::CurrentConfig;
use crate::lease::Lease;
use crate::report::{Trouble, chain};

/// How often the outbox is read without being notified, to find messages of other processes, due
/// retries, and what a crash left.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// The same, when nothing was found lately.
const LOOK_IDLE_EVERY: Duration = Duration::from_millis(200);
/// How long after work the shorter interval is used.
const BUSY_LASTS: Duration = Duration::from_secs(5);
/// Wait after a failure of the bus or the store.
const WAIT_AFTER_FAILURE: Duration = Duration::from_millis(500);
/// How often lost parcels are looked for.
const REPAIR_EVERY: Duration = Duration::from_secs(15);
/// A parcel published this long ago is lost if its lane has settled later ones.
const LOST_AFTER: SignedDuration = SignedDuration::from_secs(60);
/// Missing notes of tries that may be chance: the store did not answer, or the lane moved
/// to another process.
const TRIES_MISSED_MAX: u32 = 3;
/// Most lost parcels to queue again at once.
const REPAIR_MAX: u32 = 5_000;
/// How long RabbitMQ may take to tell a consumer that its queue was deleted. If the queue is
/// declared again before that, the consumer silently stays attached, and RabbitMQ drops as many
/// parcels as that consumer had read from the old queue, because it takes them for repeats.
const CONSUMERS_HEAR_WITHIN: Duration = Duration::from_secs(1);
/// How long a window waits for lanes to open, if some of it can go already. A queue that has lost
/// the servers that carry it gives no answer, and the others must not wait for it.
const OPENING_LASTS: Duration = Duration::from_secs(1);
/// Events that are announced at once.
const ANNOUNCE_MAX: u32 = 500;
/// How long nothing is published to a lane that was full.
const FULL_LASTS: Duration = Duration::from_secs(5);
/// How long a lane that was full counts as full without being tried again.
const FULL_REMEMBERED: Duration = Duration::from_mins(1);

/// Error code: a lane holds as much as it may.
const FULL: Code = Code::new("B013");

/// Error code: a delivery is longer than the bus can carry.
const TOO_LONG: Code = Code::new("E043");

/// The parts that the relay needs.
pub struct Relay {
    /// Deliveries and events in the store.
    pub store: Arc<dyn Outbox>,
    /// The bus to publish on.
    pub bus: Arc<dyn Bus>,
    /// The configuration in force.
    pub current_config: Arc<CurrentConfig>,
    /// The current time and new ids.
    pub environment: Arc<dyn Environment>,
    /// Notified when something is in the outbox.
    pub wake: Arc<Notify>,
    /// Held by the one process that relays.
    pub lease: Lease,
    /// Lanes that take nothing now.
    pub shut: ShutLanes,
}

/// Lanes that could not be opened, or are full. What waits for them is left out of the windows,
/// however much it is, until they take something again.
pub struct ShutLanes {
    lanes: Vec<LaneName>,
    /// Tries to open them meanwhile.
    opening: Option<JoinHandle<()>>,
    /// Lanes that took nothing more, and when they were tried last.
    full: BTreeMap<LaneName, Instant>,
    told: Trouble,
}

impl Default for ShutLanes {
    fn default() -> Self {
        let told = Trouble::new("Lanes on the bus are full");
        Self { lanes: Vec::new(), opening: None, full: BTreeMap::new(), told }
    }
}

impl ShutLanes {
    /// Those that take nothing now.
    fn look(&mut self, bus: &Arc<dyn Bus>) -> Vec<LaneName> {
        // Nothing waits any more for one that was not tried for so long.
        self.full.retain(|_, tried| tried.elapsed() < FULL_REMEMBERED);
        self.tell_full();
        let rests = |tried: &Instant| tried.elapsed() < FULL_LASTS;
        let full = self.full.iter().filter(|(_, tried)| rests(tried)).map(|(lane, _)| lane.clone());
        let mut lanes: Vec<LaneName> = full.collect();
        lanes.extend_from_slice(self.look_at_shut(bus));
        lanes
    }

    /// Notes which lanes of a window were full, and which took something.
    fn note_full(&mut self, full: BTreeSet<LaneName>, took: &BTreeSet<LaneName>) {
        self.full.retain(|lane, _| !took.contains(lane));
        let now = Instant::now();
        self.full.extend(full.into_iter().map(|lane| (lane, now)));
        self.tell_full();
    }

    /// Forgets the full ones, because another process relays.
    fn forget_full(&mut self) {
        if !self.full.is_empty() {
            self.full.clear();
            self.tell_full();
        }
    }

    /// Tells of full lanes when it begins, at intervals, and when it is over.
    fn tell_full(&self) {
        metrics::gauge!("tierlink_lanes_full").set(count(self.full.len()));
        let Some((first, _)) = self.full.first_key_value() else { return self.told.is_over() };
        let more = match self.full.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let why = format!("{first}{more}; what follows waits in the outbox, others go on");
        if let Some(line) = self.told.begins_or_goes_on(&why) {
            error!(code = %FULL, "{line}");
        }
    }

    /// Those that are still not open. Tries to open them in the background.
    fn look_at_shut(&mut self, bus: &Arc<dyn Bus>) -> &[LaneName] {
        let mut queues = Vec::new();
        self.lanes.retain(|lane| {
            let queue = Lane::new(lane.to_string());
            queue.is_ok_and(|queue| {
                let is_shut = !bus.is_open(&queue);
                if is_shut {
                    queues.push(queue);
                }
                is_shut
            })
        });
        if !queues.is_empty() && self.opening.as_ref().is_none_or(JoinHandle::is_finished) {
            let bus = Arc::clone(bus);
            // What came of it is seen at the next look. `health.rs` tells which and why.
            self.opening = Some(tokio::spawn(async move {
                let _seen_later = bus.open_lanes(&queues).await;
            }));
        }
        &self.lanes
    }
}

impl Relay {
    /// Relays until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let trouble = Trouble::new("Deliveries do not get to the bus");
        // Separate from `trouble`, because publishing may work while announcing fails.
        let announcing = Trouble::new("Events are not announced");
        let repairing = Trouble::new("Lost deliveries cannot be looked for");
        let mut fresh = true;
        let mut worked_at = Instant::now();
        let mut repaired_at = Instant::now();
        loop {
            let pause = if worked_at.elapsed() < BUSY_LASTS { LOOK_EVERY } else { LOOK_IDLE_EVERY };
            let wait = if trouble.is_going_on() { WAIT_AFTER_FAILURE } else { pause };
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.wake.notified(), if !trouble.is_going_on() => {}
                () = tokio::time::sleep(wait) => {}
            }
            if !self.lease.hold().await {
                self.shut.forget_full();
                fresh = true;
                continue;
            }
            if fresh {
                fresh = !self.begin(&trouble).await;
                if fresh {
                    continue;
                }
            }
            if self.relay_all(&trouble).await {
                worked_at = Instant::now();
            }
            self.announce(&announcing).await;
            if repaired_at.elapsed() >= REPAIR_EVERY {
                repaired_at = Instant::now();
                self.repair(&repairing).await;
            }
        }
        self.lease.release().await;
    }

    /// If the bus forgets on restart, opens all lanes and queues again what was published.
    ///
    /// A bus that remembers has its lanes already. Each window opens those it needs, so that no
    /// delivery waits until ten thousand other lanes are open.
    async fn begin(&self, trouble: &Trouble) -> bool {
        if !self.bus.remembers() {
            if let Err(error) = self.bus.open_lanes(&lanes_of(&self.current_config)).await {
                tell(trouble, error.code().as_str(), &chain(&error).to_string());
                return false;
            }
            if let Err(error) = self.store.repair(Repair::BusIsEmpty).await {
                tell(trouble, error.code().as_str(), &chain(&error).to_string());
                return false;
            }
        }
        info!("Relaying.");
        true
    }

    /// Relays until the outbox is empty. Returns whether there was anything.
    async fn relay_all(&mut self, trouble: &Trouble) -> bool {
        let batch = self.current_config.load().settings.limits.relay_batch;
        let mut worked = false;
        loop {
            let (outgoing, full) = match self.take(batch).await {
                Ok(taken) => taken,
                Err(error) => {
                    tell(trouble, error.code().as_str(), &chain(&error).to_string());
                    return worked;
                }
            };
            if outgoing.is_empty() {
                trouble.is_over();
                return worked;
            }
            worked = true;
            if !self.hand_out(outgoing, trouble).await {
                return worked;
            }
            trouble.is_over();
            if !full {
                return worked;
            }
        }
    }

    /// A window of what may go to the bus, all of it queued, and whether more may wait behind it.
    async fn take(&mut self, limit: u32) -> Result<(Vec<Outgoing>, bool), tierlink_store::Error> {
        let now = self.environment.now();
        let shut = self.shut.look(&self.bus);
        let mut outgoing = self.store.to_publish(now, limit, &shut).await?;
        let full = outgoing.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
        let key = |row: &Outgoing| (row.id.clone(), row.round);
        let waits = |row: &&Outgoing| row.state != delivery::State::Queued;
        let waiting: Vec<_> = outgoing.iter().filter(waits).map(key).collect();
        if !waiting.is_empty() {
            let queued: HashSet<_> =
                self.store.queue_due(waiting, now).await?.into_iter().collect();
            outgoing.retain(|row| !waits(&row) || queued.contains(&key(row)));
        }
        Ok((outgoing, full))
    }

    /// Hands out a window. Returns false if something must be tried again later.
    ///
    /// Deliveries to people need no bus: they are readable as soon as they are marked as published.
    async fn hand_out(&mut self, outgoing: Vec<Outgoing>, trouble: &Trouble) -> bool {
        let config = self.current_config.load();
        let (people, outgoing): (Vec<_>, Vec<_>) = outgoing
            .into_iter()
            .partition(|row| config.system(&row.lane).is_some_and(Profile::is_people));
        let people: Vec<_> = people.into_iter().map(|row| (row.id, row.round)).collect();
        if !people.is_empty()
            && let Err(error) = self.store.mark_published(people, self.environment.now()).await
        {
            tell(trouble, error.code().as_str(), &chain(&error).to_string());
            return false;
        }
        if outgoing.is_empty() {
            return true;
        }
        self.publish(outgoing, trouble).await
    }

    /// Publishes a window. Returns false if something must be tried again later.
    #[instrument(level = "debug", name = "relay", skip_all, fields(parcels = outgoing.len()))]
    async fn publish(&mut self, outgoing: Vec<Outgoing>, trouble: &Trouble) -> bool {
        let mut keys: Vec<(DeliveryId, u32, LaneName)> = Vec::with_capacity(outgoing.len());
        let mut parcels = Vec::with_capacity(outgoing.len());
        for row in outgoing {
            let Ok(lane) = Lane::new(row.lane.to_string()) else { continue };
            parcels.push(Parcel {
                lane,
                id: parcel_id(&row.id),
                round: row.round,
                number: u64::from(row.number),
                body: Bytes::from(row.body),
            });
            keys.push((row.id, row.round, row.lane));
        }
        let mut lanes: Vec<Lane> = parcels.iter().map(|parcel| parcel.lane.clone()).collect();
        lanes.sort();
        lanes.dedup();
        let shut = match self.open(lanes).await {
            Ok(shut) => shut,
            Err(error) => {
                tell(trouble, error.code().as_str(), &chain(&error).to_string());
                return false;
            }
        };
        if !shut.is_empty() {
            // What waits behind them must not wait for them.
            let open: Vec<bool> =
                parcels.iter().map(|parcel| !shut.contains(&parcel.lane)).collect();
            let closed = keys.iter().zip(&open).filter(|(_, is_open)| !**is_open);
            self.shut.lanes.extend(closed.map(|((_, _, lane), _)| lane.clone()));
            self.shut.lanes.sort();
            self.shut.lanes.dedup();
            let mut is_open = open.iter();
            keys.retain(|_| is_open.next() == Some(&true));
            let mut is_open = open.iter();
            parcels.retain(|_| is_open.next() == Some(&true));
            if parcels.is_empty() {
                return true;
            }
        }
        let fates = match self.bus.publish(parcels).await {
            Ok(fates) => fates,
            Err(error) => {
                tell(trouble, error.code().as_str(), &chain(&error).to_string());
                return false;
            }
        };
        let mut safe = Vec::with_capacity(keys.len());
        let mut missing: Vec<LaneName> = Vec::new();
        let mut too_long = Vec::new();
        let (mut full, mut took) = (BTreeSet::new(), BTreeSet::new());
        let mut unsafe_count = 0_u64;
        for ((id, round, lane), fate) in keys.into_iter().zip(fates) {
            match fate {
                Published::Safe => {
                    debug!(
                        message.id = %id.message, %lane, delivery = %parcel_id(&id),
                        "On the bus."
                    );
                    safe.push((id, round));
                    took.insert(lane);
                }
                Published::Unroutable => missing.push(lane),
                Published::NotSafe => unsafe_count += 1,
                Published::Full => drop(full.insert(lane)),
                Published::TooLong => too_long.push((id, round)),
            }
        }
        self.shut.note_full(full, &took);
        metrics::counter!("tierlink_relayed_total").increment(safe.len() as u64);
        let all_safe = unsafe_count == 0 && missing.is_empty();
        if unsafe_count > 0 {
            tell(trouble, "B003", &format!("{unsafe_count} parcel(s) were not confirmed"));
        }
        if let Err(error) = self.store.mark_published(safe, self.environment.now()).await {
            tell(trouble, error.code().as_str(), &chain(&error).to_string());
            return false;
        }
        self.reopen(missing, trouble).await;
        self.park(too_long).await;
        all_safe
    }

    /// Opens these lanes, and gives those that are not open.
    async fn open(&self, lanes: Vec<Lane>) -> Result<HashSet<Lane>, BusError> {
        let (bus, asked) = (Arc::clone(&self.bus), lanes.clone());
        let mut opening = tokio::spawn(async move { bus.open_lanes(&asked).await });
        let opened = match tokio::time::timeout(OPENING_LASTS, &mut opening).await {
            Ok(opened) => opened,
            Err(_late) => {
                let shut = lanes.iter().filter(|lane| !self.bus.is_open(lane));
                let shut: HashSet<Lane> = shut.cloned().collect();
                if shut.len() < lanes.len() {
                    return Ok(shut);
                }
                // None of them: the bus itself may be slow, or away, and says so.
                opening.await
            }
        };
        let troubles = opened.unwrap_or_else(|failed| {
            Err(BusError::Unavailable { doing: "open lanes", source: Box::new(failed) })
        })?;
        Ok(troubles.into_iter().map(|trouble| trouble.lane).collect())
    }

    /// Parks what can never travel, so that a person sees it and the rest goes on.
    async fn park(&self, too_long: Vec<(DeliveryId, u32)>) {
        if too_long.is_empty() {
            return;
        }
        let at = self.environment.now();
        let settlements = too_long
            .into_iter()
            .map(|(id, round)| {
                error!(
                    message.id = %id.message, lane = %id.to,
                    "Parked a delivery that is too long for the bus; see ops/errors/{TOO_LONG}.md."
                );
                let problem = Problem::new(
                    TOO_LONG,
                    "attachments",
                    "too long for the bus; have large attachments sent by reference",
                );
                Settlement {
                    id,
                    round,
                    outcome: Outcome::Unsendable { problems: vec![problem] },
                    attempts: 0,
                    silent_since: None,
                    losses: Vec::new(),
                    code_map: None,
                    at,
                    receipt_id: self.environment.id(),
                }
            })
            .collect();
        let judge = Arc::new(CoreJudge::new(Arc::clone(&self.current_config.load().policy)));
        if let Err(error) = self.store.settle(settlements, judge).await {
            error!(code = %error.code(), "They are tried again: {}.", chain(&error));
        }
    }

    /// Opens lanes whose queue was deleted with everything in it, and queues
    /// their deliveries again.
    async fn reopen(&self, mut missing: Vec<LaneName>, trouble: &Trouble) {
        if missing.is_empty() {
            return;
        }
        missing.sort();
        missing.dedup();
        tokio::time::sleep(CONSUMERS_HEAR_WITHIN).await;
        for lane in missing {
            let Ok(name) = Lane::new(lane.to_string()) else { continue };
            match self.bus.open_lanes(&[name]).await {
                Ok(shut) if shut.is_empty() => {}
                Ok(_) => continue,
                Err(error) => {
                    tell(trouble, error.code().as_str(), &chain(&error).to_string());
                    continue;
                }
            }
            if let Err(error) = self.store.repair(Repair::Lane(lane.clone())).await {
                tell(trouble, error.code().as_str(), &chain(&error).to_string());
                continue;
            }
            warn!(%lane, "The lane was missing on the bus; it was opened and is filled again.");
        }
    }

    async fn repair(&self, trouble: &Trouble) {
        let now = self.environment.now();
        let config = self.current_config.load();
        // The store knows of a lane only what was ever wrong with it, so people are asked for apart.
        let people = config.systems().filter(|system| system.is_people()).map(Profile::lane);
        let waiting = match self.store.lane_conditions().await {
            Ok(lanes) => lanes
                .into_iter()
                .filter(|lane| {
                    let tried_at = lane.unanswered_at;
                    lane.paused || tried_at.is_some_and(|at| self.is_tried(&lane.lane, at, now))
                })
                .map(|lane| lane.lane)
                .chain(people)
                .collect(),
            Err(error) => {
                tell(trouble, error.code().as_str(), &chain(&error).to_string());
                return;
            }
        };
        let before = now - LOST_AFTER;
        let repair = Repair::Stale { before, waiting, limit: REPAIR_MAX };
        match self.store.repair(repair).await {
            Ok(0) => trouble.is_over(),
            Ok(lost) => {
                trouble.is_over();
                metrics::counter!("tierlink_repaired_total").increment(lost);
                warn!(lost, "Deliveries that the bus seems to have lost are sent again.");
            }
            Err(error) => tell(trouble, error.code().as_str(), &chain(&error).to_string()),
        }
    }

    /// Whether an organisation that last failed to answer at `at` is still being tried. Each try is
    /// recorded; without new ones, no process has its parcels any more, and they are lost too.
    fn is_tried(&self, lane: &LaneName, at: Timestamp, now: Timestamp) -> bool {
        let config = self.current_config.load();
        let Some(profile) = config.system(lane) else { return false };
        let between_tries = retry_policy(profile).wait_max + answer_lasts(profile);
        let silent_for = Duration::try_from(now.duration_since(at)).unwrap_or_default();
        silent_for < between_tries * TRIES_MISSED_MAX
    }

    async fn announce(&self, trouble: &Trouble) {
        if !self.current_config.load().settings.bus.announce {
            return;
        }
        let events = match self.store.to_announce(ANNOUNCE_MAX).await {
            Ok(events) if !events.is_empty() => events,
            Ok(_) => return trouble.is_over(),
            Err(error) => {
                tell(trouble, error.code().as_str(), &chain(&error).to_string());
                return;
            }
        };
        let keys = events.iter().map(|event| (event.case, event.number)).collect();
        let announcements = events.iter().map(announcement).collect();
        match self.bus.announce(announcements).await {
            Ok(()) => match self.store.mark_announced(keys).await {
                Ok(()) => trouble.is_over(),
                Err(error) => tell(trouble, error.code().as_str(), &chain(&error).to_string()),
            },
            Err(error) => tell(trouble, error.code().as_str(), &chain(&error).to_string()),
        }
    }
}

/// The announcement of an event: numbers, states and codes, nothing about the patient.
fn announcement(event: &tierlink_store::EventRow) -> Announcement {
    let body = serde_json::json!({
        "case": event.case,
        "case_number": event.case_number,
        "event": event.number,
        "message": event.message,
        "kind": event.kind,
        "by": event.by,
        "from_state": event.from_state,
        "to_state": event.to_state,
        "at": event.at,
        "reason": event.reason,
        "note": event.note,
    });
    Announcement {
        key: format!("{}.{}", event.kind, event.by),
        id: format!("{}/{}", event.case, event.number),
        body: Bytes::from(body.to_string()),
    }
}

/// The lanes of all systems except people, who read their deliveries from the store.
pub(crate) fn lanes_of(current_config: &CurrentConfig) -> Vec<Lane> {
    let config = current_config.load();
    let systems = config.systems().filter(|system| !system.is_people());
    let mut lanes: Vec<Lane> =
        systems.filter_map(|system| Lane::new(system.lane().to_string()).ok()).collect();
    lanes.sort();
    lanes
}

fn tell(trouble: &Trouble, code: &str, why: &str) {
    metrics::counter!("tierlink_relay_failures_total", "code" => code.to_owned()).increment(1);
    if let Some(line) = trouble.begins_or_goes_on(why) {
        error!(code, "{line}");
    }
}
