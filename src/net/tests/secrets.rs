//! No secret is shown, whatever is wrong with it: not in an error, its sources or its `Debug`, not
//! in a config's, not in a log.

use std::path::PathBuf;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::clock::WallClock;
use crate::config::{BrokerAddress, ClientConfig, Properties, secrets, settings_ending};
use crate::error::Error;
use crate::net::ConnectionSecurity;
use crate::net::tls::vectors;
use crate::observability::captured_logs::CapturedLogs;

/// Ninety bytes that look like nothing else, the same in each run.
fn needle() -> Vec<u8> {
    (1_u64..=90)
        .map(|number| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56).to_le_bytes()[0])
        .collect()
}

/// How eight bytes in a row would look, wherever they are shown.
fn looks(part: &[u8]) -> [String; 7] {
    let list = |between: &str| part.iter().map(u8::to_string).collect::<Vec<_>>().join(between);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let spaced: Vec<String> = part.iter().map(|byte| format!("{byte:02x}")).collect();
    [
        String::from_utf8_lossy(part).into_owned(),
        list(", "),
        list(","),
        hex(part),
        hex(part).to_uppercase(),
        spaced.join(" "),
        // Three bytes of base 64 are four characters: of nine bytes the six in the middle, at any
        // offset.
        STANDARD.encode(part).get(4..10).unwrap_or_default().to_owned(),
    ]
}

fn assert_hides(shown: &str, what: &str) {
    static LOOKS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let (bytes, text) = (needle(), STANDARD.encode(needle()));
        // Sixteen of them in a row hold one of these whole.
        let looks = bytes.chunks_exact(8).chain(text.as_bytes().chunks_exact(8)).flat_map(looks);
        // Bytes that are no text look like nothing.
        looks.filter(|look| !look.contains('\u{fffd}')).collect()
    });
    for look in &*LOOKS {
        assert!(!shown.contains(look), "{what}: {look} is shown:\n{shown}");
    }
}

/// All that is shown of an attempt to connect with these properties.
async fn shown(text: &str, pairs: &[(&str, &str)]) -> String {
    let log = CapturedLogs::from(tracing::Level::TRACE);
    let mut shown = String::new();
    if let Err(error) = attempt(text, pairs, &mut shown).await {
        shown.push_str(&told(&error));
    }
    shown + &log.text()
}

async fn attempt(text: &str, pairs: &[(&str, &str)], shown: &mut String) -> Result<(), Error> {
    let mut properties: Properties = [("bootstrap.servers", "localhost:1")].into_iter().collect();
    properties.extend(pairs.iter().copied());
    properties.extend(Properties::parse(text)?.iter());
    shown.push_str(&format!("{properties:?}"));
    let config = ClientConfig::from_properties(&properties)?;
    shown.push_str(&format!("{config:?}"));
    config.validate()?;
    let security = ConnectionSecurity::new(&config.security, WallClock::system())?;
    shown.push_str(&format!("{security:?}"));
    security.authentication(&BrokerAddress::new("localhost", 1), "test").await.map(drop)
}

fn told(error: &Error) -> String {
    let mut told = format!("{error} {error:?} {error:#?}");
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        told.push_str(&format!("{error} {error:?}"));
        source = error.source();
    }
    told
}

/// A text of PEM, and what can become of it on its way.
fn pems(label: &str) -> Vec<String> {
    let body = STANDARD.encode(needle());
    let lines: String = body
        .as_bytes()
        .chunks(64)
        .map(|line| format!("{}\n", String::from_utf8_lossy(line)))
        .collect();
    let pem = format!("-----BEGIN {label}-----\n{lines}-----END {label}-----\n");
    let end = format!("-----END {label}-----");
    vec![
        pem.replace('\n', " "),
        pem.replace('\n', ""),
        pem.replace('\n', "\\n"),
        pem.replace(&body[10..11], "!"),
        pem.replace("-----BEGIN", "--BEGIN"),
        pem.replace(&end, ""),
        pem.replace(&end, "-----END OTHER-----"),
        pem.chars().take(pem.len() / 2).collect(),
        format!("x: y\n{pem}"),
        format!("{pem}{pem}"),
        pem.replace(&body, &format!("Proc-Type: 4,ENCRYPTED\n\n{body}")),
        body,
        pem,
    ]
}

