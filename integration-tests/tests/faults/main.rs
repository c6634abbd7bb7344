//! What a fault may cost: time and a repeat; never a message, never a second effect, never the
//! order, never a refusal of something correct.
//!
//! Real processes, real servers, real sockets; each module breaks one party. While it is broken,
//! hospitals tell whole lives of cases (`load::teller`), and afterwards everything is counted
//! (`tierlink_simulator::ledger`, whose own tests show that each of its verdicts can fall).
//!
//! ```text
//!     ops/test -- -p tierlink-integration-tests --test faults --no-capture
//!     ops/test --faults                    the long form: a hundred kills, ten minutes of silence …
//!     TIERLINK_TEST_SEED=4711 …            the same chance again
//! ```
//!
//! | Module | Breaks |
//! | --- | --- |
//! | [`broker`] | the program: killed, halted, doubled, replaced while it runs |
//! | [`rabbitmq`] | the bus |
//! | [`postgres`] | the store in production |
//! | [`sqlite`] | the store when embedded |
//! | [`network`] | every link between the parties |
//! | [`hospitals`] | the manners of hospitals |
//! | [`time`] | clocks and calendars |
//! | [`servers_away`] | PostgreSQL and RabbitMQ, for as long as it takes to see what the broker says |

mod broker;
mod hospitals;
mod network;
mod postgres;
mod rabbitmq;
mod servers_away;
mod sqlite;
mod time;
