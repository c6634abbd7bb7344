//! HL7 v2 to canonical and back, without any input or output.
