//! The functions that write a struct and read it.

use std::fmt::Write;

use super::{condition, identifier, type_name, version_parameter};
use crate::schema::{Field, Kind, Message, Struct, Type};

pub(super) fn encode(message: &Message, one: &Struct) -> String {
    let mut body = String::new();
    let mut fields = one.fields.iter().filter(|field| field.tag.is_none()).peekable();
    while let Some(field) = fields.next() {
        let Some(exists) = condition(field.versions, one.versions) else {
            writeln!(body, "{}", write(message, field)).ok();
            continue;
        };
        // Neighbours that came with the same version share its condition.
        let mut same = vec![field];
        while let Some(neighbour) = fields.next_if(|next| next.versions == field.versions) {
            same.push(neighbour);
        }
        let writes: String = same.iter().map(|field| write(message, field) + "\n").collect();
        let needed = same.iter().filter(|field| !field.is_ignorable);
        let lacks: String = needed
            .map(|field| format!("to.lacks({:?}, {})?;\n", field.name, field.is_set()))
            .collect();
        write!(body, "if {exists} {{ {writes} }}").ok();
        if !lacks.is_empty() {
            write!(body, "else {{ {lacks} }}").ok();
        }
        body.push('\n');
    }
    body += &write_tagged_fields(message, one);
    let version = version_parameter(&body);
    format!(
        "\nimpl Encode for {} {{
            fn encode(&self, to: &mut Writer, {version}: i16) -> Result<(), EncodeError> {{
                {}
                Ok(())
            }}
        }}\n",
        type_name(message, &one.name, "'_"),
        body.trim_end()
    )
}

fn write_tagged_fields(message: &Message, one: &Struct) -> String {
    let mut text = String::new();
    if message.flexible.and(one.versions).is_empty() {
        return text;
    }
    let tagged = tagged(one);
    if tagged.is_empty() {
        return "to.no_tagged_fields();".to_owned();
    }
    for (_, field) in tagged.iter().filter(|(_, field)| !field.is_ignorable) {
        if condition(field.versions, one.versions).is_some() {
            let lacking =
                format!("!({})", condition(field.versions, one.versions).unwrap_or_default());
            let lacking = negated(&lacking);
            writeln!(text, "if {lacking} {{ to.lacks({:?}, {})?; }}", field.name, field.is_set())
                .ok();
        }
    }
    text += "to.tagged_fields(|fields| {\n";
    for (tag, field) in &tagged {
        let exists = condition(field.versions, message.flexible.and(one.versions));
        let is_set = field.is_set();
        let guard = exists.map_or_else(|| is_set.clone(), |exists| format!("{exists} && {is_set}"));
        let write = write(message, field);
        let call = match write.strip_suffix("?;") {
            Some(result) => format!("|to| {result}"),
            None => format!("|to| {{ {write} Ok(()) }}"),
        };
        writeln!(text, "if {guard} {{ fields.add({tag}, {call})?; }}").ok();
    }
    text + "Ok(())\n})?;"
}

fn negated(condition: &str) -> String {
    match condition.strip_prefix("!(version >= ").and_then(|rest| rest.strip_suffix(')')) {
        Some(first) => format!("version < {first}"),
        None => condition.into(),
    }
}

/// The statement that writes a field that exists.
fn write(message: &Message, field: &Field) -> String {
    let name = &field.name;
    let this = format!("self.{}", identifier(field));
    let bare = |value: &str, reference: &str| match &field.ty {
        Type::String => format!("to.string({name:?}, {value})?;"),
        Type::Bytes | Type::Records => format!("to.bytes({name:?}, {value})?;"),
        Type::Array(_) => format!("to.array({name:?}, {reference}{value})?;"),
        Type::Struct(_) => format!("{value}.encode(to, version)?;"),
        primitive => format!("to.{}({value});", method(primitive)),
    };
    let nullable = match &field.ty {
        Type::String => format!("to.nullable_string({name:?}, {this})?;"),
        Type::Records if message.kind == Kind::Request => {
            format!("to.nullable_records({name:?}, {this})?;")
        }
        Type::Bytes | Type::Records => format!("to.nullable_bytes({name:?}, {this})?;"),
        Type::Array(_) => format!("to.nullable_array({name:?}, {this}.as_deref())?;"),
        _ => format!("to.nullable_structure({this}.as_ref())?;"),
    };
    if !field.is_option() {
        return bare(&this, "&");
    }
    match condition(field.nullable, field.versions) {
        None => nullable,
        Some(may_be_null) => {
            let as_reference = match field.ty {
                Type::Array(_) => ".as_deref()",
                Type::Struct(_) => ".as_ref()",
                _ => "",
            };
            let value = format!("to.not_null({name:?}, {this}{as_reference})?");
            let bare = match field.ty {
                Type::Struct(_) => bare(&value, ""),
                _ => format!("let {name} = {value};\n{}", bare(name, "")),
            };
            format!("if {may_be_null} {{ {nullable} }} else {{ {bare} }}")
        }
    }
}

