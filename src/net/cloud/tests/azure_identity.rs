//! Identities of Microsoft Entra ID, by what its documentation says that they are asked for.

use std::collections::BTreeMap;
use std::path::Path;

use kavka_testcontainers::apache::Certificates;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::super::oidc::tests::https_endpoint;
use super::super::super::tls::is_signed;
use super::super::azure_identity::{fetch, token_endpoint};
use super::*;
use crate::config::{AzureIdentity, TlsConfig};

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

/// A folder with certificates in it.
fn certificates(name: &str) -> (Folder, Certificates) {
    let folder = Folder::new(name);
    let files = Certificates::write(&folder.0).expect("certificates");
    (folder, files)
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).expect("a file")
}

/// Header and claims of the assertion in a form, which is signed by the key of this certificate.
fn opened(asked: &str, certificate: &[u8]) -> (Value, Value) {
    let (_, rest) = asked.split_once("client_assertion=").expect("one");
    let assertion = rest.split('&').next().expect("a field");
    let (message, signature) = assertion.rsplit_once('.').expect("two dots");
    let of_base64 = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("base64url");
    assert!(is_signed(certificate, message.as_bytes(), &of_base64(signature)), "{assertion}");
    let (header, claims) = message.split_once('.').expect("two dots");
    let json = |part: &str| serde_json::from_slice(&of_base64(part)).expect("JSON");
    (json(header), json(claims))
}

#[tokio::test]
async fn a_certificate_signs_for_its_application_and_is_named() {
    let (folder, files) = certificates("certificate");
    let both = read(&files.alice_rsa_key) + &read(&files.alice_rsa_certificate);
    let file = folder.write("both.pem", &both);
    let environment = [&APPLICATION[..], &[("AZURE_CLIENT_CERTIFICATE_PATH", &*file)]].concat();
    let (token, asked) = ask_in(of_environment(), &environment, (200, TOKEN)).await;
    token.expect("a token");
    let certificate = CertificateDer::from_pem_slice(both.as_bytes()).expect("a certificate");
    let (header, claims) = opened(&asked, &certificate);
    assert_eq!((&header["alg"], &header["typ"]), (&json!("PS256"), &json!("JWT")));
    let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(&certificate));
    assert_eq!(header["x5t#S256"], json!(thumbprint));
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!("C"), &json!("C")));
    let audience = claims["aud"].as_str().expect("a text");
    assert!(audience.ends_with("/T/oauth2/v2.0/token"), "{audience}");
    assert!(claims["jti"].is_string() && claims["exp"].as_i64() > claims["nbf"].as_i64());
}

