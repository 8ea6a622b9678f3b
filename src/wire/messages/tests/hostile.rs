//! Replies and blobs that no honest broker sends.

use super::samples::{Sample, Samples};
use super::{TestRequest, response_frame};
use crate::clock::Random;
use crate::wire::DecodeError;
use crate::wire::call::{Data, decode_data, decode_response, encode_data};
use crate::wire::hostile::survive;
use crate::wire::messages::broker_side::for_each_api;
use crate::wire::messages::consumer_protocol_assignment::ConsumerProtocolAssignment;
use crate::wire::messages::consumer_protocol_subscription::ConsumerProtocolSubscription;

/// The memory that decoding may take: a multiple of the frame's own size, and what an error takes.
///
/// The multiple is that of a struct of strings, each of 1 byte in the frame and of 24 in memory.
fn may_allocate(len: u64) -> u64 {
    64 * len + 512
}

fn responses_survive<R: TestRequest>() {
    let valid = |random: &mut Random| {
        let versions = R::VERSIONS;
        let span = u64::try_from(versions.end() - versions.start() + 1).expect("a range");
        let version = versions.start() + i16::try_from(random.below(span)).expect("a version");
        let response =
            <R::Response<'static>>::sample(&mut Samples::new(random.next_u64()), version);
        (response_frame::<R>(&response, version), version)
    };
    let decode = |frame: &[u8], version| drop(decode_response::<R>(frame, version));
    survive(R::API.name(), valid, decode, may_allocate);
}

fn data_survives<D: Data + Sample>(decode: impl Fn(&[u8]) -> Result<(), DecodeError>) {
    let valid = |random: &mut Random| {
        let version = *D::VERSIONS.end();
        let data = D::sample(&mut Samples::new(random.next_u64()), version);
        (encode_data(&data, version).expect("a sample").into(), version)
    };
    survive(D::NAME, valid, |frame, _| drop(decode(frame)), may_allocate);
}

#[test]
fn consumer_protocol_subscription() {
    data_survives::<ConsumerProtocolSubscription>(|bytes| {
        decode_data::<ConsumerProtocolSubscription>(bytes).map(drop)
    });
}

#[test]
fn consumer_protocol_assignment() {
    data_survives::<ConsumerProtocolAssignment>(|bytes| {
        decode_data::<ConsumerProtocolAssignment>(bytes).map(drop)
    });
}

macro_rules! survives {
    ($($api:ident: $request:ident, $response:ident;)*) => {
        $(
            #[test]
            fn $api() {
                responses_survive::<crate::wire::messages::$api::$request>();
            }
        )*
    };
}

for_each_api!(survives);
