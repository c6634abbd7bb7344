//! Tells the lives of cases in the name of hospitals, over MLLP, FHIR and JSON, and insists.
//!
//! ```text
//!   referral   submit ─▶ (target has it) ─▶ accept ─▶ schedule ─▶ arrive ─▶ feedback
//!   transfer   offer ─▶ (receiver has it) ─▶ accept ─▶ discharge ─▶ receive ─▶ follow-up
//! ```
//!
//! A message that is not acknowledged is sent again, with the same id and the same bytes, as a
//! hospital does; one that was acknowledged is sent again now and then as well. A refusal of a
//! correct message ends that life and is counted: nothing that breaks may look like a mistake of the
//! hospital.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::chance::Chance;
use super::long;
use crate::county::{BAIMA, County, EVERYBODY, FENGQIAO, LEAD, QINGSHI, QINGSHI_FACILITY, SECOND};
use crate::hospitals::{
    Charset, Letter, Line, Person, Told, fhir_answer, fhir_referral, hl7_answer, hl7_referral,
    hl7_visit, new_control_id, said,
};
use tierlink_simulator::ledger::{Arrived, Case, Custody, Event, Said};

// Longer than any server is away in these tests, on a machine that does other things as well.
const INSIST_FOR: Duration = Duration::from_secs(90);
const INSIST_FOR_LONG: Duration = Duration::from_mins(15);

fn insist_for() -> Duration {
    if long() { INSIST_FOR_LONG } else { INSIST_FOR }
}

// A hospital's pause between two tries.
const AGAIN_AFTER: Duration = Duration::from_millis(40);
// One in so many acknowledged messages is sent once more.
const SENT_AGAIN_ONE_IN: usize = 12;
const PAGE: usize = 200;

/// What all tellers of a run share.
#[derive(Debug)]
pub struct Stage {
    /// Where it plays.
    pub county: County,
    said: Mutex<Vec<Said>>,
    acknowledged: AtomicUsize,
    over: AtomicBool,
}

impl Stage {
    /// A stage in a county whose broker the test starts and ends itself.
    pub fn new(county: County) -> Arc<Self> {
        Arc::new(Self {
            county,
            said: Mutex::default(),
            acknowledged: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        })
    }

    /// Lets tellers finish the lives that they have begun, and begin no more.
    pub fn lower_the_curtain(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// How many messages were acknowledged until now.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// How many arrivals were taken until now.
    pub fn taken(&self) -> usize {
        let taken = |code| self.county.hospital(code).taken().len();
        EVERYBODY.into_iter().map(taken).sum()
    }

    /// Everything that was said.
    pub fn said(&self) -> Vec<Said> {
        self.said.lock().clone()
    }

    /// Everything that arrived, per destination in its order.
    pub fn arrived(&self) -> Vec<Arrived> {
        EVERYBODY.into_iter().flat_map(|code| self.county.hospital(code).arrived()).collect()
    }

    /// What the broker says of every case, asked as an operator.
    pub async fn cases(&self) -> Result<Vec<Case>> {
        let operator = self.county.operator()?;
        let mut cases = Vec::new();
        let mut after = String::new();
        loop {
            let page = operator.get(&format!("/api/v1/cases?limit={PAGE}{after}")).await?;
            ensure!(page.status == 200, "the list of cases: HTTP {}", page.status);
            let page = page.json();
            for row in page["cases"].as_array().context("no cases in the list")? {
                let number = row["number"].as_str().context("a case has a number")?;
                cases.push(read_case(&self.county.case("operator", number).await?)?);
            }
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return Ok(cases),
            }
        }
    }

