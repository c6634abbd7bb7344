//! A door that keeps what it hears, a server behind it, and a sender that writes raw bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tierlink_mllp::server::Settings;
use tierlink_mllp::{
    Answer, Broken, Codec, Counts, Door, Frame, Framing, Peer, Server, Why, codec,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::codec::Decoder;
use tokio_util::sync::CancellationToken;

/// No test waits longer than this for something that should come.
pub const SOON: Duration = Duration::from_secs(10);

/// Takes every message and echoes it behind `ok:`; answers a broken frame with its error code.
pub struct Echo {
    pub heard: Mutex<Vec<Bytes>>,
    pub broken: Mutex<Vec<Broken>>,
    pub peers: Mutex<Vec<Peer>>,
    /// One permit lets one message through.
    pub gate: Semaphore,
    /// One permit for each message that has come to the gate.
    pub arrived: Semaphore,
}

impl Echo {
    pub fn open() -> Arc<Self> {
        Self::with_gate(Semaphore::MAX_PERMITS)
    }

    /// Messages wait until the test adds permits to `gate`.
    pub fn closed() -> Arc<Self> {
        Self::with_gate(0)
    }

    fn with_gate(permits: usize) -> Arc<Self> {
        Arc::new(Self {
            heard: Mutex::default(),
            broken: Mutex::default(),
            peers: Mutex::default(),
            gate: Semaphore::new(permits),
            arrived: Semaphore::new(0),
        })
    }

    pub fn heard(&self) -> Vec<Bytes> {
        self.heard.lock().clone()
    }

    pub fn broken(&self) -> Vec<(Why, Bytes)> {
        self.broken.lock().iter().map(|it| (it.why, it.raw.clone())).collect()
    }

    /// Waits until one more message stands at the gate.
    pub async fn one_arrived(&self) {
        timeout(SOON, self.arrived.acquire()).await.unwrap().unwrap().forget();
    }
}

#[async_trait::async_trait]
impl Door for Echo {
    fn knows(&self, _peer: &Peer, head: &[u8]) -> bool {
        !head.starts_with(b"stranger")
    }

    async fn receive(&self, peer: Peer, message: Bytes) -> Answer {
        self.arrived.add_permits(1);
        self.gate.acquire().await.unwrap().forget();
        self.heard.lock().push(message.clone());
        self.peers.lock().push(peer);
        match &message[..] {
            b"be silent" => Answer::Silent,
            b"hang up" => Answer::Close,
            b"crash" => panic!("asked to"),
            b"say nonsense" => Answer::Reply(vec![Bytes::from_static(b"\x0b\x1c")]),
            b"say two" => {
                Answer::Reply(vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")])
            }
            _ => Answer::Reply(vec![[b"ok:", &message[..]].concat().into()]),
        }
    }

    async fn broken(&self, _peer: Peer, broken: Broken) -> Option<Bytes> {
        let code = broken.why.code();
        self.broken.lock().push(broken);
        Some(Bytes::copy_from_slice(code.as_str().as_bytes()))
    }
}

pub struct Running {
    pub address: SocketAddr,
    pub counts: Arc<Counts>,
    pub stop: CancellationToken,
    pub ended: JoinHandle<()>,
}

/// A server on a free port of this machine, changed by `change`.
pub async fn serve(door: &Arc<Echo>, change: impl FnOnce(&mut Settings)) -> Running {
    let mut settings = Settings::new("127.0.0.1:0".parse().unwrap());
    change(&mut settings);
    let door: Arc<dyn Door> = Arc::<Echo>::clone(door);
    let server = Server::bind(settings, door).await.unwrap();
    let (address, counts) = (server.address(), server.counts());
    let stop = CancellationToken::new();
    let ended = tokio::spawn(server.run(stop.clone()));
    Running { address, counts, stop, ended }
}

/// A connection from another address of this machine.
pub async fn connect_from(from: &str, to: SocketAddr) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    socket.connect(to).await.unwrap()
}

/// A hospital that writes bytes as the test says, and reads frames.
pub struct Sender {
    stream: TcpStream,
    codec: Codec,
    buffer: BytesMut,
}

impl Sender {
    pub async fn connect(address: SocketAddr) -> Self {
        Self::on(TcpStream::connect(address).await.unwrap())
    }

    pub fn on(stream: TcpStream) -> Self {
        let codec = Codec::new(codec::FrameLimits::default(), Framing::Strict);
        Self { stream, codec, buffer: BytesMut::new() }
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Writes if the other side still takes it; says whether it did.
    pub async fn try_write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// The next message, or `None` once the other side has hung up.
    pub async fn read(&mut self) -> Option<Bytes> {
        loop {
            match self.codec.decode(&mut self.buffer).unwrap() {
                Some(Frame::Message(message)) => return Some(message),
                Some(Frame::Broken(broken)) => panic!("read {broken:?}"),
                None => {}
            }
            let read = timeout(SOON, self.stream.read_buf(&mut self.buffer)).await.unwrap();
            if read.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// Ends the writing side only.
    pub async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }
}

pub fn frame(message: &[u8]) -> Vec<u8> {
    [b"\x0b", message, b"\x1c\r"].concat()
}

/// Waits for a condition that another task brings about.
pub async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(SOON, wait).await.unwrap();
}
