//! Connections to hospitals over MLLP and HTTP, with or without TLS.

use std::path::Path;

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use tierlink_codec::{Answered, Codec, Encoded, Profile, Taken, Writing};
use tierlink_http as http;
use tierlink_mllp as mllp;
use tierlink_schemas::{Code, Problem};

use crate::address::Address;
use crate::destination::{Destination, Destinations, Heard, SendResult, answer_lasts};
use crate::organisations::Organisations;
use crate::secrets;

/// Error code: a setting for the connection cannot be read.
pub const NOT_SET_UP: Code = Code::new("E040");
/// Error code: the destination, or what stands before it, does not let us in.
pub const NOT_LET_IN: Code = Code::new("E050");
/// Error code: something else than the destination answered.
pub const NOT_ITS_WORD: Code = Code::new("E051");

/// Makes connections over the network.
#[derive(Clone, Copy, Debug, Default)]
pub struct Network;

impl Destinations for Network {
    fn open(
        &self,
        organisations: &dyn Organisations,
        profile: &Profile,
    ) -> Result<Option<Box<dyn Destination>>, Problem> {
        open(organisations.folder(), profile)
    }
}

/// Makes a connection to the system with this profile; `None` if it has no address. Paths in the
/// profile are relative to `folder`.
pub fn open(folder: &Path, profile: &Profile) -> Result<Option<Box<dyn Destination>>, Problem> {
    let Some(address) = profile.outbound.address.as_deref() else { return Ok(None) };
    let address = Address::read(address)
        .ok_or_else(|| not_set_up("outbound.address", "is not a valid address"))?;
    let answer_lasts = answer_lasts(profile);
    let authorities = read_pem(folder, profile.outbound.authorities.as_deref(), "authorities")?;
    let identity = read_pem(folder, profile.outbound.identity.as_deref(), "identity")?;
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
                Some(name) => Some(secrets::read(folder, name).ok_or_else(|| {
                    not_set_up("outbound.token_secret", "names a secret that is not there")
                })?),
            };
            let client = http::client::Client::new(settings)
                .map_err(|error| Problem::new(error.code(), "outbound", error.to_string()))?;
            Box::new(Http { client, taken: profile.outbound.taken.clone() })
        }
    }))
}

fn not_set_up(field: &str, text: &str) -> Problem {
    Problem::new(NOT_SET_UP, field, text)
}

fn read_pem(folder: &Path, path: Option<&str>, what: &str) -> Result<Option<Vec<u8>>, Problem> {
    path.map(|path| {
        std::fs::read(folder.join(path)).map_err(|error| {
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
        // The matcher has parsed the last frame, which is the answer, so it need not
        // be parsed again.
        let last = Mutex::new(None);
        let matches = |answer: &[u8]| {
            let answered = codec.read_answer(&encoded.control_id, answer, None, with);
            let whose = match &answered {
                Answered::Stray if !self.ignores_msa2 => mllp::client::Match::Stray,
                Answered::MoreComes => mllp::client::Match::MineButMoreComes,
                Answered::Taken { .. }
                | Answered::Refused { .. }
                | Answered::NotNow { .. }
                | Answered::Stray
                | Answered::Unreadable { .. } => mllp::client::Match::Mine,
            };
            *last.lock() = Some(answered);
            whose
        };
        let heard = self.client.exchange(&encoded.bytes, &matches).await;
        let result = match heard {
            Ok(_frames) => match last.into_inner() {
                Some(answered) => {
                    if !matches!(answered, Answered::Taken { .. }) {
                        // A refused message is sent again under the same id. Some systems answer
                        // twice, and a late second answer must not be taken for the answer to
                        // the next try.
                        self.client.close().await;
                    }
                    SendResult::Answered(answered)
                }
                None => SendResult::NoAnswer(Problem::new(
                    Code::new("E003"),
                    "outbound",
                    "the connection ended without an answer",
                )),
            },
            Err(silence) => {
                SendResult::NoAnswer(Problem::new(silence.code(), "outbound", silence.to_string()))
            }
        };
        result.into()
    }

    async fn reach(&mut self) -> Result<(), Problem> {
        self.client
            .reach()
            .await
            .map_err(|silence| Problem::new(silence.code(), "outbound", silence.to_string()))
    }

    fn certificate_ends_at(&self) -> Option<Timestamp> {
        self.client.certificate_ends_at()
    }

    async fn rest(&mut self) {
        self.client.close().await;
    }
}

struct Http {
    client: http::client::Client,
    taken: Taken,
}

#[async_trait]
impl Destination for Http {
    async fn send(&mut self, encoded: &Encoded, codec: &dyn Codec, with: &Writing<'_>) -> Heard {
        let headers = [
            ("X-Request-Id", encoded.control_id.clone()),
            // Gateways that can answer in several forms otherwise choose a page for people.
            ("Accept", format!("{}, */*;q=0.1", encoded.media_type)),
        ];
        let body = encoded.bytes.clone();
        match self.client.post(body, encoded.media_type, &headers).await {
            Ok(response) => {
                let answered = codec.read_answer(
                    &encoded.control_id,
                    &response.body,
                    Some(response.status),
                    with,
                );
                let result = self.means(&response, answered);
                if !matches!(result, SendResult::Answered(Answered::Taken { .. })) {
                    // A second answer to this message must not be taken for the answer to
                    // the next one.
                    self.client.forget_connections();
                }
                Heard { result, retry_after: response.retry_after }
            }
            Err(silence) => {
                SendResult::NoAnswer(Problem::new(silence.code(), "outbound", silence.to_string()))
                    .into()
            }
        }
    }

    async fn reach(&mut self) -> Result<(), Problem> {
        self.client
            .reach()
            .await
            .map_err(|silence| Problem::new(silence.code(), "outbound", silence.to_string()))
    }

    fn certificate_ends_at(&self) -> Option<Timestamp> {
        self.client.certificate_ends_at()
    }

    async fn rest(&mut self) {
        self.client.forget_connections();
    }
}

impl Http {
    /// What was heard: the hospital's own word, or that of something that stands before it.
    fn means(&self, response: &http::Response, answered: Answered) -> SendResult {
        let status = response.status;
        // These ask who we are, so they say nothing about the message, whoever wrote their body.
        if matches!(status, 401 | 407) {
            let text = format!(
                "it, or a gateway before it, does not let us in (HTTP {status}); check \
                 outbound.token_secret and outbound.identity with its IT staff"
            );
            return SendResult::TurnedAway { status, problem: about(NOT_LET_IN, text) };
        }
        if !matches!(answered, Answered::Unreadable { .. }) {
            return SendResult::Answered(answered);
        }
        if matches!(status, 200..=299) && !response.cut && self.taken.says(&response.body) {
            return SendResult::Answered(Answered::Taken { number: None });
        }
        let text = format!(
            "HTTP {status} came with nothing that its format knows: a gateway, a proxy or a login \
             page answered in its place, or its profile lacks outbound.taken"
        );
        SendResult::TurnedAway { status, problem: about(NOT_ITS_WORD, text) }
    }
}

fn about(code: Code, text: String) -> Problem {
    Problem::new(code, "outbound", text)
}
