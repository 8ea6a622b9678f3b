//! Turns schemas into the text of Rust files.

mod codec;
mod sample;
mod structs;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::apis::{Api, NO_SECOND_OPINION};
use crate::output::{Files, MARK, format};
use crate::schema::{Field, Kind, Message, Struct, Type, Versions, snake_case};

/// Makes a file per API, the list of them, and beside them what only tests need.
pub(crate) fn messages(apis: &[Api]) -> Result<Files> {
    let mut files = Files::new();
    let mut add = |path: PathBuf, text: String| -> Result<()> {
        files.insert(path, format(&(MARK.to_owned() + &text))?);
        Ok(())
    };
    for api in apis {
        let file = snake_case(api.name()) + ".rs";
        add(file.clone().into(), shipped(api))?;
        add(Path::new("broker_side").join(file), broker_side(api))?;
    }
    add("mod.rs".into(), index(apis))?;
    add("api_key.rs".into(), api_key(apis))?;
    add("broker_side/mod.rs".into(), broker_side_index(apis))?;
    Ok(files)
}

/// What the client needs of an API: writing requests, reading responses.
fn shipped(api: &Api) -> String {
    let mut text = String::new();
    for message in api.messages() {
        text += &structs::trait_of_message(api, message);
        for one in &message.structs {
            text += &structs::definition(message, one);
            if message.kind != Kind::Response {
                text += &codec::encode(message, one);
            }
            if message.kind != Kind::Request {
                text += &codec::decode(message, one);
            }
        }
    }
    let about = match api {
        Api::Request { name, key, request, .. } => {
            format!("{name}, API key {key}, {}.", versions(request))
        }
        Api::Data { name, data } => format!("{name}, {}.", versions(data)),
    };
    format!("\n//! {about}\n\n{}{text}", imports(&text))
}

/// What a broker needs of an API, and values to try both with.
fn broker_side(api: &Api) -> String {
    let mut text = String::new();
    for message in api.messages() {
        for one in &message.structs {
            text += &match message.kind {
                Kind::Request => codec::decode(message, one),
                Kind::Response => codec::encode(message, one),
                _ => String::new(),
            };
            text += &sample::sample(message, one);
        }
    }
    let module = snake_case(api.name());
    format!("\nuse crate::wire::messages::{module}::*;\n{}{text}", imports(&text))
}

fn imports(text: &str) -> String {
    let uses = |name: &str| {
        text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name)
    };
    let wire = ["Decode", "DecodeError", "Encode", "EncodeError", "Reader", "Writer"];
    let wire: Vec<_> = wire.into_iter().filter(|name| uses(name)).collect();
    let mut imports = String::new();
    for (name, path) in [
        ("RangeInclusive", "std::ops::RangeInclusive;\n\n"),
        ("Bytes", "bytes::Bytes;\n\n"),
        ("ApiKey", "super::ApiKey"),
        ("Sample", "super::Sample"),
        ("Samples", "super::Samples"),
        ("Uuid", "crate::ids::Uuid"),
        ("Data", "crate::wire::call::Data"),
        ("Request", "crate::wire::call::Request"),
    ] {
        if uses(name) {
            writeln!(imports, "use {path};").ok();
        }
    }
    if !wire.is_empty() {
        writeln!(imports, "use crate::wire::{{{}}};", wire.join(", ")).ok();
    }
    imports.replace(";\n\n;", ";\n\n") + "\n"
}

fn index(apis: &[Api]) -> String {
    let mut text = String::from(
        "\n//! The messages of the Kafka protocol, a file per API, in the names and order of \
         Kafka's schemas.\n\
         //!\n//! A struct serves all versions; a field that a version lacks keeps its default \
         there.\n\nmod api_key;\n",
    );
    for api in apis {
        writeln!(text, "{}pub mod {};", gate(api), snake_case(api.name())).ok();
    }
    // The tests go through all messages.
    text += "\n#[cfg(all(test, feature = \"admin\"))]\nmod broker_side;\n#[cfg(all(test, feature \
             = \"admin\"))]\nmod tests;\n\npub use api_key::ApiKey;\n";
    text
}

/// What stands before all that is made of an API and compiled in some builds only.
fn gate(api: &Api) -> &'static str {
    if api.is_of_admin() { "#[cfg(feature = \"admin\")]\n" } else { "" }
}

