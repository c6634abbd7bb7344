//! One connection through the proxy: two pumps, one for each way, and the end that a manner makes.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;

use super::manner::{Manner, State, Way};

const READ_BYTES: usize = 16 * 1024;

/// An end that a manner makes, or a side that broke the connection off.
#[derive(Clone, Copy, Debug)]
enum End {
    /// Both sides are reset.
    Reset,
    /// Only the side that sends in this way is reset.
    Dies(Way),
}

/// Closes a connection without a word: the other side gets RST.
pub(super) fn reset(stream: TcpStream) {
    // If this fails the connection is gone already.
    let _gone = stream.set_zero_linger();
    drop(stream);
}

/// Carries bytes between the two until both have closed, or a manner ends it.
pub(super) async fn carry(
    mut client: TcpStream,
    mut server: TcpStream,
    state: watch::Receiver<State>,
    harmed: &AtomicUsize,
) {
    // If this fails the pumps will find out.
    let (_first, _second) = (client.set_nodelay(true), server.set_nodelay(true));
    let end = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let there = Pump::new(from_client, to_server, Way::There, state.clone(), harmed).run();
        let back = Pump::new(from_server, to_client, Way::Back, state, harmed).run();
        tokio::try_join!(there, back)
    };
    match end {
        Ok(_) => {}
        Err(End::Reset) => {
            reset(client);
            reset(server);
        }
        Err(End::Dies(Way::There)) => {
            reset(client);
            keep_silent(server).await;
        }
        Err(End::Dies(Way::Back)) => {
            reset(server);
            keep_silent(client).await;
        }
    }
}

/// Reads and says nothing, until the other side gives up.
async fn keep_silent(mut stream: TcpStream) {
    let mut buffer = vec![0; READ_BYTES];
    while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
}

/// The bytes of one way.
struct Pump<'a> {
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    way: Way,
    state: watch::Receiver<State>,
    harmed: &'a AtomicUsize,
    /// Read and not passed on yet.
    waiting: Vec<u8>,
    /// Passed on since the manner changed.
    passed: usize,
    /// Bytes were swallowed: nothing can make sense of what would follow.
    black: bool,
    /// The manner has not changed since it came.
    is_new: bool,
    /// Counted as harmed since the manner changed.
    suffered: bool,
}

impl<'a> Pump<'a> {
    fn new(
        from: ReadHalf<'a>,
        to: WriteHalf<'a>,
        way: Way,
        state: watch::Receiver<State>,
        harmed: &'a AtomicUsize,
    ) -> Self {
        Self {
            from,
            to,
            way,
            state,
            harmed,
            waiting: Vec::with_capacity(READ_BYTES),
            passed: 0,
            black: false,
            is_new: true,
            suffered: false,
        }
    }

    async fn run(mut self) -> Result<(), End> {
        loop {
            let now = *self.state.borrow_and_update();
            let manner = now.manner(self.way);
            if now.is_cut() {
                return Err(self.ends(End::Reset));
            }
            // A connection that came during a half-open phase may say something first.
            if manner == Manner::HalfOpen && (!self.is_new || self.passed > 0) {
                return Err(self.ends(End::Dies(self.way)));
            }
            if self.waiting.is_empty() {
                tokio::select! {
                    // First, so that nothing slips through under the manner of before.
                    biased;
                    _ = self.state.changed() => {
                        self.begin_again();
                        continue;
                    }
                    read = self.from.read_buf(&mut self.waiting) => match read {
                        Ok(1..) => {}
                        Ok(0) => return self.finish(manner).await,
                        // Nobody hears of a reset through a black hole either.
                        Err(_) if self.black => return self.finish(manner).await,
                        Err(_) => return Err(End::Reset),
                    },
                }
            }
            self.pass_on(manner).await?;
        }
    }

    /// The manner has changed.
    fn begin_again(&mut self) {
        (self.passed, self.is_new) = (0, false);
        // What a black hole has made worthless suffers from nothing else.
        self.suffered = self.black;
    }

    /// Passes on as much of what waits as the manner lets through now.
    async fn pass_on(&mut self, manner: Manner) -> Result<(), End> {
        if self.black || manner == Manner::BlackHole {
            self.suffer();
            self.black = true;
            self.waiting.clear();
            return Ok(());
        }
        let portion = match manner {
            Manner::Trickle(_) => 1,
            Manner::ResetAfter(bytes) => bytes.saturating_sub(self.passed),
            Manner::Pass | Manner::Cut | Manner::BlackHole | Manner::HalfOpen => usize::MAX,
        };
        let portion = portion.min(self.waiting.len());
        if portion > 0 {
            tokio::select! {
                biased;
                _ = self.state.changed() => {
                    self.begin_again();
                    return Ok(());
                }
                written = self.to.write(&self.waiting[..portion]) => {
                    let written = written.map_err(|_| End::Reset)?;
                    self.waiting.drain(..written);
                    self.passed += written;
                }
            }
        }
        match manner {
            Manner::ResetAfter(bytes) if self.passed >= bytes => Err(self.ends(End::Reset)),
            Manner::Trickle(rate) => {
                self.suffer();
                tokio::select! {
                    _ = self.state.changed() => self.begin_again(),
                    () = tokio::time::sleep(Duration::from_secs(1) / rate.max(1)) => {}
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Tells the other side that this one has nothing more to say, unless that is swallowed too.
    async fn finish(&mut self, manner: Manner) -> Result<(), End> {
        if self.black || manner == Manner::BlackHole {
            self.suffer();
            while !self.state.borrow_and_update().is_cut() {
                if self.state.changed().await.is_err() {
                    return pending().await;
                }
            }
            return Err(End::Reset);
        }
        // If it fails the other side is gone as well.
        let _gone = self.to.shutdown().await;
        Ok(())
    }

    fn ends(&mut self, end: End) -> End {
        self.suffer();
        end
    }

    fn suffer(&mut self) {
        if !self.suffered {
            self.suffered = true;
            self.harmed.fetch_add(1, Ordering::Relaxed);
        }
    }
}
