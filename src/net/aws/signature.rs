//! Signature Version 4, by which AWS knows who asks: of the payload of AWS_MSK_IAM, and of requests
//! to the Security Token Service.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::time::stamp;
use crate::config::AwsCredentials;
use crate::ids::Timestamp;

pub(in crate::net) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// A request that is signed by its headers: a POST of `/` without a query.
pub(super) struct SignedPost<'a> {
    pub(super) host: &'a str,
    pub(super) content_type: Option<&'a str>,
    pub(super) body: &'a [u8],
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

impl SignedPost<'_> {
    /// The value of `authorization`; beside it go `x-amz-date`, which is [`stamp`] of the same time,
    /// and, if there is a session token, `x-amz-security-token`.
    pub(super) fn authorization(&self, credentials: &AwsCredentials, now: Timestamp) -> String {
        let stamp = stamp(now);
        let token = credentials.session_token.as_ref().map(|token| token.expose());
        // In the order of their names, as they are signed.
        let headers = [
            ("content-type", self.content_type),
            ("host", Some(self.host)),
            ("x-amz-date", Some(stamp.as_str())),
            ("x-amz-security-token", token),
        ];
        let sent = || headers.into_iter().filter_map(|(name, value)| Some((name, value?.trim())));
        let names = sent().map(|(name, _)| name).collect::<Vec<_>>().join(";");
        // Room for all of it, so that no copy of the token is left behind by growing.
        let room = sent().map(|(name, value)| name.len() + value.len() + 2).sum::<usize>() + 256;
        let mut request = Zeroizing::new(String::with_capacity(room));
        request.push_str("POST\n/\n\n");
        for (name, value) in sent() {
            for part in [name, ":", value, "\n"] {
                request.push_str(part);
            }
        }
        for part in ["\n", &names, "\n", &hex(&Sha256::digest(self.body))] {
            request.push_str(part);
        }
        let (region, service) = (self.region, self.service);
        let secret = credentials.secret_access_key.expose();
        let signature = signature(secret, &stamp, region, service, &request);
        let date = stamp.split('T').next().unwrap_or_default();
        let id = &credentials.access_key_id;
        format!(
            "{ALGORITHM} Credential={id}/{date}/{region}/{service}/aws4_request, \
             SignedHeaders={names}, Signature={signature}"
        )
    }
}

/// Signature Version 4 of a canonical request.
pub(in crate::net) fn signature(
    secret: &str,
    stamp: &str,
    region: &str,
    service: &str,
    request: &str,
) -> String {
    let date = stamp.split('T').next().unwrap_or_default();
    let mut key = Zeroizing::new(format!("AWS4{secret}").into_bytes());
    for word in [date, region, service, "aws4_request"] {
        key = mac(&key, word);
    }
    let hash = hex(&Sha256::digest(request.as_bytes()));
    hex(&mac(
        &key,
        &format!("{ALGORITHM}\n{stamp}\n{date}/{region}/{service}/aws4_request\n{hash}"),
    ))
}

fn mac(key: &[u8], text: &str) -> Zeroizing<Vec<u8>> {
    let mut mac =
        <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("a key of HMAC may have any length");
    mac.update(text.as_bytes());
    Zeroizing::new(mac.finalize().into_bytes().to_vec())
}

pub(in crate::net) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    /// The session token of AWS's public suite of Signature Version 4.
    const TOKEN: &str = concat!(
        "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSP",
        "fIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT",
        "7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlz",
        "m8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
    );

    #[test]
    fn the_signature_of_aws_s_own_example_is_reproduced() {
        // Amazon S3, "Authenticating Requests: Using Query Parameters".
        let request = "GET\n/test.txt\nX-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\n\
                       host:examplebucket.s3.amazonaws.com\n\nhost\nUNSIGNED-PAYLOAD";
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let found = signature(secret, "20130524T000000Z", "us-east-1", "s3", request);
        assert_eq!(found, "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
    }

    #[test]
    fn get_vanilla_of_aws_s_public_suite_is_reproduced() {
        let empty = hex(&Sha256::digest(b""));
        let request = format!(
            "GET\n/\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\n\
             host;x-amz-date\n{empty}"
        );
        let found = signature(SECRET, "20150830T123600Z", "us-east-1", "service", &request);
        assert_eq!(found, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
    }

    #[test]
    fn posts_of_aws_s_public_suite_are_reproduced() {
        let form = Some("application/x-www-form-urlencoded");
        let (vanilla, token) = ("host;x-amz-date", "host;x-amz-date;x-amz-security-token");
        // post-vanilla, post-x-www-form-urlencoded, post-sts-header-before
        for (content_type, body, session, names, signature) in [
            (
                None,
                "",
                None,
                vanilla,
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                form,
                "Param1=value1",
                None,
                "content-type;host;x-amz-date",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
            (
                None,
                "",
                Some(TOKEN),
                token,
                "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
            ),
        ] {
            let post = SignedPost {
                host: "example.amazonaws.com",
                content_type,
                body: body.as_bytes(),
                region: "us-east-1",
                service: "service",
            };
            let mut credentials = AwsCredentials::new("AKIDEXAMPLE", SECRET);
            credentials.session_token = session.map(Into::into);
            assert_eq!(
                post.authorization(&credentials, Timestamp(1_440_938_160_000)),
                format!(
                    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                     SignedHeaders={names}, Signature={signature}"
                )
            );
        }
    }
}
