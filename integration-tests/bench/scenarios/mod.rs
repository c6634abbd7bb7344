//! Measures the scenarios; the store with a million closed cases is filled once for all of them.

mod codecs;
mod embedded;
mod end_to_end;
mod ground;
mod growth;
mod intake;
mod outage;
mod start;
mod steady;

use anyhow::Result;

use self::growth::Filled;
use crate::scenario::Scenario;
use crate::sizes::Sizes;
use crate::table::Figure;

/// What stays from one scenario to the next.
pub struct Bench {
    sizes: Sizes,
    filled: Option<Filled>,
}

impl Bench {
    /// Nothing is started yet.
    pub fn new(sizes: Sizes) -> Self {
        Self { sizes, filled: None }
    }

    /// Measures one scenario once.
    pub async fn measure(&mut self, scenario: Scenario) -> Result<Vec<Figure>> {
        match scenario {
            Scenario::Intake => intake::measure(self.sizes).await,
            Scenario::EndToEnd => end_to_end::measure(self.sizes).await,
            Scenario::Steady => steady::measure(self.sizes).await,
            Scenario::Outage => outage::measure(self.sizes).await,
            Scenario::Growth => {
                let sizes = self.sizes;
                growth::measure(sizes, self.filled().await?).await
            }
            Scenario::Embedded => embedded::measure(self.sizes).await,
            Scenario::Start => {
                let sizes = self.sizes;
                start::measure(sizes, self.filled().await?).await
            }
            Scenario::Codecs => codecs::measure(self.sizes),
        }
    }

    /// The store with closed cases; it is filled when it is first needed.
    async fn filled(&mut self) -> Result<&Filled> {
        if self.filled.is_none() {
            self.filled = Some(Filled::new(self.sizes.cases).await?);
        }
        Ok(self.filled.get_or_insert_with(|| unreachable!("it was filled just now")))
    }
}
