//! One hospital's front door, seen from outside: send and listen, whatever the transport.
//!
//! Sending cannot fail: silence is an answer too, with a code that says what kind of silence.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tierlink_codec::{Answered, Codec, Directory, Encoded, Profile, Writing};
use tierlink_http as http;
use tierlink_mllp as mllp;
use tierlink_schemas::{Code, Problem};

use crate::config::Config;
use crate::secrets;

/// How long a hospital may take to answer, unless its profile says otherwise.
pub const ANSWER_LASTS: Duration = Duration::from_secs(30);

/// A setting that the connection needs cannot be read.
pub const NOT_SET_UP: Code = Code::new("E040");

/// What came of sending.
#[derive(Debug)]
pub enum Heard {
    /// An answer, read.
    Answered(Answered),
    /// No answer. The destination may have the message all the same.
    Silent(Problem),
}

/// A front door.
#[async_trait]
pub trait Destination: Send {
    /// Sends a message and reads the answer to it.
    async fn send(&mut self, encoded: &Encoded, codec: &dyn Codec, with: &Writing<'_>) -> Heard;

    /// Tries whether somebody is there, without sending anything.
    async fn reach(&mut self) -> Result<(), Problem>;
}

/// Where a hospital is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `mllp://` or `mllps://`.
    Mllp {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
        /// Whether over TLS.
        tls: bool,
    },
    /// `http://` or `https://`.
    Http {
        /// The whole URL.
        url: String,
    },
}

impl Address {
    /// Reads an address.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        match scheme {
            "mllp" | "mllps" => {
                let (host, port) = rest.trim_end_matches('/').rsplit_once(':')?;
                let host = host.trim_start_matches('[').trim_end_matches(']');
                let port = port.parse().ok().filter(|port| *port != 0)?;
                (!host.is_empty()).then(|| Self::Mllp {
                    host: host.to_owned(),
                    port,
                    tls: scheme == "mllps",
                })
            }
            "http" | "https" => {
                reqwest::Url::parse(text).ok().filter(reqwest::Url::has_host)?;
                Some(Self::Http { url: text.to_owned() })
            }
            _ => None,
        }
    }
}

/// Whoever opens front doors.
pub trait Doors: Send + Sync {
    /// Opens the front door of `profile`'s organisation. `None` when it has no address yet.
    fn open(
        &self,
        config: &Config,
        profile: &Profile,
    ) -> Result<Option<Box<dyn Destination>>, Problem>;
}

/// Front doors over the network.
#[derive(Clone, Copy, Debug, Default)]
pub struct Network;

impl Doors for Network {
    fn open(
        &self,
        config: &Config,
        profile: &Profile,
    ) -> Result<Option<Box<dyn Destination>>, Problem> {
        open(config, profile)
    }
}

/// Opens the front door of `profile`'s organisation. `None` when it has no address yet.
pub fn open(config: &Config, profile: &Profile) -> Result<Option<Box<dyn Destination>>, Problem> {
    let Some(address) = profile.outbound.address.as_deref() else { return Ok(None) };
    let address = Address::read(address)
        .ok_or_else(|| not_set_up("outbound.address", "is no address that this program knows"))?;
    let answer_lasts = profile
        .outbound
        .answer_seconds
        .map_or(ANSWER_LASTS, |seconds| Duration::from_secs(u64::from(seconds)));
    let authorities = read_pem(config, profile.outbound.authorities.as_deref(), "authorities")?;
    let identity = read_pem(config, profile.outbound.identity.as_deref(), "identity")?;
    Ok(Some(match address {
        Address::Mllp { host, port, tls } => {
            let mut settings = mllp::client::Settings::new(host, port);
            settings.answer_lasts = answer_lasts;
            if tls {
                let roots = authorities.ok_or_else(|| {
                    not_set_up("outbound.authorities", "must name a PEM file for mllps://")
                })?;
                let identity =
                    identity.as_deref().map(|pem| mllp::tls::Identity { chain: pem, key: pem });
                let tls_config = mllp::tls::client(&roots, identity).map_err(|_| {
                    not_set_up("outbound.authorities", "holds no usable certificates or key")
                })?;
                settings.tls = Some(mllp::client::Tls { config: tls_config, server_name: None });
            }
            Box::new(Mllp {
                client: mllp::client::Client::new(settings),
                ignores_msa2: profile.quirks.ignores_msa2,
            })
        }
        Address::Http { url } => {
            let mut settings = http::client::Settings::new(url);
            settings.exchange_lasts = answer_lasts;
            if authorities.is_some() || identity.is_some() {
                let roots =
                    authorities.as_deref().map_or(http::tls::Roots::System, http::tls::Roots::Only);
                let identity =
                    identity.as_deref().map(|pem| http::tls::Identity { chain: pem, key: pem });
                let tls_config = http::tls::client(roots, identity)
                    .map_err(|error| Problem::new(error.code(), "outbound", error.to_string()))?;
                settings.tls = Some(tls_config);
            }
            settings.token = match profile.outbound.token_secret.as_deref() {
                None => None,
                Some(name) => Some(secrets::read(config, name).ok_or_else(|| {
                    not_set_up("outbound.token_secret", "names a secret that is not there")
                })?),
            };
            let client = http::client::Client::new(settings)
                .map_err(|error| Problem::new(error.code(), "outbound", error.to_string()))?;
            Box::new(Http { client })
        }
    }))
}

