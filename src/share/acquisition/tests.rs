use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::ids::Timestamp;
use crate::record::TimestampType;
use crate::wire::batch::{BatchHeader, Batches, DecodeOptions, RecordFields, RecordsBuilder};
use crate::wire::compress::Compression;

const LOCK: Duration = Duration::from_secs(30);

/// Ten records from offset 10 on, of which that with offset 13 is a gap.
fn acquisition(now: Instant) -> (Arc<Acquisition>, Arc<Bell>) {
    let mut builder = RecordsBuilder::with_capacity(64);
    for _ in 0..10 {
        let fields =
            RecordFields { timestamp: Timestamp(0), key: None, value: Some(b"v"), headers: &[] };
        builder.append_within(1 << 20, &fields).unwrap();
    }
    let sealed = builder.seal(Compression::NONE).unwrap();
    let mut bytes = [&BatchHeader { producer: None }.write(&sealed)[..], &sealed.records].concat();
    bytes[..8].copy_from_slice(&10_i64.to_be_bytes());
    let options = DecodeOptions { check_crc: true, max_decompressed: 1 << 20 };
    let batch = Batches::new(Bytes::from(bytes)).next().unwrap().unwrap();
    let records = batch.decode(&options).unwrap();
    let mut acquired = Acquired::default();
    for record in records.iter() {
        let record = record.unwrap();
        if record.offset == Offset(13) {
            AcknowledgedRange { first: Offset(13), last: Offset(13), said: None }
                .append_to(&mut acquired.others);
            continue;
        }
        acquired.records.push(AcquiredRecord {
            offset: record.offset,
            timestamp: record.timestamp,
            spans: crate::wire::batch::RecordSpans::of(&record, records.data()),
            batch: 0,
            delivery_count: 1,
        });
    }
    acquired.batches.push(AcquiredBatch {
        data: records.data().clone(),
        timestamp_type: TimestampType::CreateTime,
        leader_epoch: None,
    });
    let bell: Arc<Bell> = Arc::default();
    let acquisition = Acquisition::new(
        TopicPartition::new("t", 0),
        TopicId([1; 16]),
        BrokerId(1),
        acquired,
        now + LOCK,
        true,
        Arc::clone(&bell),
    );
    (Arc::new(acquisition), bell)
}

fn ranges(outgoing: &OutgoingAcknowledgements) -> Vec<(i64, i64, Option<AcknowledgeType>)> {
    outgoing.ranges.iter().map(|range| (range.first.0, range.last.0, range.said)).collect()
}

/// What a listener is told.
fn news(acquisition: &Acquisition) -> Vec<(i64, i64, Option<ErrorKind>)> {
    let told = Mutex::default();
    acquisition.announce(|offsets, outcome| {
        let kind = outcome.err().map(|error| error.kind());
        lock::<Vec<_>>(&told).push((offsets.start().0, offsets.end().0, kind));
    });
    told.into_inner().unwrap()
}

const ACCEPT: Option<AcknowledgeType> = Some(AcknowledgeType::Accept);
const RELEASE: Option<AcknowledgeType> = Some(AcknowledgeType::Release);

#[test]
fn what_is_said_is_sent_once_in_runs_with_the_gaps() {
    let now = crate::runtime::now();
    let (acquisition, bell) = acquisition(now);
    assert_eq!(acquisition.hand_over(6, now), Some(0..6));
    assert!(acquisition.say(0..4, AcknowledgeType::Accept, now));
    acquisition.dropped(4);
    assert!(!acquisition.say(0..2, AcknowledgeType::Reject, now), "it was said before");
    let sent = acquisition.send(false, now);
    assert_eq!(
        ranges(&sent),
        [(10, 12, ACCEPT), (13, 13, None), (14, 14, ACCEPT), (15, 15, RELEASE)]
    );
    assert_eq!(acquisition.send(false, now).ranges, [], "once");
    assert!(!bell.has_said());
    acquisition.unsend();
    assert!(bell.has_said());
    assert_eq!(ranges(&acquisition.send(false, now)), ranges(&sent), "and again, if it is to be");
    assert_eq!(news(&acquisition), []);
    acquisition.confirm(now + LOCK);
    assert_eq!(news(&acquisition), [(10, 12, None), (14, 15, None)]);
    assert_eq!(news(&acquisition), [], "once");
    assert!(!acquisition.is_over(), "three were not handed over");
    assert_eq!(acquisition.hand_over(9, now), Some(6..9));
    acquisition.say(5..9, AcknowledgeType::Accept, now);
    assert_eq!(ranges(&acquisition.send(false, now)), [(16, 19, ACCEPT)]);
    acquisition.confirm(now + LOCK);
    assert!(!acquisition.is_over(), "that is to be told");
    assert_eq!(news(&acquisition), [(16, 19, None)]);
    assert!(acquisition.is_over() && !bell.has_said());
}

