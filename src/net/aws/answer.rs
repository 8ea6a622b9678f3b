//! Credentials in the answers of AWS: JSON of the Security Token Service, of IAM Identity Center and
//! of the endpoints of containers and instances, or the XML that some stand-ins of the first speak
//! alone.

use serde_json::Value;
use zeroize::Zeroizing;

use super::super::http::WipedJson;
use super::time::parse;
use crate::config::{AwsCredentials, Secret};
use crate::ids::Timestamp;
use crate::shown::shown;

/// Credentials, and until when they are valid; `None` if that is not known, as of keys that somebody
/// wrote down.
#[derive(Clone, Debug)]
pub(super) struct FoundCredentials {
    pub(super) credentials: AwsCredentials,
    pub(super) expires_at: Option<Timestamp>,
}

impl FoundCredentials {
    pub(super) fn lasting(credentials: AwsCredentials) -> Self {
        Self { credentials, expires_at: None }
    }

    /// Credentials in an answer; `None` if it has none.
    pub(super) fn of_answer(body: &[u8]) -> Option<Self> {
        let json = WipedJson::parse(body);
        match json.0.is_object() {
            true => Self::of_json(holder(&json.0)?),
            false => Self::of_xml(std::str::from_utf8(body).ok()?),
        }
    }

    /// The credentials of a role in an answer of IAM Identity Center, which has names of its own and
    /// counts in milliseconds; `None` if it has none.
    pub(super) fn of_sso(body: &[u8]) -> Option<Self> {
        let json = WipedJson::parse(body);
        let role = json.0.get("roleCredentials")?;
        let text = |name: &str| role.get(name)?.as_str().filter(|text| !text.is_empty());
        let mut credentials =
            AwsCredentials::new(text("accessKeyId")?, text("secretAccessKey")?.to_owned());
        credentials.session_token = Some(Secret::from(text("sessionToken")?));
        let expires_at = role.get("expiration").and_then(Value::as_i64).map(Timestamp);
        Some(Self { credentials, expires_at })
    }

    fn of_json(object: &Value) -> Option<Self> {
        let text = |name: &str| object.get(name).and_then(Value::as_str);
        let mut credentials =
            AwsCredentials::new(text("AccessKeyId")?, text("SecretAccessKey")?.to_owned());
        credentials.session_token =
            text("SessionToken").or_else(|| text("Token")).map(Secret::from);
        let expires_at = match object.get("Expiration") {
            Some(Value::String(text)) => parse(text),
            // In seconds, as the Security Token Service has it in JSON, with a fraction of zero.
            Some(Value::Number(seconds)) => seconds_of(&seconds.to_string()),
            _ => None,
        };
        Some(Self { credentials, expires_at })
    }

    fn of_xml(text: &str) -> Option<Self> {
        let mut credentials = AwsCredentials::new(
            element(text, "AccessKeyId")?.as_str(),
            element(text, "SecretAccessKey")?.as_str(),
        );
        credentials.session_token =
            element(text, "SessionToken").map(|token| Secret::from(token.as_str()));
        let expires_at = element(text, "Expiration").and_then(|text| parse(&text));
        Some(Self { credentials, expires_at })
    }
}

/// The innermost object that has a key id: itself, or within `AssumeRoleResponse` and the like. Not
/// deeper than the Security Token Service nests it.
fn holder(json: &Value) -> Option<&Value> {
    let mut objects = vec![json];
    for _ in 0..4 {
        if let Some(found) = objects.iter().find(|object| object.get("AccessKeyId").is_some()) {
            return Some(found);
        }
        objects = objects
            .into_iter()
            .filter_map(Value::as_object)
            .flat_map(|object| object.values())
            .collect();
    }
    None
}

fn seconds_of(number: &str) -> Option<Timestamp> {
    let whole = match number.split_once('.') {
        Some((whole, _)) if !number.contains(['e', 'E']) => whole.parse::<i64>().ok()?,
        None if !number.contains(['e', 'E']) => number.parse().ok()?,
        // `1.7e9`: the mantissa's point moves to the right.
        _ => {
            let (mantissa, exponent) = number.split_once(['e', 'E'])?;
            let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
            let places: usize = exponent.trim_start_matches('+').parse().ok()?;
            let digits = fraction.chars().chain(std::iter::repeat('0')).take(places.min(18));
            format!("{whole}{}", digits.collect::<String>()).parse().ok()?
        }
    };
    Some(Timestamp(whole.checked_mul(1000)?))
}

/// What an element of XML holds, if it is a text.
fn element(text: &str, name: &str) -> Option<Zeroizing<String>> {
    let (_, after) = text.split_once(&format!("<{name}>"))?;
    let (value, _) = after.split_once(&format!("</{name}>"))?;
    let mut plain = Zeroizing::new(value.to_owned());
    for (entity, character) in
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")]
    {
        if plain.contains(entity) {
            plain = Zeroizing::new(plain.replace(entity, character));
        }
    }
    Some(plain)
}

