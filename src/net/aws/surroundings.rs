//! What the sources read of the process, and the one thing that they write: variables, files, and the
//! addresses that AWS gives to every machine.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use zeroize::Zeroizing;

use super::super::tls::Tls;
use super::refused;
use crate::config::TlsConfig;
use crate::error::Result;

/// A file of credentials or a token is far shorter (a guess).
const LONGEST_FILE: u64 = 1024 * 1024;

/// How long a profile's program may run (a guess, with room for one that asks a service; AWS's SDKs
/// have no limit). The time for setting up a connection ends it earlier.
const PROCESS_LIMIT: Duration = Duration::from_secs(60);

/// The variables, the files and the fixed addresses; tests have their own.
pub(super) struct Surroundings {
    variable: Box<dyn Fn(&str) -> Option<String> + Send + Sync>,
    read: Box<dyn Fn(&Path) -> io::Result<Zeroizing<Vec<u8>>> + Send + Sync>,
    replace: Box<dyn Fn(&Path, &[u8]) -> io::Result<()> + Send + Sync>,
    /// How long a profile's program may run.
    pub(super) process_limit: Duration,
    /// The agent of ECS, which a relative URI is asked of.
    pub(super) container_url: String,
    /// Made when it is needed first: it reads the authorities that the system trusts.
    tls: Mutex<Option<Arc<Tls>>>,
}

impl Surroundings {
    pub(super) fn of_process() -> Self {
        Self::new(|name| std::env::var(name).ok(), read, replace)
    }

    pub(super) fn new(
        variable: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
        read: impl Fn(&Path) -> io::Result<Zeroizing<Vec<u8>>> + Send + Sync + 'static,
        replace: impl Fn(&Path, &[u8]) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self {
            variable: Box::new(variable),
            read: Box::new(read),
            replace: Box::new(replace),
            process_limit: PROCESS_LIMIT,
            container_url: "http://169.254.170.2".into(),
            tls: Mutex::default(),
        }
    }

    /// A variable that is set to something.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    /// A file of text, `None` if there is none.
    ///
    /// # Errors
    /// Why it cannot be read, with its path.
    pub(super) fn file(&self, path: &Path) -> Result<Option<Zeroizing<String>>> {
        let failed = |why: &dyn std::fmt::Display| {
            refused(format!("AWS credentials: cannot read {}: {why}", path.display()))
        };
        let bytes = match (self.read)(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&error)),
        };
        let text = std::str::from_utf8(&bytes).map_err(|_| failed(&"it is not UTF-8"))?;
        Ok(Some(Zeroizing::new(text.to_owned())))
    }

    /// Puts other contents in a file, for this user alone.
    ///
    /// # Errors
    /// Why that is not possible; the file is as it was.
    pub(super) fn replace(&self, path: &Path, contents: &[u8]) -> io::Result<()> {
        (self.replace)(path, contents)
    }

    /// The token in a file that a variable or a profile names, without the end of its line.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn token(&self, named_by: &str, path: &str) -> Result<Zeroizing<String>> {
        let text = self.file(Path::new(path))?;
        let text = text.as_ref().map(|text| text.trim()).unwrap_or_default();
        match text.is_empty() {
            true => Err(refused(format!("{named_by} names {path}, which holds no token"))),
            false => Ok(Zeroizing::new(text.to_owned())),
        }
    }

    /// The user's own folder.
    pub(super) fn home(&self) -> Option<PathBuf> {
        self.variable("HOME").or_else(|| self.variable("USERPROFILE")).map(PathBuf::from)
    }

    /// TLS to AWS, by the authorities of `AWS_CA_BUNDLE` or those that the system trusts.
    ///
    /// # Errors
    /// Those of [`Tls::new`].
    pub(super) fn tls(&self) -> Result<Arc<Tls>> {
        let mut made = self.tls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tls) = &*made {
            return Ok(Arc::clone(tls));
        }
        let config = match self.variable("AWS_CA_BUNDLE") {
            Some(file) => TlsConfig::new().truststore_location(file),
            None => TlsConfig::new(),
        };
        let tls = Tls::new(config).map_err(|error| {
            error.with_context("TLS to AWS for its credentials (AWS_CA_BUNDLE is its trust)")
        })?;
        Ok(Arc::clone(made.insert(Arc::new(tls))))
    }
}

pub(super) fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = std::fs::File::open(path)?;
    // Room for all of it, so that no copy of a secret is left behind by growing; a pipe has no
    // length, and is bounded all the same.
    let length = file.metadata()?.len().min(LONGEST_FILE);
    let room = usize::try_from(length).unwrap_or(0).saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(LONGEST_FILE + 1).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()).is_ok_and(|length| length <= LONGEST_FILE) {
        true => Ok(bytes),
        false => Err(io::Error::other(format!("it has more than {LONGEST_FILE} bytes"))),
    }
}

/// Writes beside the file and takes its place, so that nobody reads a part of it, and nobody loses
/// what there was.
pub(super) fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    // What a link leads to is replaced, not the link.
    let path = path.canonicalize()?;
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let beside = path.with_extension(format!("{:016x}.tmp", u64::from_ne_bytes(random)));
    let written = write_new(&beside, contents).and_then(|()| std::fs::rename(&beside, &path));
    if written.is_err() {
        // It may not be there; what is wrong is told anyhow.
        let _ = std::fs::remove_file(&beside);
    }
    written
}

fn write_new(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of this test, taken away at its end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("kavka-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).expect("a folder");
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_replaced_whole_for_its_user_alone_and_through_a_link() {
        use std::os::unix::fs::{PermissionsExt, symlink};

        let folder = Folder::new("replace");
        let (file, link) = (folder.0.join("token.json"), folder.0.join("link.json"));
        std::fs::write(&file, "a longer text").expect("written");
        symlink(&file, &link).expect("a link");
        replace(&link, b"new").expect("replaced");
        assert_eq!(std::fs::read(&file).expect("read"), b"new");
        let mode = std::fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(std::fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(std::fs::read_dir(&folder.0).expect("a folder").count(), 2, "nothing is left");
        assert!(replace(&folder.0.join("none"), b"new").is_err());
    }

    #[test]
    fn a_file_without_an_end_is_not_read_to_it() {
        let endless = Path::new("/dev/zero");
        if endless.exists() {
            let error = read(endless).expect_err("too long").to_string();
            assert!(error.contains("1048576 bytes"), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_none_and_one_that_cannot_be_read_an_error() {
        let surroundings = Surroundings::new(
            |_| Some(String::new()),
            |path| match path.to_str() {
                Some("none") => Err(io::Error::from(io::ErrorKind::NotFound)),
                Some("bytes") => Ok(Zeroizing::new(vec![0xff])),
                _ => Err(io::Error::from(io::ErrorKind::PermissionDenied)),
            },
            |_, _| unreachable!("nothing is written"),
        );
        assert!(surroundings.file(Path::new("none")).expect("no file").is_none());
        for path in ["bytes", "closed"] {
            let error = surroundings.file(Path::new(path)).expect_err("an error").to_string();
            assert!(error.contains(path), "{error}");
        }
        assert_eq!(surroundings.variable("X"), None, "set to nothing");
        let error = surroundings.token("AWS_X", "none").expect_err("no token").to_string();
        assert!(error.contains("AWS_X"), "{error}");
    }
}
