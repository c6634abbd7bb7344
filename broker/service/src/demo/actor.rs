//! An organisation of the demo: its simulated hospital, its format, and its connection
//! to the broker.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tierlink_simulator::ledger::Said;
use tierlink_simulator::{Broker, Hospital, Line, Statement, System, Told};

use super::cast::Org;

/// How long a hospital repeats a message before it gives up.
const INSISTS_FOR: Duration = Duration::from_secs(20);
/// The pause between two tries.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// How long it waits for the broker's answer.
const ANSWER_LASTS: Duration = Duration::from_secs(10);

/// A simulated organisation.
pub struct Actor {
    /// Which organisation of the example county.
    pub org: Org,
    /// Its server, which receives and answers messages.
    pub hospital: Hospital,
    /// Its format and how it writes.
    pub system: System,
    /// The bearer token that the broker must send to it.
    pub secret: String,
    line: tokio::sync::Mutex<Option<Line>>,
    said: Mutex<Vec<Said>>,
}

impl Actor {
    /// Starts its server on a free port of this machine.
    pub async fn open(org: Org, profile: &str, secret: String) -> anyhow::Result<Self> {
        let mut system = System::read(profile, None)?;
        system.party = org.party();
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let shown = Some(secret.clone());
        let hospital = Hospital::open_at(anywhere, org.code(), system.speaks, shown).await?;
        let (line, said) = (tokio::sync::Mutex::default(), Mutex::default());
        Ok(Self { org, hospital, system, secret, line, said })
    }

    /// Connects it with the broker.
    pub async fn meet(&self, broker: Broker) -> anyhow::Result<()> {
        *self.line.lock().await = Some(Line::new(broker, ANSWER_LASTS)?);
        Ok(())
    }

    /// What it sent, for the ledger.
    #[must_use]
    pub fn said(&self) -> Vec<Said> {
        self.told().clone()
    }

    fn told(&self) -> MutexGuard<'_, Vec<Said>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a message, repeated with the same id until the broker has answered.
    ///
    /// # Errors
    ///
    /// Fails if the message was refused or never answered. The text has codes and fields only.
    pub async fn say(&self, statement: &Statement<'_>) -> Result<(), String> {
        let letter = statement.letter().map_err(|error| error.to_string())?;
        let mut line = self.line.lock().await;
        let line = line.as_mut().ok_or("it was not told where the broker is")?;
        let told = line.insist(&letter, INSISTS_FOR, AGAIN_AFTER).await;
        let told = told.map_err(|error| error.to_string())?;
        self.told().push(Said {
            by: self.org.code().to_owned(),
            own_number: statement.case.own_number.clone(),
            origin: statement.case.origin.clone(),
            kind: statement.kind().to_owned(),
            tries: 1,
            acknowledged: matches!(told, Told::Taken(_)),
            refused: matches!(told, Told::Refused(_)),
        });
        match told {
            Told::Taken(_) => Ok(()),
            Told::Refused(refusal) => Err(refusal.codes),
            Told::Again(why) => {
                Err(format!("no answer for {} s; the last try: {why}", INSISTS_FOR.as_secs()))
            }
        }
    }
}
