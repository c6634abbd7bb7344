//! The servers that other tests rely on: they start, die and come back with their data.
//!
//! Nothing here is about TierLink itself.

#![expect(clippy::unwrap_used, reason = "a helper that cannot work means that the test failed")]

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use futures::StreamExt;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use sqlx::{Connection as _, PgConnection};
use tierlink_integration_tests::servers::{
    Broker, Postgres, Rabbit, free_port, fresh_database, shared_postgres, shared_rabbit,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

async fn note_down(url: &str, what: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query("CREATE TABLE IF NOT EXISTS notes (what text)")
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::query("INSERT INTO notes VALUES ($1)").bind(what).execute(&mut connection).await.unwrap();
}

async fn notes(url: &str) -> Vec<String> {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar("SELECT what FROM notes ORDER BY what")
        .fetch_all(&mut connection)
        .await
        .unwrap()
}

/// A channel, its connection, and the durable queue that the tests write to.
async fn open(url: &str) -> (Connection, Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare("notes".into(), durable, arguments).await.unwrap();
    (connection, channel)
}

async fn publish(url: &str, what: &str) {
    let (_connection, channel) = open(url).await;
    let persistent = BasicProperties::default().with_delivery_mode(2);
    let confirmed = channel
        .basic_publish(
            "".into(),
            "notes".into(),
            BasicPublishOptions::default(),
            what.as_bytes(),
            persistent,
        )
        .await
        .unwrap()
        .await
        .unwrap();
    assert!(confirmed.is_ack());
}

async fn first_in_queue(url: &str) -> Vec<u8> {
    let (_connection, channel) = open(url).await;
    let mut consumer = channel
        .basic_consume(
            "notes".into(),
            "reader".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await
        .unwrap();
    consumer.next().await.unwrap().unwrap().data
}

/// Answers every request on `listener` with this status line.
async fn answer_with(listener: tokio::net::TcpListener, status: &str) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await.unwrap();
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn postgres_keeps_what_it_confirmed_when_it_is_killed_or_restarted() {
    let postgres = Postgres::start().await.unwrap();
    let database = postgres.fresh_database().await.unwrap();

    note_down(&database, "before the kill").await;
    postgres.kill_immediately().await.unwrap();
    let while_dead = PgConnection::connect(&database).await;
    postgres.restart().await.unwrap();
    note_down(&database, "before the restart").await;
    postgres.restart().await.unwrap();

    assert!(while_dead.is_err());
    assert_eq!(notes(&database).await, ["before the kill", "before the restart"]);
    assert!(postgres.logs().unwrap().contains("not properly shut down"));
}

#[tokio::test]
async fn rabbit_keeps_what_it_confirmed_when_it_is_killed_or_restarted() {
    let rabbit = Rabbit::start().await.unwrap();
    let vhost = rabbit.fresh_vhost().await.unwrap();

    publish(&vhost, "still here").await;
    rabbit.write_down_queues().await.unwrap();
    rabbit.kill_immediately().await.unwrap();
    let while_dead = Connection::connect(&vhost, ConnectionProperties::default()).await;
    rabbit.restart().await.unwrap();
    let after_kill = first_in_queue(&vhost).await;
    rabbit.restart().await.unwrap();
    let after_restart = first_in_queue(&vhost).await;

    assert!(while_dead.is_err());
    assert_eq!(after_kill, b"still here");
    assert_eq!(after_restart, b"still here");
}

#[tokio::test]
async fn rabbit_can_leave_its_clients_alone_and_come_back() {
    let rabbit = Rabbit::start().await.unwrap();
    let vhost = rabbit.fresh_vhost().await.unwrap();
    publish(&vhost, "still here").await;

    let (_connection, channel) = open(&vhost).await;
    rabbit.close_all_connections().await.unwrap();
    let over_cut_connection = channel
        .queue_declare("other".into(), QueueDeclareOptions::default(), FieldTable::default())
        .await;
    rabbit.stop_app().await.unwrap();
    let while_stopped = Connection::connect(&vhost, ConnectionProperties::default()).await;
    rabbit.start_app().await.unwrap();

    assert!(over_cut_connection.is_err());
    assert!(while_stopped.is_err());
    assert_eq!(first_in_queue(&vhost).await, b"still here");
}

#[tokio::test]
async fn a_dropped_server_leaves_nothing_behind() {
    let postgres = Postgres::start().await.unwrap();
    let url = postgres.url().to_owned();

    drop(postgres);

    assert!(PgConnection::connect(&url).await.is_err());
}

#[tokio::test]
async fn databases_and_virtual_hosts_of_a_shared_server_are_apart() {
    let postgres = shared_postgres().await.unwrap();
    let rabbit = shared_rabbit().await.unwrap();

    let databases =
        [fresh_database(&postgres).await.unwrap(), fresh_database(&postgres).await.unwrap()];
    let vhosts = [rabbit.fresh_vhost().await.unwrap(), rabbit.fresh_vhost().await.unwrap()];
    for (number, (database, vhost)) in databases.iter().zip(&vhosts).enumerate() {
        note_down(database, &number.to_string()).await;
        publish(vhost, &number.to_string()).await;
    }

    assert_eq!(notes(&databases[0]).await, ["0"]);
    assert_eq!(notes(&databases[1]).await, ["1"]);
    assert_eq!(first_in_queue(&vhosts[0]).await, b"0");
    assert_eq!(first_in_queue(&vhosts[1]).await, b"1");
}

#[tokio::test]
async fn a_program_is_killed_or_terminated_and_its_words_are_kept() {
    let sleeper = ["-c", "echo spoke: $GREETING; exec sleep 600"];
    let greeting = [("GREETING", "hello")];
    let mut killed = Broker::run(Path::new("/bin/sh"), &sleeper, &greeting).unwrap();
    let mut terminated = Broker::run(Path::new("/bin/sh"), &sleeper, &greeting).unwrap();
    while !(killed.logs().unwrap().ends_with('\n') && terminated.logs().unwrap().ends_with('\n')) {
        tokio::task::yield_now().await;
    }

    let by_kill = killed.kill9().await.unwrap();
    let by_request = terminated.terminate().await.unwrap();

    assert_eq!(by_kill.signal(), Some(SIGKILL));
    assert_eq!(by_request.signal(), Some(SIGTERM));
    assert_eq!(killed.logs().unwrap(), "spoke: hello\n");
}

#[tokio::test]
async fn a_program_is_ready_once_its_page_answers_with_success() {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/ready", listener.local_addr().unwrap());
    let mut sleeper = Broker::run(Path::new("/bin/sleep"), &["600"], &[]).unwrap();

    let server = tokio::spawn(answer_with(listener, "200 OK"));
    let ready = sleeper.wait_ready(&url).await;
    server.abort();

    assert!(ready.is_ok());
}

#[tokio::test]
async fn a_program_that_ends_while_starting_says_why() {
    let url = format!("http://127.0.0.1:{}/ready", free_port().unwrap());
    let words = ["-c", "echo no configuration >&2; exit 3"];
    let mut short_lived = Broker::run(Path::new("/bin/sh"), &words, &[]).unwrap();

    let error = short_lived.wait_ready(&url).await.unwrap_err().to_string();

    assert!(error.contains("exit status: 3"));
    assert!(error.contains("no configuration"));
}

#[test]
fn a_free_port_can_be_listened_on_and_is_given_once() {
    let ports: Vec<u16> = (0..50).map(|_| free_port().unwrap()).collect();

    for (at, port) in ports.iter().enumerate() {
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
        assert!(!ports[..at].contains(port));
    }
}
