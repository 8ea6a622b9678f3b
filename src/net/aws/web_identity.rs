//! A web identity in a file, as EKS gives one to service accounts (IRSA), in exchange for a role.

use super::answer::FoundCredentials;
use super::{Inquiry, refused};
use crate::config::AwsRole;
use crate::error::Result;

/// A file with a token, and the role that it is exchanged for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WebIdentity {
    pub(super) token_file: String,
    pub(super) role: AwsRole,
}

const FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";

/// The credentials of the role that the environment names; `None` if it names no file.
///
/// # Errors
/// If one of the variables is missing, the file cannot be read, or AWS refuses.
pub(super) async fn find(asked: &Inquiry<'_>) -> Result<Option<FoundCredentials>> {
    let Some(token_file) = asked.surroundings.variable(FILE) else { return Ok(None) };
    let arn = asked.surroundings.variable("AWS_ROLE_ARN").ok_or_else(|| {
        refused(format!("{FILE} is set, but AWS_ROLE_ARN is not: set both, or neither"))
    })?;
    let session_name = asked.surroundings.variable("AWS_ROLE_SESSION_NAME");
    let role = AwsRole { arn, session_name, external_id: None, seconds: None };
    exchange(asked, &WebIdentity { token_file, role }, FILE, None).await.map(Some)
}

/// Reads the token, which changes every hour or so, and exchanges it.
///
/// # Errors
/// If the file cannot be read, or AWS refuses.
pub(super) async fn exchange(
    asked: &Inquiry<'_>,
    identity: &WebIdentity,
    named_by: &str,
    region: Option<&str>,
) -> Result<FoundCredentials> {
    let token = asked.surroundings.token(named_by, &identity.token_file)?;
    let sts = asked.sts(region)?;
    sts.assume_role_with_web_identity(&identity.role, &token, asked.now).await
}
