//! A small file system that can be filled to the last byte, and have room again.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::folder::Folder;

const FILLER: &str = "filler";
// From large to small, so that nothing remains.
const PIECES_BYTES: [usize; 3] = [1 << 20, 1 << 12, 1];

/// A disk of its own. Dropping it takes it away with all that is on it.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    _folder: Folder,
}

impl Disk {
    /// A disk of so many MiB. `None` where nobody may mount one.
    pub async fn mount(mib: u32) -> Result<Option<Self>> {
        let folder = Folder::new().await?;
        if folder.call("make_disk", &["disk", &mib.to_string()]).await.is_err() {
            return Ok(None);
        }
        Ok(Some(Self { path: folder.path().join("disk"), _folder: folder }))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Fills the disk that holds this folder until there is no room for another byte. Only for disks
/// of a test's own.
pub fn fill_disk(folder: &Path) -> Result<()> {
    let mut filler =
        File::create(folder.join(FILLER)).context("could not begin to fill the disk")?;
    for bytes in PIECES_BYTES {
        let piece = vec![0; bytes];
        while filler.write_all(&piece).is_ok() {}
    }
    Ok(())
}

/// Gives the room back.
pub fn make_room(folder: &Path) -> Result<()> {
    std::fs::remove_file(folder.join(FILLER)).context("could not make room")
}
