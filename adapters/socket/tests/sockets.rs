//! What both transports rely on, each promise by itself. Everything over a whole connection, TLS
//! included, is tested with the transports.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::pki_types::CertificateDer;
use socket2::SockRef;
use tierlink_schemas::Code;
use tierlink_socket::log_throttle::LOG_EVERY;
use tierlink_socket::places::{RESTS_AT_LEAST, SPEAKS_WITHIN};
use tierlink_socket::{
    ByteBudget, CannotListen, Count, Listener, LogThrottle, NoRoom, Place, Places, certificates,
    tune,
};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, advance, timeout};
use tokio_util::sync::CancellationToken;

const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const CODE: Code = Code::new("E006");
/// Whatever takes longer than this is hanging.
const HANGS_AFTER: Duration = Duration::from_secs(20);

fn peer(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
}

fn places(max: usize, per_peer_max: usize) -> (Arc<Places>, Arc<Count>) {
    let open = Arc::new(Count::default());
    (Places::new(max, per_peer_max, Arc::clone(&open)), open)
}

#[test]
fn one_address_cannot_take_all_places() {
    let (places, open) = places(3, 2);
    let held: Vec<Option<Place>> = [1, 1, 1, 2, 3].map(|it| places.take(peer(it))).into();

    let let_in: Vec<bool> = held.iter().map(Option::is_some).collect();
    assert_eq!(let_in, [true, true, false, true, false]);
    assert_eq!(open.get(), 3);
}

#[test]
fn a_place_that_is_dropped_can_be_taken_again() {
    let (places, open) = places(2, 1);
    let first = places.take(peer(1)).unwrap();
    assert!(places.take(peer(1)).is_none());

    drop(first);

    assert_eq!(open.get(), 0);
    let _again = places.take(peer(1)).unwrap();
    assert_eq!(open.get(), 1);
}

