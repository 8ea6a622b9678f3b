//! Google's Application Default Credentials, by what its documentation says that they are.

use std::collections::BTreeMap;
use std::time::Duration;

use kavka_testcontainers::apache::{Certificates, TokenEndpoint};
use serde_json::{Value, json};

use super::super::google_credentials::fetch;
use super::*;
use crate::config::GoogleCredentials;

const STS: &str = r#"{"access_token":"ya29.federated","expires_in":3599,"issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer"}"#;

/// 100 s after now.
const IAM: &str = r#"{"accessToken":"ya29.impersonated","expireTime":"2020-09-13T12:28:20Z"}"#;

const PRINCIPAL: (&str, &str) = ("GOOGLE_MANAGED_KAFKA_AUTH_PRINCIPAL", "me@example.org");

/// What a file makes of an environment and these answers, and what was asked; `URL` in the file is
/// where they come from.
async fn ask_with(
    file: &Value,
    environment: &[(&str, &str)],
    answers: &[(u16, &str)],
) -> (Result<Token, Error>, Vec<String>) {
    let folder = Folder::new(&format!("google-{:?}", std::thread::current().id()));
    let owned = answers.iter().map(|(status, body)| (*status, "", (*body).to_owned()));
    let (url, served) = answering(owned.collect()).await;
    let path = folder.write("credentials.json", &file.to_string().replace("URL", &url));
    let environment: BTreeMap<&str, &str> = environment.iter().copied().collect();
    let credentials = GoogleCredentials::file(&path);
    let variable = |name: &str| environment.get(name).map(|value| (*value).to_owned());
    let token = fetch(&credentials, &variable, NOW).await;
    if let Err(error) = &token {
        let text = error.to_string();
        assert!(!text.contains("hunter2") && !text.contains('\n'), "{text}");
        assert!(text.contains(&path), "{text}");
        // Nobody has set properties of OAUTHBEARER.
        assert!(!text.contains("sasl."), "{text}");
        served.abort();
    }
    (token, served.await.unwrap_or_default())
}

/// The three parts of a token as brokers take it.
fn parts(token: &Token) -> (Value, String) {
    let parts: Vec<Vec<u8>> = token
        .value
        .expose()
        .split('.')
        .map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64url"))
        .collect();
    let access = String::from_utf8(parts[2].clone()).expect("text");
    (serde_json::from_slice(&parts[1]).expect("JSON"), access)
}

fn external(source: Value) -> Value {
    json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "URL/v1/token",
        "credential_source": source,
    })
}

fn impersonating(mut file: Value) -> Value {
    file["service_account_impersonation_url"] =
        "URL/v1/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com:generateAccessToken".into();
    file
}

#[tokio::test]
async fn the_token_of_a_file_is_exchanged_and_then_a_service_account_impersonated() {
    let folder = Folder::new("google-subject");
    let subject = folder.write("token", "eyJhunter2.a.b\n");
    let mut file = impersonating(external(json!({ "file": subject })));
    file["service_account_impersonation"] = json!({ "token_lifetime_seconds": 600 });
    let (token, asked) = ask_with(&file, &[], &[(200, STS), (200, IAM)]).await;
    let token = token.expect("a token");
    assert_eq!(token.expires_at, Some(Timestamp(NOW.0 + 100_000)), "the one of the second answer");
    let (claims, access) = parts(&token);
    assert_eq!(access, "ya29.impersonated");
    assert_eq!(claims["sub"], "a@p.iam.gserviceaccount.com");
    let form = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
                &audience=%2F%2Fiam.googleapis.com%2Fprojects%2F1%2Flocations%2Fglobal\
                %2FworkloadIdentityPools%2Fp%2Fproviders%2Fq\
                &scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform\
                &requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
                &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt\
                &subject_token=eyJhunter2.a.b";
    assert!(asked[0].starts_with("POST /v1/token HTTP/1.1\r\n"), "{}", asked[0]);
    assert!(asked[0].ends_with(form), "{}", asked[0]);
    assert!(asked[1].contains("authorization: Bearer ya29.federated\r\n"), "{}", asked[1]);
    let body: Value =
        serde_json::from_str(asked[1].split_once("\r\n\r\n").expect("a body").1).expect("JSON");
    let scope = "https://www.googleapis.com/auth/cloud-platform";
    assert_eq!(body, json!({ "scope": [scope], "lifetime": "600s" }));
}

