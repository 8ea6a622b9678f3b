use bytes::Bytes;
use proptest::prelude::*;

use super::decoding::DecodeOutcome;
use super::*;
use crate::consumer::position::Position;
use crate::error::ErrorKind;
use crate::ids::{Timestamp, TopicPartition};
use crate::wire::batch::{BatchHeader, Batches, DecodeOptions, RecordFields, RecordsBuilder};
use crate::wire::compress::Compression;

const OPTIONS: DecodeOptions = DecodeOptions { check_crc: true, max_decompressed: 1 << 20 };

fn assignment(id: u64) -> Arc<PartitionAssignment> {
    let assignment = PartitionAssignment::new(
        AssignmentEpoch(id),
        TopicPartition::new("t", i32::try_from(id).unwrap()),
    );
    assignment.start_at(Position::at(Offset(0)));
    Arc::new(assignment)
}

/// A batch of `count` records of about 100 bytes at `offset`.
fn batch(offset: i64, count: u32, compression: Compression) -> Batch {
    let mut builder = RecordsBuilder::with_capacity(1024);
    for _ in 0..count {
        builder
            .append(&RecordFields {
                timestamp: Timestamp(0),
                key: None,
                value: Some(&[7; 100]),
                headers: &[],
            })
            .unwrap();
    }
    let sealed = builder.seal(compression).unwrap();
    let mut bytes = [&BatchHeader { producer: None }.write(&sealed)[..], &sealed.records].concat();
    bytes[..8].copy_from_slice(&offset.to_be_bytes());
    Batches::new(Bytes::from(bytes)).next().unwrap().unwrap()
}

fn buffered(offset: i64, count: u32, compression: Compression) -> BufferedBatch {
    let batch = batch(offset, count, compression);
    let next = batch.next_offset();
    BufferedBatch { content: Content::Fetched(batch), start: Position::at(Offset(offset)), next }
}

fn plain(offset: i64) -> BufferedBatch {
    buffered(offset, 1, Compression::NONE)
}

fn popped(buffer: &mut Buffer) -> Vec<(u64, i64)> {
    std::iter::from_fn(|| buffer.pop())
        .map(|(assignment, buffered)| (assignment.id().0, buffered.start.offset.0))
        .collect()
}

#[test]
fn partitions_take_turns_and_keep_their_order() {
    let mut buffer = Buffer::new(1 << 20, 1 << 20);
    let (one, two) = (assignment(1), assignment(2));
    for offset in 0..3 {
        buffer.push(&one, plain(offset), None);
    }
    buffer.push(&two, plain(0), None);
    assert_eq!(popped(&mut buffer), [(1, 0), (2, 0), (1, 1), (1, 2)]);
    assert_eq!(buffer.held(), 0);
}

#[test]
fn an_assignment_that_goes_and_comes_again_has_one_turn_and_many_leave_little_behind() {
    let mut buffer = Buffer::new(1 << 20, 1 << 20);
    let assignments: Vec<_> = (1..=1000).map(assignment).collect();
    for assignment in &assignments {
        buffer.push(assignment, plain(0), None);
    }
    for assignment in assignments.iter().rev().take(990) {
        buffer.drop_assignment(assignment.id());
        assert!(buffer.turns.len() <= 2 * buffer.queues.len() + SPARE_TURNS);
    }
    for assignment in &assignments[..2] {
        buffer.drop_assignment(assignment.id());
        buffer.push(assignment, plain(0), None);
        buffer.push(assignment, plain(1), None);
    }
    let rest = (3..=10).map(|id| (id, 0));
    let expected: Vec<_> = rest.chain([(1, 0), (2, 0), (1, 1), (2, 1)]).collect();
    assert_eq!(popped(&mut buffer), expected);
    assert!(buffer.turns.is_empty() && buffer.pop().is_none());
}

#[test]
fn ended_assignment_is_dropped_and_no_other() {
    let mut buffer = Buffer::new(1 << 20, 1 << 20);
    let (one, two) = (assignment(1), assignment(2));
    buffer.push(&one, plain(0), None);
    buffer.push(&two, plain(0), None);
    one.set_delivery(DeliveryGate::Ended);
    assert_eq!(popped(&mut buffer), [(2, 0)]);
    assert_eq!(buffer.held(), 0);
}

