//! Each manner does what it says, to bytes that exist and to connections that come.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::{Manner, Proxy, Way, address_in};

/// Long enough to say that nothing comes.
const NOTHING_FOR: Duration = Duration::from_millis(200);
const WITHIN: Duration = Duration::from_secs(5);

/// A proxy with a client at one end and the server's side of the connection at the other.
struct Line {
    proxy: Proxy,
    listener: TcpListener,
    client: TcpStream,
    server: TcpStream,
}

impl Line {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::to(listener.local_addr().unwrap()).await.unwrap();
        let client = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap();
        let server = listener.accept().await.unwrap().0;
        let mut line = Self { proxy, listener, client, server };
        // Both pumps run.
        say(&mut line.client, b"hello").await;
        assert_eq!(hear(&mut line.server).await.unwrap(), b"hello");
        say(&mut line.server, b"welcome").await;
        assert_eq!(hear(&mut line.client).await.unwrap(), b"welcome");
        line
    }

    /// A further connection.
    async fn again(&mut self) {
        self.client = TcpStream::connect(("127.0.0.1", self.proxy.port())).await.unwrap();
        self.server = timeout(WITHIN, self.listener.accept()).await.unwrap().unwrap().0;
    }
}

async fn say(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).await.unwrap();
}

/// What comes next: bytes, an end (nothing) or an error.
async fn hear(stream: &mut TcpStream) -> Result<Vec<u8>, ErrorKind> {
    let mut buffer = [0; 1024];
    let count = timeout(WITHIN, stream.read(&mut buffer)).await.expect("something comes");
    count.map(|count| buffer[..count].to_vec()).map_err(|error| error.kind())
}

async fn hears_nothing(stream: &mut TcpStream) {
    let mut buffer = [0; 1];
    assert!(timeout(NOTHING_FOR, stream.read(&mut buffer)).await.is_err(), "something came");
}

const RESET: Result<Vec<u8>, ErrorKind> = Err(ErrorKind::ConnectionReset);

#[tokio::test]
async fn what_passes_passes_and_an_end_is_told() {
    let mut line = Line::open().await;

    line.client.shutdown().await.unwrap();
    let end = hear(&mut line.server).await;
    say(&mut line.server, b"still here").await;

    assert_eq!(end, Ok(Vec::new()));
    assert_eq!(hear(&mut line.client).await.unwrap(), b"still here");
    assert_eq!(line.proxy.harmed(), 0);
}

#[tokio::test]
async fn a_cut_resets_what_exists_and_what_comes() {
    let mut line = Line::open().await;

    line.proxy.set(Way::Back, Manner::Cut);
    let existing = (hear(&mut line.client).await, hear(&mut line.server).await);
    let new = match TcpStream::connect(("127.0.0.1", line.proxy.port())).await {
        Ok(mut client) => hear(&mut client).await,
        Err(error) => Err(error.kind()),
    };
    line.proxy.pass();
    line.again().await;
    say(&mut line.client, b"back").await;

    assert_eq!(existing, (RESET, RESET));
    assert_eq!(new, RESET);
    assert_eq!(hear(&mut line.server).await.unwrap(), b"back");
    assert_eq!(line.proxy.harmed(), 2);
}

#[tokio::test]
async fn a_black_hole_swallows_one_way_and_never_gives_back() {
    let mut line = Line::open().await;

    line.proxy.set(Way::There, Manner::BlackHole);
    say(&mut line.client, b"lost").await;
    hears_nothing(&mut line.server).await;
    say(&mut line.server, b"the other way").await;
    let other_way = hear(&mut line.client).await;
    line.proxy.pass();
    say(&mut line.client, b"lost as well").await;
    hears_nothing(&mut line.server).await;

    assert_eq!(other_way.unwrap(), b"the other way");
    line.again().await;
    say(&mut line.client, b"new").await;
    assert_eq!(hear(&mut line.server).await.unwrap(), b"new");
}

