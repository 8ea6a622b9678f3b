//! Where the jars of one version come from: `KAFKA_HOME`, or Maven with the `pom.xml` beside this
//! file.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, io};

use super::error::{Error, Result};
use super::version::Version;

const POM: &str = include_str!("pom.xml");

/// The class paths of one version.
#[derive(Clone, Debug)]
pub(super) struct Classpath {
    pub(super) broker: String,
    pub(super) tools: String,
}

/// The version that `KAFKA_HOME` holds, if it is set.
pub(super) fn version_at_home() -> Result<Option<Version>> {
    let Some(home) = env::var_os("KAFKA_HOME") else { return Ok(None) };
    let libs = Path::new(&home).join("libs");
    for entry in fs::read_dir(&libs).map_err(Error::file(&libs))? {
        let name = entry.map_err(Error::file(&libs))?.file_name();
        let version = name.to_str().and_then(|name| {
            name.strip_prefix("kafka_2.1")?.split_once('-')?.1.strip_suffix(".jar")
        });
        if let Some(version) = version.and_then(|version| version.parse().ok()) {
            return Ok(Some(version));
        }
    }
    Err(Error::Config(format!("KAFKA_HOME has no kafka_2.13-VERSION.jar in {}", libs.display())))
}

/// Finds the jars of a version, by Maven at its first use on this machine.
///
/// Blocks for as long as Maven takes to download, and while another process does the same.
pub(super) fn resolve(version: Version) -> Result<Classpath> {
    if version_at_home()? == Some(version) {
        let libs = Path::new(&env::var_os("KAFKA_HOME").unwrap_or_default()).join("libs").join("*");
        let libs = libs.to_string_lossy().into_owned();
        return Ok(Classpath { broker: libs.clone(), tools: libs });
    }
    let cache = cache()?;
    fs::create_dir_all(&cache).map_err(Error::file(&cache))?;
    let lock = cache.join("lock");
    // Held until the file is closed at the end of the function, so that tests that run side by side
    // resolve once.
    let file = File::create(&lock).map_err(Error::file(&lock))?;
    file.lock().map_err(Error::file(&lock))?;
    let pom = cache.join("pom.xml");
    fs::write(&pom, POM).map_err(Error::file(&pom))?;
    let tools = version.tools();
    Ok(Classpath {
        broker: jars(&cache, &pom, version, tools)?,
        tools: jars(&cache, &pom, tools, tools)?,
    })
}

fn cache() -> Result<PathBuf> {
    let variable =
        |name| env::var_os(name).filter(|value: &OsString| !value.is_empty()).map(PathBuf::from);
    let base = variable("XDG_CACHE_HOME")
        .or_else(|| variable("LOCALAPPDATA"))
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .ok_or_else(|| {
            Error::Config(
                "neither XDG_CACHE_HOME nor HOME says where the jars' list can be cached".into(),
            )
        })?;
    Ok(base.join("kavka-testcontainers"))
}

fn jars(cache: &Path, pom: &Path, version: Version, tools: Version) -> Result<String> {
    let file = cache.join(format!("{version}-{tools}-{:08x}.classpath", fingerprint(POM)));
    if let Some(jars) = cached(&file) {
        return Ok(jars);
    }
    let output = Command::new(env::var_os("KAVKA_MVN").unwrap_or_else(|| "mvn".into()))
        .args(["-B", "-q", "-f"])
        .arg(pom)
        .arg(if version.logs_by_log4j2() { "-Plog4j2" } else { "-Preload4j" })
        .arg(format!("-Dkafka.version={version}"))
        .arg(format!("-Dtools.version={tools}"))
        .arg("dependency:build-classpath")
        .arg(format!("-Dmdep.outputFile={}", file.display()))
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Error::Program {
            program: "mvn",
            variable: "KAVKA_MVN or KAFKA_HOME",
            source,
        })?;
    if !output.status.success() {
        let output_text = String::from_utf8_lossy(&output.stdout).into_owned();
        return Err(Error::Resolve {
            version: version.to_string(),
            status: output.status,
            output: output_text,
        });
    }
    cached(&file).ok_or_else(|| {
        Error::file(&file)(io::Error::other("mvn succeeded, but lists jars that do not exist"))
    })
}

/// The list in a file, if every jar in it still exists.
fn cached(file: &Path) -> Option<String> {
    let list = fs::read_to_string(file).ok()?.trim().to_owned();
    let whole = !list.is_empty() && env::split_paths(&list).all(|jar| jar.exists());
    whole.then_some(list)
}

/// FNV-1a: enough to tell one state of the pom from another.
fn fingerprint(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
