//! The columns that are written, once for each table: as the columns of `given` and as
//! text for SQL.
//!
//! A column that is missing here is never written. A row whose length does not match its columns
//! stops the program at once (see `Given::push`).

use crate::session::Type;

/// Declares the columns of a table: a constant for `given`, a macro with their names for SQL, and,
/// where rows are updated, a macro with `column = given.column` for each.
macro_rules! columns {
    (
        $(#[$doc:meta])*
        $types:ident: $($column:ident $type:ident),*;
    ) => {
        $(#[$doc])*
        pub(crate) const $types: &[(&str, Type)] =
            &[$((stringify!($column), Type::$type)),*];
    };
    (names $list:ident: $first:ident $(, $column:ident)*;) => {
        macro_rules! $list {
            () => {
                concat!(stringify!($first) $(, ", ", stringify!($column))*)
            };
        }
        pub(crate) use $list;
    };
    (changes $changes:ident: $first:ident $(, $column:ident)*;) => {
        macro_rules! $changes {
            () => {
                concat!(
                    stringify!($first), " = given.", stringify!($first)
                    $(, ", ", stringify!($column), " = given.", stringify!($column))*
                )
            };
        }
        pub(crate) use $changes;
    };
    (
        $(#[$doc:meta])*
        $types:ident, $list:ident: $($column:ident $type:ident),*;
    ) => {
        columns! { $(#[$doc])* $types: $($column $type),*; }
        columns! { names $list: $($column),*; }
    };
    (
        $(#[$doc:meta])*
        $types:ident: $($fixed:ident $fixed_type:ident),*;
        $changes:ident: $($column:ident $type:ident),*;
    ) => {
        columns! { $(#[$doc])* $types: $($fixed $fixed_type,)* $($column $type),*; }
        columns! { changes $changes: $($column),*; }
    };
    (
        $(#[$doc:meta])*
        $types:ident, $list:ident: $($fixed:ident $fixed_type:ident),*;
        $changes:ident: $($column:ident $type:ident),*;
    ) => {
        columns! { $(#[$doc])* $types, $list: $($fixed $fixed_type,)* $($column $type),*; }
        columns! { changes $changes: $($column),*; }
    };
}

/// An `INSERT` of all rows in `given`, followed by the rest of the statement.
macro_rules! insert {
    ($name:literal, $table:literal, $list:ident) => {
        insert!($name, $table, $list, "")
    };
    ($name:literal, $table:literal, $list:ident, $tail:literal) => {
        concat!(
            "-- ",
            $name,
            "\n        INSERT INTO ",
            $table,
            " (",
            $list!(),
            ")\n        SELECT ",
            $list!(),
            "\n        FROM given",
            $tail
        )
    };
}
pub(crate) use insert;

columns! {
    /// `cases`: first the columns that never change, then those that each event changes.
    CASE, case_columns:
        id Id, number Text, family Text, origin Text, opened_at Int;
    case_changes:
        state Text, open Flag, target Text, reviewer Text, priority Text, urgency Int, parent
        Text, changed_at Int, due_at Int, events Int, body Bytes;
}

columns! {
    /// `case_parties`, all columns.
    PARTY, party_columns:
        organisation Text, case_id Id;
    party_changes:
        open Flag, urgency Int, changed_at Int;
}

columns! {
    /// `deliveries`, the columns that an outcome changes.
    SETTLED:
        message_id Id, destination Text;
    settled_changes:
        state Text, parked_why Text, due_at Int, round Int, attempts Int, published_at Int,
        settled_at Int, parked_at Int, silent_since Int, destination_number Text, problems Text,
        losses Text, code_map Text;
}

columns! {
    /// `case_numbers`, all columns.
    NUMBER, number_columns:
        number Text, organisation Text, case_id Id;
}

columns! {
    /// `bookings`, all columns.
    BOOKING, booking_columns:
        case_id Id, resource Text, start_at Int, end_at Int;
}

columns! {
    /// `slot_uses`, all columns.
    SLOT_USE, slot_use_columns:
        case_id Id, organisation Text, number Text;
}

columns! {
    /// `slots`, all columns.
    SLOT, slot_columns:
        organisation Text, number Text, start_at Int, places Int, body Text;
}

columns! {
    /// `messages`, all columns.
    MESSAGE, message_columns:
        id Id, case_id Id, organisation Text, system Text, source_message_id Text, inbound Flag,
        kind Text, format Text, fingerprint Bytes, case_number Text, case_state Text, raw Bytes, canonical Bytes,
        canonical_hash Bytes, deviations Text, code_map Text, received_at Int;
}

columns! {
    /// `events`, without the columns that announcing sets.
    EVENT, new_event_columns:
        case_id Id, number Int, case_number Text, message_id Id, kind Text, organisation Text,
        from_state Text, to_state Text, recorded_at Int, reason Text, note Text;
}

columns! {
    /// `deliveries`, without the columns that tries set.
    DELIVERY, new_delivery_columns:
        message_id Id, destination Text, system Text, case_id Id, number Int, created_at Int;
}

columns! {
    /// `refusals`, all columns.
    REFUSAL, refusal_columns:
        id Id, organisation Text, system Text, format Text, received_at Int, source_message_id Text,
        problems Text, code_map Text, raw Bytes;
}

columns! {
    /// `versions`: the code map versions that were used, and when they were first seen.
    VERSION, version_columns:
        organisation Text, system Text, hash Text, label Text, first_seen_at Int;
}
