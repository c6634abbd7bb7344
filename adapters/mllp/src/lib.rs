//! MLLP: HL7 v2 frames over TCP or TLS, as server and client.
