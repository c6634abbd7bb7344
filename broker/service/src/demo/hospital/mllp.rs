//! MLLP as a plain hospital speaks it: VT, message, FS, CR, one message at a time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Hospital, Verdict, hl7};

const VT: u8 = 0x0B;
const FS: u8 = 0x1C;
const CR: u8 = 0x0D;

/// Longest frame that a simulated hospital takes. The story's messages have a few KiB.
const FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The hospital's own connection to the broker, kept open and used for one message at a time.
#[derive(Default)]
pub(super) struct Line(Mutex<Option<TcpStream>>);

impl Line {
    /// Sends a message and waits for the answer. A broken connection is made anew next time.
    pub(super) async fn exchange(&self, to: SocketAddr, message: &[u8]) -> io::Result<Vec<u8>> {
        let mut held = self.0.lock().await;
        // Taken out while it is used: an exchange that fails, or is given up, leaves none behind.
        let mut stream = match held.take() {
            Some(stream) => stream,
            None => TcpStream::connect(to).await?,
        };
        stream.write_all(&framed(message)).await?;
        let answer = read_frame(&mut stream, &mut Vec::new()).await?;
        *held = Some(stream);
        Ok(answer)
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(message.len() + 3);
    frame.push(VT);
    frame.extend_from_slice(message);
    frame.extend_from_slice(&[FS, CR]);
    frame
}

/// Reads until a whole frame is there. What follows it stays in `buffer`.
async fn read_frame(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    loop {
        if let Some(end) = buffer.windows(2).position(|pair| pair == [FS, CR]) {
            let frame: Vec<u8> = buffer.drain(..end + 2).collect();
            let start = frame.iter().position(|byte| *byte == VT).map_or(0, |at| at + 1);
            return Ok(frame[start..end].to_vec());
        }
        if buffer.len() > FRAME_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Listens until told to stop; then the listener and every connection are gone.
pub(super) async fn serve(
    hospital: Arc<Hospital>,
    listener: TcpListener,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        if let Ok((stream, _)) = accepted {
            let (hospital, stop) = (Arc::clone(&hospital), stop.clone());
            tasks.spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    _ended = converse(&hospital, stream) => {}
                }
            });
        }
    }
}

async fn converse(hospital: &Hospital, mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let message = read_frame(&mut stream, &mut buffer).await?;
        let (header, verdict) = match hl7::read(&message) {
            Some((heard, header)) => (header, hospital.take(heard)),
            None => (hl7::Header::default(), Verdict::Refused),
        };
        if verdict == Verdict::TakenInSilence {
            return Ok(());
        }
        let answer = hl7::acknowledge(&header, verdict);
        stream.write_all(&framed(&answer)).await?;
    }
}
