//! The network breaks, on every link and in both directions: cut, black hole, half-open, a byte a
//! second, resets in the middle of a frame.
//!
//! ```text
//!   hospitals ──▶ MLLP doors, HTTP door ──▶ broker ──▶ MLLP hospitals, HTTP hospitals
//!                                             ├──▶ PostgreSQL
//!                                             └──▶ RabbitMQ
//! ```
//!
//! The short form breaks each link three times, as chance will have it; the long form breaks it in
//! every manner and direction, for as long as timeouts take.

mod silence;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tierlink_integration_tests::county::{BAIMA, County, FENGQIAO, LEAD, Mode, QINGSHI, SECOND};
use tierlink_integration_tests::eventually::eventually;
use tierlink_integration_tests::load::long;
use tierlink_integration_tests::load::teller::Stage;
use tierlink_integration_tests::load::trial::{Trial, flow};
use tierlink_integration_tests::proxy::{Manner, Proxy, Way};

/// A link between two parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    MllpDoors,
    HttpDoor,
    MllpHospitals,
    HttpHospitals,
    PostgreSql,
    RabbitMq,
}

/// What breaks: a manner and the directions in which it does.
#[derive(Clone, Copy, Debug)]
struct Phase {
    manner: Manner,
    name: &'static str,
    ways: &'static [Way],
}

const THERE: &[Way] = &[Way::There];
const BACK: &[Way] = &[Way::Back];
const BOTH: &[Way] = &[Way::There, Way::Back];

/// Every message of these tests is longer, and so is RabbitMQ's and PostgreSQL's side of a greeting
/// with a few questions behind it.
const FRAME_BREAKS_AFTER: usize = 700;
/// Every answer to a message is longer. A hospital that asks little on each connection never hears
/// as much as a message is long.
const ANSWER_BREAKS_AFTER: usize = 60;

const MANNERS: [(Manner, &str, &[&[Way]]); 5] = [
    (Manner::Cut, "cut", &[BOTH]),
    (Manner::BlackHole, "black hole", &[THERE, BACK, BOTH]),
    (Manner::HalfOpen, "half-open", &[THERE, BACK]),
    (Manner::Trickle(1), "a byte a second", &[THERE, BACK, BOTH]),
    (Manner::ResetAfter(FRAME_BREAKS_AFTER), "reset in a frame", &[THERE, BACK]),
];

/// So often the short form breaks a link.
const PHASES: usize = 3;
/// How long a manner lasts. The long one is longer than any timeout of the broker.
const LASTS: Duration = Duration::from_secs(2);
const LASTS_LONG: Duration = Duration::from_secs(25);
/// Hospitals give up a connection that says nothing for so long.
const PATIENCE: Duration = Duration::from_secs(3);
/// So many deliveries arrive before and after everything that breaks.
const FLOWS: usize = 3;

impl Link {
    /// A manner, fitted to what this link carries in these directions.
    fn fitted(self, manner: Manner, ways: &[Way]) -> Manner {
        let answers = !matches!(self, Self::PostgreSql | Self::RabbitMq) && ways == BACK;
        match manner {
            Manner::ResetAfter(_) if answers => Manner::ResetAfter(ANSWER_BREAKS_AFTER),
            manner => manner,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::MllpDoors => "hospitals to the MLLP doors",
            Self::HttpDoor => "hospitals to the HTTP door",
            Self::MllpHospitals => "broker to MLLP hospitals",
            Self::HttpHospitals => "broker to HTTP hospitals",
            Self::PostgreSql => "broker to PostgreSQL",
            Self::RabbitMq => "broker to RabbitMQ",
        }
    }

