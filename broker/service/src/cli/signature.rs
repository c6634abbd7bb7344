//! The options `--why` and `--by` of commands that act.

use std::sync::Arc;

use anyhow::anyhow;
use clap::Args;
use tierlink_edge::environment::SystemEnvironment;
use tokio::sync::Notify;

use crate::config::Config;
use crate::current_config::CurrentConfig;
use crate::desk::{Desk, Person, Reason, Refusal, Unsaid};
use crate::report::chain;

/// Who acts and why, for the record.
#[derive(Clone, Debug, Args)]
pub struct Signature {
    /// Reason for the act, recorded and shown by `tierlink acts list`
    #[arg(long, visible_alias = "because")]
    why: String,
    /// Name of the person; the user of this terminal if absent
    #[arg(long)]
    by: Option<String>,
}

impl Signature {
    /// Opens the store, runs `work` with a desk, the person and the reason, and closes the store.
    pub async fn at_desk<T>(
        &self,
        config: Config,
        work: impl AsyncFnOnce(&Desk, &Person, &Reason) -> Result<T, Refusal>,
    ) -> anyhow::Result<T> {
        let said = || -> Result<_, Unsaid> {
            Ok((Person::at_terminal(self.by.as_deref())?, Reason::new(&self.why)?))
        };
        let (person, reason) = said().map_err(|unsaid| in_words(&unsaid.into()))?;
        let store = crate::app::open_store(&config, false).await?;
        let desk = Desk::new(
            store.clone(),
            Arc::new(CurrentConfig::new(config)),
            Arc::new(SystemEnvironment),
            Arc::new(Notify::new()),
        );
        let done = work(&desk, &person, &reason).await;
        store.close().await;
        done.map_err(|refusal| in_words(&refusal))
    }
}

fn in_words(refusal: &Refusal) -> anyhow::Error {
    anyhow!("{}: {}", refusal.code(), chain(refusal))
}