#[cfg(all(feature = "pkcs12", feature = "encrypted-keys"))]
#[tokio::test]
async fn a_password_opens_a_store_and_an_encrypted_key() {
    use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
    use rustls::pki_types::PrivateKeyDer;

    let (folder, files) = certificates("password");
    let encrypted = read(&files.alice_rsa_encrypted_key) + &read(&files.alice_rsa_certificate);
    let encrypted = folder.write("encrypted.pem", &encrypted);
    let certificate =
        CertificateDer::from_pem_file(&files.alice_rsa_certificate).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(&files.alice_rsa_plain_key).expect("a key");
    let key = PrivateKey::from_der(key.secret_der()).expect("PKCS#8");
    let chain = [Certificate::from_der(&certificate).expect("X.509")];
    let mut store = KeyStore::new();
    let chain = PrivateKeyChain::new("1", key, chain);
    store.add_entry("app", KeyStoreEntry::PrivateKeyChain(chain));
    let store = store.writer(Certificates::PASSWORD).write().expect("a store");
    let pfx = folder.0.join("app.pfx").display().to_string();
    std::fs::write(&pfx, store).expect("written");
    for file in [&pfx, &encrypted] {
        let environment =
            [&APPLICATION[..], &[("AZURE_CLIENT_CERTIFICATE_PATH", &**file)]].concat();
        let password = ("AZURE_CLIENT_CERTIFICATE_PASSWORD", Certificates::PASSWORD);
        let with = [&environment[..], &[password]].concat();
        let (token, asked) = ask_in(of_environment(), &with, (200, TOKEN)).await;
        token.expect(file);
        opened(&asked, &certificate);
        let (refused, _) = ask_in(of_environment(), &environment, (200, TOKEN)).await;
        let error = refused.expect_err("no password").to_string();
        assert!(error.contains("AZURE_CLIENT_CERTIFICATE_PASSWORD"), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_that_cannot_sign_is_refused_in_azure_s_words() {
    let (folder, files) = certificates("unfit");
    let (key, certificate) = (read(&files.alice_rsa_key), read(&files.alice_rsa_certificate));
    std::fs::write(folder.0.join("cut.pfx"), [0x30, 0x82, 1]).expect("written");
    let cut = folder.0.join("cut.pfx").display().to_string();
    for (file, words) in [
        // Entra ID could not tell whose key it is.
        (folder.write("key.pem", &key), &["no certificate in PEM", "openssl pkcs12"][..]),
        (folder.write("certificate.pem", &certificate), &["no private key in PEM"]),
        (cut, &["PKCS#12", "openssl pkcs12"]),
        (files.alice.display().to_string(), &["the algorithm of Entra ID is PS256", "RSA"]),
        (
            folder.write("others.pem", &(key.clone() + &read(&files.alice_certificate))),
            &["not that of the first certificate"],
        ),
    ] {
        let environment = [&APPLICATION[..], &[("AZURE_CLIENT_CERTIFICATE_PATH", &*file)]].concat();
        let (refused, _) = ask_in(of_environment(), &environment, (200, TOKEN)).await;
        let error = refused.expect_err(words[0]);
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        let text = error.to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
        assert!(text.contains("AZURE_CLIENT_CERTIFICATE_PATH: "), "{text}");
        assert!(!text.contains("sasl."), "{text}");
    }
}

#[tokio::test]
async fn what_comes_first_is_asked_and_nothing_else() {
    let (folder, files) = certificates("order");
    let certificate = folder.write("both.pem", &read(&files.alice_rsa));
    let token = folder.write("token", "eyJh.a.b");
    // From the last to the first.
    let all = [
        (
            &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "URL/")][..],
            "GET /metadata/identity/oauth2/token?",
        ),
        (&[("IDENTITY_ENDPOINT", "URL/msi"), ("IDENTITY_HEADER", "hunter2")], "GET /msi?"),
        (&[("AZURE_FEDERATED_TOKEN_FILE", &*token)], "client_assertion=eyJh.a.b&"),
        (&[("AZURE_CLIENT_CERTIFICATE_PATH", &*certificate)], "client_assertion=eyJ"),
        (&[("AZURE_CLIENT_SECRET", "hunter2")], "client_secret=hunter2&"),
    ];
    let mut environment = APPLICATION.to_vec();
    for (more, expected) in all {
        environment.extend_from_slice(more);
        let (found, asked) = ask_in(of_environment(), &environment, (200, TOKEN)).await;
        assert_eq!(found.expect(expected).value.expose(), "eyJ0.a.b");
        assert!(asked.contains(expected), "{asked}");
        let is_file_s = asked.contains("client_assertion=eyJh.a.b&");
        assert_eq!(is_file_s, expected.contains("eyJh"), "{asked}");
    }
}

#[tokio::test]
async fn a_machine_s_service_is_asked_for_the_resource_and_the_identity() {
    let host = ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "URL");
    let environment = [host, APPLICATION[1]];
    let (token, asked) = ask_in(of_environment(), &environment, (200, TOKEN)).await;
    token.expect("a token");
    let line = "GET /metadata/identity/oauth2/token?api-version=2018-02-01\
                &resource=https%3A%2F%2Fdemo.servicebus.windows.net&client_id=C HTTP/1.1\r\n";
    assert!(asked.starts_with(line) && asked.contains("metadata: true\r\n"), "{asked}");
    let body = r#"{"error":"invalid_request","error_description":"Identity not found"}"#;
    let (refused, _) = ask_in(of_environment(), &environment, (400, body)).await;
    let text = refused.expect_err("refused").to_string();
    assert!(text.contains("Identity not found") && text.contains("AZURE_CLIENT_ID"), "{text}");
    assert!(!text.contains("sasl."), "{text}");
}

