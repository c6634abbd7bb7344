//! Why a transaction ended without a commit.

/// What stopped a transaction.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The database driver returned an error.
    Sql(sqlx::Error),
    /// A row of this table holds a value that cannot be read.
    Unreadable(&'static str),
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}
