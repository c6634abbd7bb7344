//! FHIR R4 messaging to canonical and back, without any input or output.
