//! What all format crates share: the profiles of organisations and systems, the directory of
//! organisations, the [`Codec`] trait and the registry of formats.
//!
//! ```text
//!   bytes ──decode(profile, directory)──▶ canonical message + deviations
//!   canonical message ──encode(profile, directory)──▶ bytes + losses
//! ```
//!
//! A codec is pure: the same bytes, profile and ids always give the same result, also on replay.
//! Deliberately absent: sockets, clocks, random numbers, databases.

pub mod code_maps;
mod codec;
mod directory;
mod head;
pub mod profile;
mod registry;
mod speaker;
pub mod strict_json;

pub use code_maps::CodeMaps;
pub use codec::{
    Answer, Answered, Codec, Decoded, Encoded, FamilyKnown, Reading, Reply, Sender, Transport,
    Writing,
};
pub use directory::{Directory, Organisation};
pub use head::{Arrived, Head};
pub use profile::{OrganisationProfile, Profile, Taken};
pub use registry::CodecRegistry;
pub use speaker::Unclear;
