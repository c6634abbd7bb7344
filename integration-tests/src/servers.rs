//! Real servers for tests: PostgreSQL, RabbitMQ and the `tierlink` program itself.
//!
//! ```text
//!   a test that only needs a server      a test that kills or restarts one
//!   shared_postgres(), shared_rabbit()   Postgres::start(), Rabbit::start(), Broker::start()
//!        │                                    │
//!        ├─ TIERLINK_TEST_… is set: that one  │
//!        └─ else one per process ─────────────┴──▶ ops/lib/servers.sh
//! ```
//!
//! How a server is started and stopped stands in `ops/lib/servers.sh`, once, for `ops/test`, the
//! measurements and these fixtures alike. A server that belongs to a test goes away with it, even if
//! the test process is killed.
//!
//! What this deliberately does not do: it never uses the machine's own servers unless the
//! environment names them, and it cleans up no databases on a server that was given to it.

mod broker;
mod clock;
mod disk;
mod folder;
mod postgres;
mod rabbit;

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::LazyLock;

use anyhow::{Context, Result, bail};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

pub use broker::{Broker, program};
pub use clock::MovedClock;
pub use disk::{Disk, fill_disk, make_room};
pub use postgres::{Postgres, fresh_database};
pub use rabbit::{Rabbit, RabbitNode};

/// Set by `ops/test`: a PostgreSQL server on which tests may create databases.
pub const POSTGRES_VARIABLE: &str = "TIERLINK_TEST_POSTGRES";
/// Set by `ops/test`: a RabbitMQ node on which tests may create virtual hosts.
pub const AMQP_VARIABLE: &str = "TIERLINK_TEST_AMQP";
/// Set by `ops/test`: the program that administers that node.
pub const RABBITMQCTL_VARIABLE: &str = "TIERLINK_TEST_RABBITMQCTL";

// `ops/lib/servers.sh` takes its ports from 20000 on, and the kernel those of outgoing connections
// from 32768 on. So a broker that restarts finds its port still free.
const PORT_FIRST: u16 = 10_000;
const PORT_COUNT: u16 = 10_000;
const PORT_TRIES_MAX: usize = 200;

/// The address of a PostgreSQL server that this process may share with others.
///
/// Create a database of your own on it with [`fresh_database`].
pub async fn shared_postgres() -> Result<String> {
    static OURS: OnceCell<Postgres> = OnceCell::const_new();

    if let Some(url) = from_environment(POSTGRES_VARIABLE) {
        return Ok(url);
    }
    let server = OURS.get_or_try_init(Postgres::start).await?;
    Ok(server.url().to_owned())
}

/// A RabbitMQ node that this process may share with others.
///
/// Create a virtual host of your own on it with [`RabbitNode::fresh_vhost`].
pub async fn shared_rabbit() -> Result<RabbitNode> {
    static OURS: OnceCell<Rabbit> = OnceCell::const_new();

    if let Some(amqp_url) = from_environment(AMQP_VARIABLE) {
        let rabbitmqctl = from_environment(RABBITMQCTL_VARIABLE).with_context(|| {
            format!(
                "{AMQP_VARIABLE} is set but {RABBITMQCTL_VARIABLE} is not; please set it to the \
                 rabbitmqctl of that node"
            )
        })?;
        return Ok(RabbitNode::new(amqp_url, PathBuf::from(rabbitmqctl)));
    }
    let server = OURS.get_or_try_init(Rabbit::start).await?;
    Ok(server.node().clone())
}

/// A port of the loopback interface that nobody listens on, and that this process got only once.
pub fn free_port() -> Result<u16> {
    static GIVEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

    let mut given = GIVEN.lock();
    for _ in 0..PORT_TRIES_MAX {
        let drawn = RandomState::new().hash_one(0_u8) % u64::from(PORT_COUNT);
        let port = PORT_FIRST + u16::try_from(drawn)?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() && given.insert(port) {
            return Ok(port);
        }
    }
    bail!("no free port from {PORT_FIRST} on");
}

fn from_environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
