//! A simulated hospital: a system of its own, which knows nothing of the broker's code.
//!
//! ```text
//!   broker ──MLLP or HTTP──▶ wire ─▶ read (hl7, fhir, native) ─▶ journal ─▶ answer
//!   story ──say──▶ write (hl7, fhir, native) ─▶ wire ──MLLP or HTTP──▶ broker
//! ```
//!
//! Messages are written and read by the small code in this folder, over plain sockets, so what is
//! shown is that formats meet and not that one library agrees with itself.
//!
//! A hospital keeps a journal of everything it took and was told. It takes each message id once and
//! says yes to repeats, as a good system does. On request it goes down, comes back, breaks off
//! before it has answered, or refuses one kind of message until it is repaired.

mod fhir;
mod hl7;
mod hl7_request;
mod hl7_write;
mod journal;
mod mllp;
mod native;
mod statement;
mod web;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::cast::{Org, Speaks};

pub use journal::{Heard, Journal, Said};
pub use statement::Statement;

/// How often a hospital tries to get one message across before it gives up.
const TRIES_MAX: u32 = 20;
/// How long it waits between two tries.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(250);
/// How long it waits for the broker's answer.
const ANSWER_LASTS: Duration = Duration::from_secs(10);
/// How long its connections may take to end when it goes down.
const CLOSING_LASTS: Duration = Duration::from_secs(2);
/// How often it tries to get its own port back after it was down.
const BIND_TRIES_MAX: u32 = 40;

/// How a hospital reaches the broker.
#[derive(Clone, Debug)]
pub struct Broker {
    /// Where.
    pub address: SocketAddr,
    /// The bearer token, for HTTP.
    pub token: String,
}

/// Which messages a hospital treats badly: those of one kind about one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Which {
    /// Of this kind …
    pub kind: String,
    /// … about the case with this number.
    pub number: String,
}

impl Which {
    fn fits(&self, heard: &Heard) -> bool {
        self.kind == heard.kind && heard.names(&self.number)
    }
}

/// What the broker answered to one message.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    /// It was taken.
    Taken,
    /// It was not, and never will be. Codes and fields only.
    Refused(String),
    /// Not now.
    TryAgain(String),
}

/// What a hospital makes of a message that reached it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Taken, now or earlier.
    Taken,
    /// Taken, but the answer gets lost: the broker must send it again.
    TakenInSilence,
    /// Refused.
    Refused,
}

/// A simulated hospital.
pub struct Hospital {
    /// Which.
    pub org: Org,
    /// What it took and was told.
    pub journal: Journal,
    address: SocketAddr,
    /// The bearer token that the broker must show.
    secret: String,
    broker: OnceLock<Broker>,
    line: mllp::Line,
    refusing: Mutex<Option<Which>>,
    stumbling: Mutex<Option<Which>>,
    door: Mutex<Option<OpenDoor>>,
}

/// A listener with its connections.
struct OpenDoor {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Hospital {
    /// Opens its doors on a free port of this machine.
    pub async fn open(org: Org, secret: String) -> io::Result<Arc<Self>> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let hospital = Arc::new(Self {
            org,
            journal: Journal::default(),
            address: listener.local_addr()?,
            secret,
            broker: OnceLock::new(),
            line: mllp::Line::default(),
            refusing: Mutex::new(None),
            stumbling: Mutex::new(None),
            door: Mutex::new(None),
        });
        hospital.serve(listener);
        Ok(hospital)
    }

    /// Where it listens, as `outbound.address` of its profile.
    #[must_use]
    pub fn url(&self) -> String {
        match self.org.speaks() {
            Speaks::Hl7v2 => format!("mllp://{}", self.address),
            Speaks::Fhir => format!("http://{}/fhir/$process-message", self.address),
            Speaks::Json => format!("http://{}/tierlink/messages", self.address),
        }
    }

    /// Tells it where the broker is. Once: hospitals do not change their broker.
    pub fn meet(&self, broker: Broker) {
        let _known_already = self.broker.set(broker);
    }

    /// Closes the listener and every connection: from now on connections are refused.
    pub async fn go_down(&self) {
        let open = self.door.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(open) = open {
            open.stop.cancel();
            open.tasks.close();
            // A connection on which nothing was ever sent could keep the server waiting.
            let _all_gone = tokio::time::timeout(CLOSING_LASTS, open.tasks.wait()).await;
        }
    }

