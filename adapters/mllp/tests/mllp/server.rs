//! The server over real sockets: order, quirks, limits, and senders that misbehave.

use std::time::Duration;

use tierlink_mllp::server::Settings;
use tierlink_mllp::{Door, Framing, Server, Why};
use tierlink_socket::ByteBudget;
use tierlink_socket::places::{RESTS_AT_LEAST, SPEAKS_WITHIN};
use tokio::time::Instant;

use crate::support::{Echo, Sender, connect_from, frame, serve, until};

#[tokio::test]
async fn a_message_is_answered() {
    let door = Echo::open();
    let server = serve(&door, |_| {}).await;
    let mut sender = Sender::connect(server.address).await;

    sender.write(&frame(b"one")).await;

    assert_eq!(sender.read().await.unwrap(), "ok:one");
    let peer = door.peers.lock()[0].clone();
    assert_eq!(peer.listener, server.address);
    assert!(peer.address.ip().is_loopback());
    assert!(peer.certificate_names.is_empty());
}

#[tokio::test]
async fn two_answers_to_one_message_come_as_two_frames_in_order() {
    let door = Echo::open();
    let server = serve(&door, |_| {}).await;
    let mut sender = Sender::connect(server.address).await;

    sender.write(&frame(b"say two")).await;

    assert_eq!(sender.read().await.unwrap(), "one");
    assert_eq!(sender.read().await.unwrap(), "two");
}

#[tokio::test]
async fn two_frames_in_one_packet_are_answered_in_order() {
    let door = Echo::open();
    let server = serve(&door, |_| {}).await;
    let mut sender = Sender::connect(server.address).await;

    sender.write(&[frame(b"one"), frame(b"two"), frame(b"three")].concat()).await;

    assert_eq!(sender.read().await.unwrap(), "ok:one");
    assert_eq!(sender.read().await.unwrap(), "ok:two");
    assert_eq!(sender.read().await.unwrap(), "ok:three");
}

#[tokio::test]
async fn messages_of_one_connection_wait_for_each_other_and_for_nobody_else() {
    let door = Echo::closed();
    let server = serve(&door, |_| {}).await;
    let mut first = Sender::connect(server.address).await;
    let mut second = Sender::connect(server.address).await;

    first.write(&[frame(b"one"), frame(b"two")].concat()).await;
    door.one_arrived().await;
    second.write(&frame(b"other")).await;
    door.one_arrived().await;
    assert_eq!(door.arrived.available_permits(), 0, "`two` must not overtake `one`");
    door.gate.add_permits(3);

    assert_eq!(first.read().await.unwrap(), "ok:one");
    assert_eq!(first.read().await.unwrap(), "ok:two");
    assert_eq!(second.read().await.unwrap(), "ok:other");
}

#[tokio::test]
async fn a_frame_too_large_is_refused_and_the_next_message_is_taken() {
    let door = Echo::open();
    let server = serve(&door, |it| it.limits.frame_bytes_max = 1000).await;
    let mut sender = Sender::connect(server.address).await;

    sender.write(&[frame(&b"x".repeat(300_000)), frame(b"two")].concat()).await;

    assert_eq!(sender.read().await.unwrap(), "E010");
    assert_eq!(sender.read().await.unwrap(), "ok:two");
    assert_eq!(door.broken()[0].1.len(), 1000);
    assert_eq!(server.counts.broken.get(), 1);
}

#[tokio::test]
async fn a_half_frame_is_refused_and_the_next_message_is_taken() {
    let door = Echo::open();
    let server = serve(&door, |_| {}).await;
    let mut sender = Sender::connect(server.address).await;

    sender.write(&[b"\x0bhalf", &frame(b"two")[..]].concat()).await;

    assert_eq!(sender.read().await.unwrap(), "E013");
    assert_eq!(sender.read().await.unwrap(), "ok:two");
    assert_eq!(door.broken(), [(Why::HalfFrame, "half".into())]);
}

