//! The primary dies as in a power cut, and its standby takes its place behind the same address.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use sqlx::{Connection, PgConnection};
use tierlink_integration_tests::eventually::eventually;
use tierlink_integration_tests::load::trial::{Trial, flow, set_the_stage};
use tierlink_integration_tests::proxy::{Manner, Proxy, address_in};
use tierlink_integration_tests::servers::{Postgres, shared_rabbit};

use super::{COMMITS_FAILED, FLOWS, last_and_fail, lasts, wait_ready};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_over_and_the_address_moves() {
    let trial = Trial::of("postgresql: failover to a promoted standby");
    let primary = Postgres::start().await.unwrap();
    let standby = primary.start_standby().await.unwrap();
    wait_synchronous(&primary).await.unwrap();
    let proxy = Proxy::in_front_of(primary.url()).await.unwrap();
    let database = proxy.instead_of(&primary.fresh_database().await.unwrap()).unwrap();
    let vhost = shared_rabbit().await.unwrap().fresh_vhost().await.unwrap();
    let stage = set_the_stage(Some(&database), Some(&vhost)).await.unwrap();
    let broker = stage.county.start_another(&[]).await.unwrap();

    let breaking = async {
        flow(&stage, FLOWS).await?;
        let before = stage.county.figure(COMMITS_FAILED).await?;
        primary.kill_immediately().await?;
        // The address moves too early: the standby reads, and refuses to write.
        move_to(&proxy, &standby)?;
        last_and_fail(&stage, before, lasts() / 2).await?;
        wait_ready(&stage, false).await?;
        standby.promote().await?;
        wait_ready(&stage, true).await?;
        flow(&stage, FLOWS).await?;
        Ok(vec![broker])
    };
    trial.run(&stage, breaking).await.unwrap();
}

/// New connections lead to this server, and old ones end, as when an address moves.
fn move_to(proxy: &Proxy, server: &Postgres) -> Result<()> {
    let address: SocketAddr = address_in(server.url())?;
    proxy.set_both(Manner::Cut);
    proxy.point_to(address);
    proxy.pass();
    Ok(())
}

async fn wait_synchronous(primary: &Postgres) -> Result<()> {
    let mut admin = PgConnection::connect(primary.url()).await?;
    eventually("the primary waits for its standby", async || {
        let state: Option<String> =
            sqlx::query_scalar("SELECT sync_state FROM pg_stat_replication")
                .fetch_optional(&mut admin)
                .await
                .context("the state of the standby")?;
        ensure!(state.as_deref() != Some("quorum"), "there is more than one standby");
        Ok((state.as_deref() == Some("sync")).then_some(()))
    })
    .await
}
