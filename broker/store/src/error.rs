//! Errors of a store, by who must act: wait, mend the database, migrate, or upgrade.

use tierlink_schemas::Code;

/// The store could not do what it was asked. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database does not answer, or not in time. The same call may work later.
    #[error("could not {what}: the store does not answer; check that the database runs")]
    Unavailable {
        /// What was attempted.
        what: &'static str,
        /// The error of the database driver.
        #[source]
        source: sqlx::Error,
    },
    /// The database answered with an error that trying again will not mend.
    #[error("could not {what}: the store refused; see the cause and ops/errors/S002.md")]
    Refused {
        /// What was attempted.
        what: &'static str,
        /// The error of the database driver.
        #[source]
        source: sqlx::Error,
    },
    /// A row cannot be read back: a newer version wrote it, or somebody edited it by hand.
    #[error("could not {what}: a row in `{table}` cannot be read; see ops/errors/S003.md")]
    Unreadable {
        /// What was attempted.
        what: &'static str,
        /// The table whose row it is.
        table: &'static str,
    },
    /// The tables are missing or older than this program.
    #[error("the tables are not up to date: run `tierlink migrate`")]
    NotMigrated,
    /// The database keeps its texts in an encoding that cannot hold what hospitals write.
    #[error(
        "the database keeps texts as {found} and must keep them as UTF8: make a new one with \
         `CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0`"
    )]
    NotUnicode {
        /// The encoding, as the database calls it.
        found: String,
    },
    /// The store is closing down.
    #[error("could not {what}: the store is closing")]
    Closing {
        /// What was attempted.
        what: &'static str,
    },
}

impl Error {
    /// The stable error code. Each has a page in `ops/errors/`.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Unavailable { .. } => Code::new("S001"),
            Self::Refused { .. } => Code::new("S002"),
            Self::Unreadable { .. } => Code::new("S003"),
            Self::NotMigrated => Code::new("S004"),
            Self::Closing { .. } => Code::new("S005"),
            Self::NotUnicode { .. } => Code::new("S006"),
        }
    }
}
