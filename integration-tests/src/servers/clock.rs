//! A clock that a test can move while the program runs, without root and without a word about it
//! in the program: a library of forty lines that the dynamic linker puts before the C library.
//!
//! The C compiler that builds it is the one that links every Rust program.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use tempfile::TempDir;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/servers/moved_clock.c");

/// The clock of the processes that get its [`environment`](Self::environment).
#[derive(Debug)]
pub struct MovedClock {
    folder: TempDir,
}

impl MovedClock {
    /// A clock that shows the right time.
    pub async fn new() -> Result<Self> {
        let clock = Self { folder: TempDir::with_prefix("tierlink-clock.")? };
        std::fs::write(clock.file(), 0_i64.to_ne_bytes())?;
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let built = tokio::process::Command::new(compiler)
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(clock.library())
            .arg(SOURCE)
            .stdin(Stdio::null())
            .output()
            .await
            .context("could not run the C compiler")?;
        ensure!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        Ok(clock)
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("seconds")
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("moved_clock.so")
    }

    /// What a process needs in its environment to have this clock.
    pub fn environment(&self) -> Result<[(String, String); 2]> {
        let text = |path: PathBuf| path.into_os_string().into_string().ok();
        let (file, library) =
            text(self.file()).zip(text(self.library())).context("the folder's path is not text")?;
        Ok([("MOVED_CLOCK_FILE".to_owned(), file), ("LD_PRELOAD".to_owned(), library)])
    }

    /// Shows so many seconds more, or fewer, than the right time, from this moment on.
    pub fn move_by(&self, seconds: i64) -> Result<()> {
        // In place: the processes look at this very file.
        let file = OpenOptions::new().write(true).open(self.file())?;
        file.write_all_at(&seconds.to_ne_bytes(), 0)?;
        Ok(())
    }

    /// Shows this moment now, and goes on from it.
    pub fn set_to(&self, moment: Timestamp) -> Result<()> {
        self.move_by(moment.duration_since(Timestamp::now()).as_secs())
    }
}
