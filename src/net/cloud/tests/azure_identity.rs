//! Identities of Microsoft Entra ID, by what its documentation says that they are asked for.

use std::collections::BTreeMap;
use std::path::Path;

use kavka_testcontainers::apache::Certificates;
use serde_json::{Value, json};

use super::super::azure_identity::fetch;
use super::*;
use crate::config::AzureIdentity;

const SCOPE: &str = "https://demo.servicebus.windows.net/.default";
const TOKEN: &str = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"eyJ0.a.b"}"#;

/// What an identity makes of an environment and one answer, and what was asked.
async fn ask_in(
    identity: AzureIdentity,
    environment: &[(&str, &str)],
    answer: (u16, &str),
) -> (Result<Token, Error>, String) {
    assert!(!format!("{identity:?}").contains("hunter2"), "{identity:?}");
    let (url, served) = answering(vec![(answer.0, "", answer.1.to_owned())]).await;
    let mut environment: BTreeMap<&str, String> =
        environment.iter().map(|(name, value)| (*name, value.replace("URL", &url))).collect();
    environment.entry("AZURE_AUTHORITY_HOST").or_insert_with(|| format!("{url}/"));
    let token = fetch(&identity, &|name| environment.get(name).cloned(), NOW).await;
    let token = token.map_err(|error| *error.downcast::<Error>().expect("one of ours"));
    if let Err(error) = &token {
        let text = error.to_string();
        assert!(!text.contains("hunter2") && !text.contains('\n'), "{text}");
    }
    let asked = match token.as_ref().is_err_and(|error| error.kind() == ErrorKind::Config) {
        true => String::new(),
        false => served.await.expect("served").concat(),
    };
    (token, asked)
}

fn of_environment() -> AzureIdentity {
    AzureIdentity::new(SCOPE)
}

const APPLICATION: [(&str, &str); 2] = [("AZURE_TENANT_ID", "T"), ("AZURE_CLIENT_ID", "C")];

#[tokio::test]
async fn a_secret_goes_out_in_the_form() {
    let environment = [&APPLICATION[..], &[("AZURE_CLIENT_SECRET", "hunter2~&")]].concat();
    let identity = of_environment().extension("logicalCluster", "lkc-1");
    let (token, asked) = ask_in(identity, &environment, (200, TOKEN)).await;
    let token = token.expect("a token");
    assert_eq!(token.value.expose(), "eyJ0.a.b");
    assert_eq!(token.expires_at, Some(Timestamp(NOW.0 + 3_599_000)));
    assert_eq!(token.extensions, [("logicalCluster".to_owned(), "lkc-1".to_owned())]);
    assert!(asked.starts_with("POST /T/oauth2/v2.0/token HTTP/1.1\r\n"), "{asked}");
    assert!(!asked.contains("authorization"), "{asked}");
    let form = "grant_type=client_credentials&client_id=C&client_secret=hunter2%7E%26\
                &scope=https%3A%2F%2Fdemo.servicebus.windows.net%2F.default";
    assert!(asked.ends_with(form), "{asked}");
}

#[tokio::test]
async fn a_federated_token_is_read_anew_and_stands_for_the_application() {
    let folder = Folder::new("federated");
    for subject in ["eyJh.a.b", "eyJh.c.d"] {
        let file = folder.write("token", &format!("{subject}\n"));
        let environment = [&APPLICATION[..], &[("AZURE_FEDERATED_TOKEN_FILE", &*file)]].concat();
        let (token, asked) = ask_in(of_environment(), &environment, (200, TOKEN)).await;
        assert_eq!(token.expect("a token").value.expose(), "eyJ0.a.b");
        let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        let words = [kind, &format!("client_assertion={subject}&"), "client_id=C&scope=https"];
        assert!(words.iter().all(|word| asked.contains(word)), "{asked}");
    }
}

#[tokio::test]
async fn a_certificate_signs_for_its_application_and_is_named() {
    let folder = Folder::new("certificate");
    let files = Certificates::write(&folder.0).expect("certificates");
    let read = |file: &Path| std::fs::read_to_string(file).expect("a file");
    let both = read(&files.alice_rsa_key) + &read(&files.alice_rsa_certificate);
    let file = folder.write("both.pem", &both);
    let environment = [&APPLICATION[..], &[("AZURE_CLIENT_CERTIFICATE_PATH", &*file)]].concat();
    let (token, asked) = ask_in(of_environment(), &environment, (200, TOKEN)).await;
    token.expect("a token");
    let (_, rest) = asked.split_once("client_assertion=").expect("one");
    let mut parts = rest.split(['.', '&']);
    let mut json = || {
        let part = URL_SAFE_NO_PAD.decode(parts.next().expect("a part")).expect("base64url");
        serde_json::from_slice::<Value>(&part).expect("JSON")
    };
    let (header, claims) = (json(), json());
    assert_eq!((&header["alg"], &header["typ"]), (&json!("PS256"), &json!("JWT")));
    assert_eq!(header["x5t#S256"].as_str().map(str::len), Some(43), "{header}");
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!("C"), &json!("C")));
    let audience = claims["aud"].as_str().expect("a text");
    assert!(audience.ends_with("/T/oauth2/v2.0/token"), "{audience}");
    assert!(claims["jti"].is_string() && claims["exp"].as_i64() > claims["nbf"].as_i64());
    // Without the certificate Entra ID could not tell whose key it is.
    let alone = folder.write("key.pem", &read(&files.alice_rsa_key));
    let environment = [&APPLICATION[..], &[("AZURE_CLIENT_CERTIFICATE_PATH", &*alone)]].concat();
    let (refused, _) = ask_in(of_environment(), &environment, (200, TOKEN)).await;
    let error = refused.expect_err("no certificate");
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("no certificate in PEM"), "{error}");
}

