//! AWS_MSK_IAM: a request that is signed as AWS's are (Signature Version 4) and sent as JSON, in
//! place of a password.
//!
//! The words are those of AWS's library for Java, aws-msk-iam-auth: version 2020_10_22, good for 15
//! minutes.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use super::super::aws::{self, ALGORITHM, KeptCredentials, hex, signature, stamp};
use super::wrong;
use crate::boxed::BoxFuture;
use crate::config::{
    AwsCredentials, AwsCredentialsOrigin, AwsMskIam, SaslContext, SaslError, SaslMechanism,
    SaslSession,
};
use crate::ids::Timestamp;

const ACTION: &str = "kafka-cluster:Connect";
const SERVICE: &str = "kafka-cluster";
const SECONDS: &str = "900";

impl SaslMechanism for AwsMskIam {
    fn name(&self) -> &str {
        "AWS_MSK_IAM"
    }

    fn start<'a>(
        &'a self,
        context: SaslContext<'a>,
    ) -> BoxFuture<'a, Result<Box<dyn SaslSession>, SaslError>> {
        Box::pin(async move {
            // As Java's URI and the signature's host have it; a name means the same in either case.
            let host = context.host.to_ascii_lowercase();
            let named = || {
                ["AWS_REGION", "AWS_DEFAULT_REGION"]
                    .into_iter()
                    .find_map(|name| std::env::var(name).ok())
            };
            let region =
                self.region.clone().or_else(|| region_of(&host).map(str::to_owned)).or_else(named);
            let region = region.ok_or_else(|| {
                wrong(format!(
                    "{} names no region of AWS: set AwsMskIam::region, or AWS_REGION",
                    context.host
                ))
            })?;
            let (credentials, kept) = match &self.credentials {
                AwsCredentialsOrigin::Provider(provider) => (provider.credentials().await?, None),
                AwsCredentialsOrigin::Chain(chain) => {
                    aws::credentials(chain, &region, context.now).await?
                }
            };
            let message = payload(&host, &region, &credentials, context.now);
            let session = AwsMskIamSession { message: Some(message), kept };
            Ok(Box::new(session) as Box<dyn SaslSession>)
        })
    }
}

struct AwsMskIamSession {
    /// `None` once it was said.
    message: Option<Zeroizing<Vec<u8>>>,
    /// `None` if the credentials are new, so that no others are to be had.
    kept: Option<KeptCredentials>,
}

impl SaslSession for AwsMskIamSession {
    fn respond(&mut self, challenge: &[u8]) -> Result<Option<Vec<u8>>, SaslError> {
        match self.message.take() {
            Some(mut message) => Ok(Some(std::mem::take(&mut *message))),
            // It names the request; that there is something is what counts, as in Java.
            None if challenge.is_empty() => {
                Err(wrong("the broker took the signature without a word"))
            }
            None => Ok(None),
        }
    }

    fn handle_refusal(&mut self) -> bool {
        match self.kept.take() {
            Some(kept) => {
                kept.forget();
                true
            }
            None => false,
        }
    }

    fn advice(&self) -> Option<String> {
        Some(
            "check the credentials of AWS, that they may kafka-cluster:Connect to this cluster, \
             the region, and this machine's clock"
                .to_owned(),
        )
    }
}

/// The region in a name such as `b-1.demo.abc123.c2.kafka.eu-west-1.amazonaws.com`.
fn region_of(host: &str) -> Option<&str> {
    let (before, _) = host.split_once(".amazonaws.")?;
    before.rsplit('.').next().filter(|label| label.contains('-'))
}

fn payload(
    host: &str,
    region: &str,
    credentials: &AwsCredentials,
    now: Timestamp,
) -> Zeroizing<Vec<u8>> {
    let stamp = stamp(now);
    let date = stamp.split('T').next().unwrap_or_default();
    let credential =
        format!("{}/{date}/{region}/{SERVICE}/aws4_request", credentials.access_key_id);
    let token = credentials.session_token.as_ref().map(|token| token.expose());
    // In the order of their names, as they are signed.
    let mut query = vec![
        ("Action", ACTION),
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", credential.as_str()),
        ("X-Amz-Date", stamp.as_str()),
        ("X-Amz-Expires", SECONDS),
    ];
    query.extend(token.map(|token| ("X-Amz-Security-Token", token)));
    query.push(("X-Amz-SignedHeaders", "host"));
    // Room for all of it, so that no copy of the token is left behind by growing; an encoded byte
    // is at most three.
    let room = query.iter().map(|(name, value)| name.len() + 3 * value.len() + 2).sum::<usize>()
        + host.len()
        + 256;
    let mut request = Zeroizing::new(String::with_capacity(room));
    request.push_str("GET\n/\n");
    for (number, (name, value)) in query.iter().enumerate() {
        request.push_str(if number == 0 { "" } else { "&" });
        request.push_str(name);
        request.push('=');
        percent_encode(value, &mut request);
    }
    for part in ["\nhost:", host, "\n\nhost\n", &hex(&Sha256::digest(b""))] {
        request.push_str(part);
    }
    let signature =
        signature(credentials.secret_access_key.expose(), &stamp, region, SERVICE, &request);
    let mut message = json!({
        "version": "2020_10_22",
        "host": host,
        "user-agent": concat!("kavka/", env!("CARGO_PKG_VERSION")),
        "x-amz-signature": signature,
    });
    for (name, value) in query {
        message[name.to_ascii_lowercase()] = value.into();
    }
    let mut written = Zeroizing::new(Vec::with_capacity(2 * room));
    serde_json::to_writer(&mut *written, &message).expect("texts alone, into memory");
    if let Some(Value::String(token)) = message.get_mut("x-amz-security-token") {
        token.zeroize();
    }
    written
}

