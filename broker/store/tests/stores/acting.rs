//! Promises about acts of people: each is done and recorded, or neither, and can be listed.

use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;
use tierlink_core::delivery::State;
use tierlink_schemas::LaneName;
use tierlink_store::{
    Act, ActName, ActQuery, ActRow, Acted, ConfigFingerprint, DeliveryId, Error, NewAct, Scope,
    Store, TokenRow,
};
use uuid::Uuid;

use crate::county::{HOSPITAL, OTHER_HOSPITAL, TOWNSHIP, code};
use crate::open::{Place, empty_postgres, empty_sqlite};
use crate::said::{accepted, act, later, new_act, noon, publish, refused, settle, submit};

const ALL: ActQuery =
    ActQuery { act: None, organisation: None, by: None, since: None, after: None, limit: 100 };

/// A delivery to the hospital that it refused.
async fn parked(store: &dyn Store, id: &str) -> DeliveryId {
    accepted(store, submit(id)).await;
    let out = publish(store, noon()).await;
    let head = out.into_iter().find(|row| row.id.to == code(HOSPITAL)).unwrap();
    settle(store, &head.id, head.round, refused(), noon()).await;
    head.id
}

fn token(name: &str) -> TokenRow {
    TokenRow {
        name: name.to_owned(),
        organisation: Some(code(TOWNSHIP)),
        hash: [7; 32],
        created_at: noon(),
        expires_at: None,
        scopes: Scope::all_of(Some(&code(TOWNSHIP))),
        last_used_at: None,
    }
}

fn reload() -> Act {
    Act::Reload { before: ConfigFingerprint([1; 32]), after: ConfigFingerprint([0xAB; 32]) }
}

/// One act of each name, on things that are there.
async fn one_of_each(store: &dyn Store) -> Vec<Act> {
    let (again, away) = (parked(store, "m-1").await, parked(store, "m-2").await);
    vec![
        Act::Replay(again),
        Act::Drop(away),
        Act::Pause(code(HOSPITAL).into()),
        Act::Resume(code(HOSPITAL).into()),
        Act::CreateToken(token("his")),
        Act::RevokeToken("his".to_owned()),
        reload(),
        Act::VouchForClock,
        Act::AgreeToRemoval(code(OTHER_HOSPITAL).into()),
    ]
}

pub async fn every_act_is_listed_with_who_and_why(place: &Place) {
    let store = &*place.store;
    let acts = one_of_each(store).await;
    let mut asked = Vec::new();
    for (at, act) in (0..).zip(&acts) {
        let new = new_act(act.clone(), later(at));
        asked.push(new.clone());

        assert_eq!(store.act(new, None).await.unwrap(), Acted::Done, "{act:?}");
    }

    let mut listed = store.acts(ALL).await.unwrap();

    listed.reverse();
    let common = |row: &ActRow| {
        (row.id, row.act.clone(), row.by.clone(), row.through.clone(), row.why.clone(), row.at)
    };
    let wanted: Vec<_> = asked
        .iter()
        .map(|new| {
            let name = new.act.name().as_str().to_owned();
            (new.id, name, new.by.clone(), "api".to_owned(), new.why.clone(), new.at)
        })
        .collect();
    assert_eq!(listed.iter().map(common).collect::<Vec<_>>(), wanted);
    let names: Vec<_> = acts.iter().map(Act::name).collect();
    assert_eq!(names, ActName::ALL, "every act is tried");
    let Act::Drop(dropped) = &acts[1] else { panic!("the second is a drop") };
    assert_eq!(listed[1].message, Some(dropped.message));
    let whose: Vec<_> = listed.iter().map(|row| row.organisation.clone()).collect();
    let (hospital, township) = (Some(code(HOSPITAL)), Some(code(TOWNSHIP)));
    let (of_lanes, of_tokens) = (&whose[..4], &whose[4..6]);
    assert!(of_lanes.iter().all(|code| *code == hospital), "{whose:?}");
    assert!(of_tokens.iter().all(|code| *code == township), "{whose:?}");
    assert_eq!(listed[5].token.as_deref(), Some("his"));
    assert_eq!(listed[6].config_before, Some("01".repeat(32)));
    assert_eq!(listed[6].config_after, Some("ab".repeat(32)));
}

