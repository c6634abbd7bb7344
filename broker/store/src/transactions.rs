//! A store on any of the databases: each method is one transaction, in a task of its own.
//!
//! A caller may be dropped at any moment (a sender hangs up, a process stops). If a `begin` were
//! dropped with it, a pooled connection would stay inside a transaction, and the next caller's
//! writes would be lost. So each transaction runs in a task that nobody drops. One that the
//! database does not answer in time is abandoned inside that task, if the engine allows it.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use jiff::Timestamp;
use tierlink_schemas::{LaneName, OrganisationCode};
use uuid::Uuid;

use crate::acts::{ActQuery, ActRow, Acted, NewAct};
use crate::batch::lock_names;
use crate::records::{
    Attempt, CaseFile, CaseQuery, CaseRow, DeliveryId, DueRow, EventRow, Figures, Hold, Judged,
    LaneCondition, LaneRow, LeftBehind, MessageRow, Outgoing, ParkedQuery, ParkedRow, RecordedRow,
    RefusalQuery, RefusalRow, Repair, SetRight, Settlement, SlotQuery, SlotRow, StoredTime,
    TokenRow, Work,
};
use crate::session::{Engine, Failed, Purpose, Session};
use crate::store::{Acts, Arrivals, Outbox, Queries, Store, Upkeep};
use crate::{
    CaseKey, Error, Judge, ReceiptOf, cases, commit, desk, escalate, lanes, migrations, operations,
    outbox, parked, settle,
};

/// How often one transaction may run, after losing a race or its connection. Two processes that
/// collide need one repetition; this many means that something else is wrong.
const TRIES_MAX: u32 = 6;
/// The wait before a repetition, times the number of tries so far.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// A store on the database engine `E`.
pub(crate) struct Transactions<E> {
    engine: E,
}

impl<E: Engine> Transactions<E> {
    /// Uses this engine. Does not check the tables.
    pub(crate) fn new(engine: E) -> Self {
        Self { engine }
    }

    /// Whether every table that this program needs is there, in a database that can hold what is
    /// written into them.
    pub(crate) async fn expect_tables(&self) -> Result<(), Error> {
        self.expect_unicode().await?;
        let applied = self.applied().await?;
        if migrations::missing(&applied).is_empty() { Ok(()) } else { Err(Error::NotMigrated) }
    }

    /// One character that it cannot hold would fail for ever, with all that shares its transaction.
    async fn expect_unicode(&self) -> Result<(), Error> {
        let what = "look at the database";
        let engine = self.engine.clone();
        let found = joined(tokio::spawn(async move { engine.foreign_encoding().await }), what);
        match found.await?.map_err(|source| failed::<E>(what, source))? {
            Some(found) => Err(Error::NotUnicode { found }),
            None => Ok(()),
        }
    }

    async fn applied(&self) -> Result<Vec<i64>, Error> {
        let what = "look at the tables";
        let engine = self.engine.clone();
        let applied = joined(tokio::spawn(async move { engine.applied().await }), what).await?;
        applied.map_err(|source| failed::<E>(what, source))
    }

    /// Runs `work` in one transaction, repeated if it loses a race.
    async fn transact<T, W>(
        &self,
        what: &'static str,
        purpose: Purpose,
        work: W,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        W: for<'s> Fn(&'s mut E::Session) -> BoxFuture<'s, Result<T, Failed>>
            + Send
            + Sync
            + 'static,
    {
        let engine = self.engine.clone();
        let task = tokio::spawn(async move {
            let trying = try_until_done(&engine, what, purpose, &work);
            let Some(answers_within) = E::answers_within() else { return trying.await };
            tokio::time::timeout(answers_within, trying).await.unwrap_or_else(|_| {
                engine.fell_silent();
                Err(failed::<E>(what, sqlx::Error::Io(ErrorKind::TimedOut.into())))
            })
        });
        joined(task, what).await?
    }
}

