//! What the broker's users may do in PostgreSQL and RabbitMQ, and what stands on the way to them.

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tierlink_integration_tests::county::{County, FENGQIAO, Mode, SECOND};
use tierlink_integration_tests::eventually::eventually;
use tierlink_integration_tests::hospitals::said;
use tierlink_integration_tests::servers::{Broker, free_port};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

async fn ready(county: &County) -> (u16, String) {
    let answer = county.anonymous().unwrap().get("/readyz").await.unwrap();
    (answer.status, answer.body)
}

async fn ready_is(county: &County, wanted: u16) -> String {
    eventually(&format!("/readyz says {wanted}"), async || {
        let (status, body) = ready(county).await;
        Ok((status == wanted).then_some(body))
    })
    .await
    .unwrap()
}

async fn order(store: &str, statement: String) {
    let mut connection = PgConnection::connect(store).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// The address with another user.
fn with_user(url: &str, user: &str, password: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (server, path) = rest.split_at(rest.find('/').unwrap());
    let host = server.rsplit_once('@').map_or(server, |(_, host)| host);
    format!("{scheme}://{user}:{password}@{host}{path}")
}

/// Seen to fail before: the question touched one table, and messages were refused all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_ready_without_the_right_to_write() {
    let mut county = County::plan(Mode::Production).await.unwrap();
    county.begin().await.unwrap();
    county.stop().await.unwrap();
    let owner = county.store();
    let user = format!("tierlink_{}", Uuid::now_v7().simple());
    let grant = format!(
        "CREATE ROLE {user} LOGIN PASSWORD 'p';
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {user};"
    );
    order(&owner, grant).await;
    county.set_store(&with_user(&owner, &user, "p"));
    county.write().unwrap();
    county.start().await.unwrap();
    ready_is(&county, 200).await;

    order(&owner, format!("REVOKE INSERT ON messages FROM {user}")).await;

    let told = ready_is(&county, 503).await;
    assert!(told.contains("S002"), "{told}");
    order(&owner, format!("GRANT INSERT ON messages TO {user}")).await;
    ready_is(&county, 200).await;
}

/// Seen to fail before: what the broker asked RabbitMQ needs no right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_ready_whose_rights_in_rabbitmq_were_revoked() {
    let mut county = County::plan(Mode::Production).await.unwrap();
    let bus = county.bus().to_owned();
    let vhost = bus.rsplit_once('/').unwrap().1.to_owned();
    let user = format!("tierlink-{}", Uuid::now_v7().simple());
    let rabbit = county.rabbit().unwrap().clone();
    rabbit.administer(&["add_user", &user, "p"]).await.unwrap();
    let allow = |what: &'static str| {
        let (rabbit, vhost, user) = (rabbit.clone(), vhost.clone(), user.clone());
        async move {
            let words = ["set_permissions", "-p", &vhost, &user, ".*", what, ".*"];
            rabbit.administer(&words).await.unwrap();
        }
    };
    allow(".*").await;
    county.set_bus(&with_user(&bus, &user, "p"));
    county.begin().await.unwrap();
    ready_is(&county, 200).await;

    allow("^$").await;

    let told = ready_is(&county, 503).await;
    assert!(told.contains("B005"), "{told}");
    allow(".*").await;
    ready_is(&county, 200).await;
    rabbit.administer(&["delete_user", &user]).await.unwrap();
}

/// An authority of our own, and papers for this machine that it signed. All PEM.
struct Papers {
    authority: String,
    certificate: String,
    key: String,
}

fn papers() -> Papers {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let own = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(names).unwrap().signed_by(&own, &issuer).unwrap();
    Papers { authority, certificate: certificate.pem(), key: own.serialize_pem() }
}

/// Until now it was never tried against a RabbitMQ with TLS.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rabbitmq_is_reached_over_tls_and_believed_only_with_a_certificate_of_the_authority() {
    let mut county = County::plan(Mode::Production).await.unwrap();
    let rabbit = county.rabbit().unwrap().clone();
    let (ours, foreign) = (papers(), papers());
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (authority, certificate, key) = (
        file("ca.pem", &ours.authority),
        file("rabbit.pem", &ours.certificate),
        file("rabbit.key", &ours.key),
    );
    let foreign = file("foreign.pem", &foreign.authority);
    let port = free_port().unwrap();
    let listen = format!(
        "ssl:start(), rabbit_networking:start_ssl_listener({port}, \
         [{{cacertfile, \"{authority}\"}}, {{certfile, \"{certificate}\"}}, \
         {{keyfile, \"{key}\"}}], 4)."
    );
    rabbit.administer(&["eval", &listen]).await.unwrap();
    let (_, rest) = county.bus().split_once("://").unwrap();
    let (server, vhost) = rest.split_once('/').unwrap();
    let login = server.rsplit_once('@').map_or(String::new(), |(login, _)| format!("{login}@"));
    let over_tls = format!("amqps://{login}localhost:{port}/{vhost}");
    // The address is the last setting of its table, so that another can follow.
    let believe = |path: &str| format!("{over_tls}\"\nauthorities = \"{path}");

    county.set_bus(&believe(&authority));
    county.begin().await.unwrap();
    let message = said(FENGQIAO, "referral.submit", None, Some(SECOND)).unwrap();
    let case = county.must_send(&message).await.unwrap();
    county.hospital(SECOND).wait_for_kind("referral.submit", &case).await.unwrap();
    county.stop().await.unwrap();
    county.set_bus(&believe(&foreign));
    county.write().unwrap();
    county.start().await.unwrap();

    let (_, told) = ready(&county).await;
    assert!(told.contains("B00"), "a foreign certificate was believed: {told}");
    let stop = format!("rabbit_networking:stop_tcp_listener({port}).");
    let _gone_with_the_node = rabbit.administer(&["eval", &stop]).await;
}