    /// Listens again, where it listened before.
    pub async fn come_back(self: &Arc<Self>) -> io::Result<()> {
        let mut tries = 0;
        let listener = loop {
            tries += 1;
            match tokio::net::TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                Err(error) if tries >= BIND_TRIES_MAX => return Err(error),
                Err(_) => tokio::time::sleep(TRY_AGAIN_AFTER).await,
            }
        };
        self.serve(listener);
        Ok(())
    }

    /// Refuses from now on what `which` says, as if its system lacked a code.
    pub fn refuse(&self, which: Which) {
        *self.refusing.lock().unwrap_or_else(PoisonError::into_inner) = Some(which);
    }

    /// Somebody has added the missing code: nothing is refused any more.
    pub fn repair(&self) {
        *self.refusing.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Takes the next message that `which` fits, and breaks off before it has answered.
    pub fn stumble(&self, which: Which) {
        *self.stumbling.lock().unwrap_or_else(PoisonError::into_inner) = Some(which);
    }

    /// Sends a message, again and again with the same id, until the broker has answered it.
    pub async fn say(&self, statement: &Statement<'_>) -> Result<(), String> {
        let broker = self.broker.get().ok_or("it was not told where the broker is")?;
        let bytes = match self.org.speaks() {
            Speaks::Hl7v2 => hl7::write(statement),
            Speaks::Fhir => fhir::write(statement),
            Speaks::Json => native::write(statement),
        };
        let mut last = String::new();
        for _ in 0..TRIES_MAX {
            let told = tokio::time::timeout(ANSWER_LASTS, self.tell(broker, statement, &bytes));
            match told.await {
                Ok(Ok(Told::Taken)) => {
                    self.journal.note_said(Said {
                        message_id: statement.message_id.clone(),
                        kind: statement.kind(),
                    });
                    return Ok(());
                }
                Ok(Ok(Told::Refused(why))) => return Err(why),
                Ok(Ok(Told::TryAgain(why))) => last = why,
                Ok(Err(error)) => last = error.kind().to_string(),
                Err(_) => "no answer".clone_into(&mut last),
            }
            tokio::time::sleep(TRY_AGAIN_AFTER).await;
        }
        Err(format!("{TRIES_MAX} tries failed; the last said: {last}"))
    }

    async fn tell(
        &self,
        broker: &Broker,
        statement: &Statement<'_>,
        bytes: &[u8],
    ) -> io::Result<Told> {
        let (path, media_type) = match self.org.speaks() {
            Speaks::Hl7v2 => {
                let answer = self.line.exchange(broker.address, bytes).await?;
                return Ok(hl7::read_answer(&statement.message_id, &answer));
            }
            Speaks::Fhir => ("/fhir/$process-message", "application/fhir+json"),
            Speaks::Json => ("/api/v1/messages", "application/json"),
        };
        let (status, body) =
            web::send(broker.address, path, media_type, &broker.token, bytes).await?;
        Ok(match status {
            200..=299 => Told::Taken,
            408 | 425 | 429 | 500..=599 => Told::TryAgain(format!("HTTP {status}")),
            _ => Told::Refused(format!("HTTP {status} {}", web::codes(&body).join(", "))),
        })
    }

    /// Takes what came in, unless it is refused, and notes it.
    fn take(&self, mut heard: Heard) -> Verdict {
        let refused = self
            .refusing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .is_some_and(|which| which.fits(&heard));
        let stumbles = !refused
            && self
                .stumbling
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take_if(|which| which.fits(&heard))
                .is_some();
        heard.taken = !refused;
        self.journal.note_heard(heard);
        match (refused, stumbles) {
            (true, _) => Verdict::Refused,
            (false, true) => Verdict::TakenInSilence,
            (false, false) => Verdict::Taken,
        }
    }

    fn serve(self: &Arc<Self>, listener: tokio::net::TcpListener) {
        let open = OpenDoor { stop: CancellationToken::new(), tasks: TaskTracker::new() };
        let (stop, tasks) = (open.stop.clone(), open.tasks.clone());
        let hospital = Arc::clone(self);
        match self.org.speaks() {
            Speaks::Hl7v2 => {
                let inner = tasks.clone();
                tasks.spawn(mllp::serve(hospital, listener, inner, stop));
            }
            Speaks::Fhir | Speaks::Json => {
                tasks.spawn(web::serve(hospital, listener, stop));
            }
        }
        *self.door.lock().unwrap_or_else(PoisonError::into_inner) = Some(open);
    }
}