#[tokio::test]
async fn the_token_of_a_url_is_asked_for_with_its_headers_and_found_in_its_field() {
    let source = json!({
        "url": "URL/metadata/identity/oauth2/token?resource=api://x",
        "headers": { "Metadata": "True" },
        "format": { "type": "json", "subject_token_field_name": "access_token" },
    });
    let subject = r#"{"access_token":"eyJhunter2","expires_in":"9"}"#;
    let answers = [(200, subject), (200, STS)];
    let (token, asked) = ask_with(&external(source), &[PRINCIPAL], &answers).await;
    let token = token.expect("a token");
    assert_eq!(token.expires_at, Some(Timestamp(NOW.0 + 3_599_000)));
    let (claims, access) = parts(&token);
    assert_eq!((access.as_str(), &claims["sub"]), ("ya29.federated", &json!("me@example.org")));
    assert!(asked[0].starts_with("GET /metadata/identity/oauth2/token?resource=api://x HTTP/1.1"));
    assert!(asked[0].contains("metadata: True\r\n"), "{}", asked[0]);
    assert!(asked[1].ends_with("&subject_token=eyJhunter2"), "{}", asked[1]);
}

#[tokio::test]
async fn a_workforce_names_its_project_and_a_client_itself() {
    let folder = Folder::new("google-workforce");
    let subject = folder.write("token", "eyJhunter2");
    let mut file = external(json!({ "file": subject }));
    file["workforce_pool_user_project"] = "7&8".into();
    let (token, asked) = ask_with(&file, &[PRINCIPAL], &[(200, STS)]).await;
    token.expect("a token");
    let options = "&options=%7B%22userProject%22%3A%227%268%22%7D&";
    assert!(asked[0].contains(options) && !asked[0].contains("authorization"), "{}", asked[0]);
    // The project of a client is known by it.
    file["client_id"] = "me".into();
    file["client_secret"] = "hunter2".into();
    let (token, asked) = ask_with(&file, &[PRINCIPAL], &[(200, STS)]).await;
    token.expect("a token");
    assert!(asked[0].contains("authorization: Basic bWU6aHVudGVyMg==\r\n"), "{}", asked[0]);
    assert!(!asked[0].contains("options"), "{}", asked[0]);
}

fn user() -> Value {
    json!({
        "type": "authorized_user",
        "client_id": "C",
        "client_secret": "hunter2&",
        "refresh_token": "1//hunter2",
        "token_uri": "URL/token",
    })
}

#[tokio::test]
async fn a_person_s_login_is_refreshed_and_says_whose_it_is() {
    let claims = URL_SAFE_NO_PAD.encode(r#"{"email":"alice@example.org"}"#);
    let body = json!({ "access_token": "ya29.u", "expires_in": 3599, "id_token": format!("x.{claims}.y") });
    let (token, asked) = ask_with(&user(), &[], &[(200, &body.to_string())]).await;
    let (claims, access) = parts(&token.expect("a token"));
    assert_eq!((access.as_str(), &claims["sub"]), ("ya29.u", &json!("alice@example.org")));
    let form = "grant_type=refresh_token&client_id=C&client_secret=hunter2%26\
                &refresh_token=1%2F%2Fhunter2";
    assert!(asked[0].ends_with(form), "{}", asked[0]);
    // Without the scope of the email, somebody has to say it.
    let body = r#"{"access_token":"ya29.u","expires_in":3599}"#;
    let (token, _) = ask_with(&user(), &[PRINCIPAL], &[(200, body)]).await;
    assert_eq!(parts(&token.expect("a token")).0["sub"], "me@example.org");
    let (token, _) = ask_with(&user(), &[], &[(200, body)]).await;
    let error = token.expect_err("nobody");
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains(PRINCIPAL.0), "{error}");
}

