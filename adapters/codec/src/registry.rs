//! The formats that a program speaks, by name.

use std::fmt;
use std::sync::Arc;

use crate::codec::{Codec, Transport};

/// Every format that this program speaks, in the order in which they were registered.
///
/// A system's profile names one of them in `format.name`. Nothing else in the broker knows which
/// formats there are.
#[derive(Clone, Default)]
pub struct CodecRegistry {
    codecs: Vec<Arc<dyn Codec>>,
}

impl CodecRegistry {
    /// A registry of these codecs. Of two with one name the first is found.
    #[must_use]
    pub fn new(codecs: Vec<Arc<dyn Codec>>) -> Self {
        Self { codecs }
    }

    /// The codec of the format `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Codec>> {
        self.codecs.iter().find(|codec| codec.name() == name)
    }

    /// The names of all formats.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.codecs.iter().map(|codec| codec.name()).collect()
    }

    /// The formats that may arrive and leave over `transport`.
    pub fn over(&self, transport: Transport) -> impl Iterator<Item = &Arc<dyn Codec>> {
        self.codecs.iter().filter(move |codec| codec.transports().contains(&transport))
    }
}

impl fmt::Debug for CodecRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