#[test]
fn held_assignment_keeps_its_place() {
    let mut buffer = Buffer::new(1 << 20, 1 << 20);
    let (one, two) = (assignment(1), assignment(2));
    buffer.push(&one, plain(0), None);
    buffer.push(&two, plain(0), None);
    one.set_delivery(DeliveryGate::Held);
    assert_eq!(popped(&mut buffer), [(2, 0)]);
    one.set_delivery(DeliveryGate::Open);
    assert_eq!(popped(&mut buffer), [(1, 0)]);
}

#[test]
fn batch_that_is_being_decoded_is_waited_for_while_others_go_on() {
    let mut buffer = Buffer::new(1 << 20, 1 << 20);
    let (one, two) = (assignment(1), assignment(2));
    buffer.push(&one, buffered(0, 5, Compression::GZIP), None);
    buffer.push(&two, plain(0), None);
    let job = buffer.next_job().unwrap();
    assert!(buffer.next_job().is_none());
    assert_eq!(popped(&mut buffer), [(2, 0)]);
    let records = job.batch.decode(&OPTIONS).unwrap();
    buffer.decoded(job.assignment, job.number, DecodeOutcome::Done(Ok(records)));
    let (_, buffered) = buffer.pop().unwrap();
    assert!(matches!(buffered.content, Content::Decoded { .. }));
    assert_eq!(buffer.held(), 0);
}

#[test]
fn job_of_a_dropped_assignment_changes_nothing() {
    let mut buffer = Buffer::new(1 << 20, 1 << 20);
    let one = assignment(1);
    buffer.push(&one, buffered(0, 5, Compression::GZIP), None);
    let job = buffer.next_job().unwrap();
    buffer.drop_assignment(one.id());
    buffer.decoded(
        job.assignment,
        job.number,
        DecodeOutcome::Done(Err(Error::new(ErrorKind::Corrupt, "late"))),
    );
    assert_eq!((buffer.held(), popped(&mut buffer)), (0, vec![]));
}

#[test]
fn no_job_is_given_out_beyond_the_budget_and_the_next_pop_tells_of_room() {
    let compressed = buffered(1, 9, Compression::GZIP);
    let Content::Fetched(batch) = &compressed.content else { panic!("as it was fetched") };
    // Room for the batch and what is set aside for it, but not beside the first.
    let mut buffer = Buffer::new(batch.len() * (1 + EXPANSION), 1 << 20);
    let one = assignment(1);
    buffer.push(&one, plain(0), None);
    buffer.push(&one, compressed, None);
    assert!(buffer.next_job().is_none());
    assert!(!buffer.has_job());
    buffer.pop().unwrap();
    assert!(buffer.has_job());
    assert!(buffer.next_job().is_some());
}

#[test]
fn full_partition_is_relieved_when_it_has_half_drained() {
    let size = batch(0, 1, Compression::NONE).len();
    let mut buffer = Buffer::new(1 << 20, 4 * size);
    let one = assignment(1);
    for offset in 0..4 {
        buffer.push(&one, plain(offset), None);
    }
    assert!(buffer.is_full(one.id()));
    buffer.pop().unwrap();
    assert!(buffer.is_full(one.id()) && !buffer.has_relieved());
    buffer.pop().unwrap();
    assert!(!buffer.is_full(one.id()));
    assert_eq!(buffer.take_relieved().len(), 1);
}