#[tokio::test]
async fn a_sender_that_forgets_the_final_return_and_waits_is_answered() {
    let door = Echo::open();
    let server = serve(&door, |_| {}).await;
    let mut sender = Sender::connect(server.address).await;

    sender.write(b"\x0bone\x1c").await;
    assert_eq!(sender.read().await.unwrap(), "ok:one");
    sender.write(b"\r").await;
    sender.write(b"\x0btwo\x1c").await;
    assert_eq!(sender.read().await.unwrap(), "ok:two");

    assert_eq!(door.broken(), []);
}

#[tokio::test]
async fn a_missing_final_return_is_refused_where_framing_is_strict() {
    let door = Echo::open();
    let server = serve(&door, |it| it.framing = Framing::Strict).await;
    let mut sender = Sender::connect(server.address).await;

    sender.write(&[b"\x0bone\x1c", &frame(b"two")[..]].concat()).await;

    assert_eq!(sender.read().await.unwrap(), "E014");
    assert_eq!(sender.read().await.unwrap(), "ok:two");
}

#[tokio::test]
async fn a_frame_that_drips_in_byte_by_byte_ends_in_time() {
    let door = Echo::open();
    let lasts = Duration::from_millis(300);
    let server = serve(&door, |it| it.limits.frame_lasts = lasts).await;
    let mut sender = Sender::connect(server.address).await;
    let began = Instant::now();

    for _ in 0..10 {
        sender.write(b"\x0b").await;
        tokio::time::sleep(lasts / 20).await;
    }
    sender.write(b"drop").await;

    assert_eq!(sender.read().await.unwrap(), "E017");
    assert_eq!(sender.read().await, None);
    assert!(began.elapsed() >= lasts);
    assert_eq!(door.broken(), [(Why::TooSlow, "drop".into())]);
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let door = Echo::open();
    let server = serve(&door, |it| it.limits.idle_lasts = Duration::from_millis(50)).await;
    let mut sender = Sender::connect(server.address).await;

    assert_eq!(sender.read().await, None);

    until(|| server.counts.open.get() == 0).await;
}

#[tokio::test]
async fn a_sender_that_does_not_speak_mllp_is_told_and_closed() {
    let door = Echo::open();
    let server = serve(&door, |it| it.limits.junk_bytes_max = 100).await;
    let mut sender = Sender::connect(server.address).await;

    sender.write(&b"GET / HTTP/1.1\r\nHost: tierlink\r\n".repeat(10)).await;

    assert_eq!(sender.read().await.unwrap(), "E012");
    assert_eq!(sender.read().await, None);
    assert!(door.heard().is_empty());
}

#[tokio::test]
async fn the_last_answer_is_heard_by_a_sender_that_is_still_writing() {
    let door = Echo::open();
    let server = serve(&door, |it| it.limits.junk_bytes_max = 100).await;
    let mut sender = Sender::connect(server.address).await;

    sender.write(&b"POST".repeat(1_000_000)).await;

    assert_eq!(sender.read().await.unwrap(), "E012");
}

#[tokio::test]
async fn a_sender_that_ends_its_side_after_the_message_is_still_answered() {
    let door = Echo::open();
    let server = serve(&door, |_| {}).await;
    let mut sender = Sender::connect(server.address).await;

    sender.write(&[&frame(b"one")[..], b"\x0btwo"].concat()).await;
    sender.finish().await;

    assert_eq!(sender.read().await.unwrap(), "ok:one");
    assert_eq!(sender.read().await.unwrap(), "E016");
    assert_eq!(sender.read().await, None);
}

#[tokio::test]
async fn a_message_is_received_to_the_end_though_its_sender_hung_up() {
    let door = Echo::closed();
    let server = serve(&door, |_| {}).await;
    let mut sender = Sender::connect(server.address).await;
    sender.write(&frame(b"one")).await;
    door.one_arrived().await;

    drop(sender);
    door.gate.add_permits(1);

    until(|| door.heard() == ["one"]).await;
    until(|| server.counts.open.get() == 0).await;
}

