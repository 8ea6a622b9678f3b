use std::collections::BTreeSet;

use super::*;

#[test]
fn every_name_is_there_once() {
    let names: BTreeSet<_> = KEYS.iter().map(|key| key.name).collect();
    assert_eq!(names.len(), KEYS.len());
}

#[test]
fn every_alias_leads_to_a_setting_of_the_same_kinds() {
    for key in KEYS {
        if let Role::Alias { of, .. } = key.role {
            let target = find(of).expect(of);
            assert_eq!((target.role, target.kinds.0), (Role::Setting, key.kinds.0), "{}", key.name);
        }
    }
}

/// A name that sounds of a secret is one, unless it is one of these; and so are its aliases.
#[test]
fn what_may_be_a_secret_is_marked() {
    // It names a file.
    const NONE: &[&str] = &["sasl.oauthbearer.assertion.private.key.file"];
    const WORDS: &[&str] = &[
        "password",
        "passphrase",
        "secret",
        ".pem",
        "jaas",
        "certificates",
        ".chain",
        "token.endpoint",
        "private.key",
        "keystore.key",
    ];
    for key in KEYS.iter().filter(|key| !NONE.contains(&key.name)) {
        let sounds = WORDS.iter().any(|word| key.name.contains(word));
        assert_eq!(key.is_secret, sounds, "{}", key.name);
        if let Role::Alias { of, .. } = key.role {
            assert_eq!(find(of).expect(of).is_secret, key.is_secret, "{}", key.name);
        }
    }
}

#[test]
fn what_is_the_applications_own_is_neither_kafkas_nor_nearly() {
    for name in [
        "schema.registry.url",
        "basic.auth.user.info",
        "value.subject.name.strategy",
        "confluent.monitoring.interceptor.topic",
        "application.id",
        "my_service.batch",
    ] {
        assert!(is_of_application(name), "{name}");
    }
    for name in [
        "acks",
        "boostrap.servers",
        "fetch.max.byte",
        "sasl.pasword",
        "ssl.what.nobody.has",
        "MIIEvQIBADANBgkqhkiG9w0BAQ",
        "topic",
    ] {
        assert!(!is_of_application(name), "{name}");
    }
}

/// The page that lists every name is made from the table; `KAVKA_BLESS=1` writes it anew.
#[test]
fn the_page_of_properties_is_as_the_table_is() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/properties.md");
    let page = page();
    if std::env::var_os("KAVKA_BLESS").is_some() {
        std::fs::write(&file, &page).expect("written");
    }
    let written = std::fs::read_to_string(&file).expect("the page");
    assert!(
        written == page,
        "docs/properties.md differs from the table: write it with KAVKA_BLESS=1"
    );
}

fn page() -> String {
    let java: BTreeSet<_> = include_str!("../java_properties.txt").lines().collect();
    let mut rows: Vec<_> = KEYS.iter().collect();
    rows.sort_by_key(|key| key.name);
    let mut page = String::from(INTRODUCTION);
    for key in rows {
        let library = if java.contains(key.name) { "Java" } else { "librdkafka, other" };
        let kinds = [
            (HandleKind::Client, "client"),
            (HandleKind::Producer, "producer"),
            (HandleKind::Consumer, "consumer"),
            (HandleKind::Share, "share consumer"),
        ];
        let kinds: Vec<_> = kinds
            .iter()
            .filter(|(kind, _)| key.kinds.contains(*kind))
            .map(|(_, name)| *name)
            .collect();
        let what = match key.role {
            Role::Setting if !key.instead.is_empty() => {
                format!("works; another value is ignored with a warning: {}", key.instead)
            }
            Role::Setting => "works".to_owned(),
            Role::Alias { of, value: AliasValue::Same } => format!("works: another name of `{of}`"),
            Role::Alias { of, value: AliasValue::Times(scale) } => {
                format!("works: `{of}`, which is {scale} times as much")
            }
            Role::Alias { of, value: AliasValue::Forever { written, .. } } => {
                format!("works: another name of `{of}`; {written} is for ever")
            }
            Role::Foreign => format!("ignored with a warning: {}", key.instead),
            Role::Inert => "ignored: what it tunes is done in another way here".to_owned(),
            Role::Only(value, why) => format!("only `{value}`: {why}"),
            Role::Refused(why) => format!("refused: {why}"),
            Role::Application => "the application's own: `Properties::unused`".to_owned(),
        };
        page += &format!("| `{}` | {library} | {} | {what} |\n", key.name, kinds.join(", "));
    }
    page
}

const INTRODUCTION: &str = "# Properties

Every name that `from_properties` knows: those of Java's clients 4.4, and those of librdkafka 2.x. A client is given a file as it is: each handle takes what
speaks to it. A value that is not allowed, a name that is nearly one of Kafka's, and one that begins as Kafka's do are refused with the
reason. Any other name is the application's own: `Properties::unused` hands it back.

| name | of | speaks to | here |
|---|---|---|---|
";

#[test]
fn every_property_of_javas_clients_is_known() {
    for name in include_str!("../java_properties.txt").lines() {
        assert!(find(name).is_some(), "{name}");
    }
}

#[test]
fn the_nearest_name_is_found() {
    for (wrong, right) in [
        ("boostrap.servers", "bootstrap.servers"),
        ("acsk", "acks"),
        ("LINGER.MS", "linger.ms"),
        ("enable.autocommit", "enable.auto.commit"),
        ("auto_offset_reset", "auto.offset.reset"),
    ] {
        assert_eq!(nearest(wrong), Some(right));
    }
}

#[test]
fn distance_counts_edits() {
    for (from, to, edits) in
        [("", "", 0), ("", "ab", 2), ("kitten", "sitting", 3), ("abc", "abc", 0), ("ab", "ba", 2)]
    {
        assert_eq!((edit_distance(from, to), edit_distance(to, from)), (edits, edits));
    }
}
