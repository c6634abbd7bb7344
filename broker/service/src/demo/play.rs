//! Runs the flows: hospitals send and receive, all flows at the same time.
//!
//! A flow goes on only when the message it waits for has reached the hospital; only a
//! hospital's downtime is timed. A flow that does not advance is given up, and the step where
//! it stopped is reported.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tierlink_edge::environment::{Environment, SystemEnvironment};
use tierlink_schemas::{CaseNumber, LaneName};
use tierlink_simulator::{Act, Manners, Received, Statement, Turn, Which};
use tierlink_store::{CaseFile, CaseKey, DeliveryId, ParkedQuery, Queries};

use super::actor::{Actor, Played};
use super::cast::Org;
use super::flows::FLOWS;
use super::progress::{Board, Mark};
use super::story::{Flow, Step};
use crate::app::App;
use crate::desk::{self, Desk, Performed, Person, Reason, Refusal};

/// Longest duration of one step before its flow is given up.
const STEP_LASTS: Duration = Duration::from_secs(30);
/// How long a hospital stays down.
const DOWN_LASTS: Duration = Duration::from_secs(3);
/// Pause before a hospital sends, so that a person at the terminal can follow.
const THINKS_FOR: Duration = Duration::from_millis(900);
/// How often the store is queried while a step waits.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// Longest wait for the last deliveries after the last flow has ended.
const SETTLE_LASTS: Duration = Duration::from_secs(20);
/// Most parked deliveries to look at.
const PARKED_MAX: u32 = 50;

/// Name of the operator, for the record.
const OPERATOR: &str = "demo";
/// Reason of the replay, for the record.
const REPAIRED: &str = "青石镇已在字典中补录该科室代码 / the missing code was added";

/// Where and why a flow stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// Key of the flow.
    pub flow: &'static str,
    /// Number of the step, from 1, and its text.
    pub step: String,
    /// What the step reported: codes, fields and numbers only.
    pub why: String,
}

/// A run of the demo.
pub struct Play {
    actors: BTreeMap<Org, Arc<Actor>>,
    store: Arc<dyn Queries>,
    desk: Arc<Desk>,
    board: Board,
    numbers: Mutex<HashMap<&'static str, String>>,
    replayed: Mutex<Vec<DeliveryId>>,
    step_lasts: Duration,
    settle_lasts: Duration,
}

impl Play {
    /// Prepares a run. Sends nothing yet.
    #[must_use]
    pub fn new(actors: BTreeMap<Org, Arc<Actor>>, app: &App, board: Board) -> Self {
        Self {
            actors,
            store: app.queries(),
            desk: app.desk(),
            board,
            numbers: Mutex::new(HashMap::new()),
            replayed: Mutex::new(Vec::new()),
            step_lasts: STEP_LASTS,
            settle_lasts: SETTLE_LASTS,
        }
    }

    /// The same with shorter waits, for tests in which something is meant to fail.
    #[must_use]
    pub fn impatient(mut self, lasts: Duration) -> Self {
        (self.step_lasts, self.settle_lasts) = (lasts, lasts);
        self
    }

    /// Runs every flow and waits until the last delivery is settled. Returns the
    /// flows that stopped.
    pub async fn run(&self) -> Vec<Stuck> {
        let roots = FLOWS.iter().filter(|flow| flow.after.is_none());
        let chains = roots.map(|root| self.chain(root));
        let stuck: Vec<Stuck> =
            futures::future::join_all(chains).await.into_iter().flatten().collect();
        self.settle().await;
        stuck
    }

    /// The case number of a flow, once any hospital has received it.
    #[must_use]
    pub fn number(&self, flow: &Flow) -> Option<String> {
        self.numbers.lock().get(flow.key).cloned()
    }

    /// The lanes whose deliveries wait for people.
    #[must_use]
    pub fn people(&self) -> Vec<LaneName> {
        self.actors.values().flat_map(|actor| actor.people.clone()).collect()
    }

    /// The deliveries that the operator replayed.
    #[must_use]
    pub fn replayed(&self) -> Vec<DeliveryId> {
        self.replayed.lock().clone()
    }

    /// The stored case of a flow.
    pub async fn file(&self, flow: &Flow) -> Option<CaseFile> {
        let number = self.number(flow)?;
        let key = CaseKey::Number(CaseNumber::read(&number)?);
        self.store.case(key, None).await.ok().flatten()
    }

