//! Every message in every version: against itself, against another implementation, real brokers and hostile bytes.

mod debug_text;
mod golden;
mod hostile;
pub(in crate::wire::messages) mod samples;
mod second_opinion;

use std::fmt::Debug;

use bytes::Buf;

use super::broker_side::for_each_api;
use crate::wire::call::{Request, decode_response, encode_request};
use crate::wire::versions::ApiKey;
use crate::wire::{Decode, Encode, Reader, Writer};
use samples::{Sample, Samples};

const CORRELATION_ID: i32 = 77;

/// A request that a test can make up and read back.
trait TestRequest: Request<Response<'static>: TestMessage> + Decode<'static> + TestMessage {}
trait TestMessage: Encode + Sample + Debug + PartialEq {}

impl<R: Request<Response<'static>: TestMessage> + Decode<'static> + TestMessage> TestRequest for R {}
impl<M: Encode + Sample + Debug + PartialEq> TestMessage for M {}

/// The bytes of a request after its length, which live as long as the test does.
fn request_frame<R: Request>(request: &R, version: i16) -> &'static [u8] {
    let mut frame = encode_request(request, version, CORRELATION_ID, "kavka")
        .unwrap_or_else(|error| panic!("{error}: a sample"));
    let length = usize::try_from(frame.get_i32()).expect("a length");
    let bytes = frame.copy_to_bytes(frame.remaining());
    assert_eq!(length, bytes.len(), "the length in front");
    Vec::from(bytes).leak()
}

/// The bytes of a response after its length.
fn response_frame<R: Request>(response: &impl Encode, version: i16) -> Vec<u8> {
    let is_flexible = version >= R::FLEXIBLE;
    let mut frame = Vec::from(CORRELATION_ID.to_be_bytes());
    if is_flexible && R::API != ApiKey::ApiVersions {
        frame.push(0);
    }
    frame.extend(encoded(response, R::API, version, is_flexible));
    frame
}

/// The bytes of a message without a header.
fn encoded(message: &impl Encode, api: ApiKey, version: i16, is_flexible: bool) -> Vec<u8> {
    let mut to = Writer::new(api.name(), version, is_flexible);
    message.encode(&mut to, version).unwrap_or_else(|error| panic!("{error}"));
    to.into_contiguous()
}

/// Reads the body of a request: what follows the header that [`request_frame`] wrote.
fn decode_request<R: TestRequest>(frame: &'static [u8], version: i16) -> R {
    let is_flexible = version >= R::FLEXIBLE;
    let header_len = 2 + 2 + 4 + (2 + "kavka".len()) + usize::from(is_flexible);
    let mut from = Reader::new(&frame[header_len..], R::API.name(), version, is_flexible);
    let request = R::decode(&mut from, version).unwrap_or_else(|error| panic!("{error}"));
    from.finish().unwrap_or_else(|error| panic!("{error}"));
    request
}

fn requests_come_back<R: TestRequest>() {
    for version in R::VERSIONS {
        for seed in 0..50 {
            let request = R::sample(&mut Samples::new(seed), version);
            let read: R = decode_request(request_frame(&request, version), version);
            assert_eq!(read, request, "v{version} seed {seed}");
        }
    }
}

fn responses_come_back<R: TestRequest>() {
    for version in R::VERSIONS {
        for seed in 0..50 {
            let response = <R::Response<'static>>::sample(&mut Samples::new(seed), version);
            let frame = response_frame::<R>(&response, version).leak();
            assert_eq!(
                decode_response::<R>(frame, version),
                Ok(response),
                "v{version} seed {seed}"
            );
        }
    }
}

macro_rules! come_back {
    ($($api:ident: $request:ident, $response:ident;)*) => {
        mod come_back {
            $(
                #[test]
                fn $api() {
                    super::requests_come_back::<crate::wire::messages::$api::$request>();
                    super::responses_come_back::<crate::wire::messages::$api::$request>();
                }
            )*
        }
    };
}

for_each_api!(come_back);