pub(super) fn decode(message: &Message, one: &Struct) -> String {
    let mut fields = String::new();
    let tagged = tagged(one);
    for field in &one.fields {
        let default = field.default_value().0;
        let value = match condition(field.versions, one.versions) {
            _ if field.tag.is_some() => default,
            None => read(message, field),
            Some(exists) => {
                format!("if {exists} {{ {} }} else {{ {default} }}", read(message, field))
            }
        };
        writeln!(fields, "{}: {value},", identifier(field)).ok();
    }
    let is_flexible = !message.flexible.and(one.versions).is_empty();
    let body = match (is_flexible, tagged.is_empty()) {
        (false, _) => format!("Ok(Self {{ {fields} }})"),
        (true, true) => {
            format!("let this = Self {{ {fields} }};\nfrom.skip_tagged_fields()?;\nOk(this)")
        }
        (true, false) => {
            let mut arms = String::new();
            for (tag, field) in tagged {
                let exists = condition(field.versions, message.flexible.and(one.versions));
                let guard = exists.map_or_else(String::new, |exists| format!(" if {exists}"));
                writeln!(
                    arms,
                    "{tag}{guard} => this.{} = {},",
                    identifier(field),
                    read(message, field)
                )
                .ok();
            }
            format!(
                "let mut this = Self {{ {fields} }};
                from.tagged_fields(|from, tag| {{
                    match tag {{ {arms} _ => from.skip_rest(), }}
                    Ok(())
                }})?;
                Ok(this)"
            )
        }
    };
    let version = version_parameter(&body);
    format!(
        "\nimpl<'a> Decode<'a> for {} {{
            const MIN_LEN: usize = {};

            fn decode(from: &mut Reader<'a>, {version}: i16) -> Result<Self, DecodeError> {{ {body} }}
        }}\n",
        type_name(message, &one.name, "'a"),
        message.min_len(one).max(1),
    )
}

/// The expression that reads a field that exists.
fn read(message: &Message, field: &Field) -> String {
    let name = &field.name;
    let suffix = match &field.ty {
        Type::String => "string",
        Type::Bytes | Type::Records => "bytes",
        Type::Array(_) => "array",
        Type::Struct(_) => "structure",
        primitive => method(primitive),
    };
    let bare = format!("from.{suffix}({name:?})?");
    let nullable = format!("from.nullable_{suffix}({name:?})?");
    let nullable = if field.ty == Type::Records && message.kind == Kind::Request {
        format!("{nullable}.map(super::chunks)")
    } else {
        nullable
    };
    if !field.is_option() {
        return bare;
    }
    match condition(field.nullable, field.versions) {
        None => nullable,
        Some(may_be_null) => format!("if {may_be_null} {{ {nullable} }} else {{ Some({bare}) }}"),
    }
}

/// The method of `Reader` and `Writer` for a primitive.
fn method(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::I8 => "i8",
        Type::I16 => "i16",
        Type::U16 => "u16",
        Type::I32 => "i32",
        Type::I64 => "i64",
        Type::F64 => "f64",
        Type::Uuid => "uuid",
        Type::String => "string",
        Type::Bytes | Type::Records => "bytes",
        Type::Struct(_) => "structure",
        Type::Array(_) => "array",
    }
}

/// The tagged fields, lowest tag first.
fn tagged(one: &Struct) -> Vec<(u32, &Field)> {
    let mut tagged: Vec<_> =
        one.fields.iter().filter_map(|field| Some((field.tag?, field))).collect();
    tagged.sort_by_key(|(tag, _)| *tag);
    tagged
}
