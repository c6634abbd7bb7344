//! The `tierlink` program as a process of its own, which may be killed at any instant.
//!
//! Where the program comes from: the environment variable `TIERLINK_TEST_PROGRAM` if it is set;
//! else `tierlink` next to the running test, in cargo's target folder. If it is not there it is
//! built. If it is there it is used as it is: `ops/test` builds it anew before the tests.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;

/// Names another `tierlink` to test, for example one built for release.
pub const PROGRAM_VARIABLE: &str = "TIERLINK_TEST_PROGRAM";

// Generous, because a start includes migrations and the machine may be busy building.
const READY_WITHIN: Duration = Duration::from_mins(1);
const ASK_EVERY: Duration = Duration::from_millis(50);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const END_WITHIN: Duration = Duration::from_secs(30);

// So much of the log goes into an error. The whole is in `logs()`.
const LOG_LINES_SHOWN: usize = 40;

/// A running `tierlink`. Dropping it kills it.
#[derive(Debug)]
pub struct Broker {
    child: Child,
    folder: TempDir,
}

impl Broker {
    /// Runs `tierlink serve --config <config_dir>`.
    ///
    /// `TIERLINK_…` variables of the caller do not reach it; `extra_env` does.
    pub async fn start(config_dir: &Path, extra_env: &[(&str, &str)]) -> Result<Self> {
        let words = [OsStr::new("serve"), OsStr::new("--config"), config_dir.as_os_str()];
        Self::run(program().await?, &words, extra_env)
    }

    /// Runs any program in the same way, for other subcommands and for tests of this fixture.
    pub fn run(
        program: &Path,
        words: &[impl AsRef<OsStr>],
        extra_env: &[(&str, &str)],
    ) -> Result<Self> {
        let folder = TempDir::with_prefix("tierlink-broker.")?;
        let log = File::create(folder.path().join("log"))?;

        let mut command = Command::new(program);
        command.args(words);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TIERLINK_") {
                command.env_remove(name);
            }
        }
        let child = command
            .envs(extra_env.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("could not start {}", program.display()))?;
        Ok(Self { child, folder })
    }

    /// Its process id while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Ends it with SIGKILL: it has no time for anything. Returns when it is gone.
    pub async fn kill9(&mut self) -> Result<ExitStatus> {
        self.child.start_kill().context("could not kill the broker")?;
        self.wait().await
    }

    /// Asks it to end with SIGTERM, as systemd does. Returns when it has ended.
    pub async fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal("TERM").await?;
        self.wait().await
    }

    /// Halts it in the middle of whatever it does (SIGSTOP), as a machine that swaps or a virtual
    /// one that is moved does. [`wake`](Self::wake) lets it go on.
    pub async fn halt(&self) -> Result<()> {
        self.signal("STOP").await
    }

    /// Resumes a process stopped with [`halt`](Self::halt).
    pub async fn wake(&self) -> Result<()> {
        self.signal("CONT").await
    }

    async fn signal(&self, name: &str) -> Result<()> {
        let id = self.child.id().context("the broker has ended already")?;
        let words = [format!("-{name}"), id.to_string()];
        let sent = Command::new("kill").args(words).status().await?;
        ensure!(sent.success(), "could not send SIG{name} to the broker");
        Ok(())
    }

    /// Waits until it has ended by itself.
    pub async fn wait(&mut self) -> Result<ExitStatus> {
        let Ok(status) = tokio::time::timeout(END_WITHIN, self.child.wait()).await else {
            let waited = END_WITHIN.as_secs();
            bail!("the broker still runs after {waited} seconds\n{}", self.log_end());
        };
        Ok(status?)
    }

    /// Waits until `http_url` answers with success, and fails at once if the program ends.
    pub async fn wait_ready(&mut self, http_url: &str) -> Result<()> {
        // Somebody else in this process may have chosen a provider already; either will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().timeout(ANSWER_WITHIN).no_proxy().build()?;

        let began = Instant::now();
        let mut last = String::from("it was never asked");
        while began.elapsed() < READY_WITHIN {
            if let Some(status) = self.child.try_wait()? {
                bail!("the broker ended while starting, {status}\n{}", self.log_end());
            }
            match client.get(http_url).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => last = format!("it answered {}", answer.status()),
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        let waited = READY_WITHIN.as_secs();
        bail!("the broker is not ready after {waited} seconds: {last}\n{}", self.log_end());
    }

    /// Everything it wrote to its standard output and error until now.
    pub fn logs(&self) -> Result<String> {
        let bytes = std::fs::read(self.folder.path().join("log"))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn log_end(&self) -> String {
        let logs = self.logs().unwrap_or_else(|error| format!("no log: {error}"));
        let lines: Vec<&str> = logs.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}

/// Where the program is. Builds it if it is nowhere.
pub async fn program() -> Result<&'static Path> {
    static PROGRAM: OnceCell<PathBuf> = OnceCell::const_new();
    let path = PROGRAM.get_or_try_init(find_or_build).await?;
    Ok(path)
}

async fn find_or_build() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(PROGRAM_VARIABLE) {
        return Ok(PathBuf::from(named));
    }
    // target/<profile>/deps/<test> → target/<profile>/tierlink
    let test = std::env::current_exe()?;
    let profile_dir = test.ancestors().nth(2).context("the test is in no target folder")?;
    let path = profile_dir.join("tierlink");
    if !path.exists() {
        build(profile_dir).await?;
        ensure!(path.exists(), "cargo built the program, but not at {}", path.display());
    }
    Ok(path)
}

async fn build(profile_dir: &Path) -> Result<()> {
    let profile = match profile_dir.file_name().and_then(OsStr::to_str) {
        None | Some("debug") => "dev",
        Some(other) => other,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--locked", "-p", "tierlink", "--bin", "tierlink", "--profile", profile])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .await
        .context("could not run cargo")?;
    if !output.status.success() {
        bail!("could not build tierlink: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
