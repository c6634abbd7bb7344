//! TierLink: the broker service.
//!
//! The way of a message, in the order of the files: listeners in `tierlink-edge` and [`api`]
//! (listen), the codecs (decode), [`intake`], the core through [`tierlink_judge`] (decide),
//! [`committer`] (commit, answer), [`relay`], the lanes of `tierlink-edge` (deliver),
//! [`deliveries`] and [`settler`] (receipt). [`app`] wires them together; [`cli`] is the command
//! line; [`desk`] performs acts of people; [`demo`] runs a whole county.

pub mod api;
pub mod app;
pub mod certificate_watch;
pub mod cli;
pub mod clock;
pub mod clock_watch;
pub mod codecs;
pub mod committer;
pub mod config;
pub mod counters;
mod crash;
pub mod current_config;
pub mod deliveries;
pub mod demo;
pub mod desk;
mod due;
pub mod gauges;
pub mod health;
pub mod intake;
mod lanes;
pub mod lease;
mod receipts;
mod recorder;
pub mod relay;
pub mod remote;
pub mod report;
mod secret_files;
pub mod settler;
mod tls_files;
pub mod tokens;
