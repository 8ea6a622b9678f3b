//! Random scripts.

use super::world::{Request, Way, World};
use crate::clock::Random;
use crate::error::ErrorCode;
use crate::producer::sender::ready::PartitionIndex;
use crate::producer::tests::{Seed, seeds};
use crate::producer::transaction::reaction::{Reaction, reaction};
use crate::producer::transaction::{Phase, TransactionProtocol};

const STEPS: usize = 300;

/// What a coordinator may say without doing anything, whoever asks.
const PASSING: [ErrorCode; 6] = [
    ErrorCode::NOT_COORDINATOR,
    ErrorCode::COORDINATOR_NOT_AVAILABLE,
    ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode::CONCURRENT_TRANSACTIONS,
    ErrorCode::UNKNOWN_SERVER_ERROR,
    ErrorCode::REQUEST_TIMED_OUT,
];

/// What it says of a transaction that cannot be committed.
const ABORTING: [ErrorCode; 9] = [
    ErrorCode::TRANSACTION_ABORTABLE,
    ErrorCode::INVALID_TXN_STATE,
    ErrorCode::INVALID_PRODUCER_ID_MAPPING,
    ErrorCode::UNKNOWN_PRODUCER_ID,
    ErrorCode::TOPIC_AUTHORIZATION_FAILED,
    ErrorCode::GROUP_AUTHORIZATION_FAILED,
    ErrorCode::UNKNOWN_MEMBER_ID,
    ErrorCode::ILLEGAL_GENERATION,
    ErrorCode::FENCED_INSTANCE_ID,
];

/// What ends the producer.
const ENDING: [ErrorCode; 5] = [
    ErrorCode::PRODUCER_FENCED,
    ErrorCode::INVALID_PRODUCER_EPOCH,
    ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    ErrorCode::UNSUPPORTED_VERSION,
    ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
];

fn pick<T: Copy>(random: &mut Random, from: &[T]) -> T {
    from[usize::try_from(random.below(from.len().try_into().unwrap())).unwrap()]
}

fn protocol(random: &mut Random) -> TransactionProtocol {
    if random.below(2) == 0 { TransactionProtocol::V1 } else { TransactionProtocol::V2 }
}

/// What becomes of a request. A coordinator that may have ended the transaction does not say that
/// it cannot.
fn way(random: &mut Random, request: &Request, may_have_ended: bool) -> Way {
    let is_end = matches!(request, Request::End(..));
    match random.below(100) {
        0..=59 => Way::Answered,
        60..=71 => Way::Refused(pick(random, &PASSING)),
        72..=75 if !is_end || !may_have_ended => Way::Refused(pick(random, &ABORTING)),
        76 if random.below(4) == 0 => Way::Refused(pick(random, &ENDING)),
        77..=86 => Way::ReplyLost,
        87..=93 => Way::Lost,
        // A late InitProducerId of a producer without identity fences it, as in Java.
        94..=99 if !matches!(request, Request::Init(None)) => Way::Late,
        _ => Way::Answered,
    }
}

/// A script; how often it committed.
fn run(seed: u64) -> usize {
    let mut random = Random::new(seed);
    let mut world = World::new();
    let mut may_have_ended = false;
    for _ in 0..STEPS {
        step(&mut world, &mut random, &mut may_have_ended);
        world.run();
    }
    heal(&mut world);
    world.check_truth();
    world.commits
}

fn step(world: &mut World, random: &mut Random, may_have_ended: &mut bool) {
    let now = match world.machine.status().phase {
        Phase::Open(number) | Phase::Failed(number, _) => number,
        _ => world.machine.status().ended.map_or(0, |(number, _)| number + 1),
    };
    // Also of one that has ended.
    let number = if random.below(8) == 0 { now.saturating_sub(1) } else { now };
    match random.below(100) {
        0..=2 => world.machine.handle_init(),
        3..=17 => {
            world.protocol = protocol(random);
            world.machine.handle_begin(world.protocol);
        }
        18..=33 => world.append(PartitionIndex(u32::try_from(random.below(3)).unwrap())),
        34..=39 => world.send_offsets(number),
        40..=45 => world.machine.handle_commit(number),
        46..=48 => world.machine.handle_abort(number),
        49 => world.expire(),
        50 if random.below(3) == 0 => world.coordinator.time_out(protocol(random)),
        51..=55 if !world.strays.is_empty() => {
            let at = usize::try_from(random.below(world.strays.len().try_into().unwrap())).unwrap();
            let stray = world.strays.swap_remove(at);
            let _nobody_waits = world.arrive(&stray);
        }
        _ if !world.requests.is_empty() => {
            let at =
                usize::try_from(random.below(world.requests.len().try_into().unwrap())).unwrap();
            let request = &world.requests[at];
            let way = way(random, request, *may_have_ended);
            if matches!(request, Request::End(..)) {
                let has_answer = matches!(way, Way::Answered | Way::Refused(_));
                let refused = match way {
                    Way::Refused(code) => {
                        reaction(&crate::error::Error::broker(code)) != Reaction::Retry
                    }
                    _ => has_answer,
                };
                *may_have_ended = !refused && (*may_have_ended || !has_answer);
            }
            world.serve(at, way);
        }
        _ => {}
    }
}

/// Without faults everything ends.
fn heal(world: &mut World) {
    for _ in 0..100 {
        while !world.requests.is_empty() {
            world.serve(0, Way::Answered);
            world.run();
        }
        if let Phase::Open(number) | Phase::Failed(number, _) = world.machine.status().phase {
            world.machine.handle_abort(number);
        }
        world.run();
        for stray in std::mem::take(&mut world.strays) {
            let _nobody_waits = world.arrive(&stray);
        }
    }
    let phase = world.machine.status().phase;
    let is_idle = matches!(phase, Phase::Unready | Phase::Ready | Phase::Ended(_));
    assert!(is_idle, "something never ends: {phase:?}");
}

#[test]
fn what_must_always_hold_holds() {
    let seeds = seeds(0..2_000);
    let is_alone = seeds.end - seeds.start == 1;
    let mut commits = 0;
    for seed in seeds {
        let _named = Seed(seed);
        commits += run(seed);
    }
    assert!(is_alone || commits > 2_000, "{commits} commits try nothing");
}
