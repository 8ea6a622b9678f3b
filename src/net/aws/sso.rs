//! IAM Identity Center (AWS SSO): the credentials of a role in an account, for the token of a session.

use super::super::http::url_encoded;
use super::answer::FoundCredentials;
use super::endpoint::Ask;
use super::ini::{IniSection, Sections};
use super::sso_session::SsoSession;
use super::{Inquiry, refused};
use crate::error::{Error, Result};
use crate::shown::shown;

const ENDPOINT: &str = "AWS_ENDPOINT_URL_SSO";

/// What a profile says of it.
#[derive(Debug)]
pub(super) struct Sso {
    session: SsoSession,
    account_id: String,
    role_name: String,
}

/// What is the same in a profile and its session, or in the session alone.
const OF_SESSION: [&str; 2] = ["sso_start_url", "sso_region"];

impl Sso {
    /// What the section of a profile says; `None` if it says nothing.
    ///
    /// # Errors
    /// What is missing, or there twice and different.
    pub(super) fn of_profile(
        name: &str,
        section: &IniSection,
        sections: &Sections,
    ) -> Result<Option<Self>> {
        let names =
            ["sso_session", "sso_account_id", "sso_role_name", OF_SESSION[0], OF_SESSION[1]];
        let Some(has) = names.iter().find(|name| section.text(name).is_some()) else {
            return Ok(None);
        };
        // A session alone is for services that take its token, and nothing is asked of them here.
        let is_for_a_role = section.has_any(&["sso_account_id", "sso_role_name"]);
        if !is_for_a_role
            && section.has_any(&["role_arn", "credential_process", "aws_access_key_id"])
        {
            return Ok(None);
        }
        let needed = |of: &IniSection, what: &str, place: &str| {
            let missing = || broken(name, format_args!("has {has}, which needs {what} in {place}"));
            of.text(what).map(str::to_owned).ok_or_else(missing)
        };
        let account_id = needed(section, "sso_account_id", "the profile")?;
        let role_name = needed(section, "sso_role_name", "the profile")?;
        let (of, place) = match section.text("sso_session") {
            None => (section, "the profile, or an sso_session"),
            Some(session) => (shared(name, section, session, sections)?, "its sso-session"),
        };
        let session = SsoSession {
            profile: name.to_owned(),
            name: section.text("sso_session").map(str::to_owned),
            start_url: needed(of, "sso_start_url", place)?,
            region: needed(of, "sso_region", place)?,
        };
        Ok(Some(Self { session, account_id, role_name }))
    }
}

/// The credentials of the role.
///
/// # Errors
/// Those of [`SsoSession::token`]; if the portal does not answer, or refuses.
///
/// # Cancel safety
/// That of [`SsoSession::token`].
pub(super) async fn find(asked: &Inquiry<'_>, sso: &Sso) -> Result<FoundCredentials> {
    let token = sso.session.token(asked).await?;
    let what = "the portal of IAM Identity Center";
    let endpoint = sso.session.endpoint(what, "portal.sso", ENDPOINT, asked.surroundings)?;
    let path = format!(
        "/federation/credentials?role_name={}&account_id={}",
        url_encoded(&sso.role_name),
        url_encoded(&sso.account_id)
    );
    let headers = [("x-amz-sso_bearer_token", token.as_str())];
    let answer = endpoint.send(Ask { path: Some(&path), ..Ask::get(&headers) }).await?;
    if !answer.status.is_success() {
        let advice = format!(
            "{}, and check that you have the role {} in the account {}",
            sso.session.advice(),
            shown(&sso.role_name),
            shown(&sso.account_id)
        );
        return Err(endpoint.refusal(&answer, &[token.as_str()], &advice));
    }
    FoundCredentials::of_sso(&answer.body).ok_or_else(|| endpoint.without_credentials())
}

/// The session of a profile, which the profile does not contradict.
fn shared<'a>(
    name: &str,
    section: &IniSection,
    session: &str,
    sections: &'a Sections,
) -> Result<&'a IniSection> {
    let Some(found) = sections.sso_sessions.get(session) else {
        return Err(broken(
            name,
            format_args!(
                "has sso_session = {}, but there is no such [sso-session] in ~/.aws/config",
                shown(session)
            ),
        ));
    };
    let differs = |what: &&&str| {
        let (own, of_session) = (section.text(what), found.text(what));
        own.zip(of_session).is_some_and(|(own, of_session)| !own.eq_ignore_ascii_case(of_session))
    };
    match OF_SESSION.iter().find(differs) {
        Some(what) => Err(broken(
            name,
            format_args!("has another {what} than its sso-session: take it out of the profile"),
        )),
        None => Ok(found),
    }
}

fn broken(name: &str, what: impl std::fmt::Display) -> Error {
    refused(format!("the AWS profile {} {what}", shown(name)))
}
