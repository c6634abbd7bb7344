//! The client over real sockets, against a hospital that does exactly what the test says.

use std::io::{Read, Write};
use std::time::Duration;

use tierlink_mllp::client::Settings;
use tierlink_mllp::{Client, Match, NoAnswer, Why};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::{Echo, SOON, Sender, frame, serve};

struct Hospital {
    listener: TcpListener,
}

impl Hospital {
    async fn open() -> (Self, Settings) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let settings = Settings::new("127.0.0.1", listener.local_addr().unwrap().port());
        (Self { listener }, settings)
    }

    async fn accept(&self) -> Sender {
        let (stream, _) = timeout(SOON, self.listener.accept()).await.unwrap().unwrap();
        Sender::on(stream)
    }
}

/// An answer belongs to `one` if it ends in `one`; a commit begins with `commit`.
fn to(wanted: &'static str) -> impl Fn(&[u8]) -> Match + Sync {
    move |answer| {
        let text = std::str::from_utf8(answer).unwrap();
        match (text.starts_with("commit"), text.ends_with(wanted)) {
            (_, false) => Match::Stray,
            (true, true) => Match::MineButMoreComes,
            (false, true) => Match::Mine,
        }
    }
}

#[tokio::test]
async fn one_connection_serves_many_messages() {
    let door = Echo::open();
    let server = serve(&door, |_| {}).await;
    let mut client = Client::new(Settings::new("127.0.0.1", server.address.port()));

    for message in ["one", "two", "three"] {
        let answers = client.exchange(message.as_bytes(), &to(message)).await.unwrap();
        assert_eq!(answers, [format!("ok:{message}")]);
    }

    assert_eq!(server.counts.accepted.get(), 1);
    assert_eq!(client.strays(), 0);
}

#[tokio::test]
async fn an_acknowledgement_of_an_earlier_message_is_ignored() {
    let (hospital, settings) = Hospital::open().await;
    let mut client = Client::new(settings);

    let hospital = async {
        let mut line = hospital.accept().await;
        line.read().await.unwrap();
        line.write(&[frame(b"ack zero"), frame(b"\x06 zero"), frame(b"ack one")].concat()).await;
        line
    };
    let matches = to("one");
    let (answers, _line) = tokio::join!(client.exchange(b"one", &matches), hospital);

    assert_eq!(answers.unwrap(), ["ack one"]);
    assert_eq!(client.strays(), 2);
}

#[tokio::test]
async fn what_came_before_a_message_was_sent_is_never_its_answer() {
    let (hospital, settings) = Hospital::open().await;
    let mut client = Client::new(settings);
    client.reach().await.unwrap();
    let mut line = hospital.accept().await;
    line.write(&frame(b"ack one, but too early")).await;
    // The peek of the next exchange must find it.
    tokio::time::sleep(Duration::from_millis(50)).await;

    let everything_is_mine = |_: &[u8]| Match::Mine;
    let answer = async {
        line.read().await.unwrap();
        line.write(&frame(b"ack one")).await;
    };
    let (answers, ()) = tokio::join!(client.exchange(b"one", &everything_is_mine), answer);

    assert_eq!(answers.unwrap(), ["ack one"]);
    assert_eq!(client.strays(), 1);
}

#[tokio::test]
async fn after_a_timeout_the_late_answer_finds_nobody() {
    let (hospital, mut settings) = Hospital::open().await;
    settings.answer_lasts = Duration::from_millis(100);
    let mut client = Client::new(settings);

    let error = client.exchange(b"one", &to("one")).await.unwrap_err();
    assert!(matches!(error, NoAnswer::TimedOut { .. }));
    let mut late = hospital.accept().await;
    assert_eq!(late.read().await.unwrap(), "one");
    assert_eq!(late.read().await, None, "the old connection must be closed");

    let everything_is_mine = |_: &[u8]| Match::Mine;
    let answer = async {
        late.try_write(&frame(b"ack one")).await;
        let mut line = hospital.accept().await;
        assert_eq!(line.read().await.unwrap(), "two");
        line.write(&frame(b"ack two")).await;
        line
    };
    let (answers, _line) = tokio::join!(client.exchange(b"two", &everything_is_mine), answer);
    assert_eq!(answers.unwrap(), ["ack two"]);
}

