//! What every format crate shares: the profile of an organisation and the codec trait.
