//! Reading one row, of either database, field by field.
//!
//! A column that is missing, or holds something that its type cannot, makes the row unreadable. It
//! is never replaced by a default.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use tierlink_schemas::{CaseNumber, Kind, LaneName, OrganisationCode, SystemName};
use uuid::Uuid;

use crate::failed::Failed;

/// A row of either database. `column` is the name that the SQL text gives the column.
pub(crate) trait Fields {
    fn id(&self, column: &str) -> Result<Option<Uuid>, sqlx::Error>;
    fn int(&self, column: &str) -> Result<Option<i64>, sqlx::Error>;
    fn text(&self, column: &str) -> Result<Option<String>, sqlx::Error>;
    fn bytes(&self, column: &str) -> Result<Option<Vec<u8>>, sqlx::Error>;
    fn flag(&self, column: &str) -> Result<Option<bool>, sqlx::Error>;
}

macro_rules! fields {
    ($($row:ty),*) => {
        $(impl Fields for $row {
            fn id(&self, column: &str) -> Result<Option<Uuid>, sqlx::Error> {
                self.try_get(column)
            }
            fn int(&self, column: &str) -> Result<Option<i64>, sqlx::Error> {
                self.try_get(column)
            }
            fn text(&self, column: &str) -> Result<Option<String>, sqlx::Error> {
                self.try_get(column)
            }
            fn bytes(&self, column: &str) -> Result<Option<Vec<u8>>, sqlx::Error> {
                self.try_get(column)
            }
            fn flag(&self, column: &str) -> Result<Option<bool>, sqlx::Error> {
                self.try_get(column)
            }
        })*
    };
}

fields!(PgRow, SqliteRow);

/// Reads columns of one row; knows the table's name for the error.
pub(crate) struct Reader<'r, R: Fields> {
    row: &'r R,
    table: &'static str,
}

impl<'r, R: Fields> Reader<'r, R> {
    /// Reads `row` of `table`.
    pub(crate) fn new(row: &'r R, table: &'static str) -> Self {
        Self { row, table }
    }

    /// The error for a row that cannot be read.
    pub(crate) fn damaged(&self) -> Failed {
        Failed::Unreadable(self.table)
    }

    /// The value of a column that may be NULL.
    fn optional<T>(&self, field: Result<Option<T>, sqlx::Error>) -> Result<Option<T>, Failed> {
        field.map_err(|_| self.damaged())
    }

    /// The value of a column that is never NULL.
    fn required<T>(&self, field: Result<Option<T>, sqlx::Error>) -> Result<T, Failed> {
        self.optional(field)?.ok_or_else(|| self.damaged())
    }

    pub(crate) fn id(&self, column: &str) -> Result<Uuid, Failed> {
        self.required(self.row.id(column))
    }

    pub(crate) fn id_if_any(&self, column: &str) -> Result<Option<Uuid>, Failed> {
        self.optional(self.row.id(column))
    }

    pub(crate) fn text(&self, column: &str) -> Result<String, Failed> {
        self.required(self.row.text(column))
    }

    pub(crate) fn text_if_any(&self, column: &str) -> Result<Option<String>, Failed> {
        self.optional(self.row.text(column))
    }

    pub(crate) fn bytes(&self, column: &str) -> Result<Vec<u8>, Failed> {
        self.required(self.row.bytes(column))
    }

    pub(crate) fn bytes_if_any(&self, column: &str) -> Result<Option<Vec<u8>>, Failed> {
        self.optional(self.row.bytes(column))
    }

    pub(crate) fn flag(&self, column: &str) -> Result<bool, Failed> {
        self.required(self.row.flag(column))
    }

    pub(crate) fn int(&self, column: &str) -> Result<i64, Failed> {
        self.required(self.row.int(column))
    }

    pub(crate) fn u16(&self, column: &str) -> Result<u16, Failed> {
        u16::try_from(self.int(column)?).map_err(|_| self.damaged())
    }

    pub(crate) fn u32(&self, column: &str) -> Result<u32, Failed> {
        u32::try_from(self.int(column)?).map_err(|_| self.damaged())
    }

