//! A session of IAM Identity Center: the token that `aws sso login` leaves in a file, and its renewal.
//!
//! ```text
//! file ─▶ ends in more than 5 minutes? ─ yes ──────────────────────────▶ its token
//!              │ no
//!              ├ a session that can be renewed ─▶ POST /token ─▶ file, its new token
//!              │                                       │ fails
//!              └───────────────────────────────────────┴▶ valid still? ─▶ its token
//!                                                               └ no ─▶ "run aws sso login"
//! ```
//!
//! The file is shared with AWS's own programs: what they read must stay in it.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use tracing::{debug, warn};
use zeroize::{Zeroize, Zeroizing};

use super::super::http::WipedJson;
use super::endpoint::{Ask, AwsEndpoint};
use super::surroundings::Surroundings;
use super::time::{extended, parse};
use super::{AHEAD, Inquiry, hex, is_further_than, partition, refused};
use crate::error::Result;
use crate::ids::Timestamp;
use crate::shown::shown;

/// How long a request may take, as those of the Security Token Service.
pub(super) const LIMIT: Duration = Duration::from_secs(5);

const ENDPOINT: &str = "AWS_ENDPOINT_URL_SSO_OIDC";

/// See the [module](self).
#[derive(Debug)]
pub(super) struct SsoSession {
    /// Of the first profile that leads here.
    pub(super) profile: String,
    /// That of its `[sso-session]`; `None` if the profile has a start URL itself, as AWS's programs
    /// wrote it before there were sessions. Such a one is not renewed.
    pub(super) name: Option<String>,
    pub(super) start_url: String,
    pub(super) region: String,
}

impl SsoSession {
    /// The token, renewed if it ends soon.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`](crate::ErrorKind::Connect) if it has ended and another attempt may
    /// renew it; [`ErrorKind::Authentication`](crate::ErrorKind::Authentication) if somebody has to
    /// log in.
    ///
    /// # Cancel safety
    /// The file stays whole. A renewal that nobody hears the answer of may cost the session.
    pub(super) async fn token(&self, asked: &Inquiry<'_>) -> Result<Zeroizing<String>> {
        let mut file = self.read(asked.surroundings)?;
        if file.is_valid_for(AHEAD, asked.now) {
            return Ok(file.token);
        }
        let Some(renewal) = self.renewal(&file, asked.now) else {
            return match file.is_valid_for(Duration::ZERO, asked.now) {
                true => Ok(file.token),
                false => Err(refused(format!(
                    "the session of IAM Identity Center has expired: {}",
                    self.advice()
                ))),
            };
        };
        match self.renew(asked, renewal).await {
            Ok(renewed) => {
                file.take(&renewed, asked.now);
                self.keep(asked.surroundings, &file);
                Ok(file.token)
            }
            Err(error) => {
                // Another program may have renewed it meanwhile.
                file = self.read(asked.surroundings)?;
                if !file.is_valid_for(Duration::ZERO, asked.now) {
                    return Err(error);
                }
                warn!(%error, "the session of IAM Identity Center was not renewed yet");
                Ok(file.token)
            }
        }
    }

    /// What somebody who has to log in does.
    pub(super) fn advice(&self) -> String {
        match &self.name {
            Some(name) => format!("run aws sso login --sso-session {}", shown(name)),
            None => format!("run aws sso login --profile {}", shown(&self.profile)),
        }
    }

    /// An endpoint of IAM Identity Center in the region of the session, or what a variable names in
    /// its place.
    ///
    /// # Errors
    /// If that is no region, or the variable no URL.
    pub(super) fn endpoint(
        &self,
        what: &'static str,
        service: &str,
        variable: &str,
        surroundings: &Surroundings,
    ) -> Result<AwsEndpoint> {
        let named = surroundings.variable(variable);
        let url = match named.or_else(|| surroundings.variable("AWS_ENDPOINT_URL")) {
            Some(url) => url,
            None => match partition::host(service, &self.region) {
                Some(host) => format!("https://{host}"),
                None => {
                    return Err(refused(format!(
                        "{} is no region of AWS: set sso_region to one such as eu-west-1",
                        shown(&self.region)
                    )));
                }
            },
        };
        let endpoint = AwsEndpoint::new(what, &url, LIMIT, surroundings)?;
        endpoint.warn_if_clear(variable);
        Ok(endpoint)
    }

