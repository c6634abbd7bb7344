//! Reads secrets from environment variables or files. They are never in the configuration
//! and never printed.

use std::path::Path;

/// Longest secret to accept, in bytes.
const SECRET_BYTES_MAX: usize = 4_096;

/// The environment variable in which a secret may stand.
#[must_use]
pub fn variable(name: &str) -> String {
    format!("TIERLINK_SECRET_{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// The secret `name`: `TIERLINK_SECRET_<NAME>`, or the file `secrets/<name>` beside the
/// configuration, which is in `folder`.
#[must_use]
pub fn read(folder: &Path, name: &str) -> Option<String> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !plain || name.is_empty() {
        return None;
    }
    let secret = std::env::var(variable(name))
        .ok()
        .or_else(|| std::fs::read_to_string(folder.join("secrets").join(name)).ok())?;
    let secret = secret.trim().to_owned();
    (!secret.is_empty() && secret.len() <= SECRET_BYTES_MAX).then_some(secret)
}