    pub(crate) fn u64(&self, column: &str) -> Result<u64, Failed> {
        u64::try_from(self.int(column)?).map_err(|_| self.damaged())
    }

    /// An instant, stored as microseconds since 1970-01-01 UTC.
    pub(crate) fn at(&self, column: &str) -> Result<Timestamp, Failed> {
        Timestamp::from_microsecond(self.int(column)?).map_err(|_| self.damaged())
    }

    pub(crate) fn at_if_any(&self, column: &str) -> Result<Option<Timestamp>, Failed> {
        self.optional(self.row.int(column))?
            .map(Timestamp::from_microsecond)
            .transpose()
            .map_err(|_| self.damaged())
    }

    pub(crate) fn organisation(&self, column: &str) -> Result<OrganisationCode, Failed> {
        OrganisationCode::new(self.text(column)?).map_err(|_| self.damaged())
    }

    /// A system; the empty text stands for the default one.
    pub(crate) fn system(&self, column: &str) -> Result<Option<SystemName>, Failed> {
        let text = self.text(column)?;
        if text.is_empty() {
            return Ok(None);
        }
        SystemName::new(text).map(Some).map_err(|_| self.damaged())
    }

    /// A system, in a column that may be NULL.
    pub(crate) fn system_if_any(&self, column: &str) -> Result<Option<SystemName>, Failed> {
        let name = self.text_if_any(column)?.map(SystemName::new);
        name.transpose().map_err(|_| self.damaged())
    }

    /// A lane or a source, from the columns of its organisation and its system.
    pub(crate) fn lane(&self, organisation: &str, system: &str) -> Result<LaneName, Failed> {
        Ok(LaneName::new(self.organisation(organisation)?, self.system(system)?))
    }

    pub(crate) fn organisation_if_any(
        &self,
        column: &str,
    ) -> Result<Option<OrganisationCode>, Failed> {
        let code = self.text_if_any(column)?.map(OrganisationCode::new);
        code.transpose().map_err(|_| self.damaged())
    }

    pub(crate) fn kind(&self, column: &str) -> Result<Kind, Failed> {
        Kind::read(&self.text(column)?).ok_or_else(|| self.damaged())
    }

    pub(crate) fn case_number(&self, column: &str) -> Result<CaseNumber, Failed> {
        CaseNumber::read(&self.text(column)?).ok_or_else(|| self.damaged())
    }

    pub(crate) fn case_number_if_any(&self, column: &str) -> Result<Option<CaseNumber>, Failed> {
        match self.text_if_any(column)? {
            None => Ok(None),
            Some(text) => CaseNumber::read(&text).map(Some).ok_or_else(|| self.damaged()),
        }
    }

    /// A column of JSON text.
    pub(crate) fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, Failed> {
        serde_json::from_str(&self.text(column)?).map_err(|_| self.damaged())
    }

    /// A column of JSON text that may be NULL.
    pub(crate) fn json_if_any<T: DeserializeOwned>(
        &self,
        column: &str,
    ) -> Result<Option<T>, Failed> {
        let text = self.text_if_any(column)?;
        text.map(|text| serde_json::from_str(&text)).transpose().map_err(|_| self.damaged())
    }

    /// A column of JSON bytes that may be NULL.
    pub(crate) fn json_bytes_if_any<T: DeserializeOwned>(
        &self,
        column: &str,
    ) -> Result<Option<T>, Failed> {
        let bytes = self.row.bytes(column).map_err(|_| self.damaged())?;
        bytes.map(|bytes| serde_json::from_slice(&bytes).map_err(|_| self.damaged())).transpose()
    }

    pub(crate) fn json_bytes<T: DeserializeOwned>(&self, column: &str) -> Result<T, Failed> {
        serde_json::from_slice(&self.bytes(column)?).map_err(|_| self.damaged())
    }
}

/// Writes one of our own plain records as JSON text.
pub(crate) fn json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value)
        .unwrap_or_else(|_| unreachable!("our records have string keys and no failing writers"))
}
