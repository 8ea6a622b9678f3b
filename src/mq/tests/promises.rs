//! The table of promises in `docs/mq.md`: each row names tests that exist, or says what is
//! different.

use std::collections::BTreeSet;
use std::path::Path;

const DOC: &str = include_str!("../../../docs/mq.md");

/// The files in which the table says that its tests are.
const PLACES: [&str; 5] = ["src/mq", "src/producer", "src/net", "protocol-tests/tests", "examples"];

fn functions(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let mut is_test = false;
            for line in text.lines().map(str::trim) {
                is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
                let line = line.trim_start_matches("pub(crate) ").trim_start_matches("async ");
                if let Some(name) = line.strip_prefix("fn ")
                    && std::mem::take(&mut is_test)
                {
                    names.insert(name.split(['(', '<']).next().unwrap().to_owned());
                }
            }
        }
    }
}

/// The rows: a promise, and what shows it.
fn rows() -> Vec<(&'static str, &'static str)> {
    let table = DOC.split("## Every promise").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows =
        table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| promise"));
    rows.map(|row| row.trim_matches(['|', ' ']).split_once(" | ").unwrap()).collect()
}

/// What a row says of tests: a name, or the beginning of one with `…` behind it. A name of a test
/// is a sentence, and a setting is not.
fn named(shown: &str) -> Vec<&str> {
    let words = shown.split('`').skip(1).step_by(2);
    words
        .filter(|word| !word.contains(['.', ':', '/', '(']) && word.matches('_').count() >= 3)
        .collect()
}

#[test]
fn each_promise_names_a_test_that_exists_or_the_difference() {
    let mut tests = BTreeSet::new();
    for place in PLACES {
        functions(&Path::new(env!("CARGO_MANIFEST_DIR")).join(place), &mut tests);
    }
    let rows = rows();
    assert!(rows.len() > 40 && tests.len() > 200, "{} rows, {} tests", rows.len(), tests.len());
    let exists = |name: &str| match name.strip_suffix('…') {
        Some(beginning) => tests.iter().any(|test| test.starts_with(beginning)),
        None => tests.contains(name),
    };
    let (mut missing, mut bare) = (Vec::new(), Vec::new());
    for (promise, shown) in rows {
        let named = named(shown);
        missing.extend(named.iter().filter(|name| !exists(name)).copied());
        // A whole suite, a difference or this page itself is named in words.
        let says = ["difference", "Difference", "mq_default", ": all", "::", "above", "docs/"];
        if named.is_empty() && !says.iter().any(|word| shown.contains(word)) {
            bare.push(promise);
        }
    }
    assert_eq!(missing, Vec::<&str>::new(), "no such tests");
    assert_eq!(bare, Vec::<&str>::new(), "neither a test nor a difference");
}