#[test]
fn a_lock_that_has_run_out_fails_what_is_not_on_its_way() {
    let now = crate::runtime::now();
    let (acquisition, bell) = acquisition(now);
    acquisition.hand_over(4, now);
    acquisition.say(0..1, AcknowledgeType::Accept, now);
    acquisition.send(false, now);
    acquisition.say(1..2, AcknowledgeType::Accept, now);
    assert!(acquisition.renew(2, now));
    assert_eq!(acquisition.next_expiry(now), Some(now + LOCK));
    acquisition.expire(now + LOCK);
    assert!(!acquisition.has_failed(0), "the answer decides");
    assert!((1..9).all(|at| acquisition.has_failed(at)));
    assert!(!bell.has_said());
    assert_eq!(acquisition.hand_over(9, now + LOCK), None);
    let lost = Some(ErrorKind::LockLost);
    assert_eq!(news(&acquisition), [(11, 11, lost)], "of the renewal its future tells");
    assert!(!acquisition.say(3..4, AcknowledgeType::Accept, now + LOCK));
    assert_eq!(news(&acquisition), [(14, 14, lost)], "said too late");
    acquisition.dropped(2);
    acquisition.confirm(now + LOCK);
    assert_eq!(news(&acquisition), [(12, 12, lost), (10, 10, None)]);
    assert!(acquisition.is_over());
}

#[test]
fn a_renewed_lock_holds_for_its_record_alone() {
    let now = crate::runtime::now();
    let (acquisition, _) = acquisition(now);
    acquisition.hand_over(9, now);
    acquisition.renew(3, now);
    assert!(!acquisition.send(false, now).renews, "no fetch renews");
    let sent = acquisition.send(true, now);
    assert!(sent.renews);
    acquisition.confirm(now + 2 * LOCK);
    acquisition.expire(now + LOCK);
    assert!((0..9).all(|at| acquisition.has_failed(at) == (at != 3)));
    assert_eq!(acquisition.locked_until(3), Some(now + 2 * LOCK));
    assert!(acquisition.say(3..4, AcknowledgeType::Accept, now + LOCK));
}

#[test]
fn what_is_acquired_once_more_is_the_newer_ones() {
    let now = crate::runtime::now();
    let (older, bell) = acquisition(now);
    let (newer, _) = acquisition(now);
    older.hand_over(9, now);
    older.say(0..2, AcknowledgeType::Accept, now);
    older.give_way(&newer);
    assert!((0..9).all(|at| older.has_failed(at)));
    older.send(false, now);
    older.confirm(now);
    assert_eq!(news(&older), [(10, 11, Some(ErrorKind::LockLost))]);
    (2..9).for_each(|at| older.dropped(at));
    assert_eq!(news(&older).len(), 2, "before the gap and behind it");
    assert!(older.is_over() && !bell.has_said());
}

#[test]
fn it_is_said_once_the_application_has_nothing_of_it_left() {
    let now = runtime::now();
    let (acquisition, _) = acquisition(now);
    let first = acquisition.hand_over(4, now).unwrap();
    acquisition.say(first, AcknowledgeType::Accept, now);
    assert!(!acquisition.is_said(), "the rest is buffered");
    let rest = acquisition.hand_over(100, now).unwrap();
    assert!(!acquisition.is_said(), "the rest is in hand");
    acquisition.say(rest, AcknowledgeType::Reject, now);
    assert!(acquisition.is_said());
}

#[test]
fn only_what_was_handed_over_can_be_acknowledged_by_its_offset() {
    let now = crate::runtime::now();
    let (acquisition, _) = acquisition(now);
    acquisition.hand_over(2, now);
    assert_eq!(acquisition.locked_until(1), Some(now + LOCK));
    assert_eq!(acquisition.locked_until(2), None, "it is not in the application's hands");
}

#[test]
fn a_renewal_that_is_to_be_sent_again_gives_way_to_what_was_said_since() {
    let now = crate::runtime::now();
    let (acquisition, bell) = acquisition(now);
    acquisition.hand_over(9, now);
    acquisition.renew(2, now);
    acquisition.renew(3, now);
    acquisition.send(true, now);
    acquisition.say(2..3, AcknowledgeType::Accept, now);
    acquisition.unsend();
    let mut context = Context::from_waker(Waker::noop());
    let mut renewed =
        |at| acquisition.poll_settled(std::slice::from_ref(&(at..at + 1)), true, &mut context);
    assert!(matches!(renewed(2), Poll::Ready(Ok(()))), "as if it had not been sent");
    assert!(renewed(3).is_pending());
    let said: Vec<_> = acquisition.send(true, now).ranges.iter().map(|range| range.said).collect();
    assert_eq!(said.last(), Some(&Some(AcknowledgeType::Renew)));
    acquisition.confirm(now + LOCK);
    assert!(matches!(renewed(3), Poll::Ready(Ok(()))));
    assert!(!acquisition.has_said() && !bell.has_said(), "nothing is left to be sent");
}

#[test]
fn an_acquisition_is_not_over_while_a_renewal_is_on_its_way() {
    let now = crate::runtime::now();
    let (acquisition, _) = acquisition(now);
    acquisition.hand_over(9, now);
    acquisition.renew(2, now);
    acquisition.send(true, now);
    acquisition.expire(now + LOCK);
    (0..9).for_each(|at| acquisition.dropped(at));
    news(&acquisition);
    assert!(!acquisition.is_over(), "somebody waits for it");
    acquisition.confirm(now + LOCK);
    news(&acquisition);
    assert!(acquisition.is_over());
}

#[test]
fn a_renewal_that_is_to_be_sent_again_of_a_lost_record_fails() {
    let now = crate::runtime::now();
    let ((older, _), (newer, _)) = (acquisition(now), acquisition(now));
    older.hand_over(9, now);
    older.renew(2, now);
    older.send(true, now);
    older.give_way(&newer);
    older.unsend();
    let mut context = Context::from_waker(Waker::noop());
    assert!(matches!(
        older.poll_settled(std::slice::from_ref(&(2..3)), true, &mut context),
        Poll::Ready(Err(_))
    ));
    assert!(!older.renews(), "nothing is left to be renewed");
}
