//! Why a transaction ended without a commit.

/// What stopped a transaction.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The database did.
    Sql(sqlx::Error),
    /// A row of this table cannot be read.
    Unreadable(&'static str),
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}