    fn read(&self, surroundings: &Surroundings) -> Result<TokenFile> {
        let file = surroundings.home().map(|home| home.join(self.file()));
        let file = file.ok_or_else(|| {
            refused("there is no home with sessions of IAM Identity Center: set HOME")
        })?;
        let text = surroundings.file(&file)?.ok_or_else(|| {
            refused(format!("nobody is logged in to IAM Identity Center: {}", self.advice()))
        })?;
        TokenFile::parse(file, &text).map_err(|file| {
            refused(format!(
                "{} holds no token of IAM Identity Center: {}",
                file.display(),
                self.advice()
            ))
        })
    }

    /// Where AWS's programs keep the token.
    fn file(&self) -> String {
        let key = self.name.as_ref().unwrap_or(&self.start_url);
        format!(".aws/sso/cache/{}.json", hex(&Sha1::digest(key.as_bytes())))
    }

    /// What asks for another token; `None` if only a person can get one.
    fn renewal<'a>(&self, file: &'a TokenFile, now: Timestamp) -> Option<TokenRenewal<'a>> {
        self.name.as_ref()?;
        let end = time_of(&file.json.0, "registrationExpiresAt")?;
        let renewal = TokenRenewal {
            client_id: text_of(&file.json.0, "clientId")?,
            client_secret: text_of(&file.json.0, "clientSecret")?,
            refresh_token: text_of(&file.json.0, "refreshToken")?,
        };
        (end > now).then_some(renewal)
    }

    /// # Errors
    /// As those of [`Self::token`].
    async fn renew(&self, asked: &Inquiry<'_>, renewal: TokenRenewal<'_>) -> Result<Renewed> {
        let what = "the service of tokens of IAM Identity Center";
        let endpoint = self.endpoint(what, "oidc", ENDPOINT, asked.surroundings)?;
        let ask = Ask {
            method: Method::POST,
            path: Some("/token"),
            headers: &[("content-type", "application/json")],
            body: renewal.body(),
        };
        let answer = endpoint.send(ask).await?;
        if !answer.status.is_success() {
            let secrets = [renewal.client_secret, renewal.refresh_token];
            return Err(endpoint.refusal(&answer, &secrets, &self.advice()));
        }
        debug!("a session of IAM Identity Center was renewed");
        Renewed::parse(&answer.body).ok_or_else(|| endpoint.without_credentials())
    }

    /// Writes the file for others, and for this program's next start.
    fn keep(&self, surroundings: &Surroundings, file: &TokenFile) {
        let text = written(&file.json.0, 2 * file.length + 1024);
        if let Err(error) = surroundings.replace(&file.path, text.as_bytes()) {
            warn!(
                %error,
                file = %file.path.display(),
                "the renewed session of IAM Identity Center cannot be written: other programs, and \
                 this one when it starts again, may have to log in"
            );
        }
    }
}

/// What AWS's programs keep of a session.
struct TokenFile {
    path: PathBuf,
    /// How long it was.
    length: usize,
    json: WipedJson,
    token: Zeroizing<String>,
    expires_at: Timestamp,
}

impl TokenFile {
    /// # Errors
    /// The path, if there is no token in it.
    fn parse(path: PathBuf, text: &str) -> Result<Self, PathBuf> {
        let json = WipedJson::parse(text.as_bytes());
        let (token, expires_at) =
            match (text_of(&json.0, "accessToken"), time_of(&json.0, "expiresAt")) {
                (Some(token), Some(end)) => (Zeroizing::new(token.to_owned()), end),
                _ => return Err(path),
            };
        Ok(Self { path, length: text.len(), json, token, expires_at })
    }

    /// Puts what was renewed in the place of the old; all else stays as others have written it.
    fn take(&mut self, renewed: &Renewed, now: Timestamp) {
        self.token.clone_from(&renewed.token);
        self.expires_at = Timestamp(now.0.saturating_add(renewed.seconds * 1000));
        self.set("accessToken", &renewed.token);
        self.set("expiresAt", &extended(self.expires_at));
        if let Some(token) = &renewed.refresh_token {
            self.set("refreshToken", token);
        }
    }

    fn set(&mut self, name: &str, value: &str) {
        let Some(all) = self.json.0.as_object_mut() else { return };
        if let Some(Value::String(mut old)) = all.insert(name.to_owned(), value.into()) {
            old.zeroize();
        }
    }

    fn is_valid_for(&self, left: Duration, now: Timestamp) -> bool {
        is_further_than(left, self.expires_at, now)
    }
}

/// What a client that has registered asks for another token with.
struct TokenRenewal<'a> {
    client_id: &'a str,
    client_secret: &'a str,
    refresh_token: &'a str,
}

impl TokenRenewal<'_> {
    fn body(&self) -> Zeroizing<String> {
        let json = WipedJson(json!({
            "clientId": self.client_id,
            "clientSecret": self.client_secret,
            "grantType": "refresh_token",
            "refreshToken": self.refresh_token,
        }));
        let length = self.client_id.len() + self.client_secret.len() + self.refresh_token.len();
        written(&json.0, 2 * length + 256)
    }
}

