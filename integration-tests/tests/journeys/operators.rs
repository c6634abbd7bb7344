//! What operators do to a running broker: pause a lane, stop it under load, add an organisation.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tierlink_integration_tests::county::{BAIMA, County, EVERYBODY, FENGQIAO, LEAD, Mode, SECOND};
use tierlink_integration_tests::eventually::eventually;
use tierlink_integration_tests::for_both_modes;
use tierlink_integration_tests::hospitals::{Received, said};

use super::{refer, refused};

for_both_modes! {
    a_paused_lane_waits_and_a_resumed_one_delivers_in_order,
    a_graceful_stop_under_load_drops_nothing_that_was_accepted,
    a_hang_up_signal_adds_an_organisation,
    a_reload_that_would_drop_hospitals_is_refused_until_each_is_named,
}

async fn a_paused_lane_waits_and_a_resumed_one_delivers_in_order(mode: Mode) {
    let county = County::open(mode).await.unwrap();
    let (second, operator) = (county.hospital(SECOND), county.operator().unwrap());
    county.run(&["lane", "pause", SECOND, "--why", "upgrade"]).await.unwrap().succeeded().unwrap();
    // A broker follows within two seconds. Until then what it is sent is delivered at once.
    eventually("the pause is followed", async || {
        let case = refer(&county, FENGQIAO, SECOND).await;
        let beside = refer(&county, FENGQIAO, LEAD).await;
        county.hospital(LEAD).wait_for_kind("REF^I12", &beside).await?;
        let lanes = operator.get("/api/v1/lanes").await?.json();
        let lanes = lanes["lanes"].as_array().cloned().unwrap_or_default();
        let waits = lanes.iter().any(|lane| lane["lane"] == SECOND && lane["waiting"] != 0);
        let arrived = second.received().iter().any(|one| one.is_about(&case));
        Ok((waits && !arrived).then_some(()))
    })
    .await
    .unwrap();
    second.forget();
    let mut cases = Vec::new();
    for _ in 0..3 {
        cases.push(refer(&county, FENGQIAO, SECOND).await);
    }
    let beside = refer(&county, FENGQIAO, LEAD).await;
    county.hospital(LEAD).wait_for_kind("REF^I12", &beside).await.unwrap();
    assert_eq!(second.received().len(), 0, "a paused lane delivers nothing");

    county
        .run(&["lane", "resume", SECOND, "--why", "upgraded"])
        .await
        .unwrap()
        .succeeded()
        .unwrap();

    let of_ours = |all: &[Received]| -> Vec<String> {
        let numbers = all.iter().filter(|one| one.taken).map(|one| one.case_numbers[0].clone());
        numbers.filter(|number| cases.contains(number)).collect()
    };
    let arrived = second.wait_for("all three", |all| Some(of_ours(all)).filter(|it| it.len() == 3));
    assert_eq!(arrived.await.unwrap(), cases);
    county.wait_drained().await.unwrap();
}