#[tokio::test]
async fn an_app_s_own_service_is_asked_before_the_machine_s() {
    let environment =
        [("IDENTITY_ENDPOINT", "URL/msi/token"), ("IDENTITY_HEADER", "hunter2"), APPLICATION[1]];
    let body = r#"{"access_token":"eyJ0.a.b","expires_on":"1600000100","resource":"x"}"#;
    let (token, asked) = ask_in(of_environment(), &environment, (200, body)).await;
    let token = token.expect("a token");
    assert_eq!(token.expires_at, Some(Timestamp(1_600_000_100_000)));
    let line = "GET /msi/token?api-version=2019-08-01\
                &resource=https%3A%2F%2Fdemo.servicebus.windows.net&client_id=C HTTP/1.1\r\n";
    assert!(asked.starts_with(line) && asked.contains("x-identity-header: hunter2\r\n"), "{asked}");
    let body = r#"{"error":"invalid_request","error_description":"no identity"}"#;
    let (refused, _) = ask_in(of_environment(), &environment, (400, body)).await;
    let error = refused.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert!(error.to_string().contains("give this app a managed identity"), "{error}");
    assert!(
        error.to_string().contains("AZURE_FEDERATED_TOKEN_FILE is set, so the machine"),
        "{error}"
    );
    let chosen = of_environment().managed_identity(Some("D".to_owned()));
    let (refused, asked) = ask_in(chosen, &environment, (400, body)).await;
    assert!(asked.contains("&client_id=D HTTP"), "{asked}");
    assert!(!refused.expect_err("refused").to_string().contains("AZURE_FEDERATED_TOKEN_FILE"));
}

#[tokio::test]
async fn who_is_refused_hears_what_to_check_and_no_other_is_asked() {
    let folder = Folder::new("refused");
    let file = folder.write("token", "eyJh.a.b");
    let secret = [&APPLICATION[..], &[("AZURE_CLIENT_SECRET", "hunter2")]].concat();
    let federated = [&APPLICATION[..], &[("AZURE_FEDERATED_TOKEN_FILE", &*file)]].concat();
    let managed = [("IDENTITY_ENDPOINT", "URL/other"), ("IDENTITY_HEADER", "hunter2")];
    for (environment, said, word) in [
        (secret, "invalid secret: hunter2", "AZURE_CLIENT_SECRET"),
        (federated, "no such: eyJh.hunter2.b", "federated credential"),
    ] {
        let environment = [&environment[..], &managed].concat();
        let body = json!({"error": "invalid_client", "error_description": said}).to_string();
        let (refused, asked) = ask_in(of_environment(), &environment, (401, &body)).await;
        let error = refused.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
        assert!(error.to_string().contains(word), "{error}");
        assert!(asked.starts_with("POST /T/"), "{asked}");
    }
}

#[tokio::test]
async fn what_is_half_set_or_no_name_is_refused_by_its_name() {
    let identity = of_environment;
    let wrong_host = [
        &APPLICATION[..],
        &[("AZURE_CLIENT_SECRET", "hunter2"), ("AZURE_AUTHORITY_HOST", "hunter2")],
    ]
    .concat();
    for (identity, environment, words) in [
        (identity(), &[("AZURE_CLIENT_SECRET", "hunter2")][..], "AZURE_TENANT_ID is not"),
        (
            identity(),
            &[("AZURE_CLIENT_CERTIFICATE_PATH", "/c"), ("AZURE_TENANT_ID", "T")],
            "AZURE_CLIENT_ID is not",
        ),
        (identity(), &wrong_host, "AZURE_AUTHORITY_HOST"),
        (identity().client_secret("T/../x", "C", "hunter2"), &[], "AZURE_TENANT_ID"),
        (identity().workload_identity("T", "C", "/no/such"), &[], "/no/such"),
        (identity().client_certificate("T", "C", "/no/such"), &[], "/no/such"),
    ] {
        let (refused, _) = ask_in(identity, environment, (200, TOKEN)).await;
        let error = refused.expect_err(words);
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn what_is_set_in_code_counts_more_than_the_environment() {
    let environment = [&APPLICATION[..], &[("AZURE_CLIENT_SECRET", "hunter2")]].concat();
    let identity = of_environment().client_secret("U", "D", "other");
    let (token, asked) = ask_in(identity, &environment, (200, TOKEN)).await;
    token.expect("a token");
    assert!(asked.starts_with("POST /U/"), "{asked}");
    assert!(asked.contains("client_id=D&client_secret=other&"), "{asked}");
}
