//! A PostgreSQL that cannot be reached properly.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tierlink_store::open_to_migrate;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

/// Callers that want a connection each, all the time.
const CALLERS: u32 = 8;
/// How long they want it.
const LASTS: Duration = Duration::from_secs(3);
/// After 50, 100, 200, 400, 800 and 1,000 ms; and some to spare.
const ATTEMPTS_MAX: usize = 10;

/// Listens, lets everybody say something and hangs up, as a broken network does.
async fn hangs_up() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    tokio::spawn(async move {
        while let Ok((mut caller, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let _said = caller.read(&mut [0; 64]).await;
        }
    });
    (port, calls)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_up_is_not_besieged() {
    let (port, calls) = hangs_up().await;
    let store = open_to_migrate(&format!("postgres://a@127.0.0.1:{port}/b"), CALLERS).unwrap();

    let began = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                while began.elapsed() < LASTS {
                    store.healthy().await.unwrap_err();
                    sleep(Duration::from_millis(1)).await;
                }
            })
        })
        .collect();
    sleep(LASTS).await;
    let calls = calls.load(Ordering::SeqCst);
    callers.iter().for_each(tokio::task::JoinHandle::abort);

    assert!((2..=ATTEMPTS_MAX).contains(&calls), "{calls} connections in {LASTS:?}");
}
