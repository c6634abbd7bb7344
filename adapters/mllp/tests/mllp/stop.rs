//! Stopping a server: what is in hand is answered, and nothing waits forever.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Echo, SOON, Sender, frame, serve, until};

#[tokio::test]
async fn a_message_in_hand_is_answered_before_the_server_ends() {
    let door = Echo::closed();
    let server = serve(&door, |_| {}).await;
    let mut sender = Sender::connect(server.address).await;
    sender.write(&[frame(b"one"), frame(b"two")].concat()).await;
    door.one_arrived().await;

    server.stop.cancel();
    until_refused(server.address).await;
    assert!(!server.ended.is_finished());
    door.gate.add_permits(2);

    assert_eq!(sender.read().await.unwrap(), "ok:one");
    assert_eq!(sender.read().await.unwrap(), "ok:two");
    assert_eq!(sender.read().await, None);
    timeout(SOON, server.ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn idle_and_half_read_connections_do_not_hold_a_stop_up() {
    let door = Echo::open();
    let server = serve(&door, |_| {}).await;
    let mut idle = Sender::connect(server.address).await;
    let mut half = Sender::connect(server.address).await;
    half.write(b"\x0bhalf").await;
    until(|| server.counts.open.get() == 2).await;

    server.stop.cancel();

    assert_eq!(idle.read().await, None);
    assert_eq!(half.read().await, None);
    drop((idle, half));
    timeout(SOON, server.ended).await.unwrap().unwrap();
    assert!(door.heard().is_empty());
}

#[tokio::test]
async fn a_stop_has_a_deadline_and_even_then_the_message_is_received_to_its_end() {
    let door = Echo::closed();
    let server = serve(&door, |it| it.limits.stop_lasts = Duration::from_millis(50)).await;
    let mut sender = Sender::connect(server.address).await;
    sender.write(&frame(b"one")).await;
    door.one_arrived().await;

    server.stop.cancel();
    timeout(SOON, server.ended).await.unwrap().unwrap();
    assert_eq!(sender.read().await, None);
    door.gate.add_permits(1);

    until(|| door.heard() == ["one"]).await;
}

async fn until_refused(address: std::net::SocketAddr) {
    let refused = async { while TcpStream::connect(address).await.is_ok() {} };
    timeout(SOON, refused).await.unwrap();
}