#[tokio::test]
async fn strays_do_not_prolong_the_wait() {
    let (hospital, mut settings) = Hospital::open().await;
    settings.answer_lasts = Duration::from_millis(200);
    let mut client = Client::new(settings);
    let chatter = tokio::spawn(async move {
        let mut line = hospital.accept().await;
        while line.try_write(&frame(b"ack zero")).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });

    let error = client.exchange(b"one", &to("one")).await.unwrap_err();

    assert_eq!(error.code().as_str(), "E003");
    assert!(client.strays() > 2);
    timeout(SOON, chatter).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_dropped_exchange_leaves_no_connection_behind() {
    let (hospital, settings) = Hospital::open().await;
    let mut client = Client::new(settings);
    let given_up = timeout(Duration::from_millis(50), client.exchange(b"one", &to("one"))).await;
    assert!(given_up.is_err());
    let mut first = hospital.accept().await;
    assert_eq!(first.read().await.unwrap(), "one");

    assert_eq!(first.read().await, None);
}

#[tokio::test]
async fn a_commit_and_then_the_application_answer_are_both_returned() {
    let (hospital, settings) = Hospital::open().await;
    let mut client = Client::new(settings);

    let answer = async {
        let mut line = hospital.accept().await;
        line.read().await.unwrap();
        line.write(&frame(b"commit one")).await;
        line.write(&frame(b"ack one")).await;
        line
    };
    let matches = to("one");
    let (answers, _line) = tokio::join!(client.exchange(b"one", &matches), answer);

    assert_eq!(answers.unwrap(), ["commit one", "ack one"]);
}

#[tokio::test]
async fn a_commit_without_an_application_answer_is_not_forgotten() {
    let (hospital, mut settings) = Hospital::open().await;
    settings.answer_lasts = Duration::from_millis(200);
    let mut client = Client::new(settings);

    let answer = async {
        let mut line = hospital.accept().await;
        line.read().await.unwrap();
        line.write(&frame(b"commit one")).await;
        line
    };
    let matches = to("one");
    let (outcome, _line) = tokio::join!(client.exchange(b"one", &matches), answer);

    let error = outcome.unwrap_err();
    assert!(matches!(error, NoAnswer::TimedOut { .. }));
    assert_eq!(error.heard(), ["commit one"]);
    assert!(!format!("{error} {error:?}").contains("commit"));
}

#[tokio::test]
async fn a_hospital_that_hangs_up_after_each_answer_is_reconnected() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut client = Client::new(Settings::new("127.0.0.1", port));
    let (hang_up, told) = std::sync::mpsc::channel();
    let (hung_up, gone) = std::sync::mpsc::channel();
    let hospital = std::thread::spawn(move || {
        for message in ["one", "two", "three"] {
            let (mut line, _) = listener.accept().unwrap();
            let mut read = vec![0; frame(message.as_bytes()).len()];
            line.read_exact(&mut read).unwrap();
            line.write_all(&read).unwrap();
            told.recv().unwrap();
            drop(line);
            hung_up.send(()).unwrap();
        }
    });

    for message in ["one", "two", "three"] {
        let answers = client.exchange(message.as_bytes(), &to(message)).await.unwrap();
        assert_eq!(answers, [message]);
        // Waits without giving the runtime a chance to notice the end by itself.
        hang_up.send(()).unwrap();
        gone.recv_timeout(SOON).unwrap();
    }

    hospital.join().unwrap();
}