    /// Puts down what a test said itself, so that it counts.
    pub fn put_down(&self, said: Said) {
        if said.acknowledged {
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        self.begin(said);
    }

    fn begin(&self, said: Said) -> usize {
        let mut all = self.said.lock();
        all.push(said);
        all.len() - 1
    }

    fn change(&self, place: usize, change: impl FnOnce(&mut Said)) {
        let mut all = self.said.lock();
        change(&mut all[place]);
    }
}

fn read_case(case: &Value) -> Result<Case> {
    let text = |value: &Value| value.as_str().map(str::to_owned).context("a text is missing");
    let origin = text(&case["origin"])?;
    let list = |name: &str| case[name].as_array().cloned().unwrap_or_default();
    let own_number = list("numbers")
        .iter()
        .find(|number| number["organisation"] == json!(origin))
        .map_or(Ok(String::new()), |number| text(&number["number"]))?;
    let mut events = Vec::new();
    for event in list("events") {
        events.push(Event {
            number: event["number"].as_u64().context("an event has a number")?,
            message: text(&event["message"])?.parse()?,
            kind: text(&event["kind"])?,
            by: text(&event["by"])?,
        });
    }
    let mut custody = Vec::new();
    for row in list("custody") {
        let state = row["state"].as_str().or(row["state"]["state"].as_str());
        custody.push(Custody {
            message: text(&row["message"])?.parse()?,
            to: text(&row["to"])?,
            number: row["number"].as_u64().context("a delivery has a number")?,
            state: state.context("a delivery has a state")?.to_owned(),
        });
    }
    Ok(Case { number: text(&case["number"])?, origin, own_number, events, custody })
}

/// A life ends early because something correct was refused. The ledger has it.
#[derive(Debug, thiserror::Error)]
#[error("{what} was refused: {why}")]
struct Refused {
    what: String,
    why: String,
}

/// An organisation that speaks, and its line to the broker.
struct Voice {
    code: &'static str,
    line: Line,
}

impl Voice {
    fn new(stage: &Stage, code: &'static str) -> Result<Self> {
        Ok(Self { code, line: stage.county.line(code)? })
    }
}

/// One of several who tell lives at the same time.
pub struct Teller {
    stage: Arc<Stage>,
    chance: Chance,
    name: u64,
    lives: usize,
}

/// One life: a case as its hospitals know it.
struct Life<'a> {
    teller: &'a mut Teller,
    origin: &'static str,
    own_number: String,
    case: String,
}

impl Teller {
    /// A teller with a number of its own.
    pub fn new(stage: &Arc<Stage>, chance: &Chance, name: u64) -> Self {
        Self { stage: Arc::clone(stage), chance: chance.apart(name), name, lives: 0 }
    }

    /// Tells one life after the other until the curtain falls. Returns how many.
    pub async fn tell(mut self) -> Result<usize> {
        while !self.stage.over.load(Ordering::Relaxed) {
            self.lives += 1;
            let township = *self.chance.pick(&[QINGSHI, BAIMA, FENGQIAO]);
            let told = if self.chance.once_in(3) {
                self.transfer(township).await
            } else {
                let target = *self.chance.pick(&[LEAD, SECOND]);
                self.referral(township, target).await
            };
            match told {
                Err(error) if error.is::<Refused>() => eprintln!("{error:#}"),
                told => {
                    told.with_context(|| format!("teller {}, life {}", self.name, self.lives))?;
                }
            }
        }
        Ok(self.lives)
    }

