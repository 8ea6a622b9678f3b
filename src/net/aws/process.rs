//! The program that a profile names by `credential_process`, and the credentials that it prints.
//!
//! It is run by the shell, as AWS's SDKs for Java, Go, JavaScript and Rust run it, so that what works
//! beside them works here; Python's splits the words itself, and knows no pipes and no variables.
//!
//! Only what the shell runs in its own place, or itself, is ended when nobody waits any more: what
//! else a program has started is left with a pipe that nobody reads.

use std::io;
use std::process::{ExitStatus, Stdio};

use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdout, Command};
use zeroize::Zeroizing;

use super::super::http::WipedJson;
use super::answer::FoundCredentials;
use super::time::parse;
use super::{Inquiry, refused};
use crate::config::{AwsCredentials, Secret};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::Timestamp;

/// Java's `processOutputLimit`.
const LONGEST_OUTPUT: usize = 64_000;

/// What there is when nobody says when credentials end: they are kept until a broker refuses them,
/// as AWS's SDKs keep them, and the program does not run for each connection.
const NEVER: Timestamp = Timestamp(i64::MAX);

/// Runs the program, and reads what it prints.
///
/// # Errors
/// [`ErrorKind::Connect`] if it takes too long or cannot be run now, else
/// [`ErrorKind::Authentication`]. None of them
/// shows what it prints, which may be a secret.
///
/// # Cancel safety
/// The program is killed.
pub(super) async fn find(asked: &Inquiry<'_>, command: &str) -> Result<FoundCredentials> {
    let output = output(command, asked).await?;
    let found = credentials(&output)
        .map_err(|what| refused(format!("credential_process prints {what}")))?;
    match found.expires_at.is_some_and(|end| end <= asked.now) {
        true => Err(refused(
            "credential_process prints credentials that have expired: check that it asks for new \
             ones, and this machine's clock",
        )),
        false => Ok(found),
    }
}

async fn output(command: &str, asked: &Inquiry<'_>) -> Result<Zeroizing<Vec<u8>>> {
    let limit = asked.surroundings.process_limit;
    let mut child = shell(command)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // What it says of its failures is for who runs this program, and in no log of ours.
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| not_run(&error))?;
    let Some(stdout) = child.stdout.take() else {
        return Err(not_run(&io::Error::other("its output cannot be read")));
    };
    let ended = tokio::time::timeout(limit, ending(&mut child, stdout)).await;
    let failure = match ended {
        Ok(Ok((status, output))) if output.len() <= LONGEST_OUTPUT => {
            return if status.success() { Ok(output) } else { Err(failed(status)) };
        }
        Ok(Ok(_)) => refused(format!(
            "credential_process prints more than {LONGEST_OUTPUT} bytes: it is to print one object \
             of JSON"
        )),
        Ok(Err(error)) => not_run(&error),
        Err(_) => Error::new(
            ErrorKind::Connect,
            format!("credential_process was killed after {limit:?}: check what it waits for"),
        ),
    };
    // Waits for its end, too, so that nothing is left of it.
    let _ = child.kill().await;
    Err(failure)
}

/// How it ends and what it prints, or more than it may print of it before it has ended.
async fn ending(
    child: &mut Child,
    stdout: ChildStdout,
) -> io::Result<(ExitStatus, Zeroizing<Vec<u8>>)> {
    // Room for more than is read, so that no copy of a secret is left behind by growing.
    let mut output = Zeroizing::new(Vec::with_capacity(LONGEST_OUTPUT + 1024));
    let most = u64::try_from(LONGEST_OUTPUT + 1).unwrap_or(u64::MAX);
    stdout.take(most).read_to_end(&mut output).await?;
    match output.len() > LONGEST_OUTPUT {
        true => Ok((ExitStatus::default(), output)),
        false => Ok((child.wait().await?, output)),
    }
}

#[cfg(not(windows))]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command);
    shell
}

