//! The token that somebody outside of Google has given to a workload, which Google's trusts
//! (AIP-4117, `credential_source`).

use std::path::Path;

use hyper::StatusCode;
use serde_json::Value;
use zeroize::Zeroizing;

use super::super::super::files;
use super::super::super::http::WipedJson;
use super::super::endpoint::{CloudEndpoint, PASSING};
use super::CredentialFile;
use crate::config::{Secret, TlsConfig};
use crate::error::{Error, Result};

const WHAT: &str = "who gives the subject token";

/// More than any issuer wants (a guess).
const MOST_HEADERS: usize = 16;

/// Reads it, or asks for it.
///
/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config) if it is got in another way, or there is none; those of a service.
pub(super) async fn subject_token(file: &CredentialFile<'_>, tls: &TlsConfig) -> Result<Secret> {
    let Some(source) = file.0.get("credential_source") else {
        return Err(file.refuse(&"has no credential_source"));
    };
    let text = |name: &str| source.get(name).and_then(Value::as_str);
    let field = field(file, source)?;
    // A source of AWS has a url, too, which gives something else.
    if let Some(refusal) = unsupported(file, source) {
        return Err(refusal);
    }
    let body = match (text("file"), text("url")) {
        (Some(path), None) => {
            files::read("the subject token of Google's credentials", Path::new(path))?
        }
        (None, Some(url)) => asked(file, source, url, tls).await?,
        (None, None) => {
            return Err(file.refuse(&"has a credential_source with neither file nor url"));
        }
        (Some(_), Some(_)) => {
            return Err(file.refuse(&"has a credential_source with both file and url: keep one"));
        }
    };
    let token = match field {
        None => std::str::from_utf8(&body).ok().map(str::trim).map(Secret::from),
        Some(field) => {
            let json = WipedJson::parse(&body);
            json.0.get(field).and_then(Value::as_str).map(Secret::from)
        }
    };
    token.filter(|token| !token.expose().is_empty()).ok_or_else(|| {
        let what = format_args!(
            "leads to no subject token: check file or url, and format, of its credential_source"
        );
        file.refuse(&what)
    })
}

/// In which field of an object of JSON the token is, if it is in one.
fn field<'a>(file: &CredentialFile<'_>, source: &'a Value) -> Result<Option<&'a str>> {
    let format = source.get("format");
    let text = |name: &str| format?.get(name)?.as_str();
    match (text("type"), text("subject_token_field_name")) {
        (None | Some("text"), _) => Ok(None),
        (Some("json"), Some(field)) => Ok(Some(field)),
        _ => Err(file.refuse(
            &"has a credential_source whose format is neither text, nor json with a \
              subject_token_field_name",
        )),
    }
}

async fn asked(
    file: &CredentialFile<'_>,
    source: &Value,
    url: &str,
    tls: &TlsConfig,
) -> Result<Zeroizing<Vec<u8>>> {
    let own = source.get("headers").and_then(Value::as_object);
    let headers: Option<Vec<(&str, &str)>> = own
        .into_iter()
        .flatten()
        .map(|(name, value)| Some((name.as_str(), value.as_str()?)))
        .collect();
    let headers = headers.filter(|headers| headers.len() <= MOST_HEADERS).ok_or_else(|| {
        file.refuse(&"has a credential_source whose headers are no texts, or too many")
    })?;
    // The service of a machine, such as Azure's, speaks in clear.
    let endpoint = match url.starts_with("http://") {
        true => CloudEndpoint::of_machine(WHAT, url)?,
        false => CloudEndpoint::of_internet(WHAT, url, tls)?,
    };
    let answer = endpoint.in_time(endpoint.get_with(&headers)).await?;
    match answer.head.status {
        StatusCode::OK => Ok(answer.body),
        _ => Err(endpoint.refusal(&answer, &PASSING, "check url and headers of credential_source")),
    }
}

/// The error of a source that gives its token in a way that is none of ours.
fn unsupported(file: &CredentialFile<'_>, source: &Value) -> Option<Error> {
    let other = [
        ("environment_id", "AWS's requests"),
        ("executable", "programs"),
        ("certificate", "certificates"),
    ];
    let (name, what) = other.iter().find(|(name, _)| source.get(name).is_some())?;
    Some(file.refuse(&format_args!(
        "gets its subject token by {name}, and {what} are not supported: use a file or a url, or \
         pass a source of tokens to Sasl::oauthbearer"
    )))
}
