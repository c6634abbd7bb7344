//! Plays one hospital by its script, against a running broker.
//!
//! ```text
//!   broker ─▶ Hospital ─▶ whenever: hears ──after a while──▶ says ─▶ broker
//!             step 1, step 2, …: says, or waits until it hears
//! ```
//!
//! Whoever plays is told of everything at once, by [`Event`]s without patient data.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::script::{Step, Whenever, act, seconds};
use crate::{
    Act, Case, Doctor, Hospital, Line, Party, Person, Received, Script, Sort, Statement, System,
    Told, Turn,
};

/// How long a message that gets no answer is repeated.
const INSISTS_FOR: Duration = Duration::from_secs(20);
/// The pause between two tries.
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A message came in.
    Heard {
        /// Its canonical kind, or MSH-9.
        kind: String,
        /// The broker's number of its case.
        case: Option<String>,
        /// Its id on the wire.
        id: String,
        /// Whether it came before.
        again: bool,
        /// How it is treated.
        turn: Turn,
    },
    /// A message was sent, and the broker's answer is there or will never be.
    Said {
        /// Its canonical kind.
        kind: &'static str,
        /// The sender's id for it.
        id: String,
        /// What the broker answered to the last try.
        told: Told,
    },
    /// A step waits to hear something.
    Waits {
        /// Kind of the expected message.
        hears: String,
    },
    /// What a step waited for did not come in time.
    Missed {
        /// Kind of the expected message.
        hears: String,
    },
}

/// What came of a play.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Messages that were sent, without repeats.
    pub said: usize,
    /// Of these, how many the broker took.
    pub taken: usize,
    /// Messages that came in, repeats included.
    pub heard: usize,
    /// Messages that came in and were taken.
    pub kept: usize,
    /// Steps in which nothing was heard in time.
    pub missed: usize,
}

impl Summary {
    /// Whether everything that was said was taken, and everything that was waited for was heard.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.said == self.taken && self.missed == 0
    }
}

/// What a hospital knows of a case that it heard or spoke of.
#[derive(Clone, Debug)]
struct Known {
    case: Case,
    number: Option<String>,
    answers: Option<String>,
}

/// One hospital, and everything that it needs to play.
pub struct Player {
    system: System,
    hospital: Hospital,
    /// Where it speaks, if it was told where the broker is.
    line: Option<Mutex<Line>>,
    script: Script,
    tell: Box<dyn Fn(Event) + Send + Sync>,
    summary: Mutex<Summary>,
    /// The case that steps speak of.
    current: Mutex<Option<Known>>,
    /// The ids of messages that a step has waited for.
    used: Mutex<HashSet<String>>,
    /// How many arrivals were told.
    arrivals_told: parking_lot::Mutex<usize>,
}

impl Player {
    /// A hospital whose door is open already. `tell` hears of everything that happens.
    pub fn new(
        system: System,
        hospital: Hospital,
        line: Option<Line>,
        script: Script,
        tell: impl Fn(Event) + Send + Sync + 'static,
    ) -> Arc<Self> {
        hospital.behave(|manners| script.manners.teach(manners));
        Arc::new(Self {
            system,
            hospital,
            line: line.map(Mutex::new),
            script,
            tell: Box::new(tell),
            summary: Mutex::default(),
            current: Mutex::default(),
            used: Mutex::default(),
            arrivals_told: parking_lot::Mutex::default(),
        })
    }

    /// Plays until the last step is done; without steps until `stopped`.
    pub async fn play(self: &Arc<Self>, stopped: impl Future<Output = ()>) -> Result<Summary> {
        let answering = tokio::spawn(Arc::clone(self).answer_whenever());
        let steps = async {
            for step in &self.script.step {
                if !self.step(step).await? {
                    return Ok(());
                }
            }
            if self.script.step.is_empty() {
                std::future::pending::<()>().await;
            }
            anyhow::Ok(())
        };
        let played = tokio::select! {
            played = steps => played,
            () = stopped => Ok(()),
        };
        answering.abort();
        played?;
        let mut summary = self.summary.lock().await.clone();
        let received = self.hospital.received();
        self.tell_arrivals(&received);
        summary.heard = received.len();
        summary.kept = received.iter().filter(|one| one.taken).count();
        Ok(summary)
    }

