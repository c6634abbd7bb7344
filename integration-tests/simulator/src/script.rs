//! What a simulated hospital is told to do: a small TOML file, documented by
//! `ops/examples/simulate/`.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::{Act, Manners, Sort, Turn};

/// What a simulated hospital does.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Script {
    /// How it treats what it gets.
    pub manners: Behaviour,
    /// What it says whenever it hears something.
    pub whenever: Vec<Whenever>,
    /// What happens one after the other. The play ends after the last step; without steps it goes
    /// on until it is stopped.
    pub step: Vec<Step>,
}

/// How a hospital treats what it gets.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// Every message is treated like this.
    pub always: Option<Turn>,
    /// Every message is treated like this when it comes for the first time.
    pub first_time: Option<Turn>,
    /// The first messages are treated like this, one after the other.
    pub next: Vec<Turn>,
    /// Messages in which this text stands are refused.
    pub refuses: Option<String>,
    /// How many milliseconds it thinks before every answer.
    pub slow_ms: u64,
    /// It closes the connection after every answer.
    pub closes_after_each: bool,
}

/// What is said whenever something is heard.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whenever {
    /// The canonical kind, or MSH-9 such as `REF^I12`.
    pub hears: String,
    /// After so many seconds …
    #[serde(default)]
    pub after_seconds: f64,
    /// … it says this about the case.
    pub says: String,
}

/// One step: something is said, or heard.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The canonical kind that is said.
    pub says: Option<String>,
    /// Who shall take the case, for a kind that opens, amends or redirects one: the code of an
    /// organisation.
    pub to: Option<String>,
    /// The organisations whose experts are asked, for `consultation.request`; without it, somebody
    /// is asked to read an ECG.
    #[serde(default)]
    pub experts: Vec<String>,
    /// The canonical kind, or MSH-9 such as `REF^I12`, that must be heard and taken.
    pub hears: Option<String>,
    /// How many seconds are waited before something is said.
    #[serde(default)]
    pub after_seconds: f64,
    /// How many seconds are waited for what must be heard.
    #[serde(default = "a_minute")]
    pub within_seconds: f64,
}

fn a_minute() -> f64 {
    60.0
}

impl Script {
    /// Reads and checks the text of a script.
    pub fn read(text: &str) -> Result<Self> {
        let script: Self = toml::from_str(text)?;
        for (at, rule) in script.whenever.iter().enumerate() {
            let place = format!("[[whenever]] {}", at + 1);
            let (act, _) = act(&rule.says).with_context(|| place.clone())?;
            ensure!(
                !act.names_somebody(),
                "{place}: {} names an organisation; say it in a step",
                rule.says
            );
            seconds(rule.after_seconds).with_context(|| place)?;
        }
        for (at, step) in script.step.iter().enumerate() {
            step.check().with_context(|| format!("[[step]] {}", at + 1))?;
        }
        Ok(script)
    }

    /// Whether the hospital says anything, so that it must know where the broker is.
    #[must_use]
    pub fn speaks(&self) -> bool {
        !self.whenever.is_empty() || self.step.iter().any(|step| step.says.is_some())
    }
}

impl Step {
    fn check(&self) -> Result<()> {
        match (&self.says, &self.hears) {
            (Some(says), None) => {
                let (act, _) = act(says)?;
                ensure!(
                    act.names_somebody() == self.to.is_some(),
                    "`to` belongs to a kind that opens, amends or redirects a case"
                );
                ensure!(
                    self.experts.is_empty() || act == Act::AskForReading,
                    "`experts` belongs to consultation.request"
                );
            }
            (None, Some(_)) => {
                ensure!(
                    self.to.is_none() && self.experts.is_empty(),
                    "`to` and `experts` belong to `says`"
                );
            }
            (None, None) | (Some(_), Some(_)) => bail!("a step has either `says` or `hears`"),
        }
        seconds(self.after_seconds)?;
        seconds(self.within_seconds)?;
        Ok(())
    }
}

/// The act that a kind stands for.
pub(crate) fn act(kind: &str) -> Result<(Act, Sort)> {
    Act::of_kind(kind).with_context(|| {
        let known: Vec<&str> = Act::kinds().collect();
        format!("`{kind}` cannot be said; known are {}", known.join(", "))
    })
}

/// So many seconds as a duration.
pub(crate) fn seconds(seconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(seconds).context("a number of seconds is not negative")
}

impl Behaviour {
    /// Makes these the manners of a hospital.
    pub fn teach(&self, manners: &mut Manners) {
        manners.reform();
        for turn in &self.next {
            manners.next(*turn, 1);
        }
        manners.always = self.always;
        manners.first_time = self.first_time;
        manners.refuses.clone_from(&self.refuses);
        manners.slow = Duration::from_millis(self.slow_ms);
        manners.closes_after_each = self.closes_after_each;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_a_script() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ops/examples/simulate");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|it| it == "toml") {
                let text = std::fs::read_to_string(&path).unwrap();
                Script::read(&text).unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
                count += 1;
            }
        }
        assert!(count > 3, "{count} examples");
    }

    #[test]
    fn what_makes_no_sense_is_said_with_its_place() {
        let wrong = |text: &str| format!("{:#}", Script::read(text).unwrap_err());

        assert!(
            wrong("[[step]]\nsays = \"referral.fly\"").starts_with("[[step]] 1: `referral.fly`")
        );
        assert!(wrong("[[step]]\nsays = \"referral.submit\"").contains("`to` belongs"));
        assert!(wrong("[[step]]").contains("either"));
        assert!(wrong("[manners]\nalways = \"rude\"").contains("rude"));
        assert!(wrong("[[whenever]]\nhears = \"x\"\nsays = \"referral.submit\"").contains("step"));
        assert!(wrong("[[step]]\nhears = \"x\"\nwithin_seconds = -1.0").contains("not negative"));
    }
}
