//! An organisation of the play: its hospital, how its system writes, and its line to the broker.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tierlink_simulator::ledger::Said;
use tierlink_simulator::{Broker, Hospital, Line, Statement, System, Told};

use super::cast::Org;

/// How long a hospital tries to get one message across before it gives up.
const INSISTS_FOR: Duration = Duration::from_secs(20);
/// The pause between two tries.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// How long it waits for the broker's answer.
const ANSWER_LASTS: Duration = Duration::from_secs(10);

/// An organisation that is played.
pub struct Actor {
    /// Which.
    pub org: Org,
    /// What receives.
    pub hospital: Hospital,
    /// How it writes.
    pub system: System,
    /// The bearer token that the broker must show.
    pub secret: String,
    line: tokio::sync::Mutex<Option<Line>>,
    said: Mutex<Vec<Said>>,
}

impl Actor {
    /// Opens its door on a free port of this machine.
    pub async fn open(org: Org, profile: &str, secret: String) -> anyhow::Result<Self> {
        let mut system = System::read(profile, None)?;
        system.party = org.party();
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let shown = Some(secret.clone());
        let hospital = Hospital::open_at(anywhere, org.code(), system.speaks, shown).await?;
        let (line, said) = (tokio::sync::Mutex::default(), Mutex::default());
        Ok(Self { org, hospital, system, secret, line, said })
    }

    /// Tells it where the broker is.
    pub async fn meet(&self, broker: Broker) -> anyhow::Result<()> {
        *self.line.lock().await = Some(Line::new(broker, ANSWER_LASTS)?);
        Ok(())
    }

    /// What it said, for the ledger.
    #[must_use]
    pub fn said(&self) -> Vec<Said> {
        self.told().clone()
    }

    fn told(&self) -> MutexGuard<'_, Vec<Said>> {
        self.said.lock()
    }

    /// Sends a message, again and again with the same id, until the broker has answered it.
    ///
    /// # Errors
    ///
    /// If it was refused or never answered. Codes and fields only.
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
