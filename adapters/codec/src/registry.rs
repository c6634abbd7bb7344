//! The formats of this program, by name.

use std::fmt;
use std::sync::Arc;

use crate::codec::{Codec, Transport};

/// The formats of this program, in the order in which they were registered.
///
/// The profile of a system names one of them in `format.name`. Nothing else in the broker knows
/// which formats exist.
#[derive(Clone, Default)]
pub struct CodecRegistry {
    codecs: Vec<Arc<dyn Codec>>,
}

impl CodecRegistry {
    /// Makes a registry of these codecs. Of two with the same name, the first is used.
    #[must_use]
    pub fn new(codecs: Vec<Arc<dyn Codec>>) -> Self {
        Self { codecs }
    }

    /// Finds the codec of the format `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Codec>> {
        self.codecs.iter().find(|codec| codec.name() == name)
    }

    /// The names of all formats.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.codecs.iter().map(|codec| codec.name()).collect()
    }

    /// The formats that can be carried over `transport`.
    pub fn over(&self, transport: Transport) -> impl Iterator<Item = &Arc<dyn Codec>> {
        self.codecs.iter().filter(move |codec| codec.transports().contains(&transport))
    }
}

impl fmt::Debug for CodecRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