pub async fn acts_are_found_by_what_where_who_and_when(place: &Place) {
    let store = &*place.store;
    for (at, act) in (0..).zip(one_of_each(store).await) {
        let by = if at < 2 { "李医生" } else { "operator" };
        let new = NewAct { by: by.to_owned(), ..new_act(act, later(at)) };
        assert_eq!(store.act(new, None).await.unwrap(), Acted::Done);
    }
    let names = async |query: ActQuery| -> Vec<String> {
        store.acts(query).await.unwrap().into_iter().map(|row| row.act).collect()
    };

    let pauses = names(ActQuery { act: Some(ActName::Pause), ..ALL }).await;
    let of_township = names(ActQuery { organisation: Some(code(TOWNSHIP)), ..ALL }).await;
    let of_doctor = names(ActQuery { by: Some("李医生".to_owned()), ..ALL }).await;
    let lately = names(ActQuery { since: Some(later(5)), ..ALL }).await;
    let page = store.acts(ActQuery { limit: 4, ..ALL }).await.unwrap();
    let rest = names(ActQuery { after: Some(page[3].id), limit: 4, ..ALL }).await;

    assert_eq!(pauses, ["pause"]);
    assert_eq!(of_township, ["token-revoke", "token-create"]);
    assert_eq!(of_doctor, ["drop", "replay"]);
    assert_eq!(lately, ["lane-remove", "clock-vouch", "reload", "token-revoke"]);
    assert_eq!(page[3].act, "token-revoke");
    assert_eq!(rest, ["token-create", "resume", "pause", "drop"]);
}

pub async fn what_is_so_already_is_not_recorded_again(place: &Place) {
    let store = &*place.store;
    let (delivery, lane) = (parked(store, "m-1").await, LaneName::from(code(HOSPITAL)));
    let elsewhere = DeliveryId { to: code(OTHER_HOSPITAL), ..delivery.clone() };

    let never_paused = act(store, Act::Resume(lane.clone()), noon()).await;
    let paused = act(store, Act::Pause(lane.clone()), noon()).await;
    let paused_again = act(store, Act::Pause(lane.clone()), noon()).await;
    let resumed = act(store, Act::Resume(lane.clone()), noon()).await;
    let resumed_again = act(store, Act::Resume(lane), noon()).await;
    let dropped = act(store, Act::Drop(delivery.clone()), noon()).await;
    let replayed = act(store, Act::Replay(delivery), noon()).await;
    let unknown = act(store, Act::Drop(elsewhere), noon()).await;
    let created = act(store, Act::CreateToken(token("his")), noon()).await;
    let created_again = act(store, Act::CreateToken(token("his")), noon()).await;
    let revoked = act(store, Act::RevokeToken("his".to_owned()), noon()).await;
    let revoked_again = act(store, Act::RevokeToken("his".to_owned()), noon()).await;

    assert_eq!([paused, resumed, dropped, created, revoked], [const { Acted::Done }; 5]);
    assert_eq!([never_paused, paused_again, resumed_again], [const { Acted::AsBefore }; 3]);
    assert_eq!(replayed, Acted::NotParked(State::Withdrawn));
    assert_eq!([unknown, revoked_again], [const { Acted::Unknown }; 2]);
    assert_eq!(created_again, Acted::NameTaken);
    assert_eq!(store.acts(ALL).await.unwrap().len(), 5, "only what was done is recorded");
}

/// Everything that acts change, as text.
async fn state_of(store: &dyn Store) -> String {
    let mut parked = crate::said::parked(store, None).await;
    parked.sort_by_key(|row| row.delivery.id.clone());
    let lanes: Vec<_> =
        store.lanes().await.unwrap().into_iter().map(|l| (l.lane, l.paused)).collect();
    let waiting = store.to_publish(later(100), 100, &[]).await.unwrap().len();
    format!("{parked:?} {lanes:?} {waiting} {:?}", store.tokens().await.unwrap())
}

