//! Names that this crate uses for TierLink in HL7 v2.

/// Media type for HL7 v2 over HTTP.
pub const MEDIA_TYPE: &str = "application/hl7-v2";

/// Our own name in MSH-3 and as the owner of case numbers.
pub const APPLICATION: &str = "TIERLINK";

/// The local coding system of our own fields and error codes. HL7 table 0396 keeps names that
/// begin with 99 for local systems.
pub const LOCAL_SYSTEM: &str = "99TL";
