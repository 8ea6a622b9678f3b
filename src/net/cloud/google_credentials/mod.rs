//! Application Default Credentials of Google Cloud: a file says what an access token is got for.
//!
//! ```text
//! GOOGLE_APPLICATION_CREDENTIALS ─▶ gcloud's own file ─▶ the metadata server
//!                │
//!   its type ────┼ service_account: a JWT that its key signs ──▶ access token
//!                ├ authorized_user: a refresh token ───────────▶ access token
//!                ├ external_account: a token of somebody else ─▶ STS ─▶ access token
//!                │                                                        │ of a service account
//!                └ impersonated_service_account: one of these ─▶ ─────────┴─▶ its access token
//! ```
//!
//! Files are read for every token, so that new ones need no restart.

mod external_account;
mod impersonation;
mod service_account;
mod subject_token;
mod user;

use std::fmt::Display;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::files;
use super::super::http::WipedJson;
use super::Variable;
use super::google::{self, wrapped};
use crate::boxed::BoxFuture;
use crate::config::{
    GoogleCredentials, GoogleMetadata, SaslError, Secret, TlsConfig, Token, TokenSource,
};
use crate::error::{Error, Result};
use crate::ids::Timestamp;
use crate::shown::shown;

const NO_FILE: &str = "there is no file of credentials (GOOGLE_APPLICATION_CREDENTIALS, gcloud auth \
                       application-default login), so the machine itself is asked";

const FILE: &str = "GOOGLE_APPLICATION_CREDENTIALS";

/// Where Google's libraries look for what stands in for the metadata server: a host, with a port if
/// need be.
const METADATA_HOST: &str = "GCE_METADATA_HOST";

/// Whose tokens they are, where a file does not say it; Google's own programs read it, too.
const PRINCIPAL: &str = "GOOGLE_MANAGED_KAFKA_AUTH_PRINCIPAL";

/// An access token, and whose it is, as far as that is known.
struct AccountToken {
    access: Secret,
    end: Timestamp,
    email: Option<String>,
}

/// What a file of credentials says, or an object in one.
#[derive(Clone, Copy)]
struct CredentialFile<'a>(&'a Value);

impl TokenSource for GoogleCredentials {
    fn token(&self, now: Timestamp) -> BoxFuture<'_, Result<Token, SaslError>> {
        Box::pin(async move {
            let of_process = |name: &str| std::env::var(name).ok();
            Ok(fetch(self, &of_process, now).await?)
        })
    }
}

/// A token of the credentials, where the environment is this.
pub(super) async fn fetch(
    credentials: &GoogleCredentials,
    variable: Variable<'_>,
    now: Timestamp,
) -> Result<Token> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    let file = credentials.file.clone().or_else(|| variable(FILE).map(PathBuf::from));
    let Some(file) = file.or_else(|| well_known(&variable).filter(|file| file.exists())) else {
        let mut machine = GoogleMetadata::new();
        if let Some(host) = variable(METADATA_HOST) {
            machine = machine.endpoint(format!("http://{host}"));
        }
        return google::fetch(&machine, now).await.map_err(|error| error.with_context(NO_FILE));
    };
    let what = format!("the Google credentials in {}", file.display());
    let json = WipedJson::parse(&files::read("Google's credentials", &file)?);
    let read = CredentialFile(&json.0);
    let named = |error: Error| error.with_context(&what);
    let found = access_token(&read, &credentials.tls, now).await.map_err(named)?;
    let email = found.email.clone().or_else(|| variable(PRINCIPAL)).ok_or_else(|| {
        named(read.refuse(&format_args!(
            "does not say whose tokens it gives: impersonate a service account, or set {PRINCIPAL} \
             to the principal"
        )))
    })?;
    Ok(Token::new(wrapped(&found.access, &email, now, found.end)).expires_at(found.end))
}

/// Where `gcloud auth application-default login` writes.
fn well_known(variable: Variable<'_>) -> Option<PathBuf> {
    let folder = match variable("CLOUDSDK_CONFIG") {
        Some(folder) => PathBuf::from(folder),
        None if cfg!(windows) => Path::new(&variable("APPDATA")?).join("gcloud"),
        None => Path::new(&variable("HOME")?).join(".config/gcloud"),
    };
    Some(folder.join("application_default_credentials.json"))
}

async fn access_token(
    file: &CredentialFile<'_>,
    tls: &TlsConfig,
    now: Timestamp,
) -> Result<AccountToken> {
    match file.text("type")? {
        "impersonated_service_account" => {
            let target = impersonation::Impersonation::of_service_account(file)?;
            let Some(source) = file.0.get("source_credentials") else {
                return Err(file.refuse(&"has no source_credentials"));
            };
            let source = own_token(&CredentialFile(source), tls, now).await?;
            target.token(&source.access, tls).await
        }
        _ => own_token(file, tls, now).await,
    }
}

/// A token of what needs no other credentials.
async fn own_token(
    file: &CredentialFile<'_>,
    tls: &TlsConfig,
    now: Timestamp,
) -> Result<AccountToken> {
    match file.text("type")? {
        "service_account" => service_account::token(file, tls, now).await,
        "authorized_user" => user::token(file, tls, now).await,
        "external_account" => external_account::token(file, tls, now).await,
        // Only among source_credentials: whoever may be acted as has `delegates` for a chain.
        "impersonated_service_account" => Err(file.refuse(
            &"has source_credentials that are impersonated, too: name those in between as delegates",
        )),
        other => Err(file.refuse(&format_args!(
            "is of the type {:?}, which is not known here: service_account, authorized_user, \
             external_account and impersonated_service_account are",
            shown(other).within(40).to_string()
        ))),
    }
}

impl CredentialFile<'_> {
    /// The error of a file that cannot be used.
    fn refuse(&self, what: &dyn Display) -> Error {
        Error::config(format!("the file {what}"))
    }

    /// # Errors
    /// If there is no such text.
    fn text(&self, name: &str) -> Result<&str> {
        let text = self.optional(name);
        text.ok_or_else(|| self.refuse(&format_args!("has no text {name}: is it one of Google's?")))
    }

    fn optional(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str().filter(|text| !text.is_empty())
    }
}