#[tokio::test]
async fn each_kind_of_silence_is_told_apart() {
    let (hospital, settings) = Hospital::open().await;
    let mut client = Client::new(settings.clone());
    let noise = b"x".repeat(20_000);
    let cases: [(&[u8], &str); 5] = [
        (b"", "E002"),
        (b"\x0back o", "E002"),
        (b"\x0back o\x0back one\x1c\r", "E004"),
        (&noise, "E004"),
        (b"hello\r\n\x0b\x1c\r\x0back one\x1c\r", "answered"),
    ];

    for (bytes, expected) in cases {
        let answer = async {
            let mut line = hospital.accept().await;
            line.read().await.unwrap();
            line.write(bytes).await;
            line.finish().await;
            line
        };
        let matches = to("one");
        let (outcome, _line) = tokio::join!(client.exchange(b"one", &matches), answer);
        let outcome = outcome.map_or_else(|e| e.code().as_str().to_owned(), |_| "answered".into());
        assert_eq!(outcome, expected);
    }

    drop(hospital);
    let error = Client::new(settings).exchange(b"one", &to("one")).await.unwrap_err();
    assert!(matches!(error, NoAnswer::CouldNotConnect { .. }));
    assert_eq!(error.code().as_str(), "E001");
}

#[tokio::test]
async fn a_lost_connection_says_whether_the_message_may_have_arrived() {
    let (hospital, mut settings) = Hospital::open().await;
    settings.write_lasts = Duration::from_millis(100);
    let mut client = Client::new(settings);

    // Nobody reads, and no socket buffer holds this much.
    let error = client.exchange(&vec![b'x'; 30_000_000], &to("one")).await.unwrap_err();
    assert!(matches!(error, NoAnswer::ConnectionLost { sent: false, .. }), "{error:?}");
    drop(hospital.accept().await);

    let hang_up = async {
        hospital.accept().await.read().await.unwrap();
    };
    let matches = to("one");
    let (outcome, ()) = tokio::join!(client.exchange(b"one", &matches), hang_up);
    let error = outcome.unwrap_err();
    assert!(matches!(error, NoAnswer::ConnectionLost { sent: true, .. }), "{error:?}");
}

#[tokio::test]
async fn an_answer_without_its_final_return_is_taken() {
    let (hospital, settings) = Hospital::open().await;
    let mut client = Client::new(settings);

    let answer = async {
        let mut line = hospital.accept().await;
        line.read().await.unwrap();
        line.write(b"\x0back one\x1c").await;
        line
    };
    let matches = to("one");
    let (answers, _line) = tokio::join!(client.exchange(b"one", &matches), answer);

    assert_eq!(answers.unwrap(), ["ack one"]);
}

#[tokio::test]
async fn a_message_that_cannot_be_framed_is_not_sent_and_the_connection_lives() {
    let door = Echo::open();
    let server = serve(&door, |_| {}).await;
    let mut client = Client::new(Settings::new("127.0.0.1", server.address.port()));

    let error = client.exchange(b"a\x0bb", &to("one")).await.unwrap_err();
    assert_eq!(error.code().as_str(), "E005");
    client.exchange(b"one", &to("one")).await.unwrap();
    client.close().await;

    assert_eq!(door.heard(), ["one"]);
    assert_eq!(server.counts.accepted.get(), 1);
}

#[tokio::test]
async fn a_hospital_that_cannot_be_reached_is_given_up_in_time() {
    // A listener whose queue is full leaves further connections hanging.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut hanging = Vec::new();
    while let Ok(stream) = timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
        hanging.push(stream);
    }
    let mut settings = Settings::new("127.0.0.1", address.port());
    settings.connect_lasts = Duration::from_millis(100);

    let error = Client::new(settings).reach().await.unwrap_err();

    assert!(matches!(error, NoAnswer::CouldNotConnect { .. }));
    assert!(error.to_string().contains(&address.to_string()));
}

#[test]
fn no_text_of_a_broken_answer_holds_a_payload() {
    for why in Why::ALL {
        let heard = tierlink_mllp::ReceivedAnswers(vec!["Zhang".into()]);
        let error = NoAnswer::BrokenAnswer { address: "his.example:2575".into(), why, heard };
        assert!(!format!("{error} {error:?}").contains("Zhang"));
        assert!(error.to_string().contains(&why.to_string()));
    }
}