async fn try_until_done<E, T, W>(
    engine: &E,
    what: &'static str,
    purpose: Purpose,
    work: &W,
) -> Result<T, Error>
where
    E: Engine,
    W: for<'s> Fn(&'s mut E::Session) -> BoxFuture<'s, Result<T, Failed>>,
{
    let mut tries = 1;
    loop {
        match once(engine, purpose.clone(), work).await {
            Ok((session, done)) => {
                let end = session.commit().await;
                return end.map(|()| done).map_err(|source| failed::<E>(what, source));
            }
            Err(Failed::Sql(error)) if tries < TRIES_MAX && E::may_work_again(&error) => {
                tokio::time::sleep(TRY_AGAIN_AFTER * tries).await;
                tries += 1;
            }
            Err(Failed::Sql(source)) => return Err(failed::<E>(what, source)),
            Err(Failed::Unreadable(table)) => return Err(Error::Unreadable { what, table }),
        }
    }
}

/// One try, up to the commit.
async fn once<E, T, W>(engine: &E, purpose: Purpose, work: &W) -> Result<(E::Session, T), Failed>
where
    E: Engine,
    W: for<'s> Fn(&'s mut E::Session) -> BoxFuture<'s, Result<T, Failed>>,
{
    let mut session = engine.begin(purpose).await?;
    match work(&mut session).await {
        Ok(done) => Ok((session, done)),
        Err(failed) => {
            session.abandon().await;
            Err(failed)
        }
    }
}

async fn joined<T>(task: tokio::task::JoinHandle<T>, what: &'static str) -> Result<T, Error> {
    match task.await {
        Ok(done) => Ok(done),
        // A panic is a fault in this program: pass it on to where it will be seen.
        Err(end) => match end.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::Closing { what }),
        },
    }
}

fn failed<E: Engine>(what: &'static str, source: sqlx::Error) -> Error {
    match source {
        sqlx::Error::PoolClosed => Error::Closing { what },
        source if E::is_silence(&source) => Error::Unavailable { what, source },
        source => Error::Refused { what, source },
    }
}

/// Runs one function of a module in one transaction. Its arguments are cloned for each try.
macro_rules! in_one {
    ($self:ident, $purpose:ident, $what:literal, [$($arg:ident),*], |$session:ident| $call:expr) => {
        $self
            .transact($what, Purpose::$purpose, move |$session| {
                $(let $arg = $arg.clone();)*
                Box::pin(async move { $call.await })
            })
            .await
    };
}

#[async_trait]
impl<E: Engine> Arrivals for Transactions<E> {
    async fn commit(
        &self,
        works: Arc<[Work]>,
        judge: Arc<dyn Judge>,
    ) -> Result<Vec<Judged>, Error> {
        if works.is_empty() {
            return Ok(Vec::new());
        }
        let purpose = Purpose::Open(lock_names(&works));
        self.transact("store messages", purpose, move |session| {
            let (works, judge) = (Arc::clone(&works), Arc::clone(&judge));
            Box::pin(async move { commit::commit(session, works, &*judge).await })
        })
        .await
    }

    async fn take_counters(&self) -> Result<(u64, u64), Error> {
        in_one!(self, Change, "take case numbers", [], |session| operations::take_counters(session))
    }
}

#[async_trait]
impl<E: Engine> Outbox for Transactions<E> {
    async fn to_publish(
        &self,
        now: Timestamp,
        limit: u32,
        except: &[LaneName],
    ) -> Result<Vec<Outgoing>, Error> {
        let except = outbox::list_of(except);
        in_one!(self, Look, "read the outbox", [except], |session| outbox::to_publish(
            session, now, limit, except
        ))
    }

    async fn queue_due(
        &self,
        asked: Vec<(DeliveryId, u32)>,
        now: Timestamp,
    ) -> Result<Vec<(DeliveryId, u32)>, Error> {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        in_one!(self, Change, "queue what is due", [asked], |session| outbox::queue_due(
            session, asked, now
        ))
    }

    async fn mark_published(
        &self,
        done: Vec<(DeliveryId, u32)>,
        now: Timestamp,
    ) -> Result<(), Error> {
        if done.is_empty() {
            return Ok(());
        }
        in_one!(self, Statement, "mark deliveries as published", [done], |session| {
            outbox::mark_published(session, done, now)
        })
    }

