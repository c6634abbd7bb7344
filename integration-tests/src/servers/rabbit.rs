//! A RabbitMQ node of one's own, which may be stopped, killed and started again.
//!
//! [`RabbitNode`] is any node that can be addressed, the shared one included. [`Rabbit`] is one that
//! belongs to the test, so only that one can be stopped.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result};
use uuid::Uuid;

use super::folder::{Folder, text_of};

/// A node's address, and the program that administers it.
#[derive(Clone, Debug)]
pub struct RabbitNode {
    amqp_url: String,
    rabbitmqctl: PathBuf,
}

impl RabbitNode {
    pub(super) fn new(amqp_url: String, rabbitmqctl: PathBuf) -> Self {
        Self { amqp_url, rabbitmqctl }
    }

    /// The address of its virtual host `/`.
    pub fn amqp_url(&self) -> &str {
        &self.amqp_url
    }

    /// Creates an empty virtual host and returns its address.
    pub async fn fresh_vhost(&self) -> Result<String> {
        let name = format!("tierlink-test-{}", Uuid::now_v7().simple());
        let (scheme, rest) =
            self.amqp_url.split_once("://").context("the AMQP address has no scheme")?;
        let server = rest.split('/').next().unwrap_or(rest);
        let user = server
            .rsplit_once('@')
            .map_or("guest", |(login, _)| login.split(':').next().unwrap_or(login));

        self.administer(&["add_vhost", &name]).await?;
        self.administer(&["set_permissions", "-p", &name, user, ".*", ".*", ".*"]).await?;
        Ok(format!("{scheme}://{server}/{name}"))
    }

    /// Cuts every client's connection, in all virtual hosts, as a fault of the network would.
    pub async fn close_all_connections(&self) -> Result<()> {
        self.administer(&["close_all_connections", "--global", "cut by a test"]).await?;
        Ok(())
    }

    /// Runs `rabbitmqctl` with these words and returns what it printed.
    pub async fn administer(&self, words: &[&str]) -> Result<String> {
        let output = tokio::process::Command::new(&self.rabbitmqctl)
            .arg("--quiet")
            .args(words)
            .stdin(Stdio::null())
            .output()
            .await
            .with_context(|| format!("could not run {}", self.rabbitmqctl.display()))?;
        text_of(output).with_context(|| format!("`rabbitmqctl {}` failed", words.join(" ")))
    }
}

/// A private RabbitMQ node.
#[derive(Debug)]
pub struct Rabbit {
    folder: Folder,
    node: RabbitNode,
}

impl Rabbit {
    /// Starts a new, empty node.
    pub async fn start() -> Result<Self> {
        let folder = Folder::new().await?;
        folder.call("start_rabbitmq", &[]).await?;
        let amqp_url = folder.call("read_amqp_url", &[]).await?;
        let rabbitmqctl = PathBuf::from(folder.call("rabbitmqctl_path", &[]).await?);
        Ok(Self { folder, node: RabbitNode::new(amqp_url, rabbitmqctl) })
    }

    /// Its address and its administration.
    pub fn node(&self) -> &RabbitNode {
        &self.node
    }

    /// The address of its virtual host `/`. Stays the same over restarts.
    pub fn amqp_url(&self) -> &str {
        self.node.amqp_url()
    }

    /// Creates an empty virtual host and returns its address.
    pub async fn fresh_vhost(&self) -> Result<String> {
        self.node.fresh_vhost().await
    }

    /// Stops the node if it runs, as an administrator would, and starts it with the same data.
    pub async fn restart(&self) -> Result<()> {
        self.stop().await?;
        self.folder.call("start_rabbitmq", &[]).await?;
        Ok(())
    }

    /// Makes the node write down the quorum queues that exist now.
    ///
    /// RabbitMQ 3.10 puts that off for about half a second after a queue is declared. A node that is
    /// killed within that time forgets which files belong to the queue, and with them the messages
    /// that it has confirmed. A test that declares a queue and kills the node calls this in between,
    /// unless that loss is what it is about.
    pub async fn write_down_queues(&self) -> Result<()> {
        self.node.administer(&["eval", "[ok = dets:sync(T) || T <- dets:all()]."]).await?;
        Ok(())
    }

    /// Ends the node as a power cut would. [`restart`](Self::restart) brings it back.
    ///
    /// Queues that were declared just now are another matter: see
    /// [`write_down_queues`](Self::write_down_queues).
    pub async fn kill_immediately(&self) -> Result<()> {
        self.folder.call("kill_rabbitmq", &[]).await?;
        Ok(())
    }

    /// Stops the node and keeps its data. [`restart`](Self::restart) brings it back.
    pub async fn stop(&self) -> Result<()> {
        self.folder.call("stop_rabbitmq", &[]).await?;
        Ok(())
    }

    /// Stops RabbitMQ inside the running Erlang node: quicker than a whole restart, and to clients
    /// the same.
    pub async fn stop_app(&self) -> Result<()> {
        self.node.administer(&["stop_app"]).await?;
        Ok(())
    }

    /// Undoes [`stop_app`](Self::stop_app), and returns when clients are served again.
    pub async fn start_app(&self) -> Result<()> {
        self.node.administer(&["start_app"]).await?;
        self.folder.call("wait_for_rabbitmq", &["60"]).await?;
        Ok(())
    }

    /// Cuts every client's connection.
    pub async fn close_all_connections(&self) -> Result<()> {
        self.node.close_all_connections().await
    }

    /// What the node wrote into its log.
    pub fn logs(&self) -> Result<String> {
        let path = self.folder.path().join("logs/rabbitmq.log");
        std::fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))
    }
}