#[test]
fn paused_partitions_do_not_starve_others() {
    let size = batch(0, 1, Compression::NONE).len();
    let mut buffer = Buffer::new(4 * size, 1 << 20);
    let (one, two, three) = (assignment(1), assignment(2), assignment(3));
    for offset in 0..3 {
        buffer.push(&one, plain(offset), None);
    }
    buffer.push(&two, plain(0), None);
    buffer.push(&three, plain(0), None);
    one.set_delivery(DeliveryGate::Held);
    two.set_delivery(DeliveryGate::Held);
    assert!(buffer.evict_held().is_empty(), "while there is something to deliver, room will come");
    assert_eq!(popped(&mut buffer), [(3, 0)]);
    let evicted = |buffer: &mut Buffer| -> Vec<_> {
        buffer
            .evict_held()
            .iter()
            .map(|(assignment, from)| (assignment.id().0, from.offset.0))
            .collect()
    };
    assert_eq!(evicted(&mut buffer), [(1, 2)], "from behind, and no more than must be");
    assert_eq!(evicted(&mut buffer), []);
    one.set_delivery(DeliveryGate::Open);
    two.set_delivery(DeliveryGate::Open);
    assert_eq!(popped(&mut buffer), [(1, 0), (2, 0), (1, 1)], "the rest is still here");
}

#[test]
fn small_rest_of_a_large_reply_is_copied_out_of_it_when_room_is_short() {
    const REPLY: usize = 1 << 20;
    let mut buffer = Buffer::new(REPLY, 1 << 30);
    let assignments: Vec<_> = (0..100).map(assignment).collect();
    let mut size = 0;
    for assignment in &assignments {
        let reply = buffer.reply(REPLY);
        buffer.push(assignment, plain(0), Some(reply));
        size += batch(0, 1, Compression::NONE).len();
        assignment.set_delivery(DeliveryGate::Held);
        assert!(buffer.has_room(), "a batch of a few bytes takes no more room than that");
    }
    assert_eq!(buffer.held(), size);
    assignments.iter().for_each(|assignment| assignment.set_delivery(DeliveryGate::Open));
    assert_eq!(popped(&mut buffer).len(), 100);
    assert_eq!(buffer.held(), 0);
}

#[test]
fn reply_counts_whole_until_its_last_batch_has_left() {
    let mut buffer = Buffer::new(1 << 20, 1 << 20);
    let one = assignment(1);
    let reply = buffer.reply(5000);
    buffer.push(&one, plain(0), Some(reply));
    buffer.push(&one, plain(1), Some(reply));
    assert_eq!(buffer.held(), 5000);
    buffer.pop().unwrap();
    assert_eq!(buffer.held(), 5000);
    buffer.pop().unwrap();
    assert_eq!(buffer.held(), 0);
}

/// Batches that decompress to much more than jobs set aside: together no more than the budget is
/// ever taken.
#[test]
fn batches_that_outgrow_their_room_are_left_to_the_application() {
    let compressed = || buffered(0, 2000, Compression::ZSTD);
    let (wire, plain) = match compressed().content {
        Content::Fetched(batch) => (batch.len(), batch.decode(&OPTIONS).unwrap().len()),
        _ => panic!("as it was fetched"),
    };
    assert!(plain > 40 * wire, "{wire} to {plain}");
    let mut buffer = Buffer::new(plain + 40 * wire, 1 << 30);
    let assignments: Vec<_> = (0..20).map(assignment).collect();
    for assignment in &assignments {
        buffer.push(assignment, compressed(), None);
    }
    let mut decoded = 0;
    while let Some(job) = buffer.next_job() {
        assert!(buffer.held() <= plain + 40 * wire);
        let outcome = job.run(&OPTIONS);
        decoded += usize::from(matches!(outcome, DecodeOutcome::Done(Ok(_))));
        buffer.decoded(job.assignment, job.number, outcome);
        assert!(buffer.held() <= plain + 40 * wire, "{} bytes are held", buffer.held());
    }
    assert!(decoded <= 1, "{decoded} were decoded ahead");
    let mut left = 0;
    while let Some((_, buffered)) = buffer.pop() {
        left += usize::from(matches!(buffered.content, Content::Fetched(_)));
    }
    assert_eq!(left + decoded, 20, "what was not decoded leaves as it came");
    assert_eq!(buffer.held(), 0);
}

