//! What a system sends and receives: single kinds of message, or whole services.
//!
//! A profile lists them by name, such as `referral.submit` or `ecg`. `routing.rs` uses the lists.

use tierlink_schemas::Kind;
use tierlink_schemas::request::Modality;

/// A service: all messages of one family of cases, or of the readings of one modality.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// Referrals of any direction.
    Referral,
    /// Transfers back to lower tiers.
    Transfer,
    /// Consultations. Includes readings, unless a system lists their own service.
    Consultation,
    /// Readings of electrocardiograms and other recordings of the ECG centre.
    Ecg,
    /// Readings of images.
    Imaging,
    /// Readings of laboratory findings.
    Laboratory,
    /// Readings of pathology.
    Pathology,
    /// Published and withdrawn slots.
    Slot,
}

impl Service {
    /// The services, in the order of documents.
    pub const ALL: [Self; 8] = [
        Self::Referral,
        Self::Transfer,
        Self::Consultation,
        Self::Ecg,
        Self::Imaging,
        Self::Laboratory,
        Self::Pathology,
        Self::Slot,
    ];

    /// The name of the service in profiles.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Referral => "referral",
            Self::Transfer => "transfer",
            Self::Consultation => "consultation",
            Self::Ecg => "ecg",
            Self::Imaging => "imaging",
            Self::Laboratory => "laboratory",
            Self::Pathology => "pathology",
            Self::Slot => "slot",
        }
    }

    /// The service that includes this one: consultation for a reading.
    #[must_use]
    pub const fn wider(self) -> Option<Self> {
        match self {
            Self::Ecg | Self::Imaging | Self::Laboratory | Self::Pathology => {
                Some(Self::Consultation)
            }
            Self::Referral | Self::Transfer | Self::Consultation | Self::Slot => None,
        }
    }

    /// The service of a reading; consultation if nothing says what is read.
    #[must_use]
    pub const fn of_reading(modality: Option<Modality>) -> Self {
        match modality {
            Some(Modality::Ecg) => Self::Ecg,
            Some(Modality::Imaging) => Self::Imaging,
            Some(Modality::Laboratory) => Self::Laboratory,
            Some(Modality::Pathology) => Self::Pathology,
            None => Self::Consultation,
        }
    }
}

/// An entry in a list of what a system sends or receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Traffic {
    /// Messages of this kind, about any service.
    Kind(Kind),
    /// All messages about this service, except kinds that another system lists.
    Service(Service),
}

impl Traffic {
    /// Reads the name of a kind such as `referral.submit`, or of a service such as `ecg`.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let service = Service::ALL.into_iter().find(|service| service.as_str() == text);
        service.map(Self::Service).or_else(|| Kind::read(text).map(Self::Kind))
    }

    /// All names that a profile may contain, services first.
    pub fn words() -> impl Iterator<Item = &'static str> {
        let services = Service::ALL.into_iter().map(Service::as_str);
        services.chain(Kind::ALL.iter().map(|kind| kind.as_str()))
    }
}
