//! Processes that end with the test: nodes, ZooKeeper, tools.
//!
//! A test that is dropped ends its processes, and so must one that is killed, when no destructor
//! runs. So each cluster has a [`Watcher`], a shell that holds the reading end of a pipe. When the
//! pipe closes, for whatever reason, it kills every process whose id is in the folder and removes
//! the folder. All of them run in process groups of their own, which a Ctrl-C does not reach.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use super::error::{Error, Result};

/// A signal, where the system has signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// Asks a process to end.
    Terminate,
    /// Stops a process where it stands.
    Pause,
    /// Lets a paused process go on.
    Resume,
}

/// A child process with a log.
#[derive(Debug)]
pub(super) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    pid_file: PathBuf,
}

impl Process {
    /// Starts a command, both of whose outputs are appended to `NAME.log` in the folder unless they
    /// were set.
    pub(super) fn spawn(folder: &Path, name: &str, command: &mut Command) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let output =
            File::options().append(true).create(true).open(&log).map_err(Error::file(&log))?;
        command.stderr(output.try_clone().map_err(Error::file(&log))?).stdout(output);
        Self::spawn_with_outputs(folder, name, command, log)
    }

    /// Starts a command whose outputs were set by the caller, one of them as `log`.
    pub(super) fn spawn_with_outputs(
        folder: &Path,
        name: &str,
        command: &mut Command,
        log: PathBuf,
    ) -> Result<Self> {
        own_group(command);
        let child = command.kill_on_drop(true).spawn().map_err(Error::process(name))?;
        let pid_file = folder.join(format!("{name}.pid"));
        let pid = child.id().map(|pid| format!("{pid}\n")).unwrap_or_default();
        fs::write(&pid_file, pid).map_err(Error::file(&pid_file))?;
        Ok(Self { name: name.to_owned(), child, log, pid_file })
    }

    /// How the process ended, if it has.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().map_err(Error::process(&self.name))
    }

    /// Waits for the end of the process.
    pub(super) async fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        match timeout(limit, self.child.wait()).await {
            Ok(status) => {
                let _ = fs::remove_file(&self.pid_file);
                status.map_err(Error::process(&self.name))
            }
            Err(_) => Err(Error::Timeout {
                name: self.name.clone(),
                state: "at its end",
                after: limit,
                log: tail(&self.log, LOG_LINES),
            }),
        }
    }

    /// Ends the process at once and waits until it is gone.
    pub(super) async fn kill(&mut self) -> Result<()> {
        self.child.start_kill().map_err(Error::process(&self.name))?;
        // A process that was killed ends as soon as the kernel has time for it.
        self.wait(Duration::from_secs(60)).await.map(drop)
    }

    /// Sends a signal; a process that has ended takes no notice.
    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        match self.child.id() {
            Some(pid) => send(pid, signal).map_err(Error::process(&self.name)),
            None => Ok(()),
        }
    }

    /// The error that says that the process ended by itself.
    pub(super) fn ended_error(&self, status: ExitStatus) -> Error {
        Error::Ended { name: self.name.clone(), status, log: tail(&self.log, LOG_LINES) }
    }

    pub(super) fn log(&self) -> &Path {
        &self.log
    }
}

/// Ends the processes of a folder and removes it when it is dropped, or when this process ends in
/// whatever way.
#[derive(Debug)]
pub(super) struct Watcher {
    child: Child,
    pipe: Option<ChildStdin>,
}

impl Watcher {
    pub(super) fn spawn(folder: &Path) -> Result<Self> {
        // KAVKA_KEEP_LOGS leaves the folder, for a look at what the nodes wrote.
        const SCRIPT: &str = r#"
            while read -r _; do :; done
            cat "$0"/*.pid 2>/dev/null | while read -r pid; do kill -9 "$pid" 2>/dev/null; done
            test -n "$KAVKA_KEEP_LOGS" && exit
            rm -rf "$0" || { sleep 1; rm -rf "$0"; }
        "#;
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(SCRIPT)
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        own_group(&mut command);
        let mut child = command.spawn().map_err(Error::process("the watcher"))?;
        let pipe = child.stdin.take();
        Ok(Self { child, pipe })
    }

    /// Removes the folder and waits until that is done.
    pub(super) async fn finish(mut self) -> Result<()> {
        self.pipe.take();
        self.child.wait().await.map(drop).map_err(Error::process("the watcher"))
    }
}

pub(super) const LOG_LINES: usize = 20;

/// The last lines of a file.
pub(super) fn tail(file: &Path, lines: usize) -> String {
    const ENOUGH: u64 = 64 * 1024;
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(ENOUGH)))?;
        file.read_to_end(&mut bytes)
    });
    match read {
        Ok(_) => {
            let text = String::from_utf8_lossy(&bytes);
            let all: Vec<_> = text.lines().collect();
            all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
        }
        Err(error) => format!("{}: {error}", file.display()),
    }
}

#[cfg(unix)]
fn own_group(command: &mut Command) {
    command.process_group(0);
}

#[cfg(not(unix))]
fn own_group(_: &mut Command) {}

#[cfg(unix)]
fn send(pid: u32, signal: Signal) -> std::io::Result<()> {
    use rustix::process::{Pid, Signal as Number, kill_process};

    let number = match signal {
        Signal::Terminate => Number::TERM,
        Signal::Pause => Number::STOP,
        Signal::Resume => Number::CONT,
    };
    let pid =
        i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(std::io::ErrorKind::InvalidInput)?;
    Ok(kill_process(pid, number)?)
}

#[cfg(not(unix))]
fn send(_: u32, signal: Signal) -> std::io::Result<()> {
    let _ = signal;
    Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "there are no signals on this system"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_watcher_ends_every_process_and_removes_the_folder() {
        let folder = std::env::temp_dir().join(format!("kavka-watcher-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let watcher = Watcher::spawn(&folder).unwrap();
        let spawn = |name| Process::spawn(&folder, name, Command::new("sleep").arg("1000"));
        let mut processes = [spawn("first").unwrap(), spawn("second").unwrap()];
        watcher.finish().await.unwrap();
        for process in &mut processes {
            assert!(!process.wait(Duration::from_secs(10)).await.unwrap().success());
        }
        assert!(!folder.exists());
    }
}