#[test]
fn expectation_follows_what_batches_decompress_to() {
    let mut buffer = Buffer::new(1 << 30, 1 << 30);
    let one = assignment(1);
    let mut outgrown = 0;
    for offset in 0..20 {
        buffer.push(&one, buffered(offset * 500, 500, Compression::ZSTD), None);
        let job = buffer.next_job().unwrap();
        let outcome = job.run(&OPTIONS);
        outgrown += usize::from(matches!(outcome, DecodeOutcome::Outgrown));
        buffer.decoded(job.assignment, job.number, outcome);
    }
    assert!((1..8).contains(&outgrown), "{outgrown} of 20 were begun in vain");
}

#[test]
fn skipped_batches_join_the_piece_before_them() {
    let mut buffer = Buffer::new(1 << 20, 1 << 20);
    let one = assignment(1);
    let skipped = |start, next| BufferedBatch {
        content: Content::Skipped,
        start: Position::at(Offset(start)),
        next: Offset(next),
    };
    buffer.push(&one, plain(0), None);
    buffer.push(&one, skipped(1, 9), None);
    let (_, buffered) = buffer.pop().unwrap();
    assert_eq!(buffered.next, Offset(9));
    buffer.push(&one, skipped(9, 12), None);
    assert!(matches!(
        buffer.pop(),
        Some((_, BufferedBatch { content: Content::Skipped, next: Offset(12), .. }))
    ));
}

#[derive(Clone, Debug)]
enum Step {
    Push { assignment: u64, count: u32, is_compressed: bool },
    Pop { gives_back: bool },
    Job,
    Finish,
    End { assignment: u64 },
    Hold { assignment: u64, is_held: bool },
    Evict,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u64..4, 1_u32..20, any::<bool>()).prop_map(|(assignment, count, is_compressed)| Step::Push { assignment, count, is_compressed }),
        6 => (0_u8..6).prop_map(|luck| Step::Pop { gives_back: luck == 0 }),
        3 => Just(Step::Job),
        3 => Just(Step::Finish),
        1 => (0_u64..4).prop_map(|assignment| Step::End { assignment }),
        2 => (0_u64..4, any::<bool>()).prop_map(|(assignment, is_held)| Step::Hold { assignment, is_held }),
        1 => Just(Step::Evict),
    ]
}

proptest! {
    #[test]
    fn offsets_rise_nothing_of_an_ended_assignment_comes_and_bytes_stay_within_the_budget(
        script in prop::collection::vec(step(), 1..200)
    ) {
        const BUDGET: usize = 4096;
        // What one batch may grow to when it is decompressed.
        const LARGEST: usize = 20 * 120;
        let mut buffer = Buffer::new(BUDGET, 2048);
        // Four partitions, each under its newest assignment: where it is fetched and where the
        // application stands.
        let mut partitions: Vec<_> = (0..4).map(|id| (assignment(id), 0_i64, 0_i64)).collect();
        let mut next_assignment = 4;
        let mut jobs: Vec<DecodeJob> = Vec::new();
        let mut renew = |entry: &mut (Arc<PartitionAssignment>, i64, i64)| {
            entry.0.set_delivery(DeliveryGate::Ended);
            *entry = (assignment(next_assignment), entry.2, entry.2);
            next_assignment += 1;
        };
        for step in script {
            match step {
                Step::Push { assignment, count, is_compressed } => {
                    let (assignment, fetched, _) = &mut partitions[usize::try_from(assignment).unwrap()];
                    // As the planner: nothing is fetched without room.
                    if buffer.has_room() && !buffer.is_full(assignment.id()) {
                        let compression = if is_compressed { Compression::GZIP } else { Compression::NONE };
                        buffer.push(assignment, buffered(*fetched, count, compression), None);
                        *fetched += i64::from(count);
                    }
                }
                Step::Pop { gives_back } => {
                    let Some((assignment, buffered)) = buffer.pop() else { continue };
                    prop_assert_eq!(assignment.delivery(), DeliveryGate::Open);
                    let (_, _, at) = partitions.iter_mut().find(|(newest, ..)| newest.id() == assignment.id()).unwrap();
                    prop_assert_eq!(buffered.start.offset.0, *at, "the very next offset");
                    if gives_back {
                        buffer.put_back(&assignment, buffered);
                    } else {
                        *at = buffered.next.0;
                    }
                }
                Step::Job if jobs.is_empty() => jobs.extend(buffer.next_job()),
                Step::Job => {}
                Step::Finish => {
                    if let Some(job) = jobs.pop() {
                        buffer.decoded(job.assignment, job.number, job.run(&OPTIONS));
                    }
                }
                Step::End { assignment } => renew(&mut partitions[usize::try_from(assignment).unwrap()]),
                Step::Hold { assignment, is_held } => {
                    let delivery = if is_held { DeliveryGate::Held } else { DeliveryGate::Open };
                    partitions[usize::try_from(assignment).unwrap()].0.set_delivery(delivery);
                }
                Step::Evict => {
                    for (evicted, from) in buffer.evict_held() {
                        if let Some((_, fetched, _)) = partitions.iter_mut().find(|(newest, ..)| newest.id() == evicted.id()) {
                            *fetched = from.offset.0;
                        }
                    }
                }
            }
            // The batch that took the last room, and one given back as what it was decompressed to.
            prop_assert!(buffer.held() <= BUDGET + 2 * LARGEST);
        }
    }
}