#[tokio::test]
async fn entra_id_is_asked_over_tls_by_whom_the_settings_trust() {
    let folder = Folder::new("entra");
    let (url, files) = https_endpoint(&folder.0).await;
    let host = url.strip_suffix("/token").expect("its path");
    let ask = async |authority: &Path| {
        let identity = of_environment()
            .client_secret("T", "C", "hunter2")
            .authority_host(host)
            .tls(TlsConfig::new().truststore_location(authority));
        ask(identity).await
    };
    assert_eq!(ask(&files.authority).await.expect("a token").value.expose(), "abc");
    let text = ask(&files.other_authority).await.expect_err("not trusted").to_string();
    assert!(text.contains("AzureIdentity::tls") && text.contains("not trusted"), "{text}");
}

#[test]
fn secrets_go_out_over_tls_or_stay_on_this_machine() {
    for (host, url) in [
        ("https://h.example/", "https://h.example/T/oauth2/v2.0/token"),
        ("https://h.example:8443", "https://h.example:8443/T/oauth2/v2.0/token"),
        ("login.example", "https://login.example/T/oauth2/v2.0/token"),
        ("login.example/", "https://login.example/T/oauth2/v2.0/token"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/T/oauth2/v2.0/token"),
    ] {
        assert_eq!(token_endpoint(host, "T").expect(host), url);
    }
    for host in [
        "http://login.example/",
        "http://10.0.0.1/",
        "ftp://login.example/",
        "https://hunter2@login.example",
        "https://login.example?hunter2=",
        "https://login.example#hunter2",
        "https://",
        "hunter2",
        "",
    ] {
        let error = token_endpoint(host, "T").expect_err(host);
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        let text = error.to_string();
        assert!(text.contains("AZURE_AUTHORITY_HOST") && !text.contains("hunter2"), "{text}");
    }
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
async fn a_machine_s_service_that_is_busy_may_be_asked_again() {
    let app = &[("IDENTITY_ENDPOINT", "URL/msi"), ("IDENTITY_HEADER", "hunter2")][..];
    let machine = &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "URL")][..];
    for (environment, code) in [(app, 429), (app, 503), (machine, 429), (machine, 410)] {
        let (refused, _) = ask_in(of_environment(), environment, (code, "")).await;
        let error = refused.expect_err("busy");
        assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    }
}

