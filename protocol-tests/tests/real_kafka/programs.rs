//! The programs of `tools/` as processes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::OnceLock;
use std::{env, fs};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::support::in_time;

/// A program at work, which is killed when this is dropped.
pub(crate) struct Program {
    child: Child,
    hearing: JoinHandle<()>,
    complaints: PathBuf,
}

impl Program {
    /// Starts a program; each line that it prints is heard, and what it complains of is a file.
    pub(crate) fn spawn(
        name: &str,
        arguments: &[String],
        complaints: PathBuf,
        mut hear: impl FnMut(&str) + Send + 'static,
    ) -> Self {
        let file = File::options().append(true).create(true).open(&complaints).unwrap();
        let mut command = Command::new(folder().join(name));
        command.args(arguments).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file);
        let mut child = command.spawn().unwrap();
        let mut printed = BufReader::new(child.stdout.take().unwrap());
        let hearing = tokio::spawn(async move {
            let mut line = String::new();
            while printed.read_line(&mut line).await.unwrap() > 0 {
                // Who is killed may leave half a line.
                if line.ends_with('\n') {
                    hear(line.trim_end());
                }
                line.clear();
            }
        });
        Self { child, hearing, complaints }
    }

    /// SIGTERM, twice in a row, as `timeout` of GNU sends it: it counts once.
    pub(crate) async fn terminate(&self) {
        let Some(pid) = self.child.id() else { return };
        for _ in 0..2 {
            let killed = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await;
            assert!(killed.unwrap().success(), "{pid} cannot be asked to end");
        }
    }

    /// SIGKILL, and waits until all that it had printed is heard.
    pub(crate) async fn kill(&mut self) {
        self.child.start_kill().unwrap();
        self.ended().await;
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end, and until all that it printed is heard.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let status = in_time("the end of a program", self.child.wait()).await.unwrap();
        in_time("its last line", &mut self.hearing).await.unwrap();
        status
    }

    pub(crate) fn complaints_file(&self) -> &Path {
        &self.complaints
    }

    pub(crate) fn complaints(&self) -> String {
        tail(&self.complaints)
    }
}

/// The last lines of a file.
fn tail(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

/// Where the programs are, built by the profile of this test and of the sources as they are now.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let this = env::current_exe().unwrap();
        let folder = this.parent().and_then(Path::parent).unwrap().to_owned();
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = std::process::Command::new(cargo);
        build.args(["build", "-q", "-p", "kavka-tools"]);
        build.arg("--bins");
        build.arg("--target-dir").arg(folder.parent().unwrap());
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "the programs do not build");
        folder
    })
}