#[tokio::test]
async fn the_door_may_stay_silent_or_hang_up() {
    let door = Echo::open();
    let server = serve(&door, |_| {}).await;
    let mut sender = Sender::connect(server.address).await;

    sender.write(&[frame(b"be silent"), frame(b"one"), frame(b"hang up")].concat()).await;

    assert_eq!(sender.read().await.unwrap(), "ok:one");
    assert_eq!(sender.read().await, None);
}

#[tokio::test]
async fn a_crash_while_receiving_closes_that_connection_only() {
    let door = Echo::open();
    let server = serve(&door, |_| {}).await;
    let mut unlucky = Sender::connect(server.address).await;
    let mut other = Sender::connect(server.address).await;

    unlucky.write(&frame(b"crash")).await;
    assert_eq!(unlucky.read().await, None);

    // The crash has poisoned the echo's lists, so this asks the server for a broken frame's answer
    // on a connection that was open before.
    other.write(&[b"\x0bhalf", &frame(b"be silent")[..]].concat()).await;
    assert_eq!(other.read().await.unwrap(), "E013");
}

#[tokio::test]
async fn an_answer_that_cannot_be_framed_is_not_sent() {
    let door = Echo::open();
    let server = serve(&door, |_| {}).await;
    let mut sender = Sender::connect(server.address).await;

    sender.write(&frame(b"say nonsense")).await;

    assert_eq!(sender.read().await, None);
    assert_eq!(server.counts.answers_lost.get(), 1);
}

#[tokio::test]
async fn a_sender_that_never_reads_its_answers_is_let_go() {
    let door = Echo::open();
    let server = serve(&door, |it| {
        it.limits.write_lasts = Duration::from_millis(200);
    })
    .await;
    let mut sender = Sender::connect(server.address).await;
    let large = frame(&vec![b'x'; 4_000_000]);

    // Each answer is as large as its message; no socket buffer holds so many.
    let writing = tokio::spawn(async move {
        for _ in 0..20 {
            sender.try_write(&large).await;
        }
        sender
    });

    until(|| server.counts.answers_lost.get() == 1).await;
    drop(writing.await.unwrap());
    until(|| server.counts.open.get() == 0).await;
}

#[tokio::test]
async fn one_connection_too_many_is_closed_at_once_and_a_freed_place_is_given_again() {
    let door = Echo::open();
    let server = serve(&door, |it| it.limits.connections_max = 2).await;
    let mut first = Sender::connect(server.address).await;
    let second = Sender::connect(server.address).await;
    until(|| server.counts.open.get() == 2).await;

    assert_eq!(Sender::connect(server.address).await.read().await, None);
    assert_eq!(server.counts.refused_full.get(), 1);
    first.write(&frame(b"one")).await;
    assert_eq!(first.read().await.unwrap(), "ok:one");

    drop(second);
    until(|| server.counts.open.get() == 1).await;
    let mut third = Sender::connect(server.address).await;
    third.write(&frame(b"three")).await;
    assert_eq!(third.read().await.unwrap(), "ok:three");
}

