//! What an operator sees while things are broken: `/readyz`, `/metrics`, `tierlink doctor` and the
//! log tell the truth while it lasts, say what to do, and are clean again when it is over.
//!
//! | Module | Shows |
//! | --- | --- |
//! | [`servers`] | PostgreSQL or RabbitMQ is away |
//! | [`hospitals`] | a hospital is silent, refuses, or cannot be reached as its profile says |
//! | [`gateways`] | something else answers in the place of a hospital |
//! | [`certificates`] | a certificate has ended, is foreign, or ends soon |
//! | [`rights`] | a user has no right, or something stands on the way to a server |
//! | [`files`] | what lies on the disk, and who may use it |
//! | [`tokens`] | who may ask what, how often |
//! | [`rules`] | Prometheus' own tool runs the alerts; what they watch is there |
#![expect(clippy::unwrap_used, reason = "a helper that cannot work means that the test failed")]
#![expect(clippy::float_cmp, reason = "figures that are 0 or 1 are exact")]

mod certificates;
mod files;
mod gateways;
mod hospitals;
mod rights;
mod rules;
mod seen;
mod servers;
mod tokens;
