//! A receiver for client metrics (KIP-714) in each node: a class that writes to a file what clients
//! push.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::Cluster;
use super::error::{Error, Result};

/// The class of the receiver.
pub(super) const CLASS: &str = "MetricsReceiver";

const SOURCE: &str = include_str!("MetricsReceiver.java");

/// Where the receiver of a node writes to.
pub(super) fn file(folder: &Path, node: u16) -> PathBuf {
    folder.join(format!("node{node}.metrics"))
}

/// Compiles the receiver against the jars of a class path; returns the class path that has it too.
pub(super) async fn compile(folder: &Path, jars: &str) -> Result<String> {
    let source = folder.join(format!("{CLASS}.java"));
    fs::write(&source, SOURCE).map_err(Error::file(&source))?;
    let classes = folder.join("classes");
    let mut command = Command::new(env::var_os("KAVKA_JAVAC").unwrap_or_else(|| "javac".into()));
    command
        .args(["-nowarn", "-cp", jars, "-d"])
        .arg(&classes)
        .arg(&source)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let missing = |source| Error::Program { program: "javac", variable: "KAVKA_JAVAC", source };
    let output = command.output().await.map_err(missing)?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Error::Tool { class: "javac".into(), status: output.status, stderr });
    }
    let separator = if cfg!(windows) { ';' } else { ':' };
    Ok(format!("{}{separator}{jars}", classes.display()))
}

impl Cluster {
    /// Returns what clients have pushed to the receivers of
    /// [`Config::metrics_receiver`](super::Config::metrics_receiver), as lines of tab-separated
    /// fields.
    ///
    /// ```text
    /// push    INSTANCE  CLIENT-ID  terminating or running
    /// metric  INSTANCE  LABELS  NAME  GAUGE or temporality  (VALUE  ATTRIBUTES  START  TIME)...
    /// ```
    ///
    /// # Errors
    /// [`Error::File`] if a file cannot be read; a missing one counts as empty.
    pub fn received_metrics(&self) -> Result<String> {
        let mut all = String::new();
        for node in self.nodes() {
            let path = file(self.folder(), node);
            if path.exists() {
                all += &fs::read_to_string(&path).map_err(Error::file(&path))?;
            }
        }
        Ok(all)
    }
}