/// What it is given.
struct Renewed {
    token: Zeroizing<String>,
    /// `None` if the old one stays.
    refresh_token: Option<Zeroizing<String>>,
    seconds: i64,
}

/// No token lives for longer (a guess; it is hours, or weeks in some settings): what says so is not
/// believed.
const LONGEST_LIFE: i64 = 366 * 86_400;

impl Renewed {
    /// `None` if there is no token that is valid.
    fn parse(body: &[u8]) -> Option<Self> {
        let json = WipedJson::parse(body);
        let owned = |name| text_of(&json.0, name).map(|text| Zeroizing::new(text.to_owned()));
        let seconds = json.0.get("expiresIn")?.as_i64().filter(|seconds| *seconds > 0)?;
        Some(Self {
            token: owned("accessToken")?,
            refresh_token: owned("refreshToken"),
            seconds: seconds.min(LONGEST_LIFE),
        })
    }
}

fn text_of<'a>(json: &'a Value, name: &str) -> Option<&'a str> {
    json.get(name)?.as_str().filter(|text| !text.is_empty())
}

fn time_of(json: &Value, name: &str) -> Option<Timestamp> {
    let text = text_of(json, name)?;
    // Earlier versions of AWS's command line wrote the zone so.
    match text.strip_suffix("UTC") {
        Some(time) => parse(&format!("{time}Z")),
        None => parse(text),
    }
}

/// With room for all of it, so that no copy of a secret is left behind by growing.
fn written(json: &Value, room: usize) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(room));
    // A text takes whatever is written.
    let _ = write!(&mut *text, "{json}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(name: Option<&str>) -> SsoSession {
        SsoSession {
            profile: "dev".into(),
            name: name.map(str::to_owned),
            start_url: "https://d-1.awsapps.com/start".into(),
            region: "eu-west-1".into(),
        }
    }

    /// The hashes are those of `sha1sum`.
    #[test]
    fn a_token_is_in_the_file_of_its_session_or_else_of_its_start_url() {
        for (name, file, advice) in [
            (
                Some("corporate"),
                "e276d18d65653fa285155bfd3e11ab029306830c",
                "--sso-session corporate",
            ),
            (None, "0c54b6c27e90660baa89eaad85ac1d5dae26cb7d", "--profile dev"),
        ] {
            let session = session(name);
            assert_eq!(session.file(), format!(".aws/sso/cache/{file}.json"));
            assert!(session.advice().contains(advice));
        }
    }

    #[test]
    fn a_file_without_a_token_or_its_end_is_none() {
        let parse = |text: &str| TokenFile::parse("/f".into(), text).map(|file| file.expires_at);
        let whole = r#"{"accessToken":"t","expiresAt":"2021-03-15T12:34:56Z"}"#;
        let end = Timestamp(1_615_811_696_000);
        assert_eq!(parse(whole).expect("a token"), end);
        assert_eq!(parse(&whole.replace('Z', "UTC")).expect("a token"), end, "as it was once");
        for text in [
            "",
            "[]",
            "{}",
            &whole.replace("\"t\"", "\"\""),
            &whole.replace("\"t\"", "{}"),
            &whole.replace("expiresAt", "x"),
            &whole.replace("2021-", ""),
            &whole[1..],
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_answer_with_a_token_that_is_not_valid_is_none() {
        let whole = r#"{"accessToken":"t","expiresIn":28800,"tokenType":"Bearer"}"#;
        assert_eq!(Renewed::parse(whole.as_bytes()).expect("a token").seconds, 28_800);
        let endless = whole.replace("28800", &i64::MAX.to_string());
        assert_eq!(Renewed::parse(endless.as_bytes()).expect("a token").seconds, LONGEST_LIFE);
        for (part, other) in [
            ("28800", "0"),
            ("28800", "-1"),
            ("28800", "\"28800\""),
            ("28800", "1e99"),
            ("accessToken", "x"),
            ("\"t\"", "null"),
        ] {
            assert!(Renewed::parse(whole.replace(part, other).as_bytes()).is_none(), "{other}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_file_and_no_answer_panics(text in "[{}\\[\\]\":,0-9eTZU.+accessTokenxpirI-]{0,60}", end in "[0-9TZUTC:.+-]{0,30}") {
            let file = format!(r#"{{"accessToken":"t","expiresAt":"{end}"}}"#);
            let _ = (TokenFile::parse("/f".into(), &text), TokenFile::parse("/f".into(), &file));
            let _ = Renewed::parse(text.as_bytes());
        }
    }
}
