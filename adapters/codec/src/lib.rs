//! What every format crate shares: the profile of an organisation, the directory of all, and the
//! [`Codec`] trait.
//!
//! ```text
//!   bytes ──decode(profile, directory)──▶ canonical message + deviations
//!   canonical message ──encode(profile, directory)──▶ bytes + losses
//! ```
//!
//! A codec is pure: the same bytes, profile and ids give the same result, today and on replay.
//! Deliberately absent: sockets, clocks, chance, databases.

pub mod code_maps;
mod codec;
mod directory;
pub mod profile;
pub mod strict_json;

pub use code_maps::CodeMaps;
pub use codec::{
    Answer, Answered, Codec, Decoded, Encoded, FamilyKnown, Reading, Reply, Sender, Writing,
};
pub use directory::{Directory, Organisation};
pub use profile::Profile;