/// A database that fails at whatever point of the transaction stands for a process that dies there:
/// the one part is written already, the other never is.
pub async fn an_act_and_its_record_are_written_together_or_not_at_all(place: &Place) {
    let store = &*place.store;
    let broken = [
        ("acts", "INSERT"),
        ("deliveries", "UPDATE"),
        ("lanes", "INSERT"),
        ("lanes", "UPDATE"),
        ("tokens", "INSERT"),
        ("tokens", "UPDATE"),
    ];
    let mut failed = 0;
    for new in one_of_each(store).await {
        for (table, event) in broken {
            let before = (state_of(store).await, store.acts(ALL).await.unwrap());
            let breaks = break_writes(place, table, event).await;

            let acted = store.act(new_act(new.clone(), later(1)), None).await;

            mend_writes(place, table, &breaks).await;
            match acted {
                Err(Error::Refused { .. }) => {
                    let after = (state_of(store).await, store.acts(ALL).await.unwrap());
                    assert_eq!(before, after, "{new:?} fails at {event} of {table}");
                    failed += 1;
                }
                // It does not touch this table, and so it was done.
                Ok(Acted::Done) => {
                    assert_ne!(table, "acts", "{new:?} was done without a record");
                    let recorded = store.acts(ALL).await.unwrap();
                    assert_eq!(recorded.len(), before.1.len() + 1, "{new:?}");
                    undo(store, &new, place).await;
                }
                other => panic!("{new:?} at {event} of {table}: {other:?}"),
            }
        }
        assert_eq!(act(store, new, later(2)).await, Acted::Done, "nothing is left behind");
    }
    // Each act but a reload fails at its own table too.
    assert!(failed >= 2 * 7 - 1, "only {failed} acts failed");
}

/// Puts things back, so that the same act can be tried at the next table.
async fn undo(store: &dyn Store, done: &Act, place: &Place) {
    let back = match done {
        Act::Replay(id) | Act::Drop(id) => {
            let sql = format!(
                "UPDATE deliveries SET state = 'parked', parked_why = 'refused', parked_at = 1, \
                 due_at = NULL WHERE message_id = {} AND destination = '{}'",
                id_literal(place, id.message),
                id.to
            );
            return execute(place, &sql).await;
        }
        Act::Pause(lane) => Act::Resume(lane.clone()),
        Act::Resume(lane) => Act::Pause(lane.clone()),
        Act::CreateToken(token) => Act::RevokeToken(token.name.clone()),
        Act::RevokeToken(name) => Act::CreateToken(token(name)),
        Act::Reload { .. } | Act::VouchForClock | Act::AgreeToRemoval(_) => return,
    };
    assert_eq!(act(store, back, later(1)).await, Acted::Done);
}

async fn break_writes(place: &Place, table: &str, event: &str) -> String {
    let name = format!("breaks_{table}_{}", event.to_lowercase());
    if place.store.name() == "sqlite" {
        let sql = format!(
            "CREATE TRIGGER {name} BEFORE {event} ON {table}
             BEGIN SELECT RAISE(ABORT, 'broken for a test'); END"
        );
        execute(place, &sql).await;
    } else {
        let function = "CREATE OR REPLACE FUNCTION breaks() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'broken for a test'; END $$";
        execute(place, function).await;
        let sql = format!(
            "CREATE TRIGGER {name} BEFORE {event} ON {table}
             FOR EACH ROW EXECUTE FUNCTION breaks()"
        );
        execute(place, &sql).await;
    }
    name
}

async fn mend_writes(place: &Place, table: &str, name: &str) {
    let of_table = if place.store.name() == "sqlite" { "" } else { &format!(" ON {table}") };
    execute(place, &format!("DROP TRIGGER {name}{of_table}")).await;
}

fn id_literal(place: &Place, id: Uuid) -> String {
    if place.store.name() == "sqlite" { format!("X'{}'", id.simple()) } else { format!("'{id}'") }
}

