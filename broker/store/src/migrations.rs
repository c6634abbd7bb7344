//! The tables, embedded in the program.
//!
//! Line ends and trailing blanks do not count for the checksum, so that a checkout on another
//! system still recognises its own migrations. A newer table than this program knows is no
//! obstacle: during a rolling upgrade the old version works on with it.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr};

struct Twin {
    version: i64,
    name: &'static str,
    postgres: &'static str,
    sqlite: &'static str,
}

macro_rules! twins {
    ($($version:literal $name:literal $file:literal,)*) => {
        &[$(Twin {
            version: $version,
            name: $name,
            postgres: include_str!(concat!("../../../migrations/postgres/", $file)),
            sqlite: include_str!(concat!("../../../migrations/sqlite/", $file)),
        }),*]
    };
}

const TWINS: &[Twin] = twins![
    1 "messages and cases" "0001_messages_and_cases.sql",
    2 "deliveries" "0002_deliveries.sql",
    3 "bookings and slots" "0003_bookings_and_slots.sql",
    4 "operations" "0004_operations.sql",
    5 "worklists" "0005_worklists.sql",
    6 "versions" "0006_versions.sql",
    7 "acts" "0007_acts.sql",
    8 "systems" "0008_systems.sql",
    9 "refusals" "0009_refusals.sql",
    10 "token scopes" "0010_token_scopes.sql",
];

/// Those for PostgreSQL.
pub(crate) fn postgres() -> Migrator {
    migrator(|twin| twin.postgres)
}

/// Those for SQLite.
pub(crate) fn sqlite() -> Migrator {
    migrator(|twin| twin.sqlite)
}

/// The names of those that are not among `applied`, in order.
pub(crate) fn missing(applied: &[i64]) -> Vec<String> {
    TWINS
        .iter()
        .filter(|twin| !applied.contains(&twin.version))
        .map(|twin| format!("{:04} {}", twin.version, twin.name))
        .collect()
}

/// The versions among `applied` that this program does not know: a newer release ran there.
pub(crate) fn newer(applied: &[i64]) -> Vec<i64> {
    let known = |version: &i64| TWINS.iter().any(|twin| twin.version == *version);
    applied.iter().copied().filter(|version| !known(version)).collect()
}

fn migrator(text: fn(&Twin) -> &'static str) -> Migrator {
    let migrations = TWINS
        .iter()
        .map(|twin| {
            Migration::new(
                twin.version,
                Cow::Borrowed(twin.name),
                MigrationType::Simple,
                AssertSqlSafe(plain(text(twin))).into_sql_str(),
                false,
            )
        })
        .collect();
    let mut migrator = Migrator::with_migrations(migrations);
    migrator.set_ignore_missing(true);
    migrator
}

fn plain(sql: &str) -> String {
    let mut plain = String::with_capacity(sql.len());
    for line in sql.lines() {
        plain.push_str(line.trim_end());
        plain.push('\n');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkout_with_other_line_ends_has_the_same_checksum() {
        let sql = TWINS[0].postgres;

        assert_eq!(plain(sql), plain(&sql.replace('\n', " \r\n")));
    }

    #[test]
    fn every_file_is_embedded_under_its_own_number() {
        for folder in ["postgres", "sqlite"] {
            let path = format!("{}/../../migrations/{folder}", env!("CARGO_MANIFEST_DIR"));
            let mut versions: Vec<i64> = std::fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter_map(|name| name.split('_').next().unwrap().parse().ok())
                .collect();
            versions.sort_unstable();
            let embedded: Vec<i64> = TWINS.iter().map(|twin| twin.version).collect();

            assert_eq!(versions, embedded, "{folder}");
        }
    }
}
