//! The migrations, embedded in the program.
//!
//! Line ends and trailing blanks do not count for the checksum, so that a checkout on another
//! operating system recognises its own migrations. Tables of a newer release are accepted: during a
//! rolling upgrade the old release works on with them.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr};

/// One migration, with its SQL for each database.
struct EmbeddedMigration {
    version: i64,
    name: &'static str,
    postgres: &'static str,
    sqlite: &'static str,
}

macro_rules! migrations {
    ($($version:literal $name:literal $file:literal,)*) => {
        &[$(EmbeddedMigration {
            version: $version,
            name: $name,
            postgres: include_str!(concat!("../../../migrations/postgres/", $file)),
            sqlite: include_str!(concat!("../../../migrations/sqlite/", $file)),
        }),*]
    };
}

const MIGRATIONS: &[EmbeddedMigration] = migrations![
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
    11 "hashes" "0011_hashes.sql",
];

/// The migrations for PostgreSQL.
pub(crate) fn postgres() -> Migrator {
    migrator(|migration| migration.postgres)
}

/// The migrations for SQLite.
pub(crate) fn sqlite() -> Migrator {
    migrator(|migration| migration.sqlite)
}

/// The names of the migrations that are not among `applied`, in order.
pub(crate) fn missing(applied: &[i64]) -> Vec<String> {
    MIGRATIONS
        .iter()
        .filter(|migration| !applied.contains(&migration.version))
        .map(|migration| format!("{:04} {}", migration.version, migration.name))
        .collect()
}

/// The versions among `applied` that this program does not know: a newer release applied them.
pub(crate) fn newer(applied: &[i64]) -> Vec<i64> {
    let known = |version: &i64| MIGRATIONS.iter().any(|migration| migration.version == *version);
    applied.iter().copied().filter(|version| !known(version)).collect()
}

fn migrator(text: fn(&EmbeddedMigration) -> &'static str) -> Migrator {
    let migrations = MIGRATIONS
        .iter()
        .map(|migration| {
            Migration::new(
                migration.version,
                Cow::Borrowed(migration.name),
                MigrationType::Simple,
                AssertSqlSafe(plain(text(migration))).into_sql_str(),
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
        let sql = MIGRATIONS[0].postgres;

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
            let embedded: Vec<i64> = MIGRATIONS.iter().map(|migration| migration.version).collect();

            assert_eq!(versions, embedded, "{folder}");
        }
    }
}