fn at(offset: i64) -> Position {
    Position::at(Offset(offset))
}

#[test]
fn an_end_is_the_last_piece_and_only_one() {
    let mut buffer = Buffer::new(1 << 20, 1 << 20);
    let one = assignment(1);
    buffer.push(&one, plain(0), None);
    buffer.push_end(&one, at(1));
    buffer.push_end(&one, at(1));
    assert_eq!(popped(&mut buffer), [(1, 0), (1, 1)]);
    buffer.push_end(&one, at(1));
    buffer.push(&one, plain(1), None);
    assert_eq!(popped(&mut buffer), [(1, 1)], "it is not the end any more");
    buffer.push_end(&one, at(2));
    let (_, end) = buffer.pop().unwrap();
    buffer.push(&one, plain(2), None);
    buffer.put_back(&one, end);
    assert!(matches!(buffer.pop(), Some((_, BufferedBatch { content: Content::Fetched(_), .. }))));
    assert!(buffer.pop().is_none());
}

#[cfg(feature = "gzip")]
#[test]
fn records_are_enough_as_their_batches_claim_and_by_what_can_be_taken() {
    let mut buffer = Buffer::new(1 << 20, 2_000);
    let (one, two) = (assignment(1), assignment(2));
    assert!(buffer.is_enough(0) && !buffer.is_enough(1));
    buffer.push(&one, buffered(0, 2, Compression::NONE), None);
    buffer.push(&two, buffered(0, 3, Compression::NONE), None);
    assert!(buffer.is_enough(5) && !buffer.is_enough(6));
    two.set_delivery(DeliveryGate::Held);
    assert!(buffer.is_enough(2) && !buffer.is_enough(3));
    assert_eq!(buffer.pop_many(10).len(), 1, "nothing of what is held");
    two.set_delivery(DeliveryGate::Open);
    buffer.push(&two, buffered(3, 40, Compression::NONE), None);
    assert!(buffer.is_enough(100), "it is fetched no further");
    assert_eq!(buffer.pop_many(4).len(), 2);
    buffer.push(&one, buffered(2, 3, Compression::GZIP), None);
    buffer.push(&one, buffered(5, 3, Compression::NONE), None);
    let job = buffer.next_job().unwrap();
    assert!(!buffer.is_enough(1), "it is being decoded");
    assert_eq!(buffer.pop_many(1).len(), 0);
    buffer.decoded(job.assignment, job.number, job.run(&OPTIONS));
    assert!(buffer.is_enough(6) && !buffer.is_enough(7));
    buffer.push(&one, buffered(8, 3, Compression::GZIP), None);
    let job = buffer.next_job().unwrap();
    assert!(buffer.is_enough(6) && !buffer.is_enough(7), "the last is being decoded");
    buffer.decoded(job.assignment, job.number, job.run(&OPTIONS));
    assert!(buffer.is_enough(9));
    assert_eq!(buffer.pop_many(4).len(), 2, "no more than are wanted");
    assert_eq!(buffer.pop_many(4).len(), 1);
}
