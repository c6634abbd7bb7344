//! TierLink: the broker service.
//!
//! The straight line, in the order of the files: [`doors`] and [`api`] (listen), the codecs
//! (decode), [`intake`], the core through [`judge`] (decide), [`committer`] (commit, answer),
//! [`relay`], [`lane`] (deliver), [`settler`] (receipt). [`app`] wires them together; [`cli`] is
//! the command line; [`desk`] does what people ask for; [`demo`] plays a whole county.

pub mod api;
pub mod app;
pub mod cli;
pub mod clock;
pub mod codecs;
pub mod committer;
pub mod config;
pub mod counters;
pub mod current_config;
pub mod demo;
pub mod desk;
pub mod destination;
pub mod doors;
pub mod environment;
pub mod gauges;
pub mod health;
pub mod intake;
pub mod judge;
pub mod lane;
pub mod lease;
pub mod relay;
pub mod remote;
pub mod report;
pub mod secrets;
pub mod settler;
pub mod tokens;
