//! Kafka's message schemas, read and made ready for output.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// A request, a response or data that stands within one.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    pub(crate) api_key: Option<i16>,
    pub(crate) name: String,
    /// The versions that we speak.
    pub(crate) versions: Versions,
    /// The versions with tagged fields and short lengths (KIP-482).
    pub(crate) flexible: Versions,
    /// The message itself first, then those within it.
    pub(crate) structs: Vec<Struct>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Request,
    Response,
    Header,
    Data,
    #[serde(other)]
    Other,
}

#[derive(Clone, Debug)]
pub(crate) struct Struct {
    pub(crate) name: String,
    /// The versions of the message in which it occurs.
    pub(crate) versions: Versions,
    pub(crate) fields: Vec<Field>,
}

#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) ty: Type,
    /// Cut to those of the struct it is in.
    pub(crate) versions: Versions,
    pub(crate) nullable: Versions,
    pub(crate) default: Option<String>,
    /// May be dropped without an error where the version lacks it.
    pub(crate) is_ignorable: bool,
    pub(crate) tag: Option<u32>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Type {
    Bool,
    I8,
    I16,
    U16,
    I32,
    I64,
    F64,
    Uuid,
    String,
    Bytes,
    Records,
    Struct(String),
    Array(Box<Type>),
}

/// A range of versions; empty if `first > last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) first: i16,
    pub(crate) last: i16,
}

impl Versions {
    pub(crate) const NONE: Self = Self { first: 0, last: -1 };

    fn parse(text: &str) -> Result<Self> {
        let number = |text: &str| text.parse::<i16>().with_context(|| format!("versions {text}"));
        Ok(match (text, text.strip_suffix('+'), text.split_once('-')) {
            ("none", ..) => Self::NONE,
            (_, Some(first), _) => Self { first: number(first)?, last: i16::MAX },
            (_, _, Some((first, last))) => Self { first: number(first)?, last: number(last)? },
            _ => Self { first: number(text)?, last: number(text)? },
        })
    }

    pub(crate) fn is_empty(self) -> bool {
        self.first > self.last
    }

    pub(crate) fn and(self, other: Self) -> Self {
        let both = Self { first: self.first.max(other.first), last: self.last.min(other.last) };
        if both.is_empty() { Self::NONE } else { both }
    }

