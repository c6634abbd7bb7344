//! Who may do what to an SQLite file at one time: one process migrates, and one serves.
//!
//! SQLite keeps its own locks on the file for as long as a statement lasts. These are about longer
//! things, so they are locks of the operating system on empty files beside it. A process that dies
//! gives them back.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Only the owner reads and writes: the file holds patients.
const OWNER_ONLY: u32 = 0o600;

/// The right to serve from an SQLite file. Given back when it is dropped.
#[derive(Debug)]
#[must_use = "dropping it lets another process serve from the file"]
pub struct ServesAlone {
    _lock: File,
}

impl ServesAlone {
    /// Takes the right for the file at `path`; `None` if another process has it.
    pub fn take(path: &str) -> io::Result<Option<Self>> {
        let lock = open_for_owner(&beside(path, "serving"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self { _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Waits until nobody else migrates the file at `path`. Blocks the thread.
pub(crate) fn wait_to_migrate(path: &str) -> io::Result<File> {
    let lock = open_for_owner(&beside(path, "migrating"))?;
    lock.lock()?;
    Ok(lock)
}

/// Makes the file if it is not there, and takes the rights of everybody else from it. SQLite gives
/// its other files the same.
pub(crate) fn keep_for_owner(path: &str) -> io::Result<()> {
    open_for_owner(Path::new(path)).map(drop)
}

fn open_for_owner(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).append(true).mode(OWNER_ONLY).open(path)?;
    let permissions = file.metadata()?.permissions();
    if permissions.mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(OWNER_ONLY))?;
    }
    Ok(file)
}

fn beside(path: &str, what: &str) -> PathBuf {
    PathBuf::from(format!("{path}-{what}"))
}