    /// Runs a flow, then the one that follows from its case.
    async fn chain(&self, root: &'static Flow) -> Option<Stuck> {
        let mut next = Some(root);
        while let Some(flow) = next {
            if let Err(stuck) = self.flow(flow).await {
                self.board.show(flow, Mark::Stuck, &format!("{}: {}", stuck.step, stuck.why));
                return Some(stuck);
            }
            next = FLOWS.iter().find(|other| other.after == Some(flow.key));
        }
        None
    }

    async fn flow(&self, flow: &'static Flow) -> Result<(), Stuck> {
        for (at, step) in flow.steps.iter().enumerate() {
            let shown = shown(flow, *step);
            self.board.show(flow, Mark::Runs, &shown);
            let stuck = |why: String| Stuck {
                flow: flow.key,
                step: format!("{}/{} {shown}", at + 1, flow.steps.len()),
                why,
            };
            match tokio::time::timeout(self.step_lasts, self.step(flow, *step)).await {
                Ok(Ok(())) => {}
                Ok(Err(why)) => return Err(stuck(why)),
                Err(_) => {
                    return Err(stuck(format!("nothing for {} s", self.step_lasts.as_secs())));
                }
            }
        }
        let number = self.number(flow).unwrap_or_default();
        self.board.show(flow, Mark::Done, &format!("{number} {}", flow.ends));
        Ok(())
    }

    async fn step(&self, flow: &'static Flow, step: Step) -> Result<(), String> {
        match step {
            Step::Asks(who, act, to) => self.says(flow, who, act, Some(to)).await,
            Step::Says(who, act) => self.says(flow, who, act, None).await,
            Step::Hears(who, kind) => {
                let actor = self.actor(who)?;
                let lane = flow.system_of(who).map(|name| format!("{}:{name}", who.code()));
                let at_screen = actor.people.iter().find(|it| Some(it.to_string()) == lane);
                if let Some(lane) = at_screen {
                    return self.people_hear(flow, lane, kind).await;
                }
                let wanted = |heard: &&Received| {
                    heard.taken && heard.says == kind && self.is_of(flow, heard)
                };
                let heard = self
                    .part(flow, who)?
                    .hospital
                    .wait_for(kind, |all| all.iter().rev().find(wanted).cloned())
                    .await
                    .map_err(|error| error.to_string())?;
                if let Some(number) = heard.ours() {
                    self.learn(flow, number);
                }
                Ok(())
            }
            Step::GoesDown(who) => {
                self.part(flow, who)?.hospital.down().await;
                Ok(())
            }
            Step::ComesBack(who) => self.comes_back(flow, who).await,
            Step::Refuses(who, kind) => {
                self.part(flow, who)?.hospital.except(which(flow, kind), Turn::Refuse, None);
                Ok(())
            }
            Step::Stumbles(who, kind) => {
                self.part(flow, who)?.hospital.except(which(flow, kind), Turn::Mute, Some(1));
                Ok(())
            }
            Step::Replay(who) => self.replay(flow, who).await,
        }
    }

    fn actor(&self, org: Org) -> Result<&Arc<Actor>, String> {
        self.actors.get(&org).ok_or_else(|| format!("nobody plays {}", org.code()))
    }

    /// The system of an organisation that takes part in a flow.
    fn part(&self, flow: &Flow, org: Org) -> Result<&Played, String> {
        self.actor(org)?.system(flow.system_of(org)).map_err(|error| error.to_string())
    }

