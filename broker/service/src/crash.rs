//! Runs tasks that must never end, and reports a crash.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use tierlink_schemas::Code;
use tokio_util::sync::CancellationToken;
use tracing::error;

/// Error code: a task that must never end has crashed.
pub const CRASHED: Code = Code::new("X005");

/// Runs a task that must never end, and cancels `broken` if it crashes.
pub(crate) fn watched(
    name: &'static str,
    task: impl Future<Output = ()> + Send + 'static,
    broken: &CancellationToken,
) -> impl Future<Output = ()> + Send + 'static {
    let broken = broken.clone();
    async move {
        if AssertUnwindSafe(task).catch_unwind().await.is_err() {
            error!(code = %CRASHED, "ALARM: a {name} task has crashed; see ops/errors/{CRASHED}.md.");
            broken.cancel();
        }
    }
}