/// Runs a statement beside the store.
pub async fn execute(place: &Place, sql: &str) {
    let sql = AssertSqlSafe(sql.to_owned());
    if place.store.name() == "sqlite" {
        let path = place.url.strip_prefix("sqlite:").unwrap();
        let mut connection = SqliteConnection::connect(path).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    } else {
        let mut connection = PgConnection::connect(&place.url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

/// As the release before this one writes a replay.
fn written_before(place: &Place, message: Uuid, at: jiff::Timestamp) -> String {
    format!(
        "INSERT INTO acts (message_id, destination, act, by_whom, why, acted_at)
         VALUES ({}, '{HOSPITAL}', 'replay', 'admin', 'mended', {})",
        id_literal(place, message),
        at.as_microsecond()
    )
}

pub async fn acts_of_the_release_before_are_listed_too(place: &Place) {
    let old = if place.store.name() == "sqlite" { empty_sqlite() } else { empty_postgres().await };
    migrate_as_the_release_before(&old).await;
    let (first, second, third) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    execute(&old, &written_before(&old, first, noon())).await;
    execute(&old, &written_before(&old, second, later(1))).await;

    old.store.migrate().await.unwrap();
    // During a rolling upgrade it goes on writing.
    let now = jiff::Timestamp::now();
    execute(&old, &written_before(&old, third, now)).await;

    let listed = old.store.acts(ALL).await.unwrap();
    let messages: Vec<_> = listed.iter().filter_map(|row| row.message).collect();
    assert_eq!(messages, [third, second, first]);
    let times: Vec<_> = listed.iter().map(|row| row.at).collect();
    assert_eq!(times[1..], [later(1), noon()]);
    for row in &listed {
        let texts = (row.act.as_str(), row.by.as_str(), row.why.as_str(), row.through.as_str());
        assert_eq!(texts, ("replay", "admin", "mended", "command-line"));
        assert_eq!(row.organisation, Some(code(HOSPITAL)));
        assert_eq!(row.id.get_version_num(), 7, "{}", row.id);
        let (seconds, _) = row.id.get_timestamp().unwrap().to_unix();
        let apart = row.at.as_second().abs_diff(i64::try_from(seconds).unwrap());
        assert!(apart < 60, "the id of {row:?} is of another time");
    }
    let since = ActQuery { since: Some(later(1)), ..ALL };
    assert_eq!(old.store.acts(since).await.unwrap().len(), 2);
    old.clear().await;
}

/// The migrations up to the one before acts, applied as the program applies them.
async fn migrate_as_the_release_before(place: &Place) {
    let database = place.store.name();
    let ours = format!("{}/../../migrations/{database}", env!("CARGO_MANIFEST_DIR"));
    let folder = TempDir::new().unwrap();
    for file in std::fs::read_dir(ours).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        if name.as_str() < "0006" {
            std::fs::copy(file.path(), folder.path().join(name)).unwrap();
        }
    }
    let migrator = Migrator::new(folder.path()).await.unwrap();
    if database == "sqlite" {
        let path = place.url.strip_prefix("sqlite:").unwrap();
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        let pool = sqlx::SqlitePool::connect_with(options.create_if_missing(true)).await.unwrap();
        migrator.run(&pool).await.unwrap();
        pool.close().await;
    } else {
        let pool = sqlx::PgPool::connect(&place.url).await.unwrap();
        migrator.run(&pool).await.unwrap();
        pool.close().await;
    }
}

pub async fn what_would_be_left_behind_is_counted_and_agreed_to_by_name(place: &Place) {
    let store = &*place.store;
    accepted(store, submit("m-1")).await;
    let lanes = || vec![code(HOSPITAL).into(), code(TOWNSHIP).into(), code(OTHER_HOSPITAL).into()];
    let counted = async |since| {
        let left = store.left_behind(lanes(), since).await.unwrap();
        left.iter().map(|l| (l.open_cases, l.deliveries, l.agreed)).collect::<Vec<_>>()
    };

    assert_eq!(counted(noon()).await, [(1, 1, false), (1, 0, false), (0, 0, false)]);
    let agreed = Act::AgreeToRemoval(code(HOSPITAL).into());
    assert_eq!(act(store, agreed, later(1)).await, Acted::Done);

    assert_eq!(counted(noon()).await, [(1, 1, true), (1, 0, false), (0, 0, false)]);
    assert!(counted(later(2)).await.iter().all(|(_, _, agreed)| !agreed), "too long ago");
}