fn damaged() -> Vec<String> {
    let labels = ["PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "CERTIFICATE"];
    labels.into_iter().flat_map(pems).collect()
}

/// Passwords with what they should not have.
fn passwords() -> Vec<String> {
    let secret = STANDARD.encode(needle());
    [
        "@",
        "@\0",
        "\"@",
        "@\n",
        "'@;",
        "${file:/@:x}",
        "${@:y}",
        " @ ",
        "{@",
        "@=",
        "\\u@",
        "\u{e9}@",
    ]
    .map(|form| form.replace('@', &secret))
    .into()
}

const SSL: (&str, &str) = ("security.protocol", "SSL");
/// An authority, as those of the operating system take long to read.
const TRUST: (&str, &str) = ("ssl.truststore.certificates", vectors::CERTIFICATE);
const TRUST_OF_HTTPS: (&str, &str) = ("https.ca.pem", vectors::CERTIFICATE);
const SASL: (&str, &str) = ("security.protocol", "SASL_PLAINTEXT");
const PLAIN: (&str, &str) = ("sasl.mechanism", "PLAIN");
const OAUTH: (&str, &str) = ("sasl.mechanism", "OAUTHBEARER");
/// Where nobody listens.
const URL: (&str, &str) = ("sasl.oauthbearer.token.endpoint.url", "http://127.0.0.1:1/token");
const ONCE: (&str, &str) = ("sasl.login.retry.backoff.max.ms", "0");
const BEARER: (&str, &str) = ("sasl.oauthbearer.jwt.retriever.class", "JwtBearerJwtRetriever");
const ID: (&str, &str) = ("sasl.oauthbearer.client.credentials.client.id", "me");

/// What leads to the reader of a property, and the values it gets.
fn scenario(name: &str) -> (Vec<(&'static str, &'static str)>, Vec<String>) {
    const KEY: &str = "sasl.oauthbearer.assertion.private.key.pem";
    let ecdsa = ("sasl.oauthbearer.assertion.algorithm", "ES256");
    match name {
        "sasl.password" => (vec![SASL, PLAIN, ("sasl.username", "me")], passwords()),
        "sasl.jaas.config" => {
            let forms = [
                "@",
                "a.PlainLoginModule required password=\"@",
                "a.PlainLoginModule required @",
                "@ required;",
            ];
            let forms = forms.into_iter().chain([
                "a.PlainLoginModule @ x;",
                "a.PlainLoginModule required username=x password=@;",
            ]);
            let values = forms.flat_map(|form| {
                passwords().into_iter().map(move |secret| form.replace('@', &secret))
            });
            (vec![SASL, PLAIN], values.collect())
        }
        "sasl.oauthbearer.client.secret" | "sasl.oauthbearer.client.credentials.client.secret" => {
            (vec![SASL, OAUTH, URL, ONCE, ID], passwords())
        }
        "sasl.oauthbearer.token.endpoint.url" => {
            let forms = [
                "http://me:@@127.0.0.1:1/x",
                "http://127.0.0.1:1/x?key=@",
                "http://127.0.0.1:1 @",
                "@",
                "http:/@",
            ];
            let values = forms.into_iter().flat_map(|form| {
                passwords().into_iter().map(move |secret| form.replacen('@', &secret, 1))
            });
            (vec![SASL, OAUTH, ONCE, ID, ("sasl.oauthbearer.client.secret", "x")], values.collect())
        }
        KEY => (vec![SASL, OAUTH, URL, ONCE, BEARER, ecdsa], damaged()),
        "sasl.oauthbearer.assertion.private.key.passphrase" => {
            let key =
                "-----BEGIN ENCRYPTED PRIVATE KEY-----AAAA-----END ENCRYPTED PRIVATE KEY-----";
            (vec![SASL, OAUTH, URL, ONCE, BEARER, ecdsa, (KEY, key)], passwords())
        }
        "https.ca.pem" => {
            let url = ("sasl.oauthbearer.token.endpoint.url", "https://127.0.0.1:1/token");
            (vec![SASL, OAUTH, url, ONCE, ID, ("sasl.oauthbearer.client.secret", "x")], damaged())
        }
        "ssl.ca.pem" | "ssl.truststore.certificates" => (vec![SSL], damaged()),
        "ssl.keystore.certificate.chain" | "ssl.certificate.pem" => {
            (vec![SSL, TRUST, ("ssl.keystore.key", "x")], damaged())
        }
        "ssl.keystore.key" | "ssl.key.pem" => {
            let chain = "-----BEGIN CERTIFICATE-----AAAA-----END CERTIFICATE-----";
            (vec![SSL, TRUST, ("ssl.keystore.certificate.chain", chain)], damaged())
        }
        "ssl.key.password" | "ssl.keystore.password" | "ssl.truststore.password" => {
            let identity = [
                ("ssl.keystore.certificate.chain", vectors::CERTIFICATE),
                ("ssl.keystore.key", vectors::AES),
            ];
            (vec![SSL, TRUST, identity[0], identity[1]], passwords())
        }
        other => panic!("{other} may be a secret: say here how its value is reached"),
    }
}

#[tokio::test]
async fn no_value_of_a_property_that_may_be_a_secret_is_ever_shown() {
    for name in secrets() {
        let (companions, values) = scenario(name);
        for value in values {
            let mut pairs = companions.clone();
            pairs.push((name, &value));
            let what = format!("{name}={value:?}");
            for text in [String::new(), format!("{name}={value}\n")] {
                // By code the first time, and then as a file in which nobody has escaped it, so
                // that it may come apart into lines.
                let pairs = if text.is_empty() { &pairs[..] } else { &companions[..] };
                let shown = shown(&text, pairs).await;
                assert_hides(&shown, &what);
            }
        }
    }
}

#[tokio::test]
async fn credentials_that_go_out_in_clear_are_warned_of_once_by_name() {
    let credentials = [("sasl.username", "a"), ("sasl.password", "b")];
    let oidc = [ID, ("sasl.oauthbearer.client.secret", "x"), ONCE];
    let https = ("sasl.oauthbearer.token.endpoint.url", "https://127.0.0.1:1/token");
    let sasl_ssl = ("security.protocol", "SASL_SSL");
    let jaas = (
        "sasl.jaas.config",
        "OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"a\";",
    );
    for (pairs, warned) in [
        ([&[SASL, PLAIN][..], &credentials].concat(), &["PLAIN"][..]),
        (
            [&[SASL, ("sasl.mechanism", "AWS_MSK_IAM")][..]].concat(),
            if cfg!(feature = "aws-msk-iam") { &["AWS_MSK_IAM"] } else { &[] },
        ),
        ([&[SASL, OAUTH, https, TRUST_OF_HTTPS][..], &oidc].concat(), &["OAUTHBEARER"]),
        ([&[SASL, OAUTH, URL][..], &oidc].concat(), &["OAUTHBEARER", "endpoint=127.0.0.1:1"]),
        ([&[sasl_ssl, TRUST, OAUTH, URL][..], &oidc].concat(), &["endpoint=127.0.0.1:1"]),
        // These tell nothing by which somebody else could log in.
        ([&[SASL, ("sasl.mechanism", "SCRAM-SHA-256")][..], &credentials].concat(), &[]),
        (vec![SASL, OAUTH, jaas], &[]),
        ([&[sasl_ssl, TRUST, PLAIN][..], &credentials].concat(), &[]),
        ([&[("security.protocol", "PLAINTEXT"), PLAIN][..], &credentials].concat(), &[]),
    ] {
        let shown = shown("", &pairs).await;
        let lines: Vec<&str> =
            shown.lines().filter(|line| line.contains("go out in clear")).collect();
        assert_eq!(lines.len(), warned.len(), "{pairs:?}: {shown}");
        for (line, word) in lines.iter().zip(warned) {
            assert!(line.contains("WARN") && line.contains(word), "{line}");
        }
    }
}

#[tokio::test]
async fn nothing_of_a_file_that_may_hold_a_secret_is_ever_shown() {
    let file: PathBuf = std::env::temp_dir().join(format!("kavka-secrets-{}", std::process::id()));
    let place = file.to_str().expect("text");
    for name in settings_ending(".location").chain(settings_ending(".file")) {
        let companions = match name {
            "ssl.key.location" => vec![SSL, TRUST, ("ssl.certificate.location", place)],
            "ssl.certificate.location" => vec![SSL, TRUST, ("ssl.key.location", place)],
            "ssl.keystore.location" => vec![SSL, TRUST],
            "ssl.truststore.location" => vec![SSL],
            "https.ca.location" => {
                let url = ("sasl.oauthbearer.token.endpoint.url", "https://127.0.0.1:1/token");
                vec![SASL, OAUTH, url, ONCE, ID, ("sasl.oauthbearer.client.secret", "x")]
            }
            "sasl.oauthbearer.assertion.file" | "sasl.oauthbearer.assertion.private.key.file" => {
                vec![SASL, OAUTH, URL, ONCE, BEARER]
            }
            "sasl.oauthbearer.assertion.template.file" => {
                vec![
                    SASL,
                    OAUTH,
                    URL,
                    ONCE,
                    BEARER,
                    ("sasl.oauthbearer.assertion.private.key.file", place),
                ]
            }
            other => panic!("{other} names a file: say here how it is reached"),
        };
        let contents = damaged()
            .into_iter()
            .map(String::into_bytes)
            .chain([needle(), [&[0x30], &needle()[..]].concat()]);
        for content in contents {
            std::fs::write(&file, &content).expect("written");
            let mut pairs = companions.clone();
            pairs.push((name, place));
            let shown = shown("", &pairs).await;
            assert_hides(&shown, name);
        }
    }
    std::fs::remove_file(&file).expect("removed");
}