    /// Puts proxies on the link of a county that was not written yet.
    async fn lay(self, county: &mut County) -> Result<Vec<Proxy>> {
        let mut proxies = Vec::new();
        match self {
            Self::MllpDoors | Self::HttpDoor => {
                let mllp = [county.mllp_port(QINGSHI), county.mllp_port(LEAD)];
                let http = [county.http_port()];
                let doors: &[u16] = if self == Self::MllpDoors { &mllp } else { &http };
                for door in doors {
                    let proxy = Proxy::to_port(*door).await?;
                    county.lead_by(*door, proxy.port());
                    proxies.push(proxy);
                }
            }
            Self::MllpHospitals | Self::HttpHospitals => {
                let http: &[&str] = &[SECOND, BAIMA, FENGQIAO];
                for code in if self == Self::HttpHospitals { http } else { &[LEAD, QINGSHI] } {
                    let address = county.hospital(code).address();
                    let proxy = Proxy::in_front_of(&address).await?;
                    county.profile(code)?.address = Some(proxy.instead_of(&address)?);
                    proxies.push(proxy);
                }
            }
            Self::PostgreSql => {
                let store = county.store();
                let proxy = Proxy::in_front_of(&store).await?;
                county.set_store(&proxy.instead_of(&store)?);
                proxies.push(proxy);
            }
            Self::RabbitMq => {
                let bus = county.bus().to_owned();
                let proxy = Proxy::in_front_of(&bus).await?;
                county.set_bus(&proxy.instead_of(&bus)?);
                proxies.push(proxy);
            }
        }
        Ok(proxies)
    }
}

/// A stage in production with proxies on this link, and no broker.
async fn set_with(link: Link) -> Result<(Arc<Stage>, Vec<Proxy>)> {
    let mut county = County::plan(Mode::Production).await?;
    county.patience = PATIENCE;
    let proxies = link.lay(&mut county).await?;
    county.begin().await?;
    county.stop().await?;
    Ok((Stage::new(county), proxies))
}

/// Every manner in every direction.
fn all_phases(link: Link) -> Vec<Phase> {
    let phases = |(manner, name, ways): (Manner, &'static str, &'static [&'static [Way]])| {
        ways.iter().map(move |ways| Phase { manner: link.fitted(manner, ways), name, ways })
    };
    MANNERS.into_iter().flat_map(phases).collect()
}

/// Breaks a link: three times by chance, or in all ways that there are, a trial for each manner.
async fn break_it(link: Link) -> Result<()> {
    let mut all = all_phases(link);
    if long() {
        for (_, name, _) in MANNERS {
            let trial = Trial::of(&format!("network: {}: {name}", link.name()));
            let phases = all.iter().filter(|phase| phase.name == name).copied().collect();
            put_on_trial(link, trial, phases).await?;
        }
        return Ok(());
    }
    let mut trial = Trial::of(&format!("network: {}", link.name()));
    let phases =
        (0..PHASES).map(|_| all.remove(trial.chance.between(0, all.len()))).collect::<Vec<_>>();
    put_on_trial(link, trial, phases).await
}

async fn put_on_trial(link: Link, trial: Trial, phases: Vec<Phase>) -> Result<()> {
    let (stage, proxies) = set_with(link).await?;
    let broker = stage.county.start_another(&[]).await?;

    let breaking = async {
        for phase in &phases {
            flow(&stage, FLOWS).await?;
            suffer(&proxies, phase).await.with_context(|| format!("{phase:?}"))?;
            let began = Instant::now();
            flow(&stage, FLOWS).await.with_context(|| format!("after {phase:?}"))?;
            let (name, ways) = (phase.name, phase.ways);
            eprintln!("{}: {name} {ways:?}: flows {:.1?} after", link.name(), began.elapsed());
        }
        Ok(vec![broker])
    };
    trial.run(&stage, breaking).await?;
    Ok(())
}

/// Lets a phase last, and see that it meets somebody.
async fn suffer(proxies: &[Proxy], phase: &Phase) -> Result<()> {
    let harmed = || proxies.iter().map(Proxy::harmed).sum::<usize>();
    let (before, began) = (harmed(), Instant::now());
    for proxy in proxies {
        phase.ways.iter().for_each(|way| proxy.set(*way, phase.manner));
    }
    let lasts = if long() { LASTS_LONG } else { LASTS };
    eventually("somebody suffers, for long enough", async || {
        Ok((harmed() > before && began.elapsed() >= lasts).then_some(()))
    })
    .await?;
    proxies.iter().for_each(Proxy::pass);
    Ok(())
}

/// Makes a test of every link.
macro_rules! break_each {
    ($($name:ident: $link:ident),+ $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            break_it(Link::$link).await.unwrap();
        })+
    };
}

break_each! {
    the_link_from_hospitals_to_the_mllp_doors_breaks: MllpDoors,
    the_link_from_hospitals_to_the_http_door_breaks: HttpDoor,
    the_link_to_mllp_hospitals_breaks: MllpHospitals,
    the_link_to_http_hospitals_breaks: HttpHospitals,
    the_link_to_postgresql_breaks: PostgreSql,
    the_link_to_rabbitmq_breaks: RabbitMq,
}