/// Whether this connection was told to make room.
async fn is_wanted(place: &Place) -> bool {
    timeout(Duration::ZERO, place.wanted()).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn the_connection_that_has_rested_longest_makes_room() {
    let (places, open) = places(3, 3);
    let [works, first, second] = [1, 2, 3].map(|it| places.take(peer(it)).unwrap());
    for place in [&works, &first, &second] {
        place.is_known();
    }
    first.rests();
    advance(RESTS_AT_LEAST / 2).await;
    second.rests();
    advance(RESTS_AT_LEAST / 2).await;

    let newcomer = places.take(peer(4)).unwrap();

    assert!(newcomer.displaced_another() && !first.displaced_another());
    newcomer.is_known();
    assert!(is_wanted(&first).await);
    assert!(!is_wanted(&second).await && !is_wanted(&works).await);
    // The second has not rested for long enough.
    assert!(places.take(peer(5)).is_none());
    second.works();
    advance(RESTS_AT_LEAST).await;
    assert!(places.take(peer(5)).is_none(), "whoever works keeps its place");
    drop(first);
    assert_eq!(open.get(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_has_all_its_places_displaces_its_own_only() {
    let (places, open) = places(9, 2);
    let [theirs, first, second] = [1, 2, 2].map(|it| places.take(peer(it)).unwrap());
    for place in [&theirs, &first, &second] {
        place.is_known();
    }
    for place in [&theirs, &first, &second] {
        place.rests();
        advance(RESTS_AT_LEAST).await;
    }

    let newcomer = places.take(peer(2)).unwrap();

    assert!(is_wanted(&first).await);
    assert!(!is_wanted(&theirs).await && !is_wanted(&second).await);
    drop((theirs, first, second));
    assert_eq!(open.get(), 1);
    drop(newcomer);
    assert_eq!(open.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn strangers_that_say_nothing_leave_first_and_longest_first() {
    let (places, _open) = places(3, 3);
    let [known, first, second] = [1, 2, 3].map(|it| places.take(peer(it)).unwrap());
    known.is_known();
    known.rests();
    advance(SPEAKS_WITHIN / 2).await;
    assert!(places.take(peer(4)).is_none(), "whoever has just come may be about to speak");
    advance(RESTS_AT_LEAST).await;

    let newcomers = [4, 5].map(|it| places.take(peer(it)).unwrap());

    assert!(is_wanted(&first).await && is_wanted(&second).await);
    assert!(!is_wanted(&known).await);
    drop(newcomers);
}

#[tokio::test(start_paused = true)]
async fn a_quarter_of_the_places_is_kept_for_addresses_that_are_known() {
    let (places, open) = places(8, 8);
    let known = places.take(peer(1)).unwrap();
    known.is_known();
    drop(known);
    let strangers: Vec<Option<Place>> = (10..20).map(|it| places.take(peer(it))).collect();
    assert_eq!(strangers.iter().flatten().count(), 6);

    let back: Vec<Option<Place>> = (0..3).map(|_| places.take(peer(1))).collect();

    assert_eq!(back.iter().flatten().count(), 2);
    assert_eq!(open.get(), 8);
    // A stranger never drives out somebody from an address that is known.
    advance(SPEAKS_WITHIN).await;
    let more: Vec<Option<Place>> = (20..30).map(|it| places.take(peer(it))).collect();
    assert_eq!(more.iter().flatten().count(), 6);
    for place in back.iter().flatten() {
        assert!(!is_wanted(place).await);
    }
}

#[test]
fn strangers_share_a_small_part_of_the_room_and_give_it_back() {
    let budget = ByteBudget::new(1_600);
    let (mut one, mut other) = (budget.share(peer(1)), budget.share(peer(2)));
    assert_eq!(one.enlarge(60), Ok(()));
    assert_eq!(other.enlarge(60), Err(NoRoom));
    assert_eq!(budget.taken(), 60);

    one.becomes_known();

    assert_eq!(other.enlarge(100), Ok(()));
    assert_eq!(one.enlarge(400), Ok(()));
    one.shrink(10);
    assert_eq!(budget.taken(), 110);
    drop((one, other));
    assert_eq!(budget.taken(), 0);
}

#[test]
fn one_address_gets_a_quarter_of_the_room() {
    let budget = ByteBudget::new(1_600);
    let known = |address| {
        let mut share = budget.share(peer(address));
        share.becomes_known();
        share
    };
    let (mut one, mut more, mut other) = (known(1), known(1), known(2));
    assert_eq!(one.enlarge(300), Ok(()));

    assert_eq!(more.enlarge(101), Err(NoRoom));
    assert_eq!(more.enlarge(100), Ok(()));
    assert_eq!(other.enlarge(400), Ok(()));
}

#[test]
fn a_flood_gets_one_line_and_the_next_line_tells_how_many_were_left_out() {
    let mut log_throttle = LogThrottle::default();
    let mut said = Vec::new();
    let begin = Instant::now();
    let almost = LOG_EVERY * 99 / 100;
    for after in [Duration::ZERO, Duration::ZERO, almost, LOG_EVERY, 2 * LOG_EVERY] {
        log_throttle.say(begin + after, |more| said.push((after, more)));
    }

    assert_eq!(said, [(Duration::ZERO, 0), (LOG_EVERY, 2), (2 * LOG_EVERY, 0)]);
}

fn certificate(common_name: &str, dns_names: Vec<String>) -> CertificateDer<'static> {
    let mut params = CertificateParams::new(dns_names).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().der().clone()
}

#[test]
fn the_common_name_comes_first_and_no_name_twice() {
    let dns_names = vec!["his.example".into(), "lis.example".into()];
    let both = certificate("lis.example", dns_names);
    let chinese = certificate("卫生院·一", Vec::new());

    assert_eq!(*certificates::names(Some(&[both])), ["lis.example", "his.example"]);
    assert_eq!(*certificates::names(Some(&[chinese])), ["卫生院·一"]);
}

#[test]
fn of_a_flood_of_names_only_the_first_are_read() {
    let dns_names = (0..100).map(|it| format!("his{it}.example")).collect();
    let names = certificates::names(Some(&[certificate("his", dns_names)]));

    assert_eq!(names.len(), 32);
    assert_eq!((names[0].as_str(), names[31].as_str()), ("his", "his30.example"));
}

#[test]
fn a_certificate_that_cannot_be_read_has_no_names() {
    let cut = certificate("his", Vec::new())[..100].to_vec();

    assert!(certificates::names(None).is_empty());
    assert!(certificates::names(Some(&[])).is_empty());
    assert!(certificates::names(Some(&[cut.into()])).is_empty());
}

#[tokio::test]
async fn a_port_that_is_taken_is_refused_with_the_transports_code() {
    let first = Listener::bind(ANY_PORT, CODE).await.unwrap();

    let refused: CannotListen = Listener::bind(first.address(), CODE).await.err().unwrap();

    assert_eq!((refused.code(), refused.address), (CODE, first.address()));
}

#[tokio::test]
async fn whoever_gets_no_place_is_closed_at_once_and_the_others_are_waited_for() {
    let listener = Listener::bind(ANY_PORT, CODE).await.unwrap();
    let address = listener.address();
    let (places, open) = places(1, 1);
    let stop = CancellationToken::new();
    let (welcomed, leave) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let served = tokio::spawn({
        let (stop, welcomed, leave) = (stop.clone(), Arc::clone(&welcomed), Arc::clone(&leave));
        async move {
            let admit = |from: SocketAddr| places.take(from.ip());
            let open = listener.serve(&stop, admit, |socket, peer, place| {
                let (welcomed, leave) = (Arc::clone(&welcomed), Arc::clone(&leave));
                async move {
                    assert_eq!(peer.listener, address);
                    welcomed.add_permits(1);
                    leave.acquire().await.unwrap().forget();
                    drop((socket, place));
                }
            });
            open.await.end(Instant::now() + HANGS_AFTER).await;
        }
    });

    let _first = TcpStream::connect(address).await.unwrap();
    welcomed.acquire().await.unwrap().forget();
    let mut second = TcpStream::connect(address).await.unwrap();
    let read = timeout(HANGS_AFTER, second.read(&mut [0])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)), "the second was let in");
    stop.cancel();
    assert!(!served.is_finished());
    assert_eq!(open.get(), 1);
    leave.add_permits(1);
    timeout(HANGS_AFTER, served).await.unwrap().unwrap();

    assert_eq!((open.get(), welcomed.available_permits()), (0, 0));
}

#[tokio::test]
async fn a_connection_that_does_not_end_in_time_is_cut_off() {
    let listener = Listener::bind(ANY_PORT, CODE).await.unwrap();
    let (places, open) = places(1, 1);
    let mut client = TcpStream::connect(listener.address()).await.unwrap();
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    let admit = |from: SocketAddr| places.take(from.ip());
    let left = listener.serve(&stop, admit, |socket, _peer, place| {
        stopping.cancel();
        async move {
            std::future::pending::<()>().await;
            drop((socket, place));
        }
    });

    timeout(HANGS_AFTER, async { left.await.end(Instant::now()).await }).await.unwrap();

    assert_eq!(open.get(), 0);
    let read = timeout(HANGS_AFTER, client.read(&mut [0])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)), "the connection was left open");
}

#[tokio::test]
async fn a_tuned_connection_waits_for_no_company_and_notices_a_dead_end() {
    let listener = TcpListener::bind(ANY_PORT).await.unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();

    tune(&socket).unwrap();

    assert!(socket.nodelay().unwrap());
    assert!(SockRef::from(&socket).keepalive().unwrap());
}
