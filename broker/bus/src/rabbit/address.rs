//! The address and credentials of RabbitMQ. The password is never shown.

use std::fmt;
use std::time::Duration;

use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::uri::{AMQPScheme, AMQPUri};

use crate::BusError;

/// Longest time to connect, over a slow line to another town.
pub(super) const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// Longest wait for RabbitMQ's answer to one command.
pub(super) const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// Interval of heartbeats. Both sides close a connection that was silent for twice as long.
const HEARTBEAT_SECONDS: u16 = 10;

/// Bytes in one AMQP frame. The client library keeps room for 64 frames of each connection, which at
/// RabbitMQ's usual 128 KiB is 8 MiB for each of the three; longer parcels take several frames.
const FRAME_BYTES_MAX: u32 = 32 * 1024;

/// How long a publish waits for its confirm, unless told otherwise. A quorum queue on a busy disk
/// takes seconds at worst.
const CONFIRM_WAIT: Duration = Duration::from_secs(10);

/// Channels for reading lanes, unless set otherwise. Each takes about 100 KiB in RabbitMQ. Few
/// counties have more lanes, so lanes rarely share one.
const CHANNELS_MAX: usize = 512;

/// Address of RabbitMQ, credentials, and how this process uses it.
#[derive(Clone)]
pub struct Settings {
    /// `amqp://user:password@host:port/vhost`, or `amqps://` for TLS. A `/` within the virtual
    /// host's name is written `%2f`.
    pub address: String,
    /// PEM certificate of the authority that signed RabbitMQ's certificate. Required for TLS.
    pub authority_pem: Option<String>,
    /// Client certificate, if RabbitMQ requires one.
    pub identity: Option<Identity>,
    /// Name of this process in RabbitMQ's list of connections.
    pub process: String,
    /// Prefix of all queue and exchange names.
    pub prefix: String,
    /// Whether to declare exchanges and queues. An adapter beside a hospital has no permission to.
    pub declares: bool,
    /// Longest wait for a publisher confirm.
    pub confirm_wait: Duration,
    /// Channels for reading lanes; beyond this number, lanes share them.
    pub channels_max: usize,
}

/// A client certificate and its key, both PEM.
#[derive(Clone)]
pub struct Identity {
    /// The certificate, followed by intermediate certificates.
    pub certificate_pem: String,
    /// Its private key, PKCS#8.
    pub key_pem: String,
}

impl Settings {
    /// The default settings of the broker itself.
    #[must_use]
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            authority_pem: None,
            identity: None,
            process: "tierlink".to_owned(),
            prefix: "tierlink".to_owned(),
            declares: true,
            confirm_wait: CONFIRM_WAIT,
            channels_max: CHANNELS_MAX,
        }
    }

    /// Parses the address. Errors of the parser are dropped, because they quote the address.
    pub(super) fn uri(&self) -> Result<AMQPUri, BusError> {
        let refused = |why| BusError::Settings { why };
        let mut uri: AMQPUri = self.address.parse().map_err(|_quotes_the_password| {
            refused("the address must look like amqp://user:password@host:5672/vhost")
        })?;
        // The parser ignores an IPv6 address and uses `localhost` instead, so it is refused here.
        if self.address.contains('[') {
            return Err(refused("name the host by name or IPv4 address, not by IPv6 address"));
        }
        // `amqp://host/` names the virtual host with the empty name, which nobody means.
        if uri.vhost.is_empty() {
            "/".clone_into(&mut uri.vhost);
        }
        if uri.scheme == AMQPScheme::AMQPS && self.authority_pem.is_none() {
            return Err(refused("amqps needs the certificate of the authority (authority_pem)"));
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        uri.query.frame_max.get_or_insert(FRAME_BYTES_MAX);
        uri.query.connection_timeout = u64::try_from(CONNECT_WAIT.as_millis()).ok();
        Ok(uri)
    }

    pub(super) fn tls(&self) -> OwnedTLSConfig {
        let identity = self.identity.as_ref().map(|identity| OwnedIdentity::PKCS8 {
            pem: identity.certificate_pem.clone().into_bytes(),
            key: identity.key_pem.clone().into_bytes(),
        });
        OwnedTLSConfig { identity, cert_chain: self.authority_pem.clone() }
    }
}

/// Shows the host, never the credentials.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.uri().map_or_else(
            |_| "unreadable".to_owned(),
            |uri| format!("{}:{}/{}", uri.authority.host, uri.authority.port, uri.vhost),
        );
        f.debug_struct("Settings")
            .field("place", &place)
            .field("process", &self.process)
            .field("prefix", &self.prefix)
            .field("declares", &self.declares)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(address: &str) -> String {
        Settings::new(address).uri().unwrap_err().to_string()
    }

    #[test]
    fn an_address_without_a_virtual_host_means_the_usual_one() {
        for address in ["amqp://a:b@host", "amqp://a:b@host:5672/", "amqp://a:b@host/%2f"] {
            assert_eq!(Settings::new(address).uri().unwrap().vhost, "/", "{address}");
        }
        assert_eq!(Settings::new("amqp://a:b@host/county").uri().unwrap().vhost, "county");
    }

    #[test]
    fn what_cannot_be_reached_as_written_is_refused_with_the_fix() {
        assert!(refusal("amqp://a:b@[::1]:5672/").contains("IPv4"));
        assert!(refusal("amqps://a:b@host").contains("authority_pem"));
        assert!(refusal("rabbit").contains("amqp://user:password@host"));
        assert!(refusal("http://a:b@host").contains("amqp://user:password@host"));
    }

    #[test]
    fn the_password_shows_in_no_text() {
        let settings = Settings::new("amqp://someone:s3cret@host:99999/x");

        assert!(!format!("{settings:?}").contains("s3cret"));
        assert!(!refusal("amqp://someone:s3cret@host:99999/x").contains("s3cret"));
        assert!(!format!("{:?}", Settings::new("amqp://someone:s3cret@host")).contains("s3cret"));
    }
}