#[tokio::test]
async fn a_connection_that_has_long_been_silent_makes_room_for_another() {
    let door = Echo::open();
    let server = serve(&door, |it| it.limits.connections_max = 2).await;
    let mut silent = Sender::connect(server.address).await;
    let mut half = Sender::connect(server.address).await;
    half.write(&frame(b"zero")).await;
    assert_eq!(half.read().await.unwrap(), "ok:zero");
    // Some systems end a line behind each frame. That begins nothing.
    silent.write(&[frame(b"one"), b"\r\n".to_vec()].concat()).await;
    assert_eq!(silent.read().await.unwrap(), "ok:one");
    half.write(&frame(b"two")[..2]).await;
    until(|| server.counts.open.get() == 2).await;
    tokio::time::sleep(RESTS_AT_LEAST).await;

    let mut third = Sender::connect(server.address).await;
    third.write(&frame(b"three")).await;

    assert_eq!(third.read().await.unwrap(), "ok:three");
    assert_eq!(silent.read().await, None);
    // A message that is on its way is not cut off.
    half.write(&frame(b"two")[2..]).await;
    assert_eq!(half.read().await.unwrap(), "ok:two");
    assert_eq!(server.counts.refused_full.get(), 0);
}

#[tokio::test]
async fn half_frames_of_strangers_fill_no_memory_and_nobody_else_is_refused() {
    let door = Echo::open();
    // Strangers have a sixteenth of it: for each half frame alone that is too little.
    let budget = ByteBudget::new(8 * 1024 * 1024);
    let server = serve(&door, |it| it.budget = budget.clone()).await;
    let half = [b"\x0bstranger".to_vec(), vec![b'x'; 600_000]].concat();
    let mut strangers = Vec::new();
    for _ in 0..20 {
        let mut stranger = Sender::connect(server.address).await;
        stranger.write(&half).await;
        strangers.push(stranger);
    }

    let mut known = Sender::on(connect_from("127.0.0.2", server.address).await);
    let large = frame(&vec![b'k'; 900_000]);
    known.write(&large).await;

    assert_eq!(known.read().await.unwrap().len(), "ok:".len() + 900_000);
    until(|| budget.taken() <= 512 * 1024).await;
    // Whoever had no room hears so at the end of its frame, and is then heard.
    let last = strangers.last_mut().unwrap();
    last.write(b"\x1c\r").await;
    assert_eq!(last.read().await.unwrap(), "E036");
    last.write(&frame(b"stranger, and short")).await;
    assert_eq!(last.read().await.unwrap(), "ok:stranger, and short");
    drop(strangers);
    until(|| budget.taken() == 0).await;
}

#[tokio::test]
async fn one_address_gets_a_quarter_of_the_room_and_the_others_the_rest() {
    let door = Echo::open();
    let budget = ByteBudget::new(16 * 1024 * 1024);
    let server = serve(&door, |it| it.budget = budget.clone()).await;
    let half = [b"\x0b".to_vec(), vec![b'x'; 1_500_000]].concat();
    let mut greedy = Vec::new();
    for _ in 0..8 {
        let mut sender = Sender::connect(server.address).await;
        sender.write(&half).await;
        greedy.push(sender);
    }
    let mut other = Sender::on(connect_from("127.0.0.2", server.address).await);

    other.write(&frame(&vec![b'k'; 1_500_000])).await;

    assert_eq!(other.read().await.unwrap().len(), "ok:".len() + 1_500_000);
    until(|| budget.taken() <= 4 * 1024 * 1024).await;
}

#[tokio::test]
async fn a_stranger_that_drips_makes_room_and_a_known_sender_does_not() {
    let door = Echo::open();
    let server = serve(&door, |it| it.limits.connections_max = 2).await;
    let mut known = Sender::connect(server.address).await;
    known.write(&frame(b"one")).await;
    assert_eq!(known.read().await.unwrap(), "ok:one");
    known.write(b"\x0bslow").await;
    let mut drips = Sender::connect(server.address).await;
    drips.write(b"\x0bstranger").await;
    until(|| server.counts.open.get() == 2).await;
    tokio::time::sleep(SPEAKS_WITHIN).await;

    let mut third = Sender::connect(server.address).await;
    third.write(&frame(b"three")).await;

    assert_eq!(third.read().await.unwrap(), "ok:three");
    assert_eq!(drips.read().await, None);
    known.write(b"ly\x1c\r").await;
    assert_eq!(known.read().await.unwrap(), "ok:slowly");
    assert_eq!(server.counts.refused_full.get(), 0);
}