#[tokio::test]
async fn a_black_hole_swallows_the_end_of_a_connection() {
    let Line { proxy, client, mut server, .. } = Line::open().await;

    proxy.set_both(Manner::BlackHole);
    drop(client);

    hears_nothing(&mut server).await;
}

#[tokio::test]
async fn a_half_open_connection_dies_for_one_side_only() {
    for way in super::WAYS {
        let mut line = Line::open().await;

        line.proxy.set(way, Manner::HalfOpen);
        let Line { client, server, .. } = &mut line;
        let (dead, other) = if way == Way::There { (client, server) } else { (server, client) };

        assert_eq!(hear(dead).await, RESET, "{way:?}");
        hears_nothing(other).await;
        say(other, b"is anybody there?").await;
        hears_nothing(other).await;
    }
}

#[tokio::test]
async fn a_new_half_open_connection_dies_when_it_has_spoken() {
    let mut line = Line::open().await;
    line.proxy.set(Way::There, Manner::HalfOpen);

    line.again().await;
    hears_nothing(&mut line.client).await;
    say(&mut line.client, b"heard").await;

    assert_eq!(hear(&mut line.server).await.unwrap(), b"heard");
    assert_eq!(hear(&mut line.client).await, RESET);
    hears_nothing(&mut line.server).await;
}

#[tokio::test]
async fn bytes_trickle_at_their_rate_and_hurry_afterwards() {
    let mut line = Line::open().await;
    let began = Instant::now();

    line.proxy.set(Way::Back, Manner::Trickle(20));
    say(&mut line.server, b"123456789").await;
    let mut heard = Vec::new();
    while heard.len() < 5 {
        let more = hear(&mut line.client).await.unwrap();
        assert_eq!(more.len(), 1, "one byte at a time");
        heard.extend(more);
    }
    let trickled_for = began.elapsed();
    line.proxy.pass();
    while heard.len() < 9 {
        heard.extend(hear(&mut line.client).await.unwrap());
    }

    assert_eq!(heard, b"123456789", "nothing is lost");
    assert!(trickled_for >= Duration::from_millis(4 * 50), "{trickled_for:?}");
}

#[tokio::test]
async fn a_reset_comes_in_the_middle_of_a_frame() {
    let mut line = Line::open().await;

    line.proxy.set(Way::There, Manner::ResetAfter(4));
    say(&mut line.client, b"12").await;
    assert_eq!(hear(&mut line.server).await.unwrap(), b"12");
    say(&mut line.client, b"345").await;

    // RST may overtake what was written before it, as in earnest.
    let heard = hear(&mut line.server).await;
    assert!(heard == Ok(b"34".to_vec()) || heard == RESET, "{heard:?}");
    assert_eq!(hear(&mut line.client).await, RESET);
    line.again().await;
    say(&mut line.client, b"123").await;
    assert_eq!(hear(&mut line.server).await.unwrap(), b"123");
}

#[tokio::test]
async fn new_connections_go_where_it_points_now() {
    let mut line = Line::open().await;
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();

    line.proxy.point_to(elsewhere.local_addr().unwrap());
    let _new = TcpStream::connect(("127.0.0.1", line.proxy.port())).await.unwrap();
    say(&mut line.client, b"stays").await;

    assert!(timeout(WITHIN, elsewhere.accept()).await.is_ok());
    assert_eq!(hear(&mut line.server).await.unwrap(), b"stays");
}

#[tokio::test]
async fn the_proxy_takes_the_place_of_the_server_in_any_address() {
    let proxy = Proxy::to_port(1).await.unwrap();
    let port = proxy.port();

    let instead = ["postgres://a@127.0.0.1:22/db?x=1:2", "amqp://g:s@127.0.0.1:22/%2f"]
        .map(|url| proxy.instead_of(url).unwrap());

    assert_eq!(instead[0], format!("postgres://a@127.0.0.1:{port}/db?x=1:2"));
    assert_eq!(instead[1], format!("amqp://g:s@127.0.0.1:{port}/%2f"));
    assert_eq!(address_in("mllp://127.0.0.1:22").unwrap().port(), 22);
}
