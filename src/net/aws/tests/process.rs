//! Profiles with a program, which is a command of the shell here; `/proc` tells what is left of it.

use std::path::{Path, PathBuf};

use super::*;

/// Credentials that end in an hour.
const PRINTED: &str = r#"{"Version":1,"AccessKeyId":"AKPROC","SecretAccessKey":"hunter2","SessionToken":"tok","Expiration":"2021-03-15T13:34:56Z"}"#;

/// The commands may take as long as a busy machine takes.
const LONG: Duration = Duration::from_secs(60);

/// A chain of a profile that runs this command.
fn running(command: &str, limit: Duration) -> CredentialsChain {
    let config = format!("[profile ops]\ncredential_process = {command}\n");
    let start = AwsChainStart::Profile("ops".into());
    let mut found = chain_of(start, &[("HOME", "/h")], &[("/h/.aws/config", &config)]);
    found.surroundings.process_limit = limit;
    found
}

/// A file that a command writes, taken away at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let file = format!("kavka-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(file);
        let _ = std::fs::remove_file(&path);
        Self(path)
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The id of the process that wrote it there.
    async fn process(&self) -> PathBuf {
        until(|| !self.lines().is_empty()).await;
        Path::new("/proc").join(self.lines().remove(0))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Lets others run until something is so.
async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.expect("it comes to be so");
}

#[tokio::test]
async fn what_a_program_prints_is_kept_until_shortly_before_its_end() {
    let runs = Scratch::new("runs");
    let command = format!("echo run >> {}; echo '{PRINTED}'", runs.0.display());
    let found = running(&command, LONG);
    for (second, expected) in [(0, 1), (3299, 1), (3301, 2)] {
        let now = Timestamp(NOW.0 + second * 1000);
        let keys = found.credentials_at("eu-west-1", now).await.expect("keys").credentials;
        assert_eq!(keys.access_key_id, "AKPROC");
        assert_eq!(keys.session_token.as_ref().map(Secret::expose), Some("tok"));
        assert_eq!(runs.lines().len(), expected, "at {second} s");
    }
}

#[tokio::test]
async fn credentials_without_an_end_are_kept_until_a_broker_refuses_them() {
    let runs = Scratch::new("endless");
    let printed = PRINTED.replace(r#","Expiration":"2021-03-15T13:34:56Z""#, "");
    let found = running(&format!("echo run >> {}; echo '{printed}'", runs.0.display()), LONG);
    for _ in 0..2 {
        key_id(&found, NOW).await.expect("keys");
    }
    assert_eq!(runs.lines().len(), 1);
    found.forget("AKPROC");
    key_id(&found, NOW).await.expect("keys");
    assert_eq!(runs.lines().len(), 2);
}

#[tokio::test]
async fn a_program_that_fails_is_told_by_how_it_ended_and_not_by_what_it_said() {
    let expired = PRINTED.replace("T13:", "T12:");
    for (command, told) in [
        ("echo hunter2; echo hunter2 >&2; exit 3", "exit code 3"),
        ("exec /none/hunter2", "exit code 127"),
        ("kill -9 $$", "signal"),
        ("echo hunter2", "no object of JSON"),
        (format!("echo '{expired}'").as_str(), "expired"),
        ("", "has no credentials"),
    ] {
        let error = key_id(&running(command, LONG), NOW).await.expect_err(told);
        assert_eq!(error.kind(), ErrorKind::Authentication);
        let error = error.to_string();
        assert!(error.contains(told) && error.contains("profile ops"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn a_program_that_prints_without_end_is_killed() {
    let ids = Scratch::new("endless-output");
    let command = format!("echo $$ > {}; exec yes hunter2", ids.0.display());
    let error = key_id(&running(&command, LONG), NOW).await.expect_err("too much").to_string();
    assert!(error.contains("64000 bytes") && !error.contains("hunter2"), "{error}");
    assert!(!ids.process().await.exists(), "nothing is left of it");
}

#[tokio::test]
async fn a_program_that_hangs_is_killed_in_time_and_another_attempt_may_succeed() {
    let ids = Scratch::new("hanging");
    let command = format!("echo $$ > {}; exec sleep 1000", ids.0.display());
    let found = running(&command, Duration::from_millis(200));
    let error = key_id(&found, NOW).await.expect_err("too long");
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.to_string().contains("killed after 200ms"), "{error}");
    assert!(!ids.process().await.exists(), "nothing is left of it");
}

#[tokio::test]
async fn a_program_that_nobody_waits_for_any_more_is_killed() {
    let ids = Scratch::new("dropped");
    let found = running(&format!("echo $$ > {}; exec sleep 1000", ids.0.display()), LONG);
    let process = {
        let asking = key_id(&found, NOW);
        tokio::pin!(asking);
        tokio::select! {
            _ = &mut asking => panic!("it sleeps"),
            process = ids.process() => {
                assert!(process.exists());
                process
            }
        }
    };
    // tokio takes the dead away when it hears of them.
    until(|| !process.exists()).await;
    assert!(found.asking.try_lock().is_ok(), "others may ask");
}

/// The runtime of a test has one thread.
#[tokio::test]
async fn others_run_while_a_program_does() {
    let flag = Scratch::new("flag");
    let file = flag.0.display();
    let found = running(&format!("until [ -e {file} ]; do :; done; echo '{PRINTED}'"), LONG);
    let other = async { std::fs::write(&flag.0, "go").expect("written") };
    // In this order: the program is there first, and waits.
    let (key, ()) = tokio::join!(biased; key_id(&found, NOW), other);
    assert_eq!(key.expect("keys"), "AKPROC");
}

#[tokio::test]
async fn a_role_is_assumed_by_what_a_program_prints() {
    let (url, served) = answering(one(ASSUMED)).await;
    let variables = [("HOME", "/h"), ("AWS_ENDPOINT_URL_STS", url.as_str())];
    let config = format!(
        "[default]\nrole_arn = arn:aws:iam::1:role/part\nsource_profile = ops\n\
         [profile ops]\ncredential_process = echo '{PRINTED}'\n"
    );
    let found = chain(&variables, &[("/h/.aws/config", &config)]);
    assert_eq!(key_id(&found, NOW).await.expect("keys"), "ASIA");
    let request = served.await.expect("served").remove(0);
    assert!(request.contains("Credential=AKPROC/20210315/eu-west-1/sts/"), "{request}");
    assert!(request.contains("x-amz-security-token: tok\r\n"), "{request}");
}
