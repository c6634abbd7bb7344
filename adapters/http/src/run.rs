//! Runs work to its end even when nobody waits for it any more.
//!
//! An HTTP server drops a handler when its client hangs up. Dropping a database transaction
//! half-way would leave its connection unusable.

use tierlink_schemas::Code;

/// The work panicked, or the program is ending.
#[derive(Debug, thiserror::Error)]
#[error("a request could not be finished because of an error of ours; send it again")]
pub struct Crashed;

impl Crashed {
    /// The stable error code. Each has a page in `ops/errors/`.
    #[must_use]
    pub const fn code(&self) -> Code {
        Code::new("E026")
    }
}

/// Runs `work` to its end, even if the returned future is dropped.
///
/// [`crate::Server`] does this for every handler. Use it for work outside of handlers.
pub async fn run_to_end<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Crashed> {
    tokio::spawn(work).await.map_err(|_panicked| Crashed)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_still_finished() {
        let (go, gone) = oneshot::channel::<()>();
        let (done, is_done) = oneshot::channel();

        let work = run_to_end(async move {
            gone.await.ok();
            done.send(()).ok();
        });
        // Started, then dropped.
        assert!(work.now_or_never().is_none());
        go.send(()).unwrap();

        is_done.await.unwrap();
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_not_a_crash_of_the_caller() {
        let outcome = run_to_end(async { panic!("on purpose") }).await;

        assert!(matches!(outcome, Err::<(), _>(Crashed)));
    }
}