#[tokio::test]
async fn one_address_cannot_take_all_places() {
    let door = Echo::open();
    let server = serve(&door, |it| it.limits.connections_per_peer_max = 1).await;
    let _first = Sender::connect(server.address).await;
    until(|| server.counts.open.get() == 1).await;

    assert_eq!(Sender::connect(server.address).await.read().await, None);

    assert_eq!(server.counts.refused_full.get(), 1);
}

#[tokio::test]
async fn an_address_that_is_not_on_the_list_is_closed_at_once() {
    let door = Echo::open();
    let server = serve(&door, |it| it.peers = vec!["192.0.2.0/24".parse().unwrap()]).await;

    assert_eq!(Sender::connect(server.address).await.read().await, None);
    assert_eq!(server.counts.refused_address.get(), 1);
    assert_eq!(server.counts.accepted.get(), 0);
}

#[tokio::test]
async fn only_a_load_balancer_that_is_named_says_whose_a_connection_is() {
    let door = Echo::open();
    let server = serve(&door, |it| {
        it.peers = vec!["192.0.2.0/24".parse().unwrap()];
        it.proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    let through = |source: &str| {
        [format!("PROXY TCP4 {source} 127.0.0.1 40000 2575\r\n").into_bytes(), frame(b"one")]
            .concat()
    };
    let mut listed = Sender::connect(server.address).await;
    listed.write(&through("192.0.2.7")).await;
    let mut other = Sender::connect(server.address).await;
    other.write(&through("198.51.100.7")).await;
    let mut silent = Sender::connect(server.address).await;
    silent.write(&frame(b"one")).await;
    let mut unnamed = Sender::on(connect_from("127.0.0.2", server.address).await);

    assert_eq!(listed.read().await.unwrap(), "ok:one");
    assert_eq!(door.peers.lock()[0].address, "192.0.2.7:40000".parse().unwrap());
    assert_eq!(other.read().await, None);
    // It begins as no load balancer does; and whoever is none is not believed.
    assert_eq!(silent.read().await, None);
    unnamed.try_write(&through("192.0.2.7")).await;
    assert_eq!(unnamed.read().await, None);
    assert_eq!(server.counts.accepted.get(), 1);
}

#[tokio::test]
async fn an_ipv4_address_is_known_by_its_network_on_an_ipv6_socket_too() {
    let door = Echo::open();
    let server = serve(&door, |it| {
        it.address = "[::]:0".parse().unwrap();
        it.peers = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let address = ("127.0.0.1", server.address.port());
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut sender = Sender::on(stream);

    sender.write(&frame(b"one")).await;

    assert_eq!(sender.read().await.unwrap(), "ok:one");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let door = Echo::open();
    let server = serve(&door, |_| {}).await;
    let door: std::sync::Arc<dyn Door> = door;

    let error = Server::bind(Settings::new(server.address), door).await.err().unwrap();

    assert_eq!(error.code().as_str(), "E006");
    assert!(error.to_string().contains(&server.address.to_string()));
}

#[tokio::test]
async fn random_noise_is_survived_and_the_next_sender_is_served() {
    let door = Echo::open();
    let server = serve(&door, |it| it.limits.frame_bytes_max = 5_000).await;
    // A fixed multiplier makes the noise the same in every run.
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;

    for _ in 0..20 {
        let mut noise = Vec::new();
        for _ in 0..4_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            noise.push(seed.to_be_bytes()[0]);
        }
        let mut sender = Sender::connect(server.address).await;
        sender.try_write(&noise).await;
    }

    let mut sender = Sender::connect(server.address).await;
    sender.write(&frame(b"be silent")).await;
    sender.write(&frame(b"one")).await;
    assert_eq!(sender.read().await.unwrap(), "ok:one");
    assert!(server.counts.broken.get() > 20);
}
