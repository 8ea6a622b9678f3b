//! Assertions, at an endpoint that checks them.

use std::path::{Path, PathBuf};

use kavka_testcontainers::apache::{Certificates, TokenEndpoint};
use serde_json::json;

use super::*;
use crate::config::{AssertionAlgorithm, AssertionSigner};

/// Keys, and an endpoint that knows their public halves and checks assertions with other
/// cryptography than ours.
struct Place {
    folder: PathBuf,
    files: Certificates,
    endpoint: TokenEndpoint,
}

impl Place {
    async fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("kavka-assertion-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let files = Certificates::write(&folder).expect("certificates");
        let endpoint =
            TokenEndpoint::start(&folder, Duration::from_secs(600)).await.expect("an endpoint");
        Self { folder, files, endpoint }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.join(name);
        std::fs::write(&file, text).expect("written");
        file
    }

    fn es256(&self) -> AssertionSigner {
        self.claims(AssertionSigner::key_file(AssertionAlgorithm::Es256, &self.files.alice_key))
    }

    fn claims(&self, signer: AssertionSigner) -> AssertionSigner {
        signer.audience(self.endpoint.url()).issuer("alice").subject("alice")
    }

    fn bearer(&self, assertion: impl Into<Assertion>) -> Oidc {
        Oidc::new(OidcConfig::jwt_bearer(self.endpoint.url(), assertion)).expect("an assertion")
    }