/// AWS's own words for a refusal, as far as they can be shown: never one of `secrets`.
pub(super) fn refusal(body: &[u8], secrets: &[&str]) -> String {
    let json = WipedJson::parse(body);
    let inner = json.0.get("Error").unwrap_or(&json.0);
    let word = |names: [&str; 3]| {
        let of_json = names.iter().find_map(|name| inner.get(name)?.as_str().map(str::to_owned));
        let xml = || {
            let text = std::str::from_utf8(body).ok()?;
            names.iter().find_map(|name| element(text, name)).map(|text| text.to_string())
        };
        of_json.or_else(xml).unwrap_or_default()
    };
    // The last are those of OAuth 2, as where a session of IAM Identity Center is renewed.
    let (code, message) =
        (word(["Code", "code", "error"]), word(["Message", "message", "error_description"]));
    let is_secret = |text: &str| {
        secrets.iter().any(|secret| !secret.is_empty() && text.contains(secret))
            // A web identity that is repeated begins as every object of JSON does in base 64.
            || text.contains("eyJ")
    };
    [code, message]
        .iter()
        .filter(|text| !text.is_empty() && !is_secret(text))
        .map(|text| shown(text).to_string())
        .collect::<Vec<_>>()
        .join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Option<(String, String, Option<String>, Option<i64>)> {
        let found = FoundCredentials::of_answer(body.as_bytes())?;
        let keys = found.credentials;
        Some((
            keys.access_key_id,
            keys.secret_access_key.expose().to_owned(),
            keys.session_token.map(|token| token.expose().to_owned()),
            found.expires_at.map(|at| at.0),
        ))
    }

    #[test]
    fn the_security_token_service_is_understood_in_json_and_in_xml() {
        let expected =
            Some(("ASIA".into(), "s/3".into(), Some("t&k".into()), Some(1_615_811_696_000)));
        for expiration in
            ["1615811696", "1615811696.0", "1.615811696E9", "\"2021-03-15T12:34:56Z\""]
        {
            let json = format!(
                r#"{{"AssumeRoleResponse":{{"AssumeRoleResult":{{"AssumedRoleUser":{{"Arn":"x"}},"Credentials":{{"AccessKeyId":"ASIA","SecretAccessKey":"s/3","SessionToken":"t&k","Expiration":{expiration}}}}}}}}}"#
            );
            assert_eq!(read(&json), expected, "{json}");
        }
        let xml = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
                   <Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s/3</SecretAccessKey>\
                   <SessionToken>t&amp;k</SessionToken><Expiration>2021-03-15T12:34:56Z</Expiration>\
                   </Credentials></AssumeRoleResult></AssumeRoleResponse>";
        assert_eq!(read(xml), expected);
    }

    #[test]
    fn identity_center_gives_all_three_parts_in_its_own_words_or_nothing() {
        let body = r#"{"roleCredentials":{"accessKeyId":"ASIA","secretAccessKey":"s3","sessionToken":"tok","expiration":1615811696000}}"#;
        let found = FoundCredentials::of_sso(body.as_bytes()).expect("credentials");
        assert_eq!(found.credentials.access_key_id, "ASIA");
        assert_eq!(found.expires_at, Some(Timestamp(1_615_811_696_000)));
        let without = |part: &str, other: &str| body.replace(part, other);
        for body in [
            without("roleCredentials", "x"),
            without("\"ASIA\"", "1"),
            without("secretAccessKey", "x"),
            without("\"tok\"", "null"),
            "[]".to_owned(),
        ] {
            assert!(FoundCredentials::of_sso(body.as_bytes()).is_none(), "{body}");
        }
        let endless = without("1615811696000", "1e300");
        assert_eq!(FoundCredentials::of_sso(endless.as_bytes()).expect("one").expires_at, None);
    }

    #[test]
    fn an_answer_without_credentials_has_none() {
        for body in ["", "[]", "{}", r#"{"AccessKeyId":"a"}"#, "<AccessKeyId>a", "\u{0}"] {
            assert!(read(body).is_none(), "{body}");
        }
    }

    #[test]
    fn a_refusal_is_told_in_aws_s_words_without_secrets() {
        for (body, told) in [
            (
                r#"{"Error":{"Code":"AccessDenied","Message":"no"},"RequestId":"1"}"#,
                "AccessDenied: no",
            ),
            (
                "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>",
                "AccessDenied: no",
            ),
            (r#"{"code":"Denied","message":"hunter2 is wrong"}"#, "Denied"),
            (
                r#"{"Error":{"Code":"InvalidIdentityToken","Message":"eyJhbGciOi"}}"#,
                "InvalidIdentityToken",
            ),
            (
                r#"{"error":"invalid_grant","error_description":"Invalid refresh token provided"}"#,
                "invalid_grant: Invalid refresh token provided",
            ),
            ("<html>", ""),
        ] {
            assert_eq!(refusal(body.as_bytes(), &["hunter2"]), told);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_answer_panics(body in "[{}\\[\\]\":,a<>/0-9eE.+AccessKeyId]{0,60}", number in "[0-9eE.+-]{0,12}") {
            let _ = (FoundCredentials::of_answer(body.as_bytes()), FoundCredentials::of_sso(body.as_bytes()), refusal(body.as_bytes(), &[]), seconds_of(&number));
        }
    }
}
