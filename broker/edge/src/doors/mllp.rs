//! Receives MLLP messages: finds out which system of which organisation sent a message, then passes
//! it to intake.
//!
//! MLLP has no login. The sending system is determined by all of these together: the listener (if
//! it has its own), MSH-4 (the organisation's code or an alias), MSH-3 (the system's name or its
//! `format.application`), the address of the connection (the system's `inbound.peers`), and the
//! name in the client certificate, if the profile requires one. If they contradict, or fit more
//! than one system, the message is refused, because who sent it is a safety field.
//!
//! The registry of codecs says which formats use MLLP, and the codec reads the names of the sender.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use tierlink_codec::{
    Answer as CodecAnswer, Arrived, Codec, CodecRegistry, OrganisationProfile, Profile, Sender,
    Transport, Unclear,
};
use tierlink_mllp::server::{Answer, Door, Peer};
use tierlink_mllp::{Broken, Why};
use tierlink_schemas::{OrganisationCode, Problem, Tier};

use crate::intake::{Intake, UNKNOWN_ORGANISATION, UNKNOWN_SENDER};
use crate::organisations::{CurrentOrganisations, Organisations};
use crate::rates::{self, Rates, TOO_MUCH, Wait};

/// Receives the messages of one listener.
pub struct MllpDoor {
    /// Name of the listener in the configuration.
    pub listener: String,
    /// The organisations that may send.
    pub organisations: Arc<dyn CurrentOrganisations>,
    /// The codecs of all formats.
    pub codecs: CodecRegistry,
    /// Accepts the messages.
    pub intake: Arc<dyn Intake>,
    /// How much each sender may send, over all doors.
    pub rates: Arc<Rates>,
    /// Whether the listener makes senders show a certificate.
    pub asks_certificates: bool,
}

#[async_trait]
impl Door for MllpDoor {
    fn knows(&self, peer: &Peer, head: &[u8]) -> bool {
        let stated = self.stated(head);
        stated.is_some_and(|(stated, _)| {
            self.sender(&*self.organisations.load(), peer, &stated).is_ok()
        })
    }

    async fn receive(&self, peer: Peer, message: Bytes) -> Answer {
        let organisations = self.organisations.load();
        let Some((stated, spoken)) = self.stated(&message) else { return Answer::Silent };
        let sender = self.sender(&*organisations, &peer, &stated);
        let (known, problem) = match sender {
            Ok(known) => (Some(known), None),
            Err(problem) => (None, Some(problem)),
        };
        let stranger = stranger(spoken);
        let (system, codec) = known.unwrap_or((&stranger, spoken));
        if let Err(wait) = self.slow_down(&peer, &system.organisation.code, message.len()) {
            return reply(self.intake.not_now(system, codec, &message, &too_much(wait)));
        }
        let arrived = Arrived { bytes: message, head: stated.head.clone() };
        reply(match problem {
            None => self.intake.take(system, codec, arrived).await,
            Some(problem) => self.intake.refuse_unknown(system, codec, arrived, problem).await,
        })
    }

    async fn broken(&self, peer: Peer, broken: Broken) -> Option<Bytes> {
        // Some interface engines send an empty frame to check the connection; a half frame is left
        // by a connection that has ended. Nobody waits for an answer to either.
        if matches!(broken.why, Why::Empty | Why::CutOff) {
            return None;
        }
        let organisations = self.organisations.load();
        let problem = Problem::new(
            broken.why.code(),
            "frame",
            format!("{}; frame every message as VT message FS CR", broken.why),
        );
        let (stated, spoken) = self.stated(&broken.raw)?;
        let known = self.sender(&*organisations, &peer, &stated).ok();
        let known = known.map(|(system, codec)| (system.clone(), codec));
        let (guess, codec) = known.unwrap_or_else(|| (stranger(spoken), spoken));
        let slow_down = self.slow_down(&peer, &guess.organisation.code, broken.raw.len());
        let answer = if let Err(wait) = slow_down {
            self.intake.not_now(&guess, codec, &broken.raw, &too_much(wait))
        } else if broken.why == Why::NoRoom {
            // Nothing is wrong with the message.
            self.intake.not_now(&guess, codec, &broken.raw, &problem)
        } else {
            let arrived = Arrived { bytes: broken.raw, head: stated.head };
            self.intake.refuse_unknown(&guess, codec, arrived, problem).await
        };
        answer.frames.into_iter().next().map(Bytes::from)
    }
}

impl MllpDoor {
    /// Counts a message of this organisation, or says how long it must wait.
    fn slow_down(
        &self,
        peer: &Peer,
        organisation: &OrganisationCode,
        bytes: usize,
    ) -> Result<(), Wait> {
        let now = Instant::now();
        self.rates.take(rates::Sender::Address(peer.address.ip().to_canonical()), now)?;
        self.rates.may_send_bytes(organisation, now)?;
        self.rates.take(rates::Sender::Organisation(organisation.clone()), now)?;
        self.rates.charge_bytes(organisation, bytes, now);
        Ok(())
    }

    /// Who a message says it is from, and the format in which it says so. Read once for everybody.
    fn stated(&self, message: &[u8]) -> Option<(Sender, &Arc<dyn Codec>)> {
        let mut stated: Vec<(Sender, &Arc<dyn Codec>)> =
            self.codecs.over(Transport::Mllp).map(|codec| (codec.sender(message), codec)).collect();
        // A codec that cannot read the bytes returns no names; try it last.
        stated.sort_by_key(|(sender, _)| sender.names.is_empty());
        stated.into_iter().next()
    }