    /// The smallest range that has both in it.
    fn hull(self, other: Self) -> Self {
        match (self.is_empty(), other.is_empty()) {
            (true, _) => other,
            (_, true) => self,
            _ => Self { first: self.first.min(other.first), last: self.last.max(other.last) },
        }
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = i16> {
        self.first..=self.last
    }

    pub(crate) fn contains(self, version: i16) -> bool {
        (self.first..=self.last).contains(&version)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonMessage {
    api_key: Option<i16>,
    #[serde(rename = "type")]
    kind: Kind,
    name: String,
    valid_versions: String,
    #[serde(default)]
    latest_version_unstable: bool,
    #[serde(default)]
    flexible_versions: Option<String>,
    #[serde(default)]
    fields: Vec<JsonField>,
    #[serde(default)]
    common_structs: Vec<JsonStruct>,
}

#[derive(Deserialize)]
struct JsonStruct {
    name: String,
    fields: Vec<JsonField>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonField {
    name: String,
    #[serde(rename = "type")]
    ty: String,
    versions: String,
    nullable_versions: Option<String>,
    default: Option<serde_json::Value>,
    #[serde(default)]
    ignorable: bool,
    tag: Option<u32>,
    tagged_versions: Option<String>,
    #[serde(default)]
    fields: Vec<JsonField>,
}

impl Message {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let json: String =
            text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let json: JsonMessage = serde_json::from_str(&json)?;
        let mut versions = Versions::parse(&json.valid_versions)?;
        if json.latest_version_unstable {
            versions.last -= 1;
        }
        let flexible =
            Versions::parse(json.flexible_versions.as_deref().unwrap_or("none"))?.and(versions);
        let common =
            json.common_structs.into_iter().map(|common| (common.name, common.fields)).collect();
        let mut structs = Structs { common, flexible, done: Vec::new() };
        structs.add(&json.name, &json.fields, versions)?;
        let Structs { done, .. } = structs;
        Ok(Self {
            kind: json.kind,
            api_key: json.api_key,
            name: json.name,
            versions,
            flexible,
            structs: done,
        })
    }

    /// Gives structs that have one name in a request and its response two names, since one file
    /// holds both.
    pub(crate) fn with_distinct_names(mut request: Self, mut response: Self) -> (Self, Self) {
        let names =
            |message: &Self| message.structs.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
        let in_response = names(&response);
        for name in names(&request).into_iter().filter(|name| in_response.contains(name)) {
            request.rename(&name, &format!("Request{name}"));
            response.rename(&name, &format!("Response{name}"));
        }
        (request, response)
    }

    fn rename(&mut self, from: &str, to: &str) {
        for one in &mut self.structs {
            if one.name == from {
                to.clone_into(&mut one.name);
            }
            one.fields.iter_mut().for_each(|field| field.ty.rename(from, to));
        }
    }

    pub(crate) fn structure(&self, name: &str) -> Option<&Struct> {
        self.structs.iter().find(|one| one.name == name)
    }

    /// Whether values of a type borrow from the frame or from the caller.
    pub(crate) fn borrows(&self, ty: &Type) -> bool {
        match ty {
            Type::String | Type::Bytes | Type::Records => true,
            Type::Array(element) => self.borrows(element),
            Type::Struct(name) => self.structure(name).is_some_and(|one| self.struct_borrows(one)),
            _ => false,
        }
    }

    pub(crate) fn struct_borrows(&self, one: &Struct) -> bool {
        one.fields.iter().any(|field| self.borrows(&field.ty))
    }

    /// The fewest bytes that a struct takes in any version.
    pub(crate) fn min_len(&self, one: &Struct) -> usize {
        one.versions.iter().map(|version| self.min_len_in(one, version)).min().unwrap_or(0)
    }

    fn min_len_in(&self, one: &Struct, version: i16) -> usize {
        let is_flexible = self.flexible.contains(version);
        let fields = one
            .fields
            .iter()
            .filter(|field| field.tag.is_none() && field.versions.contains(version));
        let len: usize = fields.map(|field| self.min_len_of_field(field, version)).sum();
        len + usize::from(is_flexible)
    }

    fn min_len_of_field(&self, field: &Field, version: i16) -> usize {
        let is_flexible = self.flexible.contains(version);
        match &field.ty {
            Type::Bool | Type::I8 => 1,
            Type::I16 | Type::U16 => 2,
            Type::I32 => 4,
            Type::I64 | Type::F64 => 8,
            Type::Uuid => 16,
            Type::String | Type::Bytes | Type::Records | Type::Array(_) if is_flexible => 1,
            Type::String => 2,
            Type::Bytes | Type::Records | Type::Array(_) => 4,
            Type::Struct(_) if field.nullable.contains(version) => 1,
            Type::Struct(name) => {
                self.structure(name).map_or(0, |one| self.min_len_in(one, version))
            }
        }
    }
}

struct Structs {
    common: BTreeMap<String, Vec<JsonField>>,
    flexible: Versions,
    done: Vec<Struct>,
}

impl Structs {
    fn add(&mut self, name: &str, json: &[JsonField], versions: Versions) -> Result<()> {
        if let Some(known) = self.done.iter_mut().find(|one| one.name == name) {
            // A common struct: made for all versions in which it occurs anywhere.
            let hull = known.versions.hull(versions);
            if hull == known.versions {
                return Ok(());
            }
            known.versions = hull;
            let fields = self.fields(json, hull)?;
            if let Some(known) = self.done.iter_mut().find(|one| one.name == name) {
                known.fields = fields;
            }
        } else {
            let at = self.done.len();
            self.done.push(Struct { name: name.into(), versions, fields: Vec::new() });
            let fields = self.fields(json, versions)?;
            self.done[at].fields = fields;
        }
        Ok(())
    }

    fn fields(&mut self, json: &[JsonField], within: Versions) -> Result<Vec<Field>> {
        let mut fields = Vec::new();
        for field in json {
            if let Some(done) = self.field(field, within).with_context(|| field.name.clone())? {
                fields.push(done);
            }
        }
        Ok(fields)
    }

    /// `None` for a field that no version we speak has.
    fn field(&mut self, json: &JsonField, within: Versions) -> Result<Option<Field>> {
        let versions = Versions::parse(&json.versions)?.and(within);
        if versions.is_empty() {
            return Ok(None);
        }
        if let Some(tagged) = &json.tagged_versions {
            ensure!(
                Versions::parse(tagged)?.and(versions) == versions,
                "tagged in some of its versions only"
            );
            ensure!(
                versions.and(self.flexible) == versions,
                "tagged in versions that are not flexible"
            );
        }
        let ty = Type::parse(&json.ty)?;
        if let Some(name) = ty.struct_name() {
            let fields = if json.fields.is_empty() {
                self.common.get(name).cloned()
            } else {
                Some(json.fields.clone())
            };
            self.add(name, &fields.with_context(|| format!("no struct {name}"))?, versions)?;
        }
        let default = match &json.default {
            Some(serde_json::Value::String(text)) => Some(text.clone()),
            other => other.as_ref().map(ToString::to_string),
        };
        Ok(Some(Field {
            name: snake_case(&json.name),
            ty,
            versions,
            nullable: Versions::parse(json.nullable_versions.as_deref().unwrap_or("none"))?
                .and(versions),
            default,
            is_ignorable: json.ignorable,
            tag: json.tag,
        }))
    }
}

impl Type {
    fn parse(text: &str) -> Result<Self> {
        Ok(match text {
            "bool" => Self::Bool,
            "int8" => Self::I8,
            "int16" => Self::I16,
            "uint16" => Self::U16,
            "int32" => Self::I32,
            "int64" => Self::I64,
            "float64" => Self::F64,
            "uuid" => Self::Uuid,
            "string" => Self::String,
            "bytes" => Self::Bytes,
            "records" => Self::Records,
            _ => match text.strip_prefix("[]") {
                Some(element) => Self::Array(Box::new(Self::parse(element)?)),
                None if text.starts_with(char::is_uppercase) => Self::Struct(text.into()),
                None => bail!("unknown type {text}"),
            },
        })
    }

    fn struct_name(&self) -> Option<&str> {
        match self {
            Self::Struct(name) => Some(name),
            Self::Array(element) => element.struct_name(),
            _ => None,
        }
    }

    fn rename(&mut self, from: &str, to: &str) {
        match self {
            Self::Struct(name) if name == from => to.clone_into(name),
            Self::Array(element) => element.rename(from, to),
            _ => {}
        }
    }
}

/// `TopicId` becomes `topic_id`; a run of capitals stays one word.
pub(crate) fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    let letters: Vec<char> = name.chars().collect();
    for (i, letter) in letters.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|i| letters.get(i));
        let begins_word = before.is_some_and(|before| !before.is_uppercase())
            || letters.get(i + 1).is_some_and(|after| after.is_lowercase()) && before.is_some();
        if letter.is_uppercase() && begins_word {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_snake_case() {
        for (camel, snake) in
            [("TopicId", "topic_id"), ("ISR", "isr"), ("HWMark", "hw_mark"), ("A", "a")]
        {
            assert_eq!(snake_case(camel), snake);
        }
    }

    #[test]
    fn versions_are_read_in_every_form() {
        assert_eq!(Versions::parse("none").unwrap(), Versions::NONE);
        assert_eq!(Versions::parse("3").unwrap(), Versions { first: 3, last: 3 });
        assert_eq!(Versions::parse("3-5").unwrap(), Versions { first: 3, last: 5 });
        assert_eq!(Versions::parse("3+").unwrap(), Versions { first: 3, last: i16::MAX });
    }
}