/// `cmd` takes the outermost quotation marks away and the rest as it is.
#[cfg(windows)]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd.exe");
    shell.raw_arg(format!("/D /S /C \"{command}\""));
    shell
}

/// # Errors
/// What it is that was printed.
fn credentials(output: &[u8]) -> Result<FoundCredentials, &'static str> {
    let json = WipedJson::parse(output);
    if !json.0.is_object() {
        return Err("no object of JSON: it is to print one, and nothing else");
    }
    if json.0.get("Version").and_then(Value::as_u64) != Some(1) {
        return Err("JSON without a Version of 1, which is the only one that there is");
    }
    let text = |name: &str| match json.0.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(_) => Err("JSON with something that is to be a text and is none"),
    };
    let (Some(id), Some(secret)) = (text("AccessKeyId")?, text("SecretAccessKey")?) else {
        return Err("JSON without AccessKeyId or SecretAccessKey: both are needed");
    };
    let mut credentials = AwsCredentials::new(id, secret);
    credentials.session_token = text("SessionToken")?.map(Secret::from);
    let expires_at = match text("Expiration")? {
        None => NEVER,
        Some(end) => parse(end).ok_or("an Expiration that is none such as 2021-03-15T12:34:56Z")?,
    };
    Ok(FoundCredentials { credentials, expires_at: Some(expires_at) })
}

fn failed(status: ExitStatus) -> Error {
    let how = match status.code() {
        Some(code) => format!("ended with exit code {code}"),
        None => "was ended by a signal".to_owned(),
    };
    refused(format!(
        "credential_process {how}: run it by hand, as what it prints is not repeated here"
    ))
}

fn not_run(error: &io::Error) -> Error {
    let message = format!("credential_process cannot be run: {error}");
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => refused(message),
        _ => Error::new(ErrorKind::Connect, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_credentials_of_version_1() {
        let read = |text: &str| {
            let found = credentials(text.as_bytes()).expect(text);
            let token = found.credentials.session_token.map(|token| token.expose().to_owned());
            (found.credentials.access_key_id, token, found.expires_at)
        };
        let whole = r#" {"Version":1,"AccessKeyId":"AK","SecretAccessKey":"s3","SessionToken":"tok","Expiration":"2021-03-15T13:34:56+01:00"}
"#;
        let end = Some(Timestamp(1_615_811_696_000));
        assert_eq!(read(whole), ("AK".into(), Some("tok".into()), end));
        let least = r#"{"Version":1,"AccessKeyId":"AK","SecretAccessKey":"s3","SessionToken":null,"Expiration":""}"#;
        assert_eq!(read(least), ("AK".into(), None, Some(NEVER)));
    }

    #[test]
    fn what_is_printed_otherwise_is_told_without_its_secrets() {
        let with = |rest: &str| {
            format!(r#"{{"Version":1,"AccessKeyId":"hunter2","SecretAccessKey":"hunter2"{rest}}}"#)
        };
        for (output, told) in [
            (String::new(), "no object of JSON"),
            ("[\"hunter2\"]".into(), "no object of JSON"),
            (with("") + "hunter2", "no object of JSON"),
            (with("").replace('1', "2"), "Version"),
            (with("").replace('1', "\"1\""), "Version"),
            (r#"{"Version":1,"AccessKeyId":"hunter2"}"#.into(), "SecretAccessKey"),
            (with("").replace("\"hunter2\"", "7"), "text"),
            (with(r#","SessionToken":["hunter2"]"#), "text"),
            (with(r#","Expiration":"hunter2""#), "Expiration"),
            (with(r#","Expiration":1615811696"#), "text"),
        ] {
            let error = credentials(output.as_bytes()).expect_err(&output);
            assert!(error.contains(told) && !error.contains("hunter2"), "{output}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_output_panics(output in "[{}\\[\\]\":,0-9VersionAccessKeyId]{0,60}") {
            let _ = credentials(output.as_bytes());
        }
    }
}