    /// Waits until a message stands in the lane of people.
    async fn people_hear(
        &self,
        flow: &'static Flow,
        lane: &LaneName,
        kind: &str,
    ) -> Result<(), String> {
        loop {
            let file = self.file(flow).await;
            let custody = file.iter().flat_map(|file| &file.custody);
            let mut waiting = custody.map(|row| &row.delivery);
            if waiting.any(|it| it.lane() == *lane && it.kind.as_str() == kind) {
                return Ok(());
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    /// Whether a message is about the flow's case: it carries the origin's number or the broker's.
    fn is_of(&self, flow: &Flow, heard: &Received) -> bool {
        let known = self.number(flow);
        heard.names(flow.own_number) || known.is_some_and(|number| heard.names(&number))
    }

    fn learn(&self, flow: &'static Flow, number: &str) {
        self.numbers.lock().entry(flow.key).or_insert_with(|| number.to_owned());
    }

    async fn says(
        &self,
        flow: &'static Flow,
        who: Org,
        act: Act,
        to: Option<Org>,
    ) -> Result<(), String> {
        let actor = self.actor(who)?;
        if self.board.is_watched() {
            tokio::time::sleep(THINKS_FOR).await;
        }
        let played = self.part(flow, who)?;
        // A hospital knows only the numbers that have reached it: on the wire, or at a screen.
        let latest = played.hospital.latest(|heard| self.is_of(flow, heard));
        let read =
            flow.system_of(who).is_some_and(|name| played.system.name.as_deref() != Some(name));
        let number = latest.as_ref().and_then(|heard| heard.ours().map(str::to_owned));
        let number = number.or_else(|| self.number(flow).filter(|_| read));
        let parent = flow.after.and_then(|key| {
            let numbers = self.numbers.lock();
            numbers.get(key).cloned()
        });
        let (case, to) = (flow.case(), to.map(Org::party));
        let statement = Statement {
            by: &played.system,
            act,
            case: &case,
            to: to.as_ref(),
            message_id: played.system.new_message_id(),
            number,
            parent,
            answers: latest.map(|heard| heard.control_id).filter(|_| !act.asks()),
            now: SystemEnvironment.now(),
        };
        let number = actor.say(played, &statement).await.map_err(|error| error.to_string())?;
        self.learn(flow, &number);
        Ok(())
    }

    /// Waits until the broker has really tried in vain.
    async fn comes_back(&self, flow: &Flow, who: Org) -> Result<(), String> {
        tokio::time::sleep(DOWN_LASTS).await;
        let played = self.part(flow, who)?;
        loop {
            let lanes = self.store.lanes().await.map_err(|error| error.code().to_string())?;
            if lanes.iter().any(|lane| lane.lane == played.lane && lane.trouble.is_some()) {
                break;
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        played.hospital.up().await.map_err(|error| error.to_string())
    }

    /// Waits for a parked delivery with others behind it, repairs the hospital, and replays.
    async fn replay(&self, flow: &'static Flow, who: Org) -> Result<(), String> {
        let number = self.number(flow);
        let id = loop {
            let lane = Some(self.part(flow, who)?.lane.clone());
            let query = ParkedQuery { lane, limit: PARKED_MAX, ..ParkedQuery::default() };
            let parked =
                self.store.parked(query).await.map_err(|error| error.code().to_string())?;
            let found = parked.into_iter().find(|row| {
                let case = row.delivery.case_number.as_ref().map(CaseNumber::as_str);
                case == number.as_deref() && row.behind > 0
            });
            if let Some(row) = found {
                break row.delivery.id;
            }
            tokio::time::sleep(ASK_EVERY).await;
        };
        self.part(flow, who)?.hospital.behave(Manners::reform);
        let replay = desk::Act::Replay(id.clone());
        let (person, why) = operator(REPAIRED).map_err(|refusal| refusal.code().to_string())?;
        match self.desk.perform(replay, &person, &why).await {
            Ok(Performed::Recorded(_) | Performed::AsBefore) => {}
            Err(refusal) => return Err(refusal.code().to_string()),
        }
        self.replayed.lock().push(id);
        Ok(())
    }

    /// Waits until no delivery is on its way, up to a limit.
    async fn settle(&self) {
        let people = self.people();
        let everything = async {
            loop {
                let lanes = self.store.lanes().await.unwrap_or_default();
                if lanes.iter().all(|it| it.waiting == 0 || people.contains(&it.lane)) {
                    return;
                }
                tokio::time::sleep(ASK_EVERY).await;
            }
        };
        // What is still on its way after that is reported as lost.
        let _in_time = tokio::time::timeout(self.settle_lasts, everything).await;
    }
}

/// The operator of the demo, with the reason for an act.
pub(super) fn operator(why: &str) -> Result<(Person, Reason), Refusal> {
    Ok((Person::at_terminal(Some(OPERATOR))?, Reason::new(why)?))
}

fn which(flow: &Flow, kind: &str) -> Which {
    Which { kind: kind.to_owned(), number: flow.own_number.to_owned() }
}

/// The text of a step.
fn shown(flow: &Flow, step: Step) -> String {
    match step {
        Step::Asks(who, act, _) | Step::Says(who, act) => {
            format!("{} → {}", who.short(), act.kind(flow.sort))
        }
        Step::Hears(who, kind) => format!("{} ← {kind}", who.short()),
        Step::GoesDown(who) => format!("{} 宕机 / down", who.short()),
        Step::ComesBack(who) => format!("{} 仍在宕机 / still down", who.short()),
        Step::Refuses(who, kind) => format!("{} 将拒收 / will refuse {kind}", who.short()),
        Step::Stumbles(who, kind) => {
            format!("{} 应答将丢失 / will not answer {kind}", who.short())
        }
        Step::Replay(who) => format!("{} 等待人工重放 / waits for a replay", who.short()),
    }
}