#[tokio::test]
async fn a_machine_whose_service_is_another_is_refused_by_what_says_so() {
    let (url, header) = (("IDENTITY_ENDPOINT", "URL/msi"), ("IDENTITY_HEADER", "hunter2"));
    for (environment, words) in [
        (&[url, ("IMDS_ENDPOINT", "URL")][..], "IMDS_ENDPOINT is set, so this is a machine of Arc"),
        (
            &[url, header, ("IDENTITY_SERVER_THUMBPRINT", "hunter2")],
            "IDENTITY_SERVER_THUMBPRINT is set, so this is a cluster of Service Fabric",
        ),
        (&[url], "IDENTITY_HEADER is not: set both"),
    ] {
        for identity in [of_environment(), of_environment().managed_identity(None)] {
            let (refused, _) = ask_in(identity, environment, (200, TOKEN)).await;
            let error = refused.expect_err(words);
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
    // What is configured before it counts.
    let file = Folder::new("other-host");
    let token = file.write("token", "eyJh.a.b");
    let federated = ("AZURE_FEDERATED_TOKEN_FILE", &*token);
    let environment = [&APPLICATION[..], &[url, federated]].concat();
    ask_in(of_environment(), &environment, (200, TOKEN)).await.0.expect("a token");
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
async fn entra_id_s_own_words_are_shown_with_what_they_mean_here() {
    let folder = Folder::new("words");
    let file = folder.write("token", "eyJh.a.b");
    let secret = [&APPLICATION[..], &[("AZURE_CLIENT_SECRET", "hunter2")]].concat();
    let federated = [&APPLICATION[..], &[("AZURE_FEDERATED_TOKEN_FILE", &*file)]].concat();
    let tail = "\r\nTrace ID: 0-1\r\nCorrelation ID: 2-3\r\nTimestamp: 2026-01-01 00:00:00Z";
    for (environment, code, said, words) in [
        (
            &secret,
            401,
            "AADSTS7000215: Invalid client secret provided.",
            &["AADSTS7000215", "AZURE_CLIENT_SECRET", "may have expired"][..],
        ),
        (
            &federated,
            401,
            "AADSTS700024: Client assertion is not within its valid time range.",
            &["AADSTS700024", "may have expired"],
        ),
        (&secret, 404, "", &["check AZURE_AUTHORITY_HOST"]),
    ] {
        let body = json!({"error": "invalid_client", "error_description": format!("{said}{tail}")});
        let (refused, _) = ask_in(of_environment(), environment, (code, &body.to_string())).await;
        let error = refused.expect_err(said);
        assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
        let text = error.to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
        assert!(!text.contains("sasl."), "{text}");
    }
}

#[tokio::test]
async fn a_file_without_a_token_is_told_by_its_variable() {
    let folder = Folder::new("no-token");
    let file = folder.write("token", "hunter2");
    let environment = [&APPLICATION[..], &[("AZURE_FEDERATED_TOKEN_FILE", &*file)]].concat();
    let (refused, _) = ask_in(of_environment(), &environment, (200, TOKEN)).await;
    let error = refused.expect_err("no token");
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    let text = error.to_string();
    assert!(text.contains("AZURE_FEDERATED_TOKEN_FILE: ") && !text.contains("sasl."), "{text}");
}

#[tokio::test]
async fn each_variable_that_is_missing_is_told_with_the_one_that_wants_it() {
    let proofs = [
        ("AZURE_CLIENT_SECRET", "hunter2"),
        ("AZURE_CLIENT_CERTIFICATE_PATH", "/c"),
        ("AZURE_FEDERATED_TOKEN_FILE", "/t"),
    ];
    let managed = [("IDENTITY_ENDPOINT", "URL/other"), ("IDENTITY_HEADER", "hunter2")];
    for proof in proofs {
        for (given, missing) in
            [(APPLICATION[0], "AZURE_CLIENT_ID"), (APPLICATION[1], "AZURE_TENANT_ID")]
        {
            // What is empty is not set.
            let environment = [&managed[..], &[proof, given, (missing, "")]].concat();
            let (refused, _) = ask_in(of_environment(), &environment, (200, TOKEN)).await;
            let error = refused.expect_err(missing);
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            let words = format!("{} is set, and {missing} is not: set it", proof.0);
            assert_eq!(error.to_string(), words);
        }
    }
}

#[tokio::test]
async fn what_is_no_name_or_no_file_is_refused_by_its_name() {
    let identity = of_environment;
    let wrong_host = [
        &APPLICATION[..],
        &[("AZURE_CLIENT_SECRET", "hunter2"), ("AZURE_AUTHORITY_HOST", "hunter2")],
    ]
    .concat();
    for (identity, environment, words) in [
        (identity(), &*wrong_host, "AZURE_AUTHORITY_HOST"),
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