/// Stands where PgBouncer stands, and drops the settings of a session as one does that was told to
/// ignore them: it takes `options` out of the first message of each connection.
async fn pooler(to: String) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let to = to.clone();
            tokio::spawn(async move {
                let mut server = TcpStream::connect(to).await?;
                loop {
                    let length = client.read_u32().await?;
                    let mut rest = vec![0; usize::try_from(length)?.saturating_sub(4)];
                    client.read_exact(&mut rest).await?;
                    let is_startup = rest.starts_with(&196_608_u32.to_be_bytes());
                    if is_startup {
                        rest = without_options(&rest);
                    }
                    server.write_u32(u32::try_from(rest.len() + 4)?).await?;
                    server.write_all(&rest).await?;
                    if is_startup {
                        break;
                    }
                    // A question after TLS is answered with one letter.
                    let letter = server.read_u8().await?;
                    client.write_u8(letter).await?;
                }
                copy_bidirectional(&mut client, &mut server).await?;
                anyhow::Ok(())
            });
        }
    });
    Ok(port)
}

fn without_options(startup: &[u8]) -> Vec<u8> {
    let mut kept = startup[..4].to_vec();
    let mut words = startup[4..].split(|byte| *byte == 0);
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        if !name.is_empty() && name != b"options" {
            kept.extend([name, b"\0", value, b"\0"].concat());
        }
    }
    kept.push(0);
    kept
}

/// Seen to fail before: the broker started, and promised what `synchronous_commit = off` of the
/// server did not keep.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_drops_our_settings_is_refused_in_words() {
    let mut county = County::plan(Mode::Production).await.unwrap();
    county.begin().await.unwrap();
    county.stop().await.unwrap();
    let store = county.store();
    let server = store.split_once("://").unwrap().1.split('/').next().unwrap().to_owned();
    let host = server.rsplit_once('@').map_or(server.as_str(), |(_, host)| host).to_owned();
    let port = pooler(host.clone()).await.unwrap();
    county.set_store(&store.replacen(&host, &format!("127.0.0.1:{port}"), 1));
    county.write().unwrap();

    let mut broker = Broker::start(county.folder(), &[]).await.unwrap();
    let ended = broker.wait().await.unwrap();

    assert!(!ended.success());
    let log = broker.logs().unwrap();
    assert!(log.contains("S002") && log.contains("a pooler such as PgBouncer"), "{log}");
}

/// `PgBouncer`, or `None` on a machine that has none.
fn pgbouncer() -> Option<&'static str> {
    let known = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"];
    let found = known.into_iter().find(|path| std::path::Path::new(path).exists());
    // On a machine that tests every change, a tool that is gone must not go unnoticed.
    assert!(found.is_some() || std::env::var_os("CI").is_none(), "no PgBouncer: install pgbouncer");
    if found.is_none() {
        eprintln!("PgBouncer is not tried, for want of Debian's package pgbouncer");
    }
    found
}

/// The real PgBouncer, which lends sessions for one transaction each: as it comes, and told to ignore
/// our settings, in front of a server that has them anyway. Seen to fail before: its refusal was told
/// as a database that does not run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pgbouncer_with_transaction_pooling_is_refused_in_words() {
    let Some(program) = pgbouncer() else { return };
    let mut county = County::plan(Mode::Production).await.unwrap();
    county.begin().await.unwrap();
    county.stop().await.unwrap();
    let store = county.store();
    let options: sqlx::postgres::PgConnectOptions = store.parse().unwrap();
    let user = format!("tierlink_{}", Uuid::now_v7().simple());
    let settings = [
        ("statement_timeout", "'9s'"),
        ("synchronous_commit", "on"),
        ("plan_cache_mode", "force_generic_plan"),
    ];
    let mut role = format!("CREATE ROLE {user} LOGIN SUPERUSER PASSWORD 'p';");
    for (name, value) in settings {
        role = format!("{role}ALTER ROLE {user} SET {name} = {value};");
    }
    order(&store, role).await;

    for ignores in ["", "ignore_startup_parameters = options,extra_float_digits\n"] {
        let port = free_port().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ini = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host={} port={} user={user} password=p\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = transaction\n{ignores}",
            options.get_host(),
            options.get_port()
        );
        std::fs::write(&ini, text).unwrap();
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), everybody).unwrap();
        let mut command = tokio::process::Command::new(program);
        // PgBouncer does not run as root.
        if std::fs::metadata("/proc/self")
            .is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0)
        {
            command.args(["-u", "postgres"]);
        }
        let mut pooler = command.arg("-q").arg(&ini).kill_on_drop(true).spawn().unwrap();
        eventually("PgBouncer listens", async || {
            Ok(TcpStream::connect(("127.0.0.1", port)).await.ok().map(drop))
        })
        .await
        .unwrap();
        let server = store.split_once("://").unwrap().1.split('/').next().unwrap();
        county.set_store(&store.replacen(server, &format!("{user}:p@127.0.0.1:{port}"), 1));
        county.write().unwrap();

        let mut broker = Broker::start(county.folder(), &[]).await.unwrap();
        let ended = broker.wait().await.unwrap();

        assert!(!ended.success());
        let log = broker.logs().unwrap();
        assert!(log.contains("S002") && log.contains("a pooler such as PgBouncer"), "{log}");
        pooler.kill().await.unwrap();
    }
    order(&store, format!("DROP ROLE {user}")).await;
}