async fn a_graceful_stop_under_load_drops_nothing_that_was_accepted(mode: Mode) {
    const SENDERS: usize = 6;
    const BEFORE_THE_STOP: usize = 40;

    let mut county = County::open(mode).await.unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let mut senders = Vec::new();
    for _ in 0..SENDERS {
        let (http, accepted) = (county.http(FENGQIAO).unwrap(), Arc::clone(&accepted));
        senders.push(tokio::spawn(async move {
            let mut numbers = Vec::new();
            loop {
                let message = said(FENGQIAO, "referral.submit", None, Some(SECOND)).unwrap();
                // A refused connection or a 503 is no promise.
                let Ok(answer) = http.send(&message).await else { return numbers };
                match answer.accepted() {
                    Ok(number) => numbers.push(number),
                    Err(_) => return numbers,
                }
                accepted.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    eventually("the load runs", async || {
        Ok((accepted.load(Ordering::Relaxed) >= BEFORE_THE_STOP).then_some(()))
    })
    .await
    .unwrap();

    let logs = county.stop().await.unwrap();

    assert!(logs.contains("Stopped."), "it ended in order:\n{logs}");
    let mut promised = BTreeSet::new();
    for sender in senders {
        promised.extend(sender.await.unwrap());
    }
    assert!(promised.len() >= BEFORE_THE_STOP);
    county.start().await.unwrap();
    let everything = county.hospital(SECOND).wait_for("everything promised", |all| {
        let there: BTreeSet<&String> =
            all.iter().filter(|one| one.taken).filter_map(|one| one.case_numbers.first()).collect();
        promised.iter().all(|number| there.contains(number)).then_some(())
    });
    everything.await.unwrap();
    county.wait_drained().await.unwrap();
}

/// A folder in the middle of a copy: one profile of seven is there.
async fn a_reload_that_would_drop_hospitals_is_refused_until_each_is_named(mode: Mode) {
    let mut county = County::open(mode).await.unwrap();
    let second = county.hospital(SECOND);
    second.down().await;
    let case = refer(&county, FENGQIAO, SECOND).await;
    let all: Vec<&str> = EVERYBODY.into_iter().filter(|code| *code != LEAD).collect();
    let away: Vec<_> =
        all.iter().map(|code| (*code, county.remove_profile(code).unwrap())).collect();

    county.reload().await.unwrap();

    let told = eventually("each is told", async || {
        let logs = county.logs()?;
        Ok(logs.contains("would leave the configuration").then_some(logs))
    });
    let told = told.await.unwrap();
    for code in &all {
        let line = format!("The new configuration has no {code}, which has ");
        assert_eq!(told.matches(&line).count(), 1, "{code}:\n{told}");
    }
    let waiting = format!("no {SECOND}, which has 1 open case(s) and 1 message(s)");
    assert!(told.contains(&waiting), "{told}");
    county.hospital(SECOND).up().await.unwrap();
    county.hospital(SECOND).wait_for_kind("referral.submit", &case).await.unwrap();
    let yes = said(SECOND, "referral.accept", Some(&case), None).unwrap();
    assert_eq!(county.send(&yes).await.unwrap().status, 200, "the old one is in force");

    // All but one are back, and that one is agreed to by its name.
    for (code, profile) in away {
        if code != BAIMA {
            county.add_profile(code, profile);
        }
    }
    let agree = ["lane", "remove", BAIMA, "--why", "merged with 枫桥"];
    county.run(&agree).await.unwrap().succeeded().unwrap();
    county.reload().await.unwrap();
    eventually("it has left", async || {
        let gone = format!("Organisation {BAIMA} has left");
        Ok(county.logs()?.contains(&gone).then_some(()))
    })
    .await
    .unwrap();
    let message = said(FENGQIAO, "referral.submit", None, Some(BAIMA)).unwrap();
    assert_eq!(refused(&county, &message).await, "R009", "nobody knows it any more");
    let acts = county.run(&["acts", "list", "--act", "lane-remove", "--json"]).await.unwrap();
    assert_eq!(acts.json().unwrap()["acts"][0]["organisation"], BAIMA);
}

async fn a_hang_up_signal_adds_an_organisation(mode: Mode) {
    let mut county = County::plan(mode).await.unwrap();
    let profile = county.remove_profile(BAIMA).unwrap();
    county.begin().await.unwrap();
    let message = said(FENGQIAO, "referral.submit", None, Some(BAIMA)).unwrap();
    assert_eq!(refused(&county, &message).await, "R009", "nobody knows it yet");

    county.add_profile(BAIMA, profile);
    county.reload().await.unwrap();
    county.make_token(BAIMA).await.unwrap();

    let case = eventually("it is known", async || {
        let answer = county.send(&message).await?;
        (answer.status == 200).then(|| answer.accepted()).transpose()
    })
    .await
    .unwrap();
    county.hospital(BAIMA).wait_for_kind("referral.submit", &case).await.unwrap();
    let yes = said(BAIMA, "referral.accept", Some(&case), None).unwrap();
    eventually("its token works", async || {
        Ok((county.send(&yes).await?.status == 200).then_some(()))
    })
    .await
    .unwrap();
    county.hospital(FENGQIAO).wait_for_kind("referral.accept", &case).await.unwrap();

    // A configuration that cannot be used changes nothing.
    county.profile(SECOND).unwrap().before.push_str("nonsense = 1");
    county.reload().await.unwrap();
    eventually("the mistake is told", async || {
        Ok(county.logs()?.contains("The configuration stays as it was").then_some(()))
    })
    .await
    .unwrap();
    let next = said(FENGQIAO, "referral.submit", None, Some(SECOND)).unwrap();
    assert_eq!(county.send(&next).await.unwrap().json()["verdict"], json!("accepted"));
}
