//! Whether each setting has a reader. One that is parsed, checked, documented, and then read by
//! nobody changes nothing that the client does, and neither the compiler nor a test of the parser
//! sees it: the parser, the setters and the checks all name it. So the code outside of the settings
//! is searched for whoever does.

use std::fs;
use std::path::{Path, PathBuf};

/// A struct of settings, and where it stands.
struct Table {
    name: &'static str,
    file: &'static str,
    places: &'static [ReaderFile],
}

/// Where settings are read, and how they are called there.
struct ReaderFile {
    folders: &'static [&'static str],
    receivers: &'static [&'static str],
}

const TABLES: [Table; 3] = [
    Table {
        name: "ClientConfig",
        file: "config/client.rs",
        places: &[
            ReaderFile {
                folders: &["client.rs", "cluster", "net", "client_telemetry", "admin"],
                receivers: &["config()", "config"],
            },
            // Here `config` is that of the handle.
            ReaderFile { folders: &["producer", "consumer"], receivers: &["config()", "client"] },
        ],
    },
    Table {
        name: "ProducerConfig",
        file: "producer/config.rs",
        places: &[ReaderFile { folders: &["producer"], receivers: &["config"] }],
    },
    Table {
        name: "ConsumerConfig",
        file: "consumer/config.rs",
        places: &[ReaderFile { folders: &["consumer"], receivers: &["config"] }],
    },
];

#[test]
fn every_setting_has_a_reader() {
    for table in &TABLES {
        let settings = table.settings();
        assert!(settings.len() > 10, "{}: {settings:?}", table.name);
        let unread = table.unread(|code| code);
        assert!(unread.is_empty(), "{}: nobody reads {unread:?}", table.name);
    }
}

#[test]
fn a_setting_whose_readers_are_taken_away_is_found() {
    for table in &TABLES {
        for setting in table.settings().into_iter() {
            let reads = [format!(".{setting}"), format!("self.{setting}")];
            let unread = table
                .unread(|code| reads.iter().fold(code, |code, read| code.replace(read, ".taken")));
            assert!(unread.contains(&setting), "{}: {setting}", table.name);
        }
    }
}

impl Table {
    /// The names of the fields.
    fn settings(&self) -> Vec<String> {
        let source =
            fs::read_to_string(sources().join(self.file)).expect("the file of the settings");
        let begin = source.find(&format!("pub struct {} {{", self.name)).expect("the struct");
        let fields = source[begin..].lines().skip(1).take_while(|line| !line.starts_with('}'));
        let fields =
            fields.filter_map(|line| line.trim().strip_prefix("pub(crate) ")?.split_once(':'));
        fields.map(|(name, _)| name.to_owned()).filter(|name| name != "words").collect()
    }

    /// The code of the settings themselves, which may stand in several files.
    fn own_code(&self) -> String {
        let file = sources().join(self.file);
        let parts = fs::read_dir(file.with_extension("")).into_iter().flatten().flatten();
        let parts: String =
            parts.flat_map(|part| files(&part.path())).map(|part| read(&part)).collect();
        read(&file) + &parts
    }

    /// The settings that nobody reads in the code, as `edit` leaves it.
    fn unread(&self, edit: impl Fn(String) -> String) -> Vec<String> {
        let own = edit(self.own_code());
        let code: Vec<_> = self.places.iter().map(|place| (edit(place.code()), place)).collect();
        let is_used = |name: &str| code.iter().any(|(code, place)| place.is_read(name, code));
        let is_read = |setting: &String| {
            is_used(setting) || methods(&own, setting).iter().any(|method| is_used(method))
        };
        self.settings().into_iter().filter(|setting| !is_read(setting)).collect()
    }
}

impl ReaderFile {
    /// All its code.
    fn code(&self) -> String {
        self.folders
            .iter()
            .flat_map(|folder| files(&sources().join(folder)))
            .map(|file| read(&file))
            .collect()
    }

    /// Whether a field, or a method with its bracket, is used of such a struct.
    fn is_read(&self, name: &str, code: &str) -> bool {
        self.receivers.iter().any(|receiver| {
            let read = format!("{receiver}.{name}");
            code.match_indices(&read).any(|(at, _)| {
                let next = code[at + read.len()..].chars().next();
                // A setter has the name of its field.
                name.ends_with('(')
                    || !next
                        .is_some_and(|next| next == '(' || next == '_' || next.is_alphanumeric())
            })
        })
    }
}

/// The methods of the settings that read one for those who call them, each with its bracket.
fn methods(own: &str, setting: &str) -> Vec<String> {
    let reads = format!("self.{setting}");
    let bodies = own
        .split("pub(crate)fn")
        .skip(1)
        .map(|body| body.split("pubfn").next().unwrap_or_default());
    let names = bodies
        .filter(|body| body.contains(&reads))
        .filter_map(|body| Some(format!("{}(", body.split_once("(&self")?.0)));
    names.filter(|name| !name.starts_with("validate") && !name.starts_with("check")).collect()
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The files of a folder but for settings, tests and benchmarks.
pub(crate) fn files(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if matches!(name, "config" | "config.rs" | "tests" | "tests.rs" | "bench.rs") {
        return Vec::new();
    }
    match fs::read_dir(path) {
        Ok(entries) => entries.flatten().flat_map(|entry| files(&entry.path())).collect(),
        Err(_) => vec![path.to_owned()],
    }
}

fn read(file: &Path) -> String {
    stripped(&fs::read_to_string(file).unwrap_or_default())
}

/// The code of a source that is no test, without comments and white space.
pub(crate) fn stripped(source: &str) -> String {
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(str::split_whitespace).collect()
}