#[tokio::test]
async fn a_person_may_act_as_a_service_account() {
    let file = impersonating(json!({
        "type": "impersonated_service_account",
        "delegates": ["d@p"],
        "source_credentials": user(),
    }));
    let user = r#"{"access_token":"ya29.u","expires_in":3599}"#;
    let (token, asked) = ask_with(&file, &[], &[(200, user), (200, IAM)]).await;
    let (claims, access) = parts(&token.expect("a token"));
    assert_eq!(access, "ya29.impersonated");
    assert_eq!(claims["sub"], "a@p.iam.gserviceaccount.com");
    assert!(asked[1].contains("Bearer ya29.u\r\n") && asked[1].contains(r#""delegates":["d@p"]"#));
}

fn service_account(private_key: &str, token_uri: &str) -> Value {
    json!({
        "type": "service_account",
        "client_email": "alice",
        "private_key": private_key,
        "token_uri": token_uri,
    })
}

#[tokio::test]
async fn a_key_signs_for_an_access_token_that_is_wrapped() {
    let folder = Folder::new("google-key");
    let files = Certificates::write(&folder.0).expect("certificates");
    let endpoint =
        TokenEndpoint::start(&folder.0, Duration::from_secs(600)).await.expect("an endpoint");
    let pem = std::fs::read_to_string(&files.alice_rsa_key).expect("a key");
    let now = crate::clock::WallClock::system().now();
    let path = folder.write("key.json", &service_account(&pem, endpoint.url()).to_string());
    let token = fetch(&GoogleCredentials::file(path), &|_| None, now).await.expect("a token");
    assert_eq!(token.expires_at, Some(Timestamp(now.0 + 600_000)));
    let (claims, access) = parts(&token);
    assert_eq!((&claims["sub"], &claims["iss"]), (&json!("alice"), &json!("Google")));
    // The endpoint's own tokens are JWTs.
    assert_eq!(access.split('.').count(), 3);
    let forms = endpoint.forms().concat();
    assert!(forms.contains("jwt-bearer"), "{forms}");
    let (_, assertion) = forms.split_once("assertion=").expect("one");
    let claims = assertion.split(['.', '&']).nth(1).expect("claims");
    let claims: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).expect("base64url")).expect("JSON");
    assert_eq!(claims["scope"], "https://www.googleapis.com/auth/cloud-platform");
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!("alice"), &json!(endpoint.url())));
}

#[tokio::test]
async fn what_is_none_of_google_s_files_is_refused_unseen() {
    let with = |mut file: Value, name: &str, value: Value| {
        file[name] = value;
        file
    };
    let file = |source: Value| external(source);
    for (file, words) in [
        (json!("hunter2"), "no text type"),
        (json!({ "type": "hunter3" }), "the type \\\"hunter3\\\", which is not known"),
        (json!({ "type": "service_account", "client_email": "x" }), "no text token_uri"),
        (service_account("hunter2", "http://127.0.0.1:1/"), "private key"),
        (service_account("hunter2", "hunter2"), "URL"),
        (service_account("hunter2", "http://example.org/hunter2"), "https://host/path"),
        (with(user(), "type", json!("external_account_authorized_user")), "not known here"),
        (with(file(json!({ "file": "/no" })), "client_id", json!("hunter2")), "client_secret"),
        (
            impersonating(json!({
                "type": "impersonated_service_account",
                "source_credentials": impersonating(json!({ "type": "impersonated_service_account" })),
            })),
            "delegates",
        ),
        (with(user(), "refresh_token", Value::Null), "no text refresh_token"),
        (with(user(), "token_uri", json!("http://example.org/hunter2")), "https://host/path"),
        (with(file(json!({ "file": "/no/such" })), "token_url", json!(1)), "no text token_url"),
        (file(json!({ "file": "/no/such" })), "/no/such"),
        (file(json!({})), "neither file nor url"),
        (file(json!("hunter2")), "neither file nor url"),
        (file(json!({ "environment_id": "aws1" })), "environment_id"),
        (file(json!({ "executable": { "command": "hunter2" } })), "executable"),
        (file(json!({ "certificate": {} })), "certificate"),
        (file(json!({ "file": "/dev/null" })), "no subject token"),
        (file(json!({ "file": "/dev/null", "format": { "type": "json" } })), "format"),
        (file(json!({ "url": "URL", "headers": { "a": 1 } })), "headers"),
        (json!({ "type": "impersonated_service_account" }), "service_account_impersonation_url"),
        (impersonating(json!({ "type": "impersonated_service_account" })), "source_credentials"),
    ] {
        let shown = file.to_string();
        let (token, _) = ask_with(&file, &[PRINCIPAL], &[]).await;
        let error = token.expect_err(&shown);
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains(&words.replace("\\\"", "\"")), "{shown}: {error}");
    }
}

