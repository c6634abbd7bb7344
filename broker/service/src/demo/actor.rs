//! An organisation of the play: its systems, each with a door and a line to the broker, and people.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, anyhow};
use parking_lot::{Mutex, MutexGuard};
use tierlink_schemas::LaneName;
use tierlink_simulator::ledger::{Arrived, Said};
use tierlink_simulator::system::further_systems;
use tierlink_simulator::{Broker, Hospital, Line, Statement, System, Told};

use super::cast::Org;

/// How long a hospital repeats a message before it gives up.
const INSISTS_FOR: Duration = Duration::from_secs(20);
/// The pause between two tries.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// How long it waits for the broker's answer.
const ANSWER_LASTS: Duration = Duration::from_secs(10);

/// A system that is played.
pub struct Played {
    /// Its lane.
    pub lane: LaneName,
    /// What receives.
    pub hospital: Hospital,
    /// Its format and how it writes.
    pub system: System,
    line: tokio::sync::Mutex<Option<Line>>,
}

/// An organisation that is played.
pub struct Actor {
    /// Which.
    pub org: Org,
    /// The bearer token that the broker must show.
    pub secret: String,
    /// Its systems with a door; the default one comes first.
    pub systems: Vec<Played>,
    /// The lanes of its people, who read at a screen.
    pub people: Vec<LaneName>,
    said: Mutex<Vec<Said>>,
}

impl Played {
    async fn open(
        org: Org,
        mut system: System,
        lane: LaneName,
        secret: &str,
    ) -> anyhow::Result<Self> {
        system.party = org.party();
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (name, shown) = (lane.to_string(), Some(secret.to_owned()));
        let shown = shown.filter(|_| system.token_secret.is_some());
        let hospital = Hospital::open_at(anywhere, &name, system.speaks, shown).await?;
        Ok(Self { lane, hospital, system, line: tokio::sync::Mutex::default() })
    }
}

impl Actor {
    /// Opens a door for each system, on a free port of this machine.
    pub async fn open(org: Org, profile: &str, secret: String) -> anyhow::Result<Self> {
        let default = System::read(profile, None)?;
        let mut systems =
            vec![Played::open(org, default, org.organisation().into(), &secret).await?];
        let mut people = Vec::new();
        for name in further_systems(profile)? {
            let lane: LaneName = format!("{}:{name}", org.code()).parse()?;
            // A system that cannot be played has people in the place of a format.
            match System::read(profile, Some(&name)) {
                Ok(system) => systems.push(Played::open(org, system, lane, &secret).await?),
                Err(_) => people.push(lane),
            }
        }
        Ok(Self { org, secret, systems, people, said: Mutex::default() })
    }

    /// Tells its systems where the broker is.
    pub async fn meet(&self, broker: Broker) -> anyhow::Result<()> {
        for played in &self.systems {
            *played.line.lock().await = Some(Line::new(broker.clone(), ANSWER_LASTS)?);
        }
        Ok(())
    }

    /// Its default system.
    ///
    /// # Errors
    ///
    /// Never: every organisation has one.
    pub fn default_system(&self) -> anyhow::Result<&Played> {
        self.systems.first().with_context(|| format!("{} has no system", self.org.code()))
    }

    /// The system of this name, or else the default one, which people write with.
    pub fn system(&self, name: Option<&str>) -> anyhow::Result<&Played> {
        let named =
            self.systems.iter().find(|it| name.is_some() && it.system.name.as_deref() == name);
        named.map_or_else(|| self.default_system(), Ok)
    }

    /// What arrived at its doors, for the ledger.
    #[must_use]
    pub fn arrived(&self) -> Vec<Arrived> {
        self.systems.iter().flat_map(|played| played.hospital.arrived()).collect()
    }

    /// Closes every door.
    pub async fn down(&self) {
        for played in &self.systems {
            played.hospital.down().await;
        }
    }

    /// What it said, for the ledger.
    #[must_use]
    pub fn said(&self) -> Vec<Said> {
        self.told().clone()
    }

    fn told(&self) -> MutexGuard<'_, Vec<Said>> {
        self.said.lock()
    }

    /// Sends a message, again and again with the same id, until the broker has answered it. Gives
    /// the number of its case.
    ///
    /// # Errors
    ///
    /// If it was refused or never answered. Codes and fields only.
    pub async fn say(&self, by: &Played, statement: &Statement<'_>) -> anyhow::Result<String> {
        let letter = statement.letter()?;
        let mut line = by.line.lock().await;
        let line = line.as_mut().context("it was not told where the broker is")?;
        let told = line.insist(&letter, INSISTS_FOR, AGAIN_AFTER).await?;
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
            Told::Taken(number) => Ok(number),
            Told::Refused(refusal) => Err(anyhow!("{}", refusal.codes)),
            Told::Again(why) => {
                Err(anyhow!("no answer for {} s; the last try: {why}", INSISTS_FOR.as_secs()))
            }
        }
    }
}
