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