#[tokio::test]
async fn whoever_refuses_is_named_with_what_to_change() {
    let folder = Folder::new("google-refused");
    let subject = folder.write("token", "eyJhunter2");
    let federated = || impersonating(external(json!({ "file": subject })));
    let said = r#"{"error":"invalid_grant","error_description":"expired: eyJhunter2"}"#;
    for (file, answers, kind, words) in [
        (user(), &[(400, said)][..], ErrorKind::Authentication, "gcloud auth"),
        (federated(), &[(400, said)], ErrorKind::Authentication, "pool in audience"),
        (federated(), &[(503, said)], ErrorKind::Connect, "Security Token Service"),
        (federated(), &[(200, "hunter2")], ErrorKind::Authentication, "without an access_token"),
        (
            federated(),
            &[(200, STS), (403, said)],
            ErrorKind::Authentication,
            "serviceAccountTokenCreator",
        ),
        (
            federated(),
            &[(200, STS), (200, r#"{"accessToken":"hunter2","expireTime":"soon"}"#)],
            ErrorKind::Authentication,
            "without an accessToken and its expireTime",
        ),
    ] {
        let (token, _) = ask_with(&file, &[], answers).await;
        let error = token.expect_err(words);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_source_that_is_not_supported_is_refused_though_it_has_a_url() {
    // As `gcloud iam workload-identity-pools create-cred-config --aws` writes it: its url gives the
    // name of a role, which is no subject token.
    let aws = json!({
        "environment_id": "aws1",
        "region_url": "URL/latest/meta-data/placement/availability-zone",
        "url": "URL/latest/meta-data/iam/security-credentials",
        "regional_cred_verification_url":
            "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
    });
    let both = json!({ "file": "/dev/null", "url": "URL" });
    for (source, words) in [(aws, "environment_id"), (both, "both file and url")] {
        let answers = [(200, "role-hunter2"), (200, STS)];
        let (token, _) = ask_with(&external(source), &[PRINCIPAL], &answers).await;
        let error = token.expect_err(words);
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn whom_to_impersonate_is_not_guessed() {
    let folder = Folder::new("google-whom");
    let subject = folder.write("token", "eyJhunter2");
    let answers = [(200, STS), (200, IAM)];
    for (name, value, answers) in [
        ("service_account_impersonation_url", json!(7), &answers[..1]),
        ("service_account_impersonation_url", json!("URL/v1/projects"), &answers),
        ("service_account_impersonation_url", json!("URL/v1/:generateAccessToken"), &answers),
        ("token_lifetime_seconds", json!({ "token_lifetime_seconds": "soon" }), &answers),
    ] {
        let mut file = impersonating(external(json!({ "file": subject })));
        match name {
            "token_lifetime_seconds" => file["service_account_impersonation"] = value,
            _ => file[name] = value,
        }
        let (token, _) = ask_with(&file, &[PRINCIPAL], answers).await;
        let error = token.expect_err(name);
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[tokio::test]
async fn what_google_s_iam_says_is_passed_on() {
    let folder = Folder::new("google-iam");
    let subject = folder.write("token", "eyJhunter2");
    let file = impersonating(external(json!({ "file": subject })));
    let disabled = "IAM Service Account Credentials API has not been used in project 1 before or it is disabled.";
    let of = |message: &str| {
        json!({ "error": { "code": 403, "message": message, "status": "PERMISSION_DENIED" } })
            .to_string()
    };
    for (body, words, never) in [
        (of(disabled), "403 PERMISSION_DENIED (IAM Service Account Credentials API has not", "x-x"),
        (of("no ya29.hunter2\n"), "403 PERMISSION_DENIED", "ya29"),
        (json!({ "error": { "status": 7, "message": [] } }).to_string(), "answers 403: give", "("),
    ] {
        let (token, _) = ask_with(&file, &[], &[(200, STS), (403, &body)]).await;
        let error = token.expect_err(words).to_string();
        let said = error.split_once(" answers ").and_then(|(_, said)| said.split_once(": give"));
        let (said, _) = said.expect("an answer and advice");
        assert!(error.contains(words) && !said.contains(never), "{error}");
    }
}

#[tokio::test]
async fn a_file_of_the_environment_comes_before_gcloud_s_own() {
    let folder = Folder::new("google-order");
    let (own, named) = (
        folder.write("application_default_credentials.json", "[1]"),
        folder.write("named.json", "[2]"),
    );
    let config = folder.0.display().to_string();
    for (environment, file) in [
        (&[("CLOUDSDK_CONFIG", &*config)][..], &own),
        (&[("CLOUDSDK_CONFIG", &*config), ("GOOGLE_APPLICATION_CREDENTIALS", "")], &own),
        (&[("CLOUDSDK_CONFIG", &*config), ("GOOGLE_APPLICATION_CREDENTIALS", &*named)], &named),
    ] {
        let environment: BTreeMap<&str, &str> = environment.iter().copied().collect();
        let variable = |name: &str| environment.get(name).map(|value| (*value).to_owned());
        let credentials = GoogleCredentials::application_default();
        let error = fetch(&credentials, &variable, NOW).await.expect_err("no credentials");
        assert!(error.to_string().contains(file.as_str()), "{error}");
    }
}

#[tokio::test]
async fn without_a_file_the_machine_is_asked() {
    let folder = Folder::new("google-machine");
    let config = folder.0.display().to_string();
    let answers = ["a@p.iam.gserviceaccount.com", GOOGLES_TOKEN, "hunter2"];
    let answers = answers.into_iter().zip([200, 200, 404]);
    let answers = answers.map(|(body, status)| (status, GOOGLES, body.to_owned()));
    let (url, served) = answering(answers.collect()).await;
    let host = url.strip_prefix("http://").expect("in clear").to_owned();
    let variable = |name: &str| match name {
        "CLOUDSDK_CONFIG" => Some(config.clone()),
        "GCE_METADATA_HOST" => Some(host.clone()),
        _ => None,
    };
    let credentials = GoogleCredentials::application_default();
    let token = fetch(&credentials, &variable, NOW).await.expect("a token");
    let (claims, access) = parts(&token);
    assert_eq!(access, "ya29.hunter2");
    assert_eq!(claims["sub"], "a@p.iam.gserviceaccount.com");
    let error = fetch(&credentials, &variable, NOW).await.expect_err("no account");
    assert!(error.to_string().contains("GOOGLE_APPLICATION_CREDENTIALS"), "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    assert_eq!(served.await.expect("served").len(), 3);
}

proptest::proptest! {
    #[test]
    fn no_file_panics(text in r#"[{}\[\]":,0-9typeservicaxnluod_]{0,80}"#) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let folder = Folder::new("google-any");
        let path = folder.write("credentials.json", &text);
        let credentials = GoogleCredentials::file(path);
        let _ = runtime.expect("a runtime").block_on(fetch(&credentials, &|_| None, NOW));
    }
}
