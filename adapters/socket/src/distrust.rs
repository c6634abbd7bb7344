//! Why no TLS came about between us and the other side, in words that name what must be mended.
//!
//! Libraries wrap the reason in errors of their own, several deep, and what they print last is
//! "could not connect". Nobody renews a certificate for that.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use jiff::Timestamp;
use rustls::{AlertDescription, CertificateError, Error as TlsError};
use tierlink_schemas::Code;

/// Most names of a certificate to repeat.
const NAMES_MAX: usize = 4;
/// Longest name to repeat, in bytes. No host has a longer one.
const NAME_BYTES_MAX: usize = 253;

/// Why TLS was not agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// The other side's certificate has ended.
    Expired {
        /// When, if that was told.
        ended_at: Option<Timestamp>,
    },
    /// The other side's certificate is not good yet.
    NotYet {
        /// From when it is, if that was told.
        begins_at: Option<Timestamp>,
    },
    /// No authority that we trust has signed the other side's certificate.
    ForeignAuthority,
    /// The other side's certificate is for other names than the one that was asked for.
    OtherName {
        /// The names that it is for, as far as they can be repeated.
        names: Vec<String>,
    },
    /// The other side's certificate cannot be used for another reason: it was revoked, or is not
    /// made for this.
    Unusable,
    /// The other side wants a certificate of ours, and we show none.
    OursMissing,
    /// We ask for a certificate of the other side, and it showed none.
    TheirsMissing,
    /// The other side does not accept our certificate.
    OursRefused {
        /// What it said, in the words of TLS.
        alert: &'static str,
    },
    /// The two sides have no version or algorithm of TLS in common, or the other side does not speak
    /// TLS at all.
    NoTls,
}

impl Distrust {
    /// The stable error code. Each has a page in `ops/errors/`. The same for both transports, because
    /// the same people mend it.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Expired { .. } | Self::NotYet { .. } => Code::new("E052"),
            Self::ForeignAuthority => Code::new("E053"),
            Self::OtherName { .. } => Code::new("E054"),
            Self::Unusable
            | Self::OursMissing
            | Self::TheirsMissing
            | Self::OursRefused { .. }
            | Self::NoTls => Code::new("E055"),
        }
    }

    /// The reason in this error or one of its causes; `None` if it is not about TLS.
    #[must_use]
    pub fn of(error: &(dyn StdError + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(error) = error.downcast_ref::<TlsError>() {
                return Self::of_tls(error);
            }
            // Its `source` passes over the error that it holds.
            let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if let Some(found) = held.and_then(|held| Self::of(held)) {
                return Some(found);
            }
            next = error.source();
        }
        None
    }

    fn of_tls(error: &TlsError) -> Option<Self> {
        Some(match error {
            TlsError::InvalidCertificate(why) => Self::of_certificate(why),
            TlsError::NoCertificatesPresented => Self::TheirsMissing,
            TlsError::AlertReceived(alert) => Self::of_alert(*alert)?,
            TlsError::PeerIncompatible(_)
            | TlsError::InvalidMessage(_)
            | TlsError::InappropriateMessage { .. }
            | TlsError::InappropriateHandshakeMessage { .. } => Self::NoTls,
            _ => return None,
        })
    }

    #[expect(deprecated, reason = "verifiers of other crates still give the older variants")]
    fn of_certificate(why: &CertificateError) -> Self {
        let instant = |at: &rustls::pki_types::UnixTime| {
            i64::try_from(at.as_secs()).ok().and_then(|at| Timestamp::from_second(at).ok())
        };
        match why {
            CertificateError::Expired => Self::Expired { ended_at: None },
            CertificateError::ExpiredContext { not_after, .. } => {
                Self::Expired { ended_at: instant(not_after) }
            }
            CertificateError::NotValidYet => Self::NotYet { begins_at: None },
            CertificateError::NotValidYetContext { not_before, .. } => {
                Self::NotYet { begins_at: instant(not_before) }
            }
            // A chain that no authority of ours begins, or a signature that is not its authority's.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                Self::ForeignAuthority
            }
            CertificateError::NotValidForName => Self::OtherName { names: Vec::new() },
            CertificateError::NotValidForNameContext { presented, .. } => {
                let names = presented.iter().filter_map(|name| repeatable(name));
                Self::OtherName { names: names.take(NAMES_MAX).collect() }
            }
            CertificateError::UnsupportedSignatureAlgorithm
            | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                Self::NoTls
            }
            // Such as a certificate that has signed itself and is no authority's.
            CertificateError::Other(_) => Self::ForeignAuthority,
            _ => Self::Unusable,
        }
    }

    fn of_alert(alert: AlertDescription) -> Option<Self> {
        Some(match alert {
            AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
                Self::OursMissing
            }
            AlertDescription::CertificateExpired => Self::OursRefused { alert: "it has expired" },
            AlertDescription::UnknownCA => {
                Self::OursRefused { alert: "it does not know the authority" }
            }
            AlertDescription::CertificateRevoked => Self::OursRefused { alert: "it was revoked" },
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError => Self::OursRefused { alert: "no reason given" },
            AlertDescription::HandshakeFailure
            | AlertDescription::ProtocolVersion
            | AlertDescription::InsufficientSecurity
            | AlertDescription::UnrecognisedName
            | AlertDescription::NoApplicationProtocol => Self::NoTls,
            _ => return None,
        })
    }
}

/// The name in `DnsName("his.example")` or `IpAddress(10.0.0.1)`, if it is of the characters of hosts.
fn repeatable(presented: &str) -> Option<String> {
    let (_kind, rest) = presented.split_once('(')?;
    let name = rest.trim_end_matches(')').trim_matches('"');
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'*' | b':' | b'_');
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(plain);
    fits.then(|| name.to_owned())
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired { ended_at: None } => {
                write!(f, "its certificate has expired; whoever runs it must renew it")
            }
            Self::Expired { ended_at: Some(at) } => {
                write!(f, "its certificate expired at {at}; whoever runs it must renew it")
            }
            Self::NotYet { begins_at } => {
                write!(f, "its certificate is not valid yet")?;
                if let Some(at) = begins_at {
                    write!(f, ", only from {at}")?;
                }
                write!(f, "; check the clocks of both machines, or have it renewed")
            }
            Self::ForeignAuthority => write!(
                f,
                "its certificate is of an authority that is not trusted for it; put that authority \
                 into the file of authorities, or have the certificate renewed by a trusted one"
            ),
            Self::OtherName { names } if names.is_empty() => write!(
                f,
                "its certificate is for another name; correct the host in the address, or have the \
                 certificate made for it"
            ),
            Self::OtherName { names } => write!(
                f,
                "its certificate is for {}; correct the host in the address, or have the \
                 certificate made for it",
                names.join(", ")
            ),
            Self::Unusable => write!(
                f,
                "its certificate was revoked or is not made for this use; whoever runs it must \
                 renew it"
            ),
            Self::OursMissing => write!(
                f,
                "it asks for a certificate and none was shown; set the certificate and key to show"
            ),
            Self::TheirsMissing => write!(
                f,
                "it showed no certificate, and here one is asked for; set one to show there"
            ),
            Self::OursRefused { alert } => write!(
                f,
                "it refuses the certificate that was shown ({alert}); renew it, or have its \
                 authority trusted there"
            ),
            Self::NoTls => write!(
                f,
                "no TLS that both sides know; check that TLS 1.2 or newer is spoken at this port"
            ),
        }
    }
}