fn api_key(apis: &[Api]) -> String {
    let list = |line: fn(&str, i16) -> String| {
        let lines = apis
            .iter()
            .filter_map(|api| Some(gate(api).to_owned() + &line(api.name(), api.key()?)));
        lines.collect::<String>()
    };
    let variants = list(|name, key| format!("{name} = {key},\n"));
    let names = list(|name, _| format!("Self::{name} => {name:?},\n"));
    let keys = list(|name, key| format!("Self::{name} => {key},\n"));
    let by_key = list(|name, key| format!("{key} => Self::{name},\n"));
    let by_name = list(|name, _| format!("{name:?} => Self::{name},\n"));
    let versions: String = apis.iter().filter_map(versions_of).collect();
    format!(
        "
        use std::ops::RangeInclusive;

        /// The APIs that we send requests of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ApiKey {{ {variants} }}

        impl ApiKey {{
            /// The API's name in Kafka's schemas.
            pub fn name(self) -> &'static str {{ match self {{ {names} }} }}

            /// The number in the header of a request.
            pub fn key(self) -> i16 {{ match self {{ {keys} }} }}

            /// The versions that we speak.
            pub(crate) fn versions(self) -> RangeInclusive<i16> {{ match self {{ {versions} }} }}

            /// `None` for a key that we do not use.
            pub(crate) fn from_key(key: i16) -> Option<Self> {{
                Some(match key {{ {by_key} _ => return None, }})
            }}

            /// `None` for a name of Kafka's schemas that we do not use.
            pub(crate) fn from_name(name: &str) -> Option<Self> {{
                Some(match name {{ {by_name} _ => return None, }})
            }}
        }}
        "
    )
}

fn versions_of(api: &Api) -> Option<String> {
    let Api::Request { name, request, .. } = api else { return None };
    let Versions { first, last } = request.versions;
    Some(format!("{}Self::{name} => {first}..={last},\n", gate(api)))
}

fn broker_side_index(apis: &[Api]) -> String {
    let modules: String =
        apis.iter().map(|api| format!("mod {};\n", snake_case(api.name()))).collect();
    let list = |is_listed: &dyn Fn(&str) -> bool| -> String {
        let listed = apis.iter().filter(|api| api.key().is_some() && is_listed(api.name()));
        listed
            .map(|api| {
                format!(
                    "{}: {name}Request, {name}Response;\n",
                    snake_case(api.name()),
                    name = api.name()
                )
            })
            .collect()
    };
    let (all, shared) = (list(&|_| true), list(&|name| !NO_SECOND_OPINION.contains(&name)));
    format!(
        "
        //! The other half of every message, which only tests need: reading requests, writing
        //! responses, making values.

        {modules}

        pub(super) use super::tests::samples::{{Sample, Samples, chunks}};

        /// Hands `name: Request, Response;` of every API to a macro.
        macro_rules! for_each_api {{
            ($do:ident) => {{ $do! {{ {all} }} }};
        }}
        pub(super) use for_each_api;

        /// The same without the APIs that the crate kafka-protocol lacks.
        macro_rules! for_each_shared_api {{
            ($do:ident) => {{ $do! {{ {shared} }} }};
        }}
        pub(super) use for_each_shared_api;
        "
    )
}

/// `versions 4 to 18, flexible from 12`.
fn versions(message: &Message) -> String {
    let Versions { first, last } = message.versions;
    let all = if first == last {
        format!("version {first}")
    } else {
        format!("versions {first} to {last}")
    };
    match message.flexible {
        Versions::NONE => format!("{all}, none flexible"),
        flexible if flexible == message.versions => format!("{all}, flexible"),
        flexible => format!("{all}, flexible from {}", flexible.first),
    }
}

/// The condition on `version` under which something exists, or `None` if it exists in all of
/// `within`.
fn condition(range: Versions, within: Versions) -> Option<String> {
    match (range.first > within.first, range.last < within.last) {
        (false, false) => None,
        _ if range.is_empty() => Some("false".into()),
        (true, true) if range.first == range.last => Some(format!("version == {}", range.first)),
        (true, false) => Some(format!("version >= {}", range.first)),
        (false, true) => Some(format!("version <= {}", range.last)),
        (true, true) => Some(format!("({}..={}).contains(&version)", range.first, range.last)),
    }
}

/// The name of the parameter that a function body calls `version`, if it does.
fn version_parameter(body: &str) -> &'static str {
    let is_used = [" version ", "&version", ", version)"].iter().any(|usage| body.contains(usage));
    if is_used { "version" } else { "_" }
}

/// The name as Rust takes it.
fn identifier(field: &Field) -> String {
    match field.name.as_str() {
        "type" | "match" | "ref" | "move" => format!("r#{}", field.name),
        name => name.into(),
    }
}

/// `Name` or `Name<'a>`.
fn type_name(message: &Message, name: &str, lifetime: &str) -> String {
    let borrows = message.structure(name).is_some_and(|one| message.struct_borrows(one));
    if borrows { format!("{name}<{lifetime}>") } else { name.into() }
}

