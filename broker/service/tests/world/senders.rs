//! The hospitals as senders: they tell the stories of their cases, and send again whatever they
//! do not hear an answer to.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::Mutex;
use tierlink_codec::Answer;
use tierlink_schemas::message::Source;
use tierlink_schemas::{CaseNumber, Kind, Message, Priority, Problem, Verdict};
use uuid::Uuid;

use crate::county::{EVERYBODY, body, next_steps, org, submit};
use crate::dice::Dice;
use crate::power::Mode;
use crate::process::Process;
use crate::store::{SourceId, source_id};

/// How long a sender waits for its answer.
const ANSWER_LASTS: Duration = Duration::from_secs(15);

/// When everything is said to have happened: an hour before every world begins.
const OCCURRED_AT_SECONDS: i64 = 1_772_586_000;

/// HTTP status of a verdict that is no refusal, and of "nothing was stored, send it again".
const TAKEN: u16 = 200;
const NOT_STORED: u16 = 503;

/// A verdict that a sender heard.
#[derive(Clone, Debug)]
pub struct ReceivedVerdict {
    pub source: SourceId,
    pub verdict: Verdict,
    /// Which content it is about: 0 is what the sender means, anything else was altered.
    pub content: u64,
    /// How many verdicts had been heard when it was sent.
    pub sent_after: usize,
}

/// The processes that senders find behind the broker's address.
pub type Processes = Arc<Mutex<Vec<Arc<Process>>>>;

#[derive(Clone)]
pub struct Senders {
    pub processes: Processes,
    pub dice: Dice,
    pub heard: Arc<Mutex<Vec<ReceivedVerdict>>>,
}

/// One message on its way in: the same at every try.
#[derive(Clone)]
struct Letter {
    message: Message,
    content: u64,
    bytes: Bytes,
}

impl Letter {
    fn new(message: Message, content: u64) -> Self {
        let mut value = serde_json::to_value(&message).unwrap();
        // The broker gives it.
        value.as_object_mut().unwrap().remove("id");
        let bytes = serde_json::to_vec(&value).unwrap().into();
        Self { message, content, bytes }
    }

    /// Other content under the same id.
    fn altered(&self, content: u64) -> Self {
        let mut message = self.message.clone();
        message.source.system = Some(format!("system {content}"));
        Self::new(message, content)
    }
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
                let altered = self.dice.pick(&letters).altered(1 + self.dice.below(1_000_000));
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
        let occurred_at = Timestamp::from_second(OCCURRED_AT_SECONDS).unwrap();
        let mut message = Message::new(Uuid::nil(), source, occurred_at, content);
        message.case.number.clone_from(&story.number);
        if opens {
            let urgent = [Priority::Routine, Priority::Routine, Priority::Emergency];
            message.priority = Some(*self.dice.pick(&urgent));
        }
        Letter::new(message, 0)
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
        let sent_after = self.heard.lock().len();
        let config = process.intake.config();
        let lane = letter.message.source.organisation.clone().into();
        let system = config.system(&lane)?;
        let codec = process.intake.codecs().get(&system.format.name)?;
        // On the heap: the future of a whole intake is large.
        let taking = Box::pin(process.intake.take(system, codec, letter.bytes.clone()));
        let verdict = read(&tokio::time::timeout(ANSWER_LASTS, taking).await.ok()?)?;
        self.heard.lock().push(ReceivedVerdict {
            source: source_id(&letter.message),
            verdict: verdict.clone(),
            content: letter.content,
            sent_after,
        });
        Some(verdict)
    }

    fn running(&self) -> Option<Arc<Process>> {
        let processes = self.processes.lock();
        let running: Vec<_> = processes
            .iter()
            .filter(|process| process.power.mode() != Mode::Off && !process.stop.is_cancelled())
            .collect();
        (!running.is_empty()).then(|| Arc::clone(running[self.dice.at(running.len())]))
    }
}

/// The verdict in an answer; none where the sender is told to send again.
fn read(answer: &Answer) -> Option<Verdict> {
    if answer.status == NOT_STORED {
        return None;
    }
    let verdict: Verdict = serde_json::from_slice(&answer.frames[0]).unwrap();
    assert_eq!(verdict.is_positive(), answer.status == TAKEN, "status and verdict agree");
    if let Verdict::Refused { problems, .. } = &verdict {
        // A rule may refuse anything; decoder and check have nothing to find in these messages.
        let ours = |problem: &Problem| ["D", "C"].contains(&&problem.code.as_str()[..1]);
        assert!(!problems.iter().any(ours), "the world writes what nobody may: {problems:?}");
    }
    Some(verdict)
}
