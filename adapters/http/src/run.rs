//! Work that is finished even when nobody waits for it any more.
//!
//! An HTTP server drops a handler when its client hangs up. A handler that is dropped half way
//! through a database transaction would poison the connection that it had borrowed.

use tierlink_schemas::Code;

/// The work ended in a panic, or the program is ending.
#[derive(Debug, thiserror::Error)]
#[error("a request could not be finished because of an error of ours; send it again")]
pub struct Crashed;

impl Crashed {
    /// The stable name of this error, and of its page in `ops/errors/`.
    #[must_use]
    pub const fn code(&self) -> Code {
        Code::new("E026")
    }
}

/// Runs `work` to its end, also when the returned future is dropped.
///
/// [`crate::Server`] already runs every handler like this. Call it for work outside of a handler.
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
        // Begun, then dropped.
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
