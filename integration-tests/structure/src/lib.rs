//! Checks of how the sources are built, for `tests/sources.rs`: no circle between files of a
//! crate, no match that answers for states, acts, kinds or events that nobody has thought of, no
//! list of all variants that leaves one out, and no clock that is read where it cannot be handed in.
//!
//! **Circles.** A file uses another if its code names an item that stands there: by an import, by
//! a path such as `super::draft::Draft`, or by a method whose `impl` block stands in another file
//! than its type. Imports are followed to where the item is defined. Declaring a module (`mod x;`)
//! and re-exporting a name (`pub use x::Name;`) is not a use, so a parent that only declares its
//! children makes no circle with them. A parent whose functions its children call, and which calls
//! its children, does. Code for tests only (`#[cfg(test)]`) does not count.
//!
//! **Catch-all arms.** In a match that names a variant of a listed enum, no arm takes any variant
//! at that place: neither by `_`, nor by a name, nor by `..`. An arm with a condition may, because
//! the compiler does not count it either: a new variant still needs an arm of its own. `matches!`,
//! `if let` and `let … else` may ask for one variant. A list of several sorts all variants into
//! two groups, so that a new one would be sorted without anybody deciding it; that must be a match.
//!
//! **Lists.** A list called `ALL` beside its enum names every variant.
//! **The outside.** Time, random numbers and fresh ids come in through one file. A call of what gives
//! them, or its name handed on as a function, is found by the last two names of its path.
//!
//! Limits: types are unknown here. A field or a method of a type that a file never names is not
//! seen as a use, and neither are paths inside strings, such as serde's `with`.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a source that cannot be read is a failure of the test"
)]

pub mod catch_all;
pub mod circles;
pub mod crates;
pub mod lists;
pub mod outside;
