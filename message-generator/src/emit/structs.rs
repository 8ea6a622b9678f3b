//! Definitions: structs, their defaults, and what kind of message they are.

use std::fmt::Write;

use super::{condition, identifier, parent_of, rust_type, type_name, versions};
use crate::apis::Api;
use crate::schema::{Field, Kind, Message, Struct, Type, Versions};

pub(super) fn definition(message: &Message, one: &Struct) -> String {
    let mut text = String::new();
    let derived = has_derived_default(message, one);
    let default = if derived { ", Default" } else { "" };
    writeln!(text, "\n/// {}.", about(message, one)).ok();
    writeln!(text, "#[derive(Clone, Debug, PartialEq{default})]").ok();
    writeln!(text, "pub struct {} {{", type_name(message, &one.name, "'a")).ok();
    for field in &one.fields {
        if let Some(note) = note(one, field) {
            writeln!(text, "/// {note}.").ok();
        }
        writeln!(text, "pub {}: {},", identifier(field), rust_type(message, field)).ok();
    }
    text += "}\n";
    if !derived {
        text += &default_impl(message, one);
    }
    text
}

/// What the message is to the rest of `wire`.
pub(super) fn trait_of_message(api: &Api, message: &Message) -> String {
    let this = type_name(message, &message.name, "'_");
    let Versions { first, last } = message.versions;
    match (api, message.kind) {
        (Api::Request { name, response, .. }, Kind::Request) => {
            let flexible = match message.flexible {
                Versions::NONE => "i16::MAX".into(),
                Versions { first, .. } => first.to_string(),
            };
            let throttle = match response.structs.first().and_then(|body| body.fields.first()) {
                Some(field)
                    if field.name == "throttle_time_ms" || field.name == "throttleTimeMs" =>
                {
                    field.versions.first.to_string()
                }
                _ => "i16::MAX".into(),
            };
            let response = type_name(response, &response.name, "'a");
            format!(
                "impl Request for {this} {{
                    const API: ApiKey = ApiKey::{name};
                    const VERSIONS: RangeInclusive<i16> = {first}..={last};
                    const FLEXIBLE: i16 = {flexible};
                    const THROTTLE: i16 = {throttle};
                    type Response<'a> = {response};
                }}\n"
            )
        }
        (Api::Data { name, .. }, _) => format!(
            "impl Data for {this} {{
                const NAME: &'static str = {name:?};
                const VERSIONS: RangeInclusive<i16> = {first}..={last};
            }}\n"
        ),
        _ => String::new(),
    }
}

fn about(message: &Message, one: &Struct) -> String {
    match (parent_of(message, one), message.kind) {
        (Some((parent, field)), _) => {
            let (article, link) = match field.ty {
                Type::Array(_) => ("An element of", format!("[`{parent}::{}`]", field.name)),
                _ => ("The type of", format!("[`{parent}::{}`]", field.name)),
            };
            format!("{article} {link}")
        }
        (None, Kind::Request) => format!("The request, {}", versions(message)),
        (None, Kind::Response) => format!("The response, {}", versions(message)),
        (None, _) => format!("The data, {}", versions(message)),
    }
}

/// In which versions the field exists and may be null, where that is not all of them.
fn note(one: &Struct, field: &Field) -> Option<String> {
    let mut notes = Vec::new();
    if condition(field.versions, one.versions).is_some() {
        notes.push(range(field.versions, one.versions));
    }
    if let Some(tag) = field.tag {
        notes.push(format!("tag {tag}"));
    }
    if field.is_option() && condition(field.nullable, field.versions).is_some() {
        notes.push(format!("null in {}", range(field.nullable, one.versions)));
    }
    let mut note = notes.join(", ");
    if let Some(first) = note.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    (!note.is_empty()).then_some(note)
}

/// `versions 5+`, `versions 4 to 12` or `version 3`.
fn range(range: Versions, within: Versions) -> String {
    match (range.first, range.last) {
        (first, last) if last >= within.last => format!("versions {first}+"),
        (first, last) if first == last => format!("version {first}"),
        (first, last) => format!("versions {first} to {last}"),
    }
}

fn has_derived_default(message: &Message, one: &Struct) -> bool {
    one.fields.iter().all(|field| {
        let natural = field.default_value().1;
        match field.ty {
            // Longer than a derive would be: `Uuid` itself has no default.
            Type::Uuid => false,
            Type::Struct(_) => {
                natural && message.structs.iter().all(|known| known.name != one.name || natural)
            }
            _ => natural,
        }
    })
}

fn default_impl(message: &Message, one: &Struct) -> String {
    let fields: String = one
        .fields
        .iter()
        .map(|field| format!("{}: {},\n", identifier(field), field.default_value().0))
        .collect();
    format!(
        "\nimpl Default for {} {{
            fn default() -> Self {{
                Self {{ {fields} }}
            }}
        }}\n",
        type_name(message, &one.name, "'_")
    )
}