    async fn still_due(&self, asked: Vec<(DeliveryId, u32)>) -> Result<Vec<DueRow>, Error> {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        in_one!(self, Look, "look at deliveries", [asked], |session| outbox::still_due(
            session, asked
        ))
    }

    async fn on_record(&self, asked: Vec<DeliveryId>) -> Result<Vec<RecordedRow>, Error> {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        in_one!(self, Look, "look at deliveries", [asked], |session| outbox::on_record(
            session, asked
        ))
    }

    async fn settle(
        &self,
        settlements: Vec<Settlement>,
        judge: Arc<dyn Judge>,
    ) -> Result<(), Error> {
        if settlements.is_empty() {
            return Ok(());
        }
        in_one!(self, Change, "record outcomes", [settlements, judge], |session| {
            settle::settle(session, settlements, &*judge)
        })
    }

    async fn note_attempts(&self, attempts: Vec<Attempt>) -> Result<(), Error> {
        if attempts.is_empty() {
            return Ok(());
        }
        in_one!(self, Statement, "note tries", [attempts], |session| outbox::note_attempts(
            session, attempts
        ))
    }

    async fn repair(&self, repair: Repair) -> Result<u64, Error> {
        in_one!(self, Change, "queue lost deliveries again", [repair], |session| {
            outbox::repair(session, repair)
        })
    }

    async fn lane_conditions(&self) -> Result<Vec<LaneCondition>, Error> {
        in_one!(self, Look, "look at the lanes", [], |session| lanes::conditions(session))
    }

    async fn to_announce(&self, limit: u32) -> Result<Vec<EventRow>, Error> {
        in_one!(self, Look, "read events", [], |session| outbox::to_announce(session, limit))
    }

    async fn mark_announced(&self, events: Vec<(Uuid, u32)>) -> Result<(), Error> {
        if events.is_empty() {
            return Ok(());
        }
        in_one!(self, Statement, "mark events as announced", [events], |session| {
            outbox::mark_announced(session, events)
        })
    }
}

#[async_trait]
impl<E: Engine> Queries for Transactions<E> {
    async fn cases(&self, query: CaseQuery) -> Result<Vec<CaseRow>, Error> {
        in_one!(self, Look, "list cases", [query], |session| cases::cases(session, query))
    }

    async fn case(
        &self,
        key: CaseKey,
        seen_by: Option<OrganisationCode>,
    ) -> Result<Option<CaseFile>, Error> {
        in_one!(self, Snapshot, "read a case", [key, seen_by], |session| cases::case(
            session, key, seen_by
        ))
    }

    async fn message(
        &self,
        id: Uuid,
        seen_by: Option<OrganisationCode>,
    ) -> Result<Option<MessageRow>, Error> {
        in_one!(self, Look, "read a message", [seen_by], |session| cases::message(
            session, id, seen_by
        ))
    }

    async fn lanes(&self) -> Result<Vec<LaneRow>, Error> {
        in_one!(self, Snapshot, "look at the lanes", [], |session| lanes::lanes(session))
    }

    async fn parked(&self, query: ParkedQuery) -> Result<Vec<ParkedRow>, Error> {
        in_one!(self, Look, "list parked deliveries", [query], |session| parked::parked(
            session, query
        ))
    }

    async fn acts(&self, query: ActQuery) -> Result<Vec<ActRow>, Error> {
        in_one!(self, Look, "list acts", [query], |session| desk::acts(session, query))
    }

    async fn refusals(&self, query: RefusalQuery) -> Result<Vec<RefusalRow>, Error> {
        in_one!(self, Look, "list refusals", [query], |session| operations::refusals(
            session, query
        ))
    }

    async fn slots(&self, query: SlotQuery) -> Result<Vec<SlotRow>, Error> {
        in_one!(self, Look, "list slots", [query], |session| operations::slots(session, query))
    }

