//! Whether each setting of this layer has a reader: as `config/readers.rs`, which tells why, for
//! settings that a table makes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::Config;
use crate::config::readers::{files, stripped};

/// What the documentation says of a setting that is there for files of other libraries.
const WITHOUT_EFFECT: &str = "Accepted for compatibility";

#[test]
fn every_setting_has_a_reader_or_says_that_it_has_none() {
    assert_eq!(unread(&code()), without_effect());
}

#[test]
fn a_setting_whose_readers_are_taken_away_is_found() {
    let code = code();
    for key in Config::keys() {
        let field = key.rsplit('.').next().unwrap();
        let taken =
            reads(&key).iter().fold(code.clone(), |code, read| replaced(&code, read, "taken"));
        assert!(unread(&taken).contains(&key), "{key}: {field}");
    }
}

/// How a setting is read: by its group, or where the group has a name of its own.
fn reads(key: &str) -> Vec<String> {
    match key.split_once('.') {
        Some((group, field)) => vec![format!(".{group}.{field}"), format!("[{group}].{field}")],
        None => vec![format!("self.{key}"), format!("config.{key}")],
    }
}

fn unread(code: &str) -> BTreeSet<String> {
    Config::keys()
        .into_iter()
        .filter(|key| !reads(key).iter().any(|read| replaced(code, read, "") != code))
        .collect()
}

/// Replaces whole names.
fn replaced(code: &str, name: &str, by: &str) -> String {
    let is_part = |next: char| next == '_' || next == '(' || next.is_alphanumeric();
    let mut parts = code.split(name);
    let mut replaced = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        replaced.push_str(if part.starts_with(is_part) { name } else { by });
        replaced.push_str(part);
    }
    replaced
}

/// The settings of which the table says that they have no effect.
fn without_effect() -> BTreeSet<String> {
    let source = fs::read_to_string(sources().join("config.rs")).unwrap();
    let keys = Config::keys();
    let mut found = BTreeSet::new();
    let mut says_so = false;
    for line in source.lines().map(str::trim) {
        if line.starts_with("///") {
            says_so |= line.contains(WITHOUT_EFFECT);
        } else {
            let field = line.split_once(':').map(|(field, _)| field);
            let key = keys
                .iter()
                .find(|key| key.split_once('.').is_some_and(|(_, of)| Some(of) == field));
            found.extend(key.filter(|_| says_so).cloned());
            says_so = false;
        }
    }
    found
}

/// The code of the layer, without white space, the table, the checks of its values and tests; names
/// of groups stand where code has others.
fn code() -> String {
    let own = fs::read_to_string(sources().join("config.rs")).unwrap();
    let (_, own) = own.split_once("impl Config {").unwrap();
    let (before, rest) = own.split_once("fn check_values").unwrap();
    let (_, batching) = rest.split_once("impl PerformanceConfig {").unwrap();
    let (batching, _) = batching.split_once("impl Default").unwrap();
    let mut code = stripped(before) + &stripped(batching).replace("self.", "[performance].");
    let under = stripped(&fs::read_to_string(sources().join("config/under.rs")).unwrap());
    let (rest, consumer) = under.split_once("fncore_consumer").unwrap();
    let (rest, producer) = rest.split_once("fncore_producer").unwrap();
    code += rest;
    code += &producer.replace("ours.", "[producer].");
    code += &consumer.replace("ours.", "[consumer].");
    for file in files(&sources()) {
        code += &stripped(&fs::read_to_string(file).unwrap());
    }
    code
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/mq")
}