    fn sender<'a>(
        &self,
        organisations: &'a dyn Organisations,
        peer: &Peer,
        sender: &Sender,
    ) -> Result<(&'a Profile, &Arc<dyn Codec>), Problem> {
        let own = self.by_listener(organisations);
        let organisation = own.map_or_else(|| by_name(organisations, sender), Ok)?;
        let name = sender.system.as_deref();
        let here = |system: &Profile| self.may_listen(system, own.is_some());
        let may_speak = |system: &Profile| self.may_speak(system, peer);
        let allowed = |system: &Profile| here(system) && may_speak(system).is_ok();
        let system = organisation.speaker(name, allowed).or_else(|_| {
            // If the named organisation may not send from here, the sender is told why.
            let meant = organisation.speaker(name, here).map_err(unclear_system)?;
            may_speak(meant).map(|()| meant)
        })?;
        let codec = self.codecs.get(&system.format.name).ok_or_else(nobody)?;
        Ok((system, codec))
    }

    /// The only organisation with a listener of its own here, for all or some of its systems.
    fn by_listener<'a>(
        &self,
        organisations: &'a dyn Organisations,
    ) -> Option<&'a OrganisationProfile> {
        let mut own = organisations.profiles().values().filter(|organisation| {
            organisation
                .systems
                .iter()
                .any(|system| system.inbound.listener.as_deref() == Some(&self.listener))
        });
        own.next().filter(|_| own.next().is_none())
    }

    /// Whether a system may use this listener. If the listener belongs to its organisation, only
    /// the systems that name it may.
    fn may_listen(&self, system: &Profile, is_own: bool) -> bool {
        let listens = match system.inbound.listener.as_deref() {
            Some(own) => own == self.listener,
            None => !is_own,
        };
        listens && self.codecs.over(Transport::Mllp).any(|it| it.name() == system.format.name)
    }

    /// Whether this system may speak from there, with that certificate.
    fn may_speak(&self, profile: &Profile, peer: &Peer) -> Result<(), Problem> {
        let address = peer.address.ip().to_canonical();
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
            // Every hospital of the county has some certificate of its authority.
            None if self.asks_certificates => Err(unknown(
                "MSH-4",
                "names an organisation whose profile names no client certificate, which this \
                 listener needs; set inbound.certificate_name in its profile",
            )),
            None => Ok(()),
            Some(name) if peer.certificate_names.iter().any(|shown| shown == name) => Ok(()),
            Some(_) => Err(unknown(
                "MSH-4",
                "names an organisation that must show another client certificate; see \
                 inbound.certificate_name in its profile",
            )),
        }
    }
}

/// The profile with which somebody unknown is answered in this format.
fn stranger(codec: &Arc<dyn Codec>) -> Profile {
    let code = OrganisationCode::new(UNKNOWN_ORGANISATION)
        .unwrap_or_else(|_| unreachable!("seven letters are a code"));
    Profile::bare(code, Tier::Village, codec.name())
}

fn by_name<'a>(
    organisations: &'a dyn Organisations,
    sender: &Sender,
) -> Result<&'a OrganisationProfile, Problem> {
    sender
        .names
        .iter()
        .find_map(|name| organisations.directory().resolve(name))
        .and_then(|organisation| organisations.profiles().get(&organisation.code))
        .ok_or_else(nobody)
}

fn too_much(wait: Wait) -> Problem {
    let text = format!("more was sent than may be; send it again in {} seconds", wait.seconds());
    Problem::new(TOO_MUCH, "message", text)
}

fn nobody() -> Problem {
    unknown(
        "MSH-4",
        "names no organisation of this county that speaks here; send the code from your profile, or \
         have it added to organisation.aliases there",
    )
}

fn unclear_system(unclear: Unclear) -> Problem {
    match unclear {
        Unclear::Nobody => nobody(),
        Unclear::NotHere => unknown(
            "MSH-3",
            "names a system of the organisation that does not speak on this listener; see \
             inbound.listener in its profile",
        ),
        Unclear::Several => unknown(
            "MSH-3",
            "leaves open which system of the organisation speaks; send the name of the system or \
             its format.application",
        ),
    }
}

fn unknown(field: &str, text: &str) -> Problem {
    Problem::new(UNKNOWN_SENDER, field, text)
}

fn reply(answer: CodecAnswer) -> Answer {
    if answer.frames.is_empty() {
        Answer::Silent
    } else {
        Answer::Reply(answer.frames.into_iter().map(Bytes::from).collect())
    }
}

/// Networks from which connections are accepted: those of all profiles, and this machine.
#[must_use]
pub fn peers(organisations: &dyn Organisations) -> Vec<ipnet::IpNet> {
    let systems = organisations.profiles().values().flat_map(|organisation| &organisation.systems);
    let mut peers: Vec<ipnet::IpNet> =
        systems.flat_map(|system| system.inbound.peers.clone()).collect();
    for loopback in ["127.0.0.0/8", "::1/128", "::ffff:127.0.0.0/104"] {
        peers.extend(loopback.parse::<ipnet::IpNet>());
    }
    peers.sort();
    peers.dedup();
    peers
}

/// The bound address of each listener, by its name.
pub type Addresses = HashMap<String, SocketAddr>;