/// RFC 3986.
fn percent_encode(text: &str, to: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                to.push(char::from(byte))
            }
            other => to.push_str(&format!("%{other:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::config::{AwsChainCredentials, AwsHanded};

    const HOST: &str = "b-1.demo.abc123.c2.kafka.eu-west-1.amazonaws.com";

    #[tokio::test]
    async fn the_payload_is_that_of_aws_msk_iam_auth() {
        #[derive(Debug)]
        struct Fixed;
        impl crate::config::AwsCredentialsProvider for Fixed {
            fn credentials(&self) -> BoxFuture<'_, Result<AwsCredentials, SaslError>> {
                let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
                let credentials =
                    AwsCredentials::new("AKIDEXAMPLE", secret).session_token("a/token+=");
                Box::pin(std::future::ready(Ok(credentials)))
            }
        }
        let upper = HOST.replace("demo", "Demo").replace("eu-west-1", "EU-West-1");
        let context = SaslContext {
            host: &upper,
            port: 9098,
            now: Timestamp(1_615_811_696_789),
            nonce: [0; 24],
        };
        let mechanism = AwsMskIam::new(Fixed);
        let mut session = mechanism.start(context).await.expect("credentials");
        let said = session.respond(b"").expect("first").expect("a payload");
        let said: serde_json::Value = serde_json::from_slice(&said).expect("JSON");
        let expected = json!({
            "version": "2020_10_22",
            "host": HOST,
            "user-agent": concat!("kavka/", env!("CARGO_PKG_VERSION")),
            "action": "kafka-cluster:Connect",
            "x-amz-algorithm": "AWS4-HMAC-SHA256",
            "x-amz-credential": "AKIDEXAMPLE/20210315/eu-west-1/kafka-cluster/aws4_request",
            "x-amz-date": "20210315T123456Z",
            "x-amz-expires": "900",
            "x-amz-security-token": "a/token+=",
            "x-amz-signedheaders": "host",
            // By another program, which makes the signature of AWS's example, too.
            "x-amz-signature": "9bf3d62c8d0a3ac1c80a94f8c4186acba4538dbf8e7fe93ac7eb072d55aee748",
        });
        assert_eq!(said, expected);
        assert_eq!(
            session.respond(b"{\"version\":\"2020_10_22\",\"request-id\":\"x\"}").expect("taken"),
            None
        );
        assert!(!format!("{mechanism:?}").contains("EXAMPLEKEY"));
    }

    /// Keeps what it gives from the second time on.
    #[derive(Debug, Default)]
    struct Keeping(Mutex<Vec<String>>);

    impl AwsChainCredentials for Keeping {
        fn credentials<'a>(
            &'a self,
            region: &'a str,
            _: Timestamp,
        ) -> BoxFuture<'a, Result<AwsHanded, SaslError>> {
            let mut heard = self.0.lock().expect("not poisoned");
            heard.push(region.to_owned());
            let credentials = AwsCredentials::new("AKIDEXAMPLE", "hunter2");
            let handed = AwsHanded { credentials, is_kept: heard.len() > 1 };
            Box::pin(std::future::ready(Ok(handed)))
        }

        fn forget(&self, access_key_id: &str) {
            self.0.lock().expect("not poisoned").push(format!("forget {access_key_id}"));
        }
    }

    #[tokio::test]
    async fn a_refusal_is_followed_by_another_exchange_only_if_the_credentials_were_kept() {
        let keeping = Arc::new(Keeping::default());
        let mechanism = AwsMskIam::default_chain();
        let AwsCredentialsOrigin::Chain(chain) = &mechanism.credentials else { panic!("a chain") };
        assert!(chain.asking.set(keeping.clone()).is_ok());
        let context = SaslContext { host: HOST, port: 9098, now: Timestamp(0), nonce: [0; 24] };
        let mut first = mechanism.start(context).await.expect("credentials");
        assert!(!first.handle_refusal(), "there are no newer ones");
        let mut second = mechanism.clone().start(context).await.expect("credentials");
        assert!(second.handle_refusal());
        assert!(!second.handle_refusal(), "once");
        let heard = keeping.0.lock().expect("not poisoned");
        assert_eq!(*heard, ["eu-west-1", "eu-west-1", "forget AKIDEXAMPLE"]);
    }

    #[test]
    fn the_region_is_in_the_name_of_the_broker() {
        for (host, region) in [
            (HOST, Some("eu-west-1")),
            ("boot-x.c1.kafka-serverless.us-east-1.amazonaws.com", Some("us-east-1")),
            ("b-1.x.c2.kafka.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("localhost", None),
        ] {
            assert_eq!(region_of(host), region);
        }
    }
}
