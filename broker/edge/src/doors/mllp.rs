//! The MLLP door: finds out which organisation a message is from, then hands it to intake.
//!
//! MLLP has no login. An organisation is told by all of these together: the listener (when it has
//! one of its own), MSH-4 or MSH-3 (its code or an alias), the address it comes from (its
//! profile's `inbound.peers`), and the name in its client certificate, where its profile asks for
//! one. If they do not agree, the message is refused: in whose name it speaks is a safety field.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tierlink_codec::profile::FormatName;
use tierlink_codec::{Answer as CodecAnswer, Profile};
use tierlink_mllp::server::{Answer, Door, Peer};
use tierlink_mllp::{Broken, Why};
use tierlink_schemas::{OrganisationCode, Problem, Tier};

use crate::codecs::Codecs;
use crate::intake::{Intake, UNKNOWN_ORGANISATION, UNKNOWN_SENDER};
use crate::organisations::{CurrentOrganisations, Organisations};

/// The door for one listener.
pub struct MllpDoor {
    /// The listener's name in the configuration.
    pub listener: String,
    /// The organisations that may send.
    pub organisations: Arc<dyn CurrentOrganisations>,
    /// The formats.
    pub codecs: Codecs,
    /// Where messages go.
    pub intake: Arc<dyn Intake>,
}

#[async_trait]
impl Door for MllpDoor {
    async fn receive(&self, peer: Peer, message: Bytes) -> Answer {
        let organisations = self.organisations.load();
        match self.sender(&*organisations, &peer, &message) {
            Ok(profile) => reply(self.intake.take(profile, message).await),
            Err(problem) => {
                let guess = stranger();
                reply(self.intake.refuse_unknown(&guess, message, problem).await)
            }
        }
    }

    async fn broken(&self, peer: Peer, broken: Broken) -> Option<Bytes> {
        // An empty frame is a sign of life of some interface engines; a half frame came from a
        // connection that has ended. Nobody waits for an answer to these.
        if matches!(broken.why, Why::Empty | Why::CutOff) {
            return None;
        }
        let organisations = self.organisations.load();
        let problem = Problem::new(
            broken.why.code(),
            "frame",
            format!("{}; frame every message as VT message FS CR", broken.why),
        );
        let sender = self.sender(&*organisations, &peer, &broken.raw);
        let guess = sender.map_or_else(|_| stranger(), Profile::clone);
        let answer = self.intake.refuse_unknown(&guess, broken.raw, problem).await;
        answer.frames.into_iter().next().map(Bytes::from)
    }
}

impl MllpDoor {
    fn sender<'a>(
        &self,
        organisations: &'a dyn Organisations,
        peer: &Peer,
        message: &[u8],
    ) -> Result<&'a Profile, Problem> {
        let own = self.by_listener(organisations);
        let profile = own.map_or_else(|| self.by_name(organisations, message), Ok)?;
        may_speak(profile, peer)?;
        Ok(profile)
    }

    /// The only organisation that has this listener to itself.
    fn by_listener<'a>(&self, organisations: &'a dyn Organisations) -> Option<&'a Profile> {
        let mut own = organisations
            .profiles()
            .values()
            .filter(|profile| profile.inbound.listener.as_deref() == Some(&self.listener));
        own.next().filter(|_| own.next().is_none())
    }

    fn by_name<'a>(
        &self,
        organisations: &'a dyn Organisations,
        message: &[u8],
    ) -> Result<&'a Profile, Problem> {
        let sender = self.codecs.of(FormatName::Hl7v2).sender(message);
        sender
            .names
            .iter()
            .find_map(|name| organisations.directory().resolve(name))
            .and_then(|organisation| organisations.profiles().get(&organisation.code))
            .filter(|profile| {
                profile.inbound.listener.as_deref().is_none_or(|own| own == self.listener)
            })
            .ok_or_else(|| {
                unknown(
                    "MSH-4",
                    "names no organisation of this county; send the code from your \
                                  profile, or have it added to organisation.aliases there",
                )
            })
    }
}

fn unknown(field: &str, text: &str) -> Problem {
    Problem::new(UNKNOWN_SENDER, field, text)
}

/// Whether this organisation may speak from there, with that certificate.
fn may_speak(profile: &Profile, peer: &Peer) -> Result<(), Problem> {
    let address = plain(peer.address.ip());
    let allowed = if profile.inbound.peers.is_empty() {
        address.is_loopback()
    } else {
        profile.inbound.peers.iter().any(|network| network.contains(&address))
    };
    if !allowed {
        return Err(unknown(
            "MSH-4",
            "names an organisation that may not send from this address; see inbound.peers in its \
             profile",
        ));
    }
    match &profile.inbound.certificate_name {
        None => Ok(()),
        Some(name) if peer.certificate_names.iter().any(|shown| shown == name) => Ok(()),
        Some(_) => Err(unknown(
            "MSH-4",
            "names an organisation that must show another client certificate; see \
             inbound.certificate_name in its profile",
        )),
    }
}

/// An IPv4 address that came in over an IPv6 socket is the IPv4 address.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// The profile with which somebody unknown is answered.
fn stranger() -> Profile {
    let code = OrganisationCode::new(UNKNOWN_ORGANISATION)
        .unwrap_or_else(|_| unreachable!("seven letters are a code"));
    Profile::bare(code, Tier::Village, FormatName::Hl7v2)
}

fn reply(answer: CodecAnswer) -> Answer {
    if answer.frames.is_empty() {
        Answer::Silent
    } else {
        Answer::Reply(answer.frames.into_iter().map(Bytes::from).collect())
    }
}

/// From where connections may come at all: the networks of all profiles, and this machine.
#[must_use]
pub fn peers(organisations: &dyn Organisations) -> Vec<ipnet::IpNet> {
    let mut peers: Vec<ipnet::IpNet> = organisations
        .profiles()
        .values()
        .flat_map(|profile| profile.inbound.peers.clone())
        .collect();
    for loopback in ["127.0.0.0/8", "::1/128", "::ffff:127.0.0.0/104"] {
        peers.extend(loopback.parse::<ipnet::IpNet>());
    }
    peers.sort();
    peers.dedup();
    peers
}

/// Where listeners really listen, by name.
pub type Addresses = HashMap<String, SocketAddr>;
