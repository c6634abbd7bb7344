//! Waiting for something to become true, with a deadline. Tests never sleep and hope.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long a promise may take to be kept. Generous, because the machine may be busy.
pub const WAIT_MAX: Duration = Duration::from_secs(40);

const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Asks again and again until `look` finds something.
pub async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    eventually_within(WAIT_MAX, what, look).await
}

/// The same with another deadline.
pub async fn eventually_within<T>(
    within: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if began.elapsed() > within {
            bail!("after {} s this is still not true: {what}", within.as_secs());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