    fn begin(&mut self, origin: &'static str) -> Life<'_> {
        let own_number = format!("L{}-{}", self.name, self.lives);
        Life { teller: self, origin, own_number, case: String::new() }
    }

    async fn referral(&mut self, origin: &'static str, target: &'static str) -> Result<()> {
        let mut life = self.begin(origin);
        let mut below = Voice::new(&life.teller.stage, origin)?;
        let mut above = Voice::new(&life.teller.stage, target)?;
        life.say(&mut below, "referral.submit", &submit(origin, target, &life.own_number)?).await?;
        let request = if target == LEAD { "REF^I12" } else { "referral.submit" };
        let at_target = life.wait_for(target, request).await?;
        let (case, sides) = (life.case.clone(), (target, in_msh(origin)));
        let accept = if target == LEAD {
            Letter::hl7(hl7_answer(sides, "A", (&at_target, &life.own_number), Charset::Utf8)?)
        } else {
            Letter::fhir(&fhir_answer("referral.accept", (target, origin), &case)?)
        };
        life.say(&mut above, "referral.accept", &accept).await?;
        let schedule = said(target, "referral.schedule", Some(&case), None)?;
        life.say(&mut above, "referral.schedule", &Letter::json(&schedule)).await?;
        let arrive = if target == LEAD {
            Letter::hl7(hl7_visit(sides, &case, &Person::default(), Charset::Utf8)?)
        } else {
            Letter::json(&said(target, "referral.arrive", Some(&case), None)?)
        };
        life.say(&mut above, "referral.arrive", &arrive).await?;
        let feedback = said(target, "referral.feedback", Some(&case), None)?;
        life.say(&mut above, "referral.feedback", &Letter::json(&feedback)).await
    }

    async fn transfer(&mut self, receiver: &'static str) -> Result<()> {
        let mut life = self.begin(LEAD);
        let mut above = Voice::new(&life.teller.stage, LEAD)?;
        let mut below = Voice::new(&life.teller.stage, receiver)?;
        let mut offer = said(LEAD, "transfer.offer", None, Some(receiver))?;
        offer["case"] = own(LEAD, &life.own_number);
        life.say(&mut above, "transfer.offer", &Letter::json(&offer)).await?;
        let request = if receiver == QINGSHI { "REF^I12" } else { "transfer.offer" };
        let at_receiver = life.wait_for(receiver, request).await?;
        let case = life.case.clone();
        let accept = match receiver {
            QINGSHI => Letter::hl7(hl7_answer(
                (QINGSHI_FACILITY, LEAD),
                "A",
                (&at_receiver, &life.own_number),
                Charset::Gb18030,
            )?),
            BAIMA => Letter::fhir(&fhir_answer("transfer.accept", (BAIMA, LEAD), &case)?),
            _ => {
                let mut accept = said(receiver, "transfer.accept", Some(&case), None)?;
                // The example's bed was held until a day that is long gone.
                accept["body"].as_object_mut().context("a body")?.remove("hold_until");
                Letter::json(&accept)
            }
        };
        life.say(&mut below, "transfer.accept", &accept).await?;
        let discharge = said(LEAD, "transfer.discharge", Some(&case), None)?;
        life.say(&mut above, "transfer.discharge", &Letter::json(&discharge)).await?;
        for kind in ["transfer.receive", "transfer.follow-up"] {
            let letter = Letter::json(&said(receiver, kind, Some(&case), None)?);
            life.say(&mut below, kind, &letter).await?;
        }
        Ok(())
    }
}

impl Life<'_> {
    /// Says it until it is heard.
    async fn say(&mut self, voice: &mut Voice, kind: &str, letter: &Letter) -> Result<()> {
        let stage = Arc::clone(&self.teller.stage);
        let place = stage.begin(Said {
            by: voice.code.to_owned(),
            own_number: self.own_number.clone(),
            origin: self.origin.to_owned(),
            kind: kind.to_owned(),
            tries: 0,
            acknowledged: false,
            refused: false,
        });
        self.insist(&stage, place, voice, letter)
            .await
            .with_context(|| format!("{} {kind} of {}", self.own_number, voice.code))?;
        stage.change(place, |said| said.acknowledged = true);
        stage.acknowledged.fetch_add(1, Ordering::Relaxed);
        if self.teller.chance.once_in(SENT_AGAIN_ONE_IN) {
            self.insist(&stage, place, voice, letter)
                .await
                .with_context(|| format!("{} {kind} of {} again", self.own_number, voice.code))?;
        }
        Ok(())
    }

    async fn insist(
        &mut self,
        stage: &Stage,
        place: usize,
        voice: &mut Voice,
        letter: &Letter,
    ) -> Result<()> {
        let began = Instant::now();
        loop {
            stage.change(place, |said| said.tries += 1);
            match voice.line.tell(letter).await.with_context(|| voice.code)? {
                Told::Taken(case) => {
                    ensure!(
                        self.case.is_empty() || self.case == case,
                        "it is about case {case}, not {}",
                        self.case
                    );
                    self.case = case;
                    return Ok(());
                }
                Told::Refused(why) => {
                    stage.change(place, |said| said.refused = true);
                    let what = format!("{} of {}", self.own_number, voice.code);
                    return Err(Refused { what, why: why.words }.into());
                }
                Told::Again(_) => {}
            }
            if began.elapsed() > insist_for() {
                bail!("not heard for {} s", insist_for().as_secs());
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    /// Waits until a hospital has the request, and gives its wire id there.
    async fn wait_for(&self, at: &str, kind: &str) -> Result<String> {
        let hospital = self.teller.stage.county.hospital(at);
        let began = Instant::now();
        loop {
            match hospital.wait_for_kind(kind, &self.case).await {
                Ok(request) => return Ok(request.control_id),
                Err(error) if began.elapsed() > insist_for() => return Err(error),
                Err(_) => {}
            }
        }
    }
}

fn submit(origin: &str, target: &str, own_number: &str) -> Result<Letter> {
    let person = Person::default();
    Ok(match origin {
        QINGSHI => Letter::hl7(hl7_referral(
            (QINGSHI_FACILITY, target),
            (&new_control_id(), own_number),
            &person,
            Charset::Gb18030,
        )?),
        BAIMA => Letter::fhir(&fhir_referral((origin, target), own_number, &person)?),
        _ => {
            let mut message = said(origin, "referral.submit", None, Some(target))?;
            message["case"] = own(origin, own_number);
            Letter::json(&message)
        }
    })
}

/// A case that only its origin has a number for.
fn own(origin: &str, number: &str) -> Value {
    json!({ "numbers": [{ "organisation": origin, "number": number }] })
}

/// What MSH calls an organisation.
fn in_msh(code: &'static str) -> &'static str {
    if code == QINGSHI { QINGSHI_FACILITY } else { code }
}