fn rust_type(message: &Message, field: &Field) -> String {
    let bare = bare_type(message, &field.ty);
    if field.is_option() { format!("Option<{bare}>") } else { bare }
}

fn bare_type(message: &Message, ty: &Type) -> String {
    match ty {
        Type::Bool => "bool".into(),
        Type::I8 => "i8".into(),
        Type::I16 => "i16".into(),
        Type::U16 => "u16".into(),
        Type::I32 => "i32".into(),
        Type::I64 => "i64".into(),
        Type::F64 => "f64".into(),
        Type::Uuid => "Uuid".into(),
        Type::String => "&'a str".into(),
        Type::Bytes => "&'a [u8]".into(),
        Type::Records if message.kind == Kind::Request => "&'a [Bytes]".into(),
        Type::Records => "&'a [u8]".into(),
        Type::Struct(name) => type_name(message, name, "'a"),
        Type::Array(element) => format!("Vec<{}>", bare_type(message, element)),
    }
}

impl Field {
    fn is_option(&self) -> bool {
        !self.nullable.is_empty()
    }

    fn is_null_by_default(&self) -> bool {
        // Kafka's generator makes records null without being told.
        self.is_option() && (self.default.as_deref() == Some("null") || self.ty == Type::Records)
    }

    /// The default as an expression, and whether `Default` of the type gives the same.
    fn default_value(&self) -> (String, bool) {
        let text = self.default.as_deref().unwrap_or_default();
        let (bare, is_natural) = match &self.ty {
            Type::Bool => {
                let is_true = text.eq_ignore_ascii_case("true");
                (is_true.to_string(), !is_true)
            }
            Type::I8 | Type::I16 | Type::U16 | Type::I32 | Type::I64 => {
                let number = if text.is_empty() { "0" } else { text };
                (named_limit(&self.ty, number), number == "0")
            }
            Type::F64 => ("0.0".into(), true),
            Type::Uuid => ("Uuid::ZERO".into(), false),
            Type::String => (format!("{text:?}"), text.is_empty()),
            Type::Bytes | Type::Records => ("&[]".into(), true),
            Type::Array(_) => ("Vec::new()".into(), true),
            Type::Struct(name) => (format!("{name}::default()"), true),
        };
        match (self.is_option(), self.is_null_by_default()) {
            (true, true) => ("None".into(), true),
            (true, false) => (format!("Some({bare})"), false),
            (false, _) => (bare, is_natural),
        }
    }

    /// An expression that says whether the field differs from its default.
    fn is_set(&self) -> String {
        let this = format!("self.{}", identifier(self));
        let (default, _) = self.default_value();
        match &self.ty {
            _ if self.is_null_by_default() => format!("{this}.is_some()"),
            Type::Array(_) if self.is_option() => {
                format!("{this}.as_ref().is_none_or(|array| !array.is_empty())")
            }
            Type::Bytes if self.is_option() => {
                format!("{this}.is_none_or(|bytes| !bytes.is_empty())")
            }
            Type::String if !self.is_option() && default == "\"\"" => format!("!{this}.is_empty()"),
            Type::Bytes | Type::Array(_) => format!("!{this}.is_empty()"),
            Type::Bool if default == "false" => this,
            Type::Bool => format!("!{this}"),
            _ => format!("{this} != {default}"),
        }
    }
}

/// The extremes by name, other numbers in decimal.
fn named_limit(ty: &Type, text: &str) -> String {
    let value =
        text.strip_prefix("0x").map_or_else(|| text.parse(), |hex| i64::from_str_radix(hex, 16));
    match (ty, value) {
        (Type::I32, Ok(value)) if value == i64::from(i32::MAX) => "i32::MAX".into(),
        (Type::I32, Ok(value)) if value == i64::from(i32::MIN) => "i32::MIN".into(),
        (Type::I64, Ok(i64::MAX)) => "i64::MAX".into(),
        (Type::I64, Ok(i64::MIN)) => "i64::MIN".into(),
        _ => text.into(),
    }
}

/// The struct and field that a struct is the type of, for its documentation.
fn parent_of<'a>(message: &'a Message, one: &Struct) -> Option<(&'a str, &'a Field)> {
    let names = |ty: &Type| match ty {
        Type::Struct(name) => Some(name.clone()),
        Type::Array(element) => match &**element {
            Type::Struct(name) => Some(name.clone()),
            _ => None,
        },
        _ => None,
    };
    let fields = message
        .structs
        .iter()
        .flat_map(|parent| parent.fields.iter().map(|field| (parent.name.as_str(), field)));
    fields.into_iter().find(|(_, field)| names(&field.ty).as_ref() == Some(&one.name))
}
