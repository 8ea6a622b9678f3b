//! Functions that make values, for tests.

use std::fmt::Write;

use super::{condition, identifier, type_name, version_parameter};
use crate::schema::{Field, Kind, Message, Struct, Type};

pub(super) fn sample(message: &Message, one: &Struct) -> String {
    let mut fields = String::new();
    for field in &one.fields {
        let value = value(message, field);
        let value = match condition(field.versions, one.versions) {
            None => value,
            Some(exists) => {
                format!("if {exists} {{ {value} }} else {{ {} }}", field.default_value().0)
            }
        };
        writeln!(fields, "{}: {value},", identifier(field)).ok();
    }
    let version = version_parameter(&fields);
    format!(
        "\nimpl Sample for {} {{
            fn sample(from: &mut Samples, {version}: i16) -> Self {{
                Self {{ {fields} }}
            }}
        }}\n",
        type_name(message, &one.name, "'_"),
    )
}

fn value(message: &Message, field: &Field) -> String {
    let bare = bare(message, &field.ty);
    if !field.is_option() {
        return bare;
    }
    match condition(field.nullable, field.versions) {
        None => format!("from.option(|from| {bare})"),
        Some(may_be_null) => {
            format!("if {may_be_null} {{ from.option(|from| {bare}) }} else {{ Some({bare}) }}")
        }
    }
}

fn bare(message: &Message, ty: &Type) -> String {
    match ty {
        Type::Bool => "from.bool()".into(),
        Type::I8 => "from.i8()".into(),
        Type::I16 => "from.i16()".into(),
        Type::U16 => "from.u16()".into(),
        Type::I32 => "from.i32()".into(),
        Type::I64 => "from.i64()".into(),
        Type::F64 => "from.f64()".into(),
        Type::Uuid => "from.uuid()".into(),
        Type::String => "from.string()".into(),
        Type::Records if message.kind == Kind::Request => "super::chunks(from.bytes())".into(),
        Type::Bytes | Type::Records => "from.bytes()".into(),
        Type::Struct(name) => format!("{name}::sample(from, version)"),
        Type::Array(element) => format!("from.array(|from| {})", bare(message, element)),
    }
}
