//! Where RabbitMQ is and how to log in, without ever showing the password.

use std::fmt;
use std::time::Duration;

use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::uri::{AMQPScheme, AMQPUri};

use crate::BusError;

/// How long connecting may take, over a slow line to another town.
pub(super) const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// How long one question to RabbitMQ may take.
pub(super) const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// RabbitMQ and we each say something at least this often, so a dead line is noticed in twice that.
const HEARTBEAT_SECONDS: u16 = 10;

/// Bytes in one AMQP frame. The client library keeps room for 64 frames of each connection, which at
/// RabbitMQ's usual 128 KiB is 8 MiB for each of the three; longer parcels take several frames.
const FRAME_BYTES_MAX: u32 = 32 * 1024;

/// How long a publish waits for its confirm, unless told otherwise. A quorum queue on a busy disk
/// takes seconds at worst.
const CONFIRM_WAIT: Duration = Duration::from_secs(10);

/// Channels on which lanes are read, unless told otherwise. Each takes RabbitMQ some 100 KiB. Few
/// counties have more lanes, so lanes seldom share.
const CHANNELS_MAX: usize = 512;

/// Where RabbitMQ is and how this process behaves towards it.
#[derive(Clone)]
pub struct Settings {
    /// `amqp://user:password@host:port/vhost`, or `amqps://` for TLS. A `/` within the virtual
    /// host's name is written `%2f`.
    pub address: String,
    /// The certificate (PEM) of the authority that signed RabbitMQ's certificate. TLS needs it.
    pub authority_pem: Option<String>,
    /// A certificate to log in with, where RabbitMQ asks for one.
    pub identity: Option<Identity>,
    /// What RabbitMQ shows as the name of this process.
    pub process: String,
    /// What all names in RabbitMQ begin with.
    pub prefix: String,
    /// Whether to declare exchanges and queues. An adapter beside a hospital may not.
    pub declares: bool,
    /// How long a publish waits for its confirm.
    pub confirm_wait: Duration,
    /// Channels on which lanes are read, before lanes share them.
    pub channels_max: usize,
}

/// A client certificate and its key, both PEM.
#[derive(Clone)]
pub struct Identity {
    /// The certificate and those between it and its authority.
    pub certificate_pem: String,
    /// Its private key, PKCS#8.
    pub key_pem: String,
}

impl Settings {
    /// The usual settings for the broker itself.
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

    /// The address, read. Errors of the parser are dropped: they quote the address.
    pub(super) fn uri(&self) -> Result<AMQPUri, BusError> {
        let refused = |why| BusError::Settings { why };
        let mut uri: AMQPUri = self.address.parse().map_err(|_quotes_the_password| {
            refused("the address must look like amqp://user:password@host:5672/vhost")
        })?;
        // The parser drops an IPv6 address and silently takes `localhost` instead.
        if self.address.contains('[') {
            return Err(refused("name the host by name or IPv4 address, not by IPv6 address"));
        }
        // `amqp://host/` means the virtual host without a name, which nobody has.
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

/// Shows where, never how to log in.
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