    async fn ask(&self, assertion: impl Into<Assertion>) -> Result<Token, String> {
        self.bearer(assertion).ask(now()).await.map_err(|error| error.to_string())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn now() -> Timestamp {
    crate::clock::WallClock::system().now()
}

fn refused(config: OidcConfig) -> String {
    Oidc::new(config).expect_err("not usable").to_string()
}

/// Header and claims of an assertion.
fn opened(assertion: &str) -> (Value, Value) {
    let mut parts =
        assertion.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64url"));
    let mut part = || serde_json::from_slice(&parts.next().expect("a part")).expect("JSON");
    (part(), part())
}

#[tokio::test]
async fn an_endpoint_takes_assertions_of_both_algorithms_and_every_form_of_key() {
    let place = Place::new("good").await;
    let files = &place.files;
    let rsa =
        |file: &Path| place.claims(AssertionSigner::key_file(AssertionAlgorithm::Rs256, file));
    let pem = std::fs::read_to_string(&files.alice_key).expect("a key");
    for signer in [
        place.es256(),
        place.claims(AssertionSigner::key_pem(AssertionAlgorithm::Es256, pem)),
        rsa(&files.alice_rsa),
        rsa(&files.alice_rsa_key),
        #[cfg(feature = "encrypted-keys")]
        rsa(&files.alice_rsa_encrypted_key).passphrase(Certificates::PASSWORD),
    ] {
        let token = place.ask(signer).await.expect("a token");
        assert_eq!(token.value.expose().split('.').count(), 3);
        assert!(token.expires_at.is_some_and(|end| end.0 > now().0 + 590_000));
    }
    // ECDSA signs anew each time: integers with and without a zero in front.
    for _ in 0..20 {
        place.ask(place.es256()).await.expect("a token");
    }
}

#[tokio::test]
async fn the_forms_are_java_s() {
    let place = Place::new("forms").await;
    let url = place.endpoint.url();
    let config = OidcConfig::jwt_bearer(url, place.es256()).scope(" a b".trim());
    Oidc::new(config).expect("an assertion").ask(now()).await.expect("a token");
    let config = OidcConfig::client_assertion(url, Some("al ice".into()), place.es256()).scope("s");
    Oidc::new(config).expect("an assertion").ask(now()).await.expect("a token");
    let forms: Vec<Vec<String>> = place
        .endpoint
        .forms()
        .iter()
        .map(|form| form.split('&').map(str::to_owned).collect())
        .collect();
    let [bearer, client] = forms.as_slice() else { panic!("two requests") };
    let named = |form: &[String]| {
        form.iter().filter(|field| !field.contains("assertion=")).cloned().collect::<Vec<_>>()
    };
    assert_eq!(
        named(bearer),
        ["grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer", "scope=a+b"]
    );
    assert_eq!(
        named(client),
        [
            "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer",
            "grant_type=client_credentials",
            "client_id=al+ice",
            "scope=s"
        ]
    );
    assert!(
        bearer[1].starts_with("assertion=eyJ") && client[1].starts_with("client_assertion=eyJ")
    );
}

#[tokio::test]
async fn the_template_gives_way_to_what_is_made_anew_and_properties_to_the_template() {
    let place = Place::new("template").await;
    let template = json!({"header": {"kid": "k7", "alg": "none"}, "payload": {"aud": "theirs", "exp": 1, "extra": [1, {"a": null}]}});
    let template = place.file("template.json", &template.to_string());
    let signer = place
        .es256()
        .template_file(template)
        .lifetime(Duration::from_secs(30))
        .leeway(Duration::from_secs(5));
    let made =
        assertion(&signer.include_id(true).into(), &Default::default(), Timestamp(1_000_999))
            .expect("an assertion");
    let (header, mut claims) = opened(&made);
    assert_eq!(header, json!({"alg": "ES256", "typ": "JWT", "kid": "k7"}));
    let id = claims.as_object_mut().and_then(|claims| claims.remove("jti")).expect("an id");
    let id = id.as_str().expect("text").as_bytes();
    assert!(id.len() == 36 && id[14] == b'4' && b"89ab".contains(&id[19]), "{id:?}");
    assert_eq!(
        claims,
        json!({"aud": "theirs", "iss": "alice", "sub": "alice", "iat": 1000, "exp": 1030, "nbf": 995, "extra": [1, {"a": null}]})
    );
    for (text, word) in
        [("[]", "is none"), ("{\"payload\":[]}", "payload that is no object"), ("{", "is none")]
    {
        let file = place.file("bad.json", text);
        let error = refused(OidcConfig::jwt_bearer(
            place.endpoint.url(),
            place.es256().template_file(file),
        ));
        assert!(error.contains("assertion.template.file") && error.contains(word), "{error}");
    }
}

#[tokio::test]
async fn each_assertion_has_an_id_of_its_own_and_no_request_repeats_one() {
    let place = Place::new("id").await;
    let oidc = place.bearer(place.es256().include_id(true));
    for _ in 0..3 {
        oidc.ask(now()).await.expect("a token");
    }
    let repeated = assertion(&place.es256().include_id(true).into(), &Default::default(), now())
        .expect("an assertion");
    let file = place.file("assertion", &repeated);
    place.ask(Assertion::file(&file)).await.expect("a token");
    let error = place.ask(Assertion::file(&file)).await.expect_err("the endpoint does look");
    assert!(error.contains("used before"), "{error}");
}

#[tokio::test]
async fn a_key_that_was_replaced_is_used_for_the_next_token() {
    let place = Place::new("rotation").await;
    let other = place.folder.join("other");
    std::fs::create_dir_all(&other).expect("a folder");
    let other = Certificates::write(&other).expect("certificates");
    // The client's copy of the key, and the endpoint's, are replaced one after the other.
    let mine = place.folder.join("mine.pem");
    std::fs::copy(&place.files.alice_key, &mine).expect("copied");
    let oidc =
        place.bearer(place.claims(AssertionSigner::key_file(AssertionAlgorithm::Es256, &mine)));
    oidc.ask(now()).await.expect("a token");
    std::fs::copy(&other.alice_key, &place.files.alice_key).expect("copied");
    let error = oidc.ask(now()).await.expect_err("the old key").to_string();
    assert!(
        error.contains("invalid_grant") && error.contains("not that of a known key"),
        "{error}"
    );
    std::fs::copy(&other.alice_key, &mine).expect("copied");
    oidc.ask(now()).await.expect("the new key");
    std::fs::remove_file(&mine).expect("removed");
    let error = oidc.ask(now()).await.expect_err("no key").to_string();
    assert!(error.contains("assertion.private.key.file") && error.contains("mine.pem"), "{error}");
}

#[tokio::test]
async fn an_assertion_in_a_file_is_sent_as_it_is_and_read_again() {
    let place = Place::new("file").await;
    let made = |at: Timestamp| {
        assertion(&place.es256().into(), &Default::default(), at).expect("an assertion")
    };
    let file =
        place.file("assertion", &format!("{}\n", made(Timestamp(now().0 - 400_000)).as_str()));
    let oidc = place.bearer(Assertion::file(&file));
    let error = oidc.ask(now()).await.expect_err("expired").to_string();
    assert!(
        error.contains("has expired") && error.contains("sasl.oauthbearer.assertion.file"),
        "{error}"
    );
    let fresh = made(now());
    std::fs::write(&file, format!(" {}\n", fresh.as_str())).expect("written");
    oidc.ask(now()).await.expect("a token");
    let form = place.endpoint.forms().pop().expect("a request");
    assert!(form.ends_with(&format!("&assertion={}", fresh.as_str())), "{form}");
    for text in ["", "a.b", "a..c", "a.b.c.d", "a.b.c\nd", "{}"] {
        std::fs::write(&file, text).expect("written");
        let error = refused(OidcConfig::jwt_bearer(place.endpoint.url(), Assertion::file(&file)));
        assert!(
            error.contains("sasl.oauthbearer.assertion.file") && error.contains("no signed JWT"),
            "{error}"
        );
    }
    let error = refused(OidcConfig::jwt_bearer(place.endpoint.url(), Assertion::file("no/such")));
    assert!(error.contains("sasl.oauthbearer.assertion.file: cannot read no/such"), "{error}");
}

#[tokio::test]
async fn a_refused_assertion_is_told_in_the_endpoint_s_words() {
    let place = Place::new("refused").await;
    let stranger = AssertionSigner::key_file(AssertionAlgorithm::Es256, &place.files.stranger);
    for (signer, word) in [
        (place.claims(stranger), "not that of a known key"),
        (place.es256().audience("https://other"), "another audience"),
        (place.es256().issuer("mallory"), "no known user"),
    ] {
        let error = place.ask(signer).await.expect_err(word);
        assert!(
            error.contains("400 invalid_grant")
                && error.contains(word)
                && error.contains("private key"),
            "{error}"
        );
    }
    // A clock that is wrong by more than the leeway.
    for (time, word) in [(now().0 + 100_000, "not good yet"), (now().0 - 400_000, "expired")] {
        let error =
            place.bearer(place.es256()).ask(Timestamp(time)).await.expect_err(word).to_string();
        assert!(error.contains(word) && error.contains("clock"), "{error}");
    }
}

#[test]
fn a_key_that_does_not_do_is_refused_at_once() {
    let folder = std::env::temp_dir().join(format!("kavka-assertion-bad-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let files = Certificates::write(&folder).expect("certificates");
    let signed = |algorithm, file: &Path| AssertionSigner::key_file(algorithm, file);
    let encrypted = || signed(AssertionAlgorithm::Rs256, &files.alice_rsa_encrypted_key);
    for (signer, words) in [
        (
            signed(AssertionAlgorithm::Rs256, &files.alice_key),
            &["private.key.file", "algorithm is RS256", "a key of RSA"][..],
        ),
        (
            signed(AssertionAlgorithm::Es256, &files.alice_rsa),
            &["private.key.file", "algorithm is ES256", "P-256"],
        ),
        (
            signed(AssertionAlgorithm::Es256, Path::new("no/such.pem")),
            &["private.key.file", "no/such.pem"],
        ),
        (
            AssertionSigner::key_pem(AssertionAlgorithm::Es256, "hunter2"),
            &["private.key.pem", "PKCS#8"],
        ),
        (encrypted(), &["encrypted", "assertion.private.key.passphrase"]),
        #[cfg(feature = "encrypted-keys")]
        (
            encrypted().passphrase("hunter3"),
            &["cannot be decrypted", "assertion.private.key.passphrase"],
        ),
    ] {
        let error = refused(OidcConfig::jwt_bearer("http://localhost/token", signer));
        assert!(
            words.iter().all(|word| error.contains(word)) && !error.contains("hunter"),
            "{error}"
        );
    }
    std::fs::remove_dir_all(&folder).expect("removed");
}

#[tokio::test]
async fn what_an_endpoint_says_is_shown_without_the_secret() {
    let said = |description: &str| {
        let config = OidcConfig::new("http://localhost/", "me", "hunter2");
        Oidc::new(config)
            .expect("a URL")
            .said(&json!({"error": "e\u{7}", "error_description": description}))
    };
    assert_eq!(said("why\n"), "e\\u{7} (why\\n)");
    assert_eq!(said("it was hunter2"), "e\\u{7}");
    assert!(said(&"x".repeat(1000)).len() < 350);
    let place = Place::new("echo").await;
    let bearer = place.bearer(place.es256());
    assert_eq!(bearer.said(&json!({"error": "e", "error_description": "got eyJhbGciOi"})), "e");
    assert!(!format!("{bearer:?}").contains("BEGIN"));
}
