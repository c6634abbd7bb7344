//! Hospitals misbehave: silent, slow, confused, late, repeating themselves, flooding.
