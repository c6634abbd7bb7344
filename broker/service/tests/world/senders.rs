//! The hospitals as senders: they tell the stories of their cases, and send again whatever they
//! do not hear an answer to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tierlink::environment::Environment;
use tierlink_core::find;
use tierlink_schemas::message::Source;
use tierlink_schemas::{CaseNumber, Kind, Message, Priority, Verdict};
use tierlink_store::{Content, ToJudge, Work};
use uuid::Uuid;

use crate::county::{EVERYBODY, body, next_steps, org, submit};
use crate::dice::Dice;
use crate::power::Mode;
use crate::process::Process;
use crate::store::{SourceId, source_id};

/// How long a sender waits for its answer.
const ANSWER_LASTS: Duration = Duration::from_secs(15);

/// A verdict that a sender heard.
#[derive(Clone, Debug)]
pub struct Heard {
    pub source: SourceId,
    pub verdict: Verdict,
    pub fingerprint: [u8; 32],
    /// How many verdicts had been heard when it was sent.
    pub sent_after: usize,
}

/// The processes that senders find behind the broker's address.
pub type Processes = Arc<Mutex<Vec<Arc<Process>>>>;

#[derive(Clone)]
pub struct Senders {
    pub processes: Processes,
    pub dice: Dice,
    pub heard: Arc<Mutex<Vec<Heard>>>,
}

/// One message on its way in: the same at every try.
#[derive(Clone)]
struct Letter {
    message: Message,
    fingerprint: [u8; 32],
}

/// What the people of a case know of it.
struct Story {
    number: Option<CaseNumber>,
    state: String,
    origin: &'static str,
    target: &'static str,
}

impl Senders {
    /// Tells one case from its beginning.
    pub async fn tell(self, case: usize) {
        self.dice.wait(3_000).await;
        let origin = *self.dice.pick(&["village", "township", "township-b"]);
        let target = *self.dice.pick(&["lead", "county-b", "city"]);
        let mut story = Story { number: None, state: "submitted".to_owned(), origin, target };
        let mut letters = Vec::new();
        let turns = 2 + self.dice.below(6);
        for turn in 0..turns {
            let letter = self.letter(&story, case, turn);
            if let Some(
                Verdict::Accepted { case_number, state, .. }
                | Verdict::Repeated { case_number, state, .. },
            ) = self.send(&letter).await
            {
                story.number = case_number.or(story.number);
                story.state = state.unwrap_or(story.state);
            }
            letters.push(letter);
            if self.dice.percent(20) {
                self.send(self.dice.pick(&letters)).await;
            }
            if self.dice.percent(4) {
                let mut altered = self.dice.pick(&letters).clone();
                altered.fingerprint = self.dice.bytes();
                self.send(&altered).await;
            }
            self.dice.wait(4_000).await;
        }
    }

    /// Opens one case and leaves it there.
    pub async fn open(&self, case: usize, origin: &'static str, target: &'static str) {
        let story = Story { number: None, state: String::new(), origin, target };
        self.send_one(&self.letter(&story, case, 0)).await;
    }

    fn letter(&self, story: &Story, case: usize, turn: u64) -> Letter {
        let (author, content) = if turn == 0 {
            (story.origin, submit(story.origin, story.target))
        } else {
            let (who, kind) = self.say(story);
            (who, body(kind, story.origin, story.target, self.dice.below(6)))
        };
        let source = Source {
            organisation: org(author),
            system: None,
            message_id: format!("{case}-{turn}"),
        };
        let opens = content.kind().opens();
        let mut message = Message::new(Uuid::nil(), source, jiff::Timestamp::UNIX_EPOCH, content);
        message.case.number.clone_from(&story.number);
        if opens {
            let urgent = [Priority::Routine, Priority::Routine, Priority::Emergency];
            message.priority = Some(*self.dice.pick(&urgent));
        }
        Letter { message, fingerprint: self.dice.bytes() }
    }

    /// Mostly what fits, sometimes anything by anybody: the broker must refuse that.
    fn say(&self, story: &Story) -> (&'static str, Kind) {
        if self.dice.percent(15) {
            let kinds = next_steps(self.dice.pick::<&str>(&["submitted", "accepted", "arrived"]));
            return (*self.dice.pick(&EVERYBODY), self.dice.pick(kinds).1);
        }
        let (who, kind) = *self.dice.pick(next_steps(&story.state));
        let who = match who {
            'o' => story.origin,
            'r' => *self.dice.pick(&["township", "lead"]),
            _ if self.dice.percent(20) => *self.dice.pick(&["lead", "county-b", "city"]),
            _ => story.target,
        };
        (who, kind)
    }

    /// Sends until there is a verdict; sometimes twice at once.
    async fn send(&self, letter: &Letter) -> Option<Verdict> {
        if self.dice.percent(10) {
            let (verdict, _) = tokio::join!(self.send_one(letter), self.send_one(letter));
            return verdict;
        }
        self.send_one(letter).await
    }

    async fn send_one(&self, letter: &Letter) -> Option<Verdict> {
        loop {
            if let Some(verdict) = self.try_once(letter).await
                && !self.dice.percent(5)
            {
                return Some(verdict);
            }
            self.dice.wait_between(100, 2_000).await;
        }
    }

    async fn try_once(&self, letter: &Letter) -> Option<Verdict> {
        let process = self.running()?;
        let sent_after = self.heard.lock().unwrap().len();
        let opens = letter.message.kind().opens();
        let counter = async { if opens { process.counters.next().await } else { Ok(0) } };
        let counter = tokio::time::timeout(ANSWER_LASTS, counter).await.ok()?.ok()?;
        let work = work(letter, &*process.clock, counter);
        let committed = process.committer.commit(work);
        let judged = tokio::time::timeout(ANSWER_LASTS, committed).await.ok()?.ok()?;
        self.heard.lock().unwrap().push(Heard {
            source: source_id(&letter.message),
            verdict: judged.verdict.clone(),
            fingerprint: letter.fingerprint,
            sent_after,
        });
        Some(judged.verdict)
    }

    fn running(&self) -> Option<Arc<Process>> {
        let processes = self.processes.lock().unwrap();
        let running: Vec<_> = processes
            .iter()
            .filter(|process| process.power.mode() != Mode::Off && !process.stop.is_cancelled())
            .collect();
        (!running.is_empty()).then(|| Arc::clone(running[self.dice.at(running.len())]))
    }
}

/// What intake makes of a message.
fn work(letter: &Letter, environment: &dyn Environment, counter: u64) -> Work {
    let mut message = letter.message.clone();
    let sender = message.source.organisation.clone();
    message.id = environment.id();
    let received_at = environment.now();
    message.received_at = Some(received_at);
    Work {
        id: message.id,
        organisation: sender.clone(),
        format: "json",
        raw: Vec::new(),
        fingerprint: letter.fingerprint,
        received_at,
        content: Content::Message(Box::new(ToJudge {
            family_stated: true,
            keys: find::keys(&message, &sender),
            parent_keys: find::parent_keys(&message),
            message,
        })),
        deviations: Vec::new(),
        code_map: None,
        spare: environment.id(),
        counter,
    }
}
