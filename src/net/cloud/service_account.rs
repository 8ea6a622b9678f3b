//! Service accounts of Google Cloud by a key in a file: a JWT that the key signs is the grant for an
//! access token (RFC 7523), as `oidc/` has it.

use std::fmt::Display;

use super::super::files;
use super::super::http::WipedJson;
use super::super::oidc::Oidc;
use super::endpoint::LIMIT;
use super::google::{SCOPE, wrapped};
use crate::boxed::BoxFuture;
use crate::config::{
    AssertionAlgorithm, AssertionSigner, GoogleServiceAccount, OidcConfig, SaslError, Secret,
    Token, TokenSource,
};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::Timestamp;

const WHAT: &str = "the key file of Google's service account";

/// What a key file says.
struct ServiceAccountKey {
    email: String,
    private_key: Secret,
    token_uri: String,
}

impl TokenSource for GoogleServiceAccount {
    fn token(&self, now: Timestamp) -> BoxFuture<'_, Result<Token, SaslError>> {
        Box::pin(async move {
            let named = |error: Error| error.with_context(self.named());
            let key = read(self)?;
            let oidc = Oidc::new(grant(self, &key)).map_err(named)?;
            let found = oidc.token(now).await.map_err(|error| match error.downcast::<Error>() {
                Ok(error) => Box::new(named(*error)),
                Err(error) => error,
            })?;
            let end = found.expires_at.ok_or_else(|| {
                let message = format!("{}: its token_uri gives no expires_in", self.named());
                Error::new(ErrorKind::Authentication, message)
            })?;
            Ok(Token::new(wrapped(&found.value, &key.email, now, end)).expires_at(end))
        })
    }
}

impl GoogleServiceAccount {
    /// What errors say of the file.
    fn named(&self) -> String {
        format!("{WHAT}, {}", self.key_file.display())
    }
}

/// # Errors
/// [`ErrorKind::Config`] if there is no file, or it is no such key.
fn read(account: &GoogleServiceAccount) -> Result<ServiceAccountKey> {
    let json = WipedJson::parse(&files::read(WHAT, &account.key_file)?);
    let refuse = |what: &dyn Display| {
        Error::config(format!(
            "{} {what}: a key as Google Cloud's console writes it is needed; for others, unset \
             GOOGLE_APPLICATION_CREDENTIALS or pass a source of tokens to Sasl::oauthbearer",
            account.named()
        ))
    };
    let text = |name: &str| {
        let text = json.0.get(name).and_then(|value| value.as_str());
        text.filter(|text| !text.is_empty())
            .ok_or_else(|| refuse(&format_args!("has no text {name}")))
    };
    if text("type")? != "service_account" {
        return Err(refuse(&"has another type than service_account"));
    }
    let token_uri = text("token_uri")?;
    if !token_uri.starts_with("https://") && !token_uri.starts_with("http://") {
        return Err(refuse(&"has a token_uri that is no URL"));
    }
    Ok(ServiceAccountKey {
        email: text("client_email")?.to_owned(),
        private_key: Secret::from(text("private_key")?),
        token_uri: token_uri.to_owned(),
    })
}

fn grant(account: &GoogleServiceAccount, key: &ServiceAccountKey) -> OidcConfig {
    let signer = AssertionSigner::key_pem(AssertionAlgorithm::Rs256, key.private_key.clone());
    let mut signer = signer.issuer(&key.email).subject(&key.email).audience(&key.token_uri);
    signer.scope = Some(SCOPE.to_owned());
    OidcConfig::jwt_bearer(&key.token_uri, signer)
        .tls(account.tls.clone())
        .connect_timeout(LIMIT)
        .read_timeout(LIMIT)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use kavka_testcontainers::apache::{Certificates, TokenEndpoint};
    use serde_json::{Value, json};

    use super::*;

    /// A folder that is gone in the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let id = std::process::id();
            let folder = std::env::temp_dir().join(format!("kavka-service-account-{name}-{id}"));
            std::fs::create_dir_all(&folder).expect("a folder");
            Self(folder)
        }

        fn account(&self, key: &str) -> GoogleServiceAccount {
            let file = self.0.join("key.json");
            std::fs::write(&file, key).expect("written");
            GoogleServiceAccount::key_file(file)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn key(private_key: &str, token_uri: &str) -> String {
        json!({
            "type": "service_account",
            "client_email": "alice",
            "private_key": private_key,
            "token_uri": token_uri,
        })
        .to_string()
    }

    async fn refused(account: GoogleServiceAccount) -> (ErrorKind, String) {
        let error = account.token(Timestamp(0)).await.expect_err("refused");
        let error = error.downcast::<Error>().expect("one of ours");
        let text = error.to_string();
        assert!(!text.contains("hunter2") && text.contains("key.json"), "{text}");
        (error.kind(), text)
    }

    #[tokio::test]
    async fn a_key_signs_for_an_access_token_that_is_wrapped() {
        let folder = Folder::new("good");
        let files = Certificates::write(&folder.0).expect("certificates");
        let endpoint =
            TokenEndpoint::start(&folder.0, Duration::from_secs(600)).await.expect("an endpoint");
        let pem = std::fs::read_to_string(&files.alice_rsa_key).expect("a key");
        let now = crate::clock::WallClock::system().now();
        let token = folder.account(&key(&pem, endpoint.url())).token(now).await.expect("a token");
        assert_eq!(token.expires_at, Some(Timestamp(now.0 + 600_000)));
        let parts: Vec<Vec<u8>> = token
            .value
            .expose()
            .split('.')
            .map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64url"))
            .collect();
        let claims: Value = serde_json::from_slice(&parts[1]).expect("JSON");
        assert_eq!((&claims["sub"], &claims["iss"]), (&json!("alice"), &json!("Google")));
        // The endpoint's own tokens are JWTs.
        assert_eq!(String::from_utf8_lossy(&parts[2]).split('.').count(), 3);
        let forms = format!("{:?}", endpoint.forms());
        assert!(forms.contains("jwt-bearer"), "{forms}");
    }

    #[test]
    fn the_assertion_has_the_scope_that_google_wants() {
        let account = GoogleServiceAccount::key_file("key.json");
        let key = ServiceAccountKey {
            email: "a@b".into(),
            private_key: Secret::from("hunter2"),
            token_uri: "https://oauth2.googleapis.com/token".into(),
        };
        let grant = format!("{:?}", grant(&account, &key));
        let words = [SCOPE, "issuer: Some(\"a@b\")", "audience: Some(\"https://oauth2", "Rs256"];
        assert!(words.iter().all(|word| grant.contains(word)), "{grant}");
        assert!(!grant.contains("hunter2"), "{grant}");
    }

    #[tokio::test]
    async fn what_is_no_key_of_a_service_account_is_refused_unseen() {
        let folder = Folder::new("bad");
        for (text, word) in [
            ("hunter2".to_owned(), "has no text type"),
            (r#"{"type":"authorized_user"}"#.to_owned(), "another type than service_account"),
            (r#"{"type":"service_account","client_email":"x"}"#.to_owned(), "no text token_uri"),
            (key("hunter2", "http://127.0.0.1:1/"), "private key"),
            (key("hunter2", "hunter2"), "URL"),
        ] {
            let (kind, error) = refused(folder.account(&text)).await;
            assert_eq!(kind, ErrorKind::Config, "{error}");
            assert!(error.contains(word), "{error}");
        }
        let missing = GoogleServiceAccount::key_file(folder.0.join("none/key.json"));
        assert_eq!(refused(missing).await.0, ErrorKind::Config);
    }
}
