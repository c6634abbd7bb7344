//! The folder in which private servers live, and the way to `ops/lib/servers.sh`.
//!
//! Every call runs one function of that script in a shell of its own. The folder remembers what the
//! next call needs: data, ports, process ids.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use anyhow::{Context, Result, bail};

const SERVERS_SH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ops/lib/servers.sh");

// `source` alone would read the script's settings; the rest is the function and its arguments.
const CALL: &str = r#"source "$1" && shift && "$@""#;

/// A folder with private servers. Dropping it ends them and deletes everything.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes an empty folder, and has it cleaned up even if this process is killed.
    pub(super) async fn new() -> Result<Self> {
        run(&["install_servers"]).await?;
        let path = PathBuf::from(run(&["make_server_dir"]).await?);
        let folder = Self { path };
        folder.call("guard_server_dir", &[&std::process::id().to_string()]).await?;
        Ok(folder)
    }

    /// Calls a function of the script with this folder and `more`, and returns what it printed.
    pub(super) async fn call(&self, function: &str, more: &[&str]) -> Result<String> {
        let path = self.path.to_str().context("the folder's path is not text")?;
        let words: Vec<&str> = [function, path].into_iter().chain(more.iter().copied()).collect();
        run(&words).await
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing is left to do if this fails: the guard tries again when the process ends.
        let _ = std::process::Command::new("bash")
            .args(["-c", CALL, "bash", SERVERS_SH, "remove_server_dir"])
            .arg(&self.path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

async fn run(words: &[&str]) -> Result<String> {
    let output = tokio::process::Command::new("bash")
        .args(["-c", CALL, "bash", SERVERS_SH])
        .args(words)
        .stdin(Stdio::null())
        .output()
        .await
        .context("could not run bash")?;
    text_of(output).with_context(|| format!("`{}` of ops/lib/servers.sh failed", words.join(" ")))
}

/// What a program printed, or an error with what it said about its failure.
pub(super) fn text_of(output: Output) -> Result<String> {
    if !output.status.success() {
        bail!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    let mut text = String::from_utf8(output.stdout).context("the output is not UTF-8")?;
    text.truncate(text.trim_end().len());
    Ok(text)
}