    async fn tokens(&self) -> Result<Vec<TokenRow>, Error> {
        in_one!(self, Look, "read tokens", [], |session| operations::tokens(session))
    }

    async fn figures(&self, now: Timestamp) -> Result<Figures, Error> {
        in_one!(self, Look, "count", [], |session| lanes::figures(session, now))
    }
}

#[async_trait]
impl<E: Engine> Acts for Transactions<E> {
    async fn act(&self, act: NewAct, receipt: Option<ReceiptOf>) -> Result<Acted, Error> {
        in_one!(self, Change, "do and record an act", [act, receipt], |session| {
            desk::act(session, act, receipt)
        })
    }

    async fn left_behind(
        &self,
        lanes: Vec<LaneName>,
        agreed_since: Timestamp,
    ) -> Result<Vec<LeftBehind>, Error> {
        in_one!(self, Snapshot, "look at what is left behind", [lanes], |session| {
            lanes::left_behind(session, lanes, agreed_since)
        })
    }
}

#[async_trait]
impl<E: Engine> Upkeep for Transactions<E> {
    async fn escalate(
        &self,
        now: Timestamp,
        limit: u32,
        escalation_ids: Vec<Uuid>,
        judge: Arc<dyn Judge>,
    ) -> Result<u32, Error> {
        in_one!(self, Change, "escalate deadlines", [escalation_ids, judge], |session| {
            escalate::escalate(session, now, limit, escalation_ids, &*judge)
        })
    }

    async fn set_right(
        &self,
        now: Timestamp,
        after: Option<(Timestamp, Uuid)>,
        limit: u32,
        judge: Arc<dyn Judge>,
    ) -> Result<SetRight, Error> {
        in_one!(self, Change, "set deadlines right", [judge], |session| {
            escalate::set_right(session, now, after, limit, &*judge)
        })
    }

    async fn time(&self) -> Result<StoredTime, Error> {
        in_one!(self, Look, "ask the time", [], |session| operations::time(session, E::HAS_CLOCK))
    }

    async fn hold_lease(
        &self,
        name: &str,
        holder: Uuid,
        now: Timestamp,
        until: Timestamp,
        abandoned: Option<Timestamp>,
    ) -> Result<Hold, Error> {
        let name = name.to_owned();
        in_one!(self, Change, "hold a lease", [name], |session| async move {
            operations::hold_lease(session, &name, holder, now, until, abandoned).await
        })
    }

    async fn release_lease(&self, name: &str, holder: Uuid) -> Result<(), Error> {
        let name = name.to_owned();
        in_one!(self, Change, "release a lease", [name], |session| async move {
            operations::release_lease(session, &name, holder).await
        })
    }

    async fn note_token_uses(&self, uses: Vec<(String, Timestamp)>) -> Result<(), Error> {
        in_one!(self, Statement, "note the use of tokens", [uses], |session| {
            operations::note_token_uses(session, uses)
        })
    }

    async fn healthy(&self) -> Result<(), Error> {
        in_one!(self, Change, "check the store", [], |session| operations::healthy(session))
    }
}

#[async_trait]
impl<E: Engine> Store for Transactions<E> {
    async fn migrate(&self) -> Result<Vec<String>, Error> {
        self.expect_unicode().await?;
        let what = "bring the tables up to date";
        let engine = self.engine.clone();
        let done = joined(tokio::spawn(async move { engine.migrate().await }), what).await?;
        done.map_err(|error| match error {
            sqlx::migrate::MigrateError::Execute(source)
            | sqlx::migrate::MigrateError::ExecuteMigration(source, _) => failed::<E>(what, source),
            error => Error::Refused { what, source: sqlx::Error::Migrate(Box::new(error)) },
        })
    }

    async fn newer_tables(&self) -> Result<Vec<i64>, Error> {
        let mut newer = migrations::newer(&self.applied().await?);
        newer.sort_unstable();
        Ok(newer)
    }

    fn name(&self) -> &'static str {
        E::NAME
    }

    async fn close(&self) {
        self.engine.close().await;
    }
}
