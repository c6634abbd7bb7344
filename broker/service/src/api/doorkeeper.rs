//! Who may send a body, and how much: asked for each request before its body is read.
//!
//! ```text
//!   address ─▶ token ─▶ organisation ─▶ the body is read ─▶ the handler
//!      │ 429     │ 401, 429   │ 429
//! ```
//!
//! A request without a token may ask, and may not send: what stands open (health, figures, the
//! documents) needs no body. Wrong tokens are counted by address, and slowed, because a program that
//! tries tokens tries many.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use tierlink_codec::{CodecRegistry, Profile, Transport};
use tierlink_edge::rates::{Rates, Sender, TOO_MUCH, Wait};
use tierlink_http::{Doorkeeper, Peer, Standing};
use tierlink_schemas::{Code, OrganisationCode};

use super::auth::no_token;
use crate::codecs::codecs;
use crate::current_config::CurrentConfig;
use crate::tokens::{Caller, Tokens};

/// The token is good, and not where it was shown.
const ELSEWHERE: Code = Code::new("A017");

/// Stands at the door of the API.
pub struct ApiDoorkeeper {
    tokens: Arc<Tokens>,
    rates: Arc<Rates>,
    current_config: Arc<CurrentConfig>,
    codecs: CodecRegistry,
    asks_certificates: bool,
}

impl ApiDoorkeeper {
    /// Asks these. `asks_certificates` says whether clients have shown one.
    #[must_use]
    pub fn new(
        tokens: Arc<Tokens>,
        rates: Arc<Rates>,
        current_config: Arc<CurrentConfig>,
        asks_certificates: bool,
    ) -> Self {
        metrics::counter!("tierlink_wrong_tokens_total").increment(0);
        for label in Sender::LABELS {
            metrics::counter!("tierlink_slowed_total", "by" => label).increment(0);
        }
        Self { tokens, rates, current_config, codecs: codecs(), asks_certificates }
    }

    fn find_caller(
        &self,
        head: &mut Parts,
        peer: &Peer,
        has_body: bool,
        now: Instant,
    ) -> Result<Standing, Response<Body>> {
        let address = peer.address.ip().to_canonical();
        if !head.headers.contains_key(AUTHORIZATION) {
            return if has_body { Err(no_token()) } else { Ok(Standing::Stranger) };
        }
        let shown = tierlink_http::bearer(&head.headers);
        let Some(token) = shown.and_then(|token| self.tokens.find(token)) else {
            metrics::counter!("tierlink_wrong_tokens_total").increment(1);
            self.rates.take(Sender::WrongTokens(address), now).map_err(slow_down)?;
            return Err(no_token());
        };
        self.rates.take(Sender::Token(token.name.clone()), now).map_err(slow_down)?;
        if let Caller::Organisation(organisation) = &token.caller {
            self.expect_at_home(organisation, address, peer)?;
        }
        if let (Caller::Organisation(organisation), true) = (&token.caller, has_body) {
            self.rates.may_send_bytes(organisation, now).map_err(slow_down)?;
            let sender = Sender::Organisation(organisation.clone());
            self.rates.take(sender, now).map_err(slow_down)?;
        }
        head.extensions.insert(token);
        Ok(Standing::Known)
    }

    /// A token is good only where its organisation is: in the networks of its profile, and with its
    /// certificate where clients show one. A token that was taken along opens nothing elsewhere.
    fn expect_at_home(
        &self,
        organisation: &OrganisationCode,
        address: IpAddr,
        peer: &Peer,
    ) -> Result<(), Response<Body>> {
        let config = self.current_config.load();
        let Some(profile) = config.profiles.get(organisation) else { return Ok(()) };
        let systems = || profile.systems.iter().filter(|system| !system.is_people());
        // A system that sends over HTTP and names nothing may send from anywhere.
        let anywhere = |it: &Profile| {
            self.codecs.over(Transport::Http).any(|its| its.name() == it.format.name)
        };
        let near = systems().all(|it| it.inbound.peers.is_empty())
            || systems().any(|it| match it.inbound.peers.as_slice() {
                [] => anywhere(it),
                networks => networks.iter().any(|network| network.contains(&address)),
            });
        let shown = !self.asks_certificates
            || systems().all(|it| it.inbound.certificate_name.is_none())
            || systems().any(|it| match &it.inbound.certificate_name {
                None => anywhere(it),
                Some(name) => peer.certificate_names.contains(name),
            });
        if near && shown {
            return Ok(());
        }
        let detail = if near {
            "The token needs another client certificate; see inbound.certificate_name in the profile \
             of your organisation."
        } else {
            "The token is not good at this address; see inbound.peers in the profile of your \
             organisation."
        };
        Err(tierlink_http::problem(StatusCode::FORBIDDEN, &ELSEWHERE, "not from here", detail))
    }
}

impl Doorkeeper for ApiDoorkeeper {
    fn admit(
        &self,
        head: &mut Parts,
        peer: &Peer,
        has_body: bool,
    ) -> Result<Standing, Box<Response<Body>>> {
        let (address, now) = (peer.address.ip().to_canonical(), Instant::now());
        self.rates.take(Sender::Address(address), now).map_err(|wait| Box::new(slow_down(wait)))?;
        self.find_caller(head, peer, has_body, now).map_err(Box::new)
    }
}

/// More came than may.
fn slow_down(wait: Wait) -> Response<Body> {
    let mut response = tierlink_http::problem(
        StatusCode::TOO_MANY_REQUESTS,
        &TOO_MUCH,
        "too much at once",
        "Nothing was done with this request; send it again after the seconds in Retry-After.",
    );
    response.headers_mut().insert(RETRY_AFTER, wait.seconds().into());
    response
}