fn not_set_up(field: &str, text: &str) -> Problem {
    Problem::new(NOT_SET_UP, field, text)
}

fn read_pem(config: &Config, path: Option<&str>, what: &str) -> Result<Option<Vec<u8>>, Problem> {
    path.map(|path| {
        std::fs::read(config.path(path.as_ref())).map_err(|error| {
            not_set_up(
                &format!("outbound.{what}"),
                &format!("{path} cannot be read ({})", error.kind()),
            )
        })
    })
    .transpose()
}

struct Mllp {
    client: mllp::client::Client,
    ignores_msa2: bool,
}

#[async_trait]
impl Destination for Mllp {
    async fn send(&mut self, encoded: &Encoded, codec: &dyn Codec, with: &Writing<'_>) -> Heard {
        let matches =
            |answer: &[u8]| match codec.read_answer(&encoded.control_id, answer, None, with) {
                Answered::Stray if !self.ignores_msa2 => mllp::client::Match::Stray,
                Answered::MoreComes => mllp::client::Match::MineButMoreComes,
                _ => mllp::client::Match::Mine,
            };
        match self.client.exchange(&encoded.bytes, &matches).await {
            Ok(answers) => match answers.last() {
                Some(answer) => {
                    let answered = codec.read_answer(&encoded.control_id, answer, None, with);
                    if !matches!(answered, Answered::Taken { .. }) {
                        // What is not taken is sent again under the same id. Some systems answer
                        // twice, and a late second answer must not meet the next try.
                        self.client.close().await;
                    }
                    Heard::Answered(answered)
                }
                None => Heard::Silent(Problem::new(
                    Code::new("E003"),
                    "outbound",
                    "the connection ended without an answer",
                )),
            },
            Err(silence) => {
                Heard::Silent(Problem::new(silence.code(), "outbound", silence.to_string()))
            }
        }
    }

    async fn reach(&mut self) -> Result<(), Problem> {
        self.client
            .reach()
            .await
            .map_err(|silence| Problem::new(silence.code(), "outbound", silence.to_string()))
    }
}

struct Http {
    client: http::client::Client,
}

#[async_trait]
impl Destination for Http {
    async fn send(&mut self, encoded: &Encoded, codec: &dyn Codec, with: &Writing<'_>) -> Heard {
        let headers = [("X-Request-Id", encoded.control_id.clone())];
        let body = encoded.bytes.clone();
        match self.client.post(body, encoded.media_type, &headers).await {
            Ok(response) => Heard::Answered(codec.read_answer(
                &encoded.control_id,
                &response.body,
                Some(response.status),
                with,
            )),
            Err(silence) => {
                Heard::Silent(Problem::new(silence.code(), "outbound", silence.to_string()))
            }
        }
    }

    async fn reach(&mut self) -> Result<(), Problem> {
        self.client
            .reach()
            .await
            .map_err(|silence| Problem::new(silence.code(), "outbound", silence.to_string()))
    }
}

/// What an encoder needs, for one destination.
#[must_use]
pub fn writing<'a>(profile: &'a Profile, directory: &'a Directory) -> Writing<'a> {
    Writing { profile, directory }
}

/// A shared configuration, for callers that open doors in tasks.
pub type SharedConfig = Arc<Config>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_how_and_where() {
        let mllp = |host: &str, port, tls| Some(Address::Mllp { host: host.to_owned(), port, tls });
        let http = |url: &str| Some(Address::Http { url: url.to_owned() });

        assert_eq!(Address::read("mllp://10.1.2.3:2575"), mllp("10.1.2.3", 2575, false));
        assert_eq!(Address::read("mllps://his.example:2576/"), mllp("his.example", 2576, true));
        assert_eq!(Address::read("mllp://[::1]:2575"), mllp("::1", 2575, false));
        assert_eq!(Address::read("https://his.example/fhir"), http("https://his.example/fhir"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in
            ["", "his", "mllp://his", "mllp://his:0", "mllp://:2575", "ftp://his:21", "http://"]
        {
            assert_eq!(Address::read(text), None, "{text}");
        }
    }
}