    /// Tells of everything that comes in, and says what the script says to it.
    async fn answer_whenever(self: Arc<Self>) {
        let mut changes = self.hospital.changes();
        let mut answers = JoinSet::new();
        let mut answered = HashSet::new();
        loop {
            changes.borrow_and_update();
            let received = self.hospital.received();
            self.tell_arrivals(&received);
            // A rule answers what was taken, once, although it may have been refused before.
            for one in received.iter().filter(|one| one.taken) {
                if answered.insert(one.control_id.clone()) {
                    for rule in self.script.whenever.iter().filter(|rule| fits(&rule.hears, one)) {
                        answers.spawn(Arc::clone(&self).answer(rule.clone(), one.clone()));
                    }
                }
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Tells of every arrival that was not told yet.
    fn tell_arrivals(&self, received: &[Received]) {
        let mut told = self.arrivals_told.lock();
        for (at, one) in received.iter().enumerate().skip(*told) {
            (self.tell)(Event::Heard {
                kind: one.says.clone(),
                case: one.ours().map(str::to_owned),
                id: one.control_id.clone(),
                again: received[..at].iter().any(|it| it.control_id == one.control_id),
                turn: one.turn,
            });
        }
        *told = received.len();
    }

    async fn answer(self: Arc<Self>, rule: Whenever, heard: Received) {
        tokio::time::sleep(seconds(rule.after_seconds).unwrap_or_default()).await;
        if let Ok((act, sort)) = act(&rule.says) {
            let mut known = self.known(&heard);
            known.case.sort = sort;
            let _told = self.say(act, &known, None).await;
        }
    }

    /// Does a step. False if it failed, so that the next makes no sense.
    async fn step(&self, step: &Step) -> Result<bool> {
        if let Some(hears) = &step.hears {
            return self.hear(hears, seconds(step.within_seconds)?).await;
        }
        tokio::time::sleep(seconds(step.after_seconds)?).await;
        let says = step.says.as_deref().context("a step says or hears something")?;
        let (mut act, sort) = act(says)?;
        let to = step.to.clone().map(|code| Party { code, ..Party::default() });
        if !step.experts.is_empty() {
            act = Act::AskForExperts;
        }
        let mut known = if act.asks() {
            let experts = step.experts.iter().cloned();
            let experts = experts.map(|code| Party {
                code,
                doctor: Some(Doctor::default()),
                ..Party::default()
            });
            let case = Case { experts: experts.collect(), ..self.new_case() };
            Known { case, number: None, answers: None }
        } else {
            let current = self.current.lock().await.clone();
            current.with_context(|| format!("{says}: no case was spoken or heard of yet"))?
        };
        known.case.sort = sort;
        let Told::Taken(number) = self.say(act, &known, to.as_ref()).await? else {
            return Ok(false);
        };
        known.number = Some(number);
        *self.current.lock().await = Some(known);
        Ok(true)
    }

    async fn hear(&self, hears: &str, within: Duration) -> Result<bool> {
        (self.tell)(Event::Waits { hears: hears.to_owned() });
        let number = self.current.lock().await.as_ref().and_then(|known| known.number.clone());
        let used = self.used.lock().await.clone();
        let found = self
            .hospital
            .wait_within(within, hears, |all| {
                all.iter()
                    .rev()
                    .find(|one| {
                        let about = number.as_deref().is_none_or(|number| one.names(number));
                        one.taken && about && !used.contains(&one.control_id) && fits(hears, one)
                    })
                    .cloned()
            })
            .await;
        let Ok(heard) = found else {
            (self.tell)(Event::Missed { hears: hears.to_owned() });
            self.summary.lock().await.missed += 1;
            return Ok(false);
        };
        self.used.lock().await.insert(heard.control_id.clone());
        let mut current = self.current.lock().await;
        match &mut *current {
            // What this hospital calls the case, it goes on to call it.
            Some(known) => known.answers = Some(heard.control_id),
            None => *current = Some(self.known(&heard)),
        }
        Ok(true)
    }

    /// A case that this hospital opens.
    fn new_case(&self) -> Case {
        Case {
            sort: Sort::Referral,
            origin: self.system.party.code.clone(),
            own_number: crate::new_number("MN"),
            patient: Person::default(),
            experts: Vec::new(),
        }
    }

    /// What a message tells of its case.
    fn known(&self, heard: &Received) -> Known {
        let number = heard.ours().map(str::to_owned);
        let theirs = heard.numbers.iter().find(|one| Some(*one) != number.as_ref());
        let own_number = theirs.or(number.as_ref()).cloned().unwrap_or_default();
        let case = Case { origin: String::new(), own_number, ..self.new_case() };
        Known { case, number, answers: Some(heard.control_id.clone()) }
    }

    /// Says it, again and again with the same bytes, until the broker has answered.
    async fn say(&self, act: Act, known: &Known, to: Option<&Party>) -> Result<Told> {
        let line = self.line.as_ref().context("it was not told where the broker is")?;
        let id = self.system.new_message_id();
        let statement = Statement {
            by: &self.system,
            act,
            case: &known.case,
            to,
            message_id: id.clone(),
            number: known.number.clone(),
            parent: None,
            answers: known.answers.clone().filter(|_| act.answers()),
            now: Timestamp::now(),
        };
        let kind = statement.kind();
        let letter = statement.letter()?;
        let told = line.lock().await.insist(&letter, INSISTS_FOR, AGAIN_AFTER).await?;
        {
            let mut summary = self.summary.lock().await;
            summary.said += 1;
            summary.taken += usize::from(matches!(told, Told::Taken(_)));
        }
        (self.tell)(Event::Said { kind, id, told: told.clone() });
        Ok(told)
    }
}

/// Whether a script means this message.
fn fits(hears: &str, one: &Received) -> bool {
    one.says == hears || one.kind == hears
}
