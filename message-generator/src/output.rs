//! Puts the files where they belong, or compares them with what is there.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::jar::repository;

/// File names within the folder, and their text.
pub(crate) type Files = BTreeMap<PathBuf, String>;

/// Writes the files and removes others that an earlier run wrote.
pub(crate) fn write(folder: &Path, files: &Files) -> Result<()> {
    for stale in made_before(folder)?.into_iter().filter(|path| !files.contains_key(path)) {
        fs::remove_file(folder.join(stale))?;
    }
    for (path, text) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// Fails if the folder does not hold exactly these files.
pub(crate) fn check(folder: &Path, files: &Files) -> Result<()> {
    let differs = |(path, text): &(&PathBuf, &String)| fs::read_to_string(folder.join(path)).ok().as_ref() != Some(*text);
    let mut stale: Vec<_> = files.iter().filter(differs).map(|(path, _)| path.clone()).collect();
    stale.extend(made_before(folder)?.into_iter().filter(|path| !files.contains_key(path)));
    if !stale.is_empty() {
        bail!("not what the schemas say: {stale:?}; run `cargo run -p kavka-message-generator`");
    }
    Ok(())
}

/// The line at the top of every file that is made.
pub(crate) const MARK: &str = "// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.\n";

fn made_before(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut made = Vec::new();
    for below in ["", "mirror"] {
        let Ok(entries) = fs::read_dir(folder.join(below)) else { continue };
        for entry in entries {
            let path = entry?.path();
            if path.is_file() && fs::read_to_string(&path)?.starts_with(MARK) {
                made.push(path.strip_prefix(folder)?.to_owned());
            }
        }
    }
    Ok(made)
}

/// Formats one file as the rest of the repository.
pub(crate) fn format(text: &str) -> Result<String> {
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(repository())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run rustfmt")?;
    rustfmt.stdin.take().context("rustfmt has no input")?.write_all(text.as_bytes())?;
    let output = rustfmt.wait_with_output()?;
    ensure!(output.status.success(), "rustfmt refuses:\n{text}");
    Ok(String::from_utf8(output.stdout)?)
}
