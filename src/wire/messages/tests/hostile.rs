//! Frames that no honest broker sends: random ones, and valid ones with something changed.
//!
//! `KAVKA_FUZZ_CASES` says how many each decoder gets, `KAVKA_FUZZ_SEED` where they begin; a failure names its seed.

use super::samples::{Sample, Samples};
use super::{TestRequest, response_frame};
use crate::clock::Random;
use crate::wire::DecodeError;
use crate::wire::call::{Data, decode_data, decode_response, encode_data};
use crate::wire::messages::consumer_protocol_assignment::ConsumerProtocolAssignment;
use crate::wire::messages::consumer_protocol_subscription::ConsumerProtocolSubscription;
use crate::wire::messages::mirror::for_each_api;

/// The memory that decoding may take: a multiple of the frame's own size, and what an error takes.
///
/// The multiple is that of a struct of strings, each of 1 byte in the frame and of 24 in memory.
fn may_allocate(frame: &[u8]) -> u64 {
    let len = u64::try_from(frame.len()).expect("a short frame");
    64 * len + 512
}

/// Decodes one frame of every seed; neither a panic nor too large an allocation may come of it.
fn survive(
    name: &str,
    mut frame: impl FnMut(&mut Samples) -> (Vec<u8>, i16),
    decode: impl Fn(&[u8], i16) -> Result<(), DecodeError>,
) {
    let first = setting("KAVKA_FUZZ_SEED").unwrap_or(1);
    let cases = setting("KAVKA_FUZZ_CASES").unwrap_or(1_000);
    for seed in first..first.saturating_add(cases) {
        let mut samples = Samples::new(seed);
        let (frame, version) = frame(&mut samples);
        let place = Place(format!("{name} v{version} seed {seed}"));
        let measured = allocation_counter::measure(|| drop(decode(&frame, version)));
        assert!(measured.bytes_max <= may_allocate(&frame), "{} bytes for a frame of {}", measured.bytes_max, frame.len());
        drop(place);
    }
}

/// Says on a panic where it was.
struct Place(String);

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed at {}", self.0);
        }
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Random bytes, or the valid ones with up to four changes.
fn spoiled(random: &mut Random, valid: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    if random.below(4) == 0 {
        let len = random.below(200);
        // Many zeros, so that counts and lengths are at times believable.
        return (0..len).map(|_| byte(random) * u8::from(random.below(2) == 0)).collect();
    }
    let mut frame = valid();
    for _ in 0..random.below(5) {
        spoil(random, &mut frame);
    }
    frame
}

fn spoil(random: &mut Random, frame: &mut Vec<u8>) {
    let at = index(random, frame.len());
    let to = (at + index(random, 9)).min(frame.len());
    match random.below(6) {
        0 => frame[at..to].fill(0xff),
        1 => frame[at..to].fill(0x7f),
        2 => frame[at..to].iter_mut().for_each(|byte| *byte ^= 1 << random.below(8)),
        3 => frame.truncate(at),
        4 => drop(frame.drain(at..to)),
        _ => drop(frame.splice(at..at, (0..to - at).map(|_| byte(random)).collect::<Vec<_>>())),
    }
}

fn byte(random: &mut Random) -> u8 {
    random.next_u64().to_le_bytes()[0]
}

fn index(random: &mut Random, len: usize) -> usize {
    usize::try_from(random.below(u64::try_from(len).expect("a short frame"))).expect("an index")
}

fn responses_survive<R: TestRequest>() {
    let frame = |samples: &mut Samples| {
        let versions = R::VERSIONS;
        let span = u64::try_from(versions.end() - versions.start() + 1).expect("a range");
        let version = versions.start() + i16::try_from(samples.random().below(span)).expect("a version");
        let response = <R::Response<'static>>::sample(samples, version);
        (spoiled(samples.random(), || response_frame::<R>(&response, version)), version)
    };
    survive(R::API.name(), frame, |frame, version| decode_response::<R>(frame, version).map(drop));
}

fn data_survives<D: Data + Sample>(decode: impl Fn(&[u8]) -> Result<(), DecodeError>) {
    let frame = |samples: &mut Samples| {
        let version = *D::VERSIONS.end();
        let data = D::sample(samples, version);
        (spoiled(samples.random(), || encode_data(&data, version).expect("a sample").into()), version)
    };
    survive(D::NAME, frame, |frame, _| decode(frame));
}

#[test]
fn consumer_protocol_subscription() {
    data_survives::<ConsumerProtocolSubscription>(|bytes| decode_data::<ConsumerProtocolSubscription>(bytes).map(drop));
}

#[test]
fn consumer_protocol_assignment() {
    data_survives::<ConsumerProtocolAssignment>(|bytes| decode_data::<ConsumerProtocolAssignment>(bytes).map(drop));
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
