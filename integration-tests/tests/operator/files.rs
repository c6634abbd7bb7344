//! What lies on the disk of the broker's machine, and who may use it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use futures::future::join_all;
use tierlink_integration_tests::county::{County, FENGQIAO, Mode, inbox_secret};
use tierlink_integration_tests::servers::Broker;

fn mode_of(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Seen to fail before: 0644, so that every user of the machine could read every patient.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_files_of_an_embedded_store_are_for_their_owner_alone() {
    let county = County::open(Mode::Embedded).await.unwrap();
    let store = county.store();

    for more in ["", "-wal", "-shm"] {
        let path = format!("{store}{more}");

        assert_eq!(mode_of(Path::new(&path)), 0o600, "{path}");
    }
}

/// Seen to fail before: both served, each with a queue that the other did not see.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_one_file_is_refused_in_words() {
    let mut county = County::open(Mode::Embedded).await.unwrap();

    let mut second = Broker::start(county.folder(), &[]).await.unwrap();
    let ended = second.wait().await.unwrap();

    assert!(!ended.success());
    let log = second.logs().unwrap();
    assert!(log.contains("X006: another process serves from "), "{log}");
    // What an operator does beside the running broker works as before.
    county.run(&["lane", "list"]).await.unwrap().succeeded().unwrap();
    county.take_broker().unwrap().kill9().await.unwrap();
    county.start().await.unwrap();
}

/// Seen to fail before: of sixty, 34 found the file locked or half made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_first_starts_at_once_all_succeed() {
    let county = County::plan(Mode::Embedded).await.unwrap();
    county.write().unwrap();
    let why = ["--why", "for a test"];
    let names: Vec<String> = (0..60).map(|at| format!("token-{at}")).collect();

    let started = join_all(names.iter().map(|name| {
        let words = [&["token", "create", name, "--organisation", FENGQIAO], &why[..]].concat();
        let county = &county;
        async move { county.run(&words).await }
    }))
    .await;

    for ran in started {
        ran.unwrap().succeeded().unwrap();
    }
    let listed = county.run(&["token", "list"]).await.unwrap().succeeded().unwrap();
    assert_eq!(listed.lines().filter(|line| line.starts_with("token-")).count(), 60);
}

/// Seen to fail before: the check found no problem, and the hospital got nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_missing_or_open_to_all_fails_the_check() {
    let county = County::plan(Mode::Embedded).await.unwrap();
    county.write().unwrap();
    county.run(&["check"]).await.unwrap().succeeded().unwrap();
    let secret = county.folder().join(format!("secrets/inbox-{FENGQIAO}"));

    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = county.run(&["check"]).await.unwrap();
    std::fs::remove_file(&secret).unwrap();
    let missing = county.run(&["check"]).await.unwrap();

    for (ran, told) in [(open, "chmod 600"), (missing, "names a secret that is not there")] {
        assert_eq!(ran.status.code(), Some(2), "{}", ran.stdout);
        let line = format!("{FENGQIAO}: outbound.token_secret");
        assert!(ran.stdout.contains(&line) && ran.stdout.contains(told), "{}", ran.stdout);
        assert!(!ran.stdout.contains(&inbox_secret(FENGQIAO)), "{}", ran.stdout);
    }
}
