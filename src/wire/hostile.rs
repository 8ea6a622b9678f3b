//! Gives decoders what no honest broker sends: noise, and valid bytes with something changed.
//!
//! `KAVKA_FUZZ_FRAMES` says how many frames each decoder gets, `KAVKA_FUZZ_SEED` from which seed
//! on; a failure names its seed.

use crate::clock::Random;

/// Enough to meet what most mistakes are made of; `.ci/soak` gives ten million.
const DEFAULT_FRAMES: u64 = 2_000;

/// Frames made of one valid one: making it costs more than reading them all.
const FRAMES_OF_ONE: u64 = 16;

/// Decodes many frames: neither a panic nor more memory than `may_allocate` for a frame of so many
/// bytes may come of it.
///
/// `valid` makes a frame, and what else `decode` must know about it.
pub(crate) fn survive<K: Copy + std::fmt::Debug>(
    name: &str,
    mut valid: impl FnMut(&mut Random) -> (Vec<u8>, K),
    decode: impl Fn(&[u8], K),
    may_allocate: impl Fn(u64) -> u64,
) {
    let first = setting("KAVKA_FUZZ_SEED").unwrap_or(1);
    let frames = setting("KAVKA_FUZZ_FRAMES").unwrap_or(DEFAULT_FRAMES);
    for seed in first..first.saturating_add(frames.div_ceil(FRAMES_OF_ONE)) {
        let mut random = Random::new(seed);
        let (valid, kind) = valid(&mut random);
        for _ in 0..FRAMES_OF_ONE {
            let frame = spoiled(&mut random, &valid);
            let place = PanicContext { name, kind, seed };
            let measured = allocation_counter::measure(|| decode(&frame, kind));
            let allowed = may_allocate(u64::try_from(frame.len()).expect("a short frame"));
            assert!(
                measured.bytes_max <= allowed,
                "{} bytes for a frame of {}",
                measured.bytes_max,
                frame.len()
            );
            std::mem::forget(place);
        }
    }
}

/// Says on a panic where it was.
struct PanicContext<'a, K: std::fmt::Debug> {
    name: &'a str,
    kind: K,
    seed: u64,
}

impl<K: std::fmt::Debug> Drop for PanicContext<'_, K> {
    fn drop(&mut self) {
        let Self { name, kind, seed } = self;
        eprintln!(
            "failed at {name} {kind:?}: KAVKA_FUZZ_SEED={seed} KAVKA_FUZZ_FRAMES=1 repeats it"
        );
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Random bytes, or the valid ones with up to four changes.
fn spoiled(random: &mut Random, valid: &[u8]) -> Vec<u8> {
    if random.below(4) == 0 {
        let len = random.below(200);
        // Many zeros, so that counts and lengths are at times believable.
        return (0..len).map(|_| byte(random) * u8::from(random.below(2) == 0)).collect();
    }
    let mut frame = valid.to_vec();
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
