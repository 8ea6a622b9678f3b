//! Reading a [`Config`] from JSON, YAML, TOML or another format of serde.
//!
//! The format gives a tree of names and texts, and [`Config::set`] does the rest: there is one
//! table of names, not two.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::config::Config;
use super::text::normalized;

/// A value of whatever format.
enum Tree {
    Nothing,
    Text(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut config = Self::default();
        match Tree::deserialize(deserializer)? {
            Tree::Nothing => {}
            Tree::Map(entries) => apply(&mut config, "", entries).map_err(D::Error::custom)?,
            Tree::Text(_) | Tree::List(_) => {
                return Err(D::Error::custom("the settings are no map of names to values"));
            }
        }
        Ok(config)
    }
}

fn apply(config: &mut Config, group: &str, entries: Vec<(String, Tree)>) -> Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    for (name, value) in entries {
        let key = if group.is_empty() { name.clone() } else { format!("{group}.{name}") };
        if !seen.insert(normalized(&name)) {
            return Err(format!("{key} is there twice, in different spellings"));
        }
        match value {
            Tree::Nothing => {}
            Tree::Text(text) => {
                config.set(&key, &text).map_err(|error| error.message().to_owned())?
            }
            Tree::List(parts) => {
                let texts = parts.into_iter().map(|part| match part {
                    Tree::Text(text) => Ok(text),
                    Tree::Nothing | Tree::List(_) | Tree::Map(_) => {
                        Err(format!("{key} holds what is no text"))
                    }
                });
                let texts: Vec<_> = texts.collect::<Result<_, _>>()?;
                config.set(&key, &texts.join(",")).map_err(|error| error.message().to_owned())?;
            }
            Tree::Map(entries) if group.is_empty() => apply(config, &name, entries)?,
            Tree::Map(_) => return Err(format!("{key} is a map: a value is allowed")),
        }
    }
    Ok(())
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

macro_rules! texts {
    ($($visit:ident $type:ty)+) => {$(
        fn $visit<E>(self, value: $type) -> Result<Tree, E> {
            Ok(Tree::Text(value.to_string()))
        }
    )+};
}

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a setting")
    }

    texts!(visit_bool bool visit_i64 i64 visit_u64 u64 visit_f64 f64 visit_str &str visit_string String);

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Nothing)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Tree::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(part) = access.next_element()? {
            list.push(part);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = access.next_entry()? {
            map.push(entry);
        }
        Ok(Tree::Map(map))
    }
}
