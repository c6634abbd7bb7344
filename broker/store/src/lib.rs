//! The broker's memory: SQLite (embedded) and PostgreSQL (production) behind five small traits.
//!
//! SQL finds rows, the core decides: each method is exactly one transaction, and a judge that the
//! caller passes in says what to write. Messages that arrive together share a transaction (group
//! commit), and each gets its own verdict.
//!
//! Architecture Invariant: no state is decided in SQL. Every transaction runs in a task of its own
//! that nobody drops: a cancelled `begin` would leave a pooled connection inside a transaction.
//!
//! Read in this order: `store.rs` (the traits), [`records`] (arguments and results),
//! `transactions.rs` (one method, one transaction), `session.rs` (the only place where the two
//! databases differ), `commit.rs` and `batch.rs` (group commit), `outbox.rs` and `settle.rs`
//! (deliveries), `desk.rs` (acts of people).
//!
//! `tests/stores/` is the conformance suite: it runs on both databases.

mod acts;
mod batch;
mod cases;
mod changes;
mod commit;
mod connections;
mod desk;
mod error;
mod escalate;
mod failed;
mod fields;
mod file_locks;
mod judge;
mod lanes;
mod migrations;
mod open;
mod operations;
mod outbox;
mod parked;
mod postgres;
mod postgres_address;
pub mod records;
mod rows;
mod session;
mod settle;
mod sqlite;
mod storable;
mod store;
mod tables;
mod transactions;
mod write;

pub use acts::{Act, ActName, ActQuery, ActRow, Acted, ConfigFingerprint, NewAct, Through};
pub use batch::CONFLICT;
pub use cases::PAGE_MAX;
pub use commit::{REFUSAL_BYTES_MAX, REFUSALS_KEPT_MAX, REFUSED_BYTES_KEPT_MAX};
pub use error::Error;
pub use file_locks::ServesAlone;
pub use judge::{Judge, ReceiptOf};
pub use open::{Postgres, Sqlite, open, open_to_migrate, sqlite_path};
pub use operations::{COUNTERS_TOGETHER, TOKENS_MAX};
pub use postgres_address::PostgresAddress;
pub use records::*;
pub use storable::NOT_STORABLE;
pub use store::{Acts, Arrivals, Outbox, Queries, Store, Upkeep};
