//! What a member says of records, and how it waits for what becomes of that.

use super::*;

use kavka::{Acknowledgement, Offset, ShareBatch};

use super::super::books::Saying;

impl Application {
    /// Says something of one of the records in hand.
    pub(super) async fn settle_any(&mut self, consumer: &ShareConsumer) {
        let Some(number) = self.any() else { return };
        let what = self.word();
        self.settle(consumer, number, what).await;
    }

    fn any(&mut self) -> Option<usize> {
        let held = self.books.in_hand(self.member);
        let at = usize::try_from(self.dice.next() % held.len().max(1) as u64).unwrap();
        held.get(at).copied()
    }

    fn word(&mut self) -> AcknowledgeType {
        use AcknowledgeType::{Accept, Reject, Release};
        self.dice.pick(&[Accept, Accept, Accept, Accept, Release, Release, Reject])
    }

    /// Says something of a record in hand: by itself, or by its offset.
    pub(super) async fn settle(
        &mut self,
        consumer: &ShareConsumer,
        number: usize,
        what: AcknowledgeType,
    ) {
        self.call_only();
        let by_offset = self.dice.once_in(4) && self.is_newest(number);
        let Some(record) = self.books.take(number) else { return };
        let left = record.lock_time_left();
        let saying = self.books.says(number, what, left);
        let Some(saying) = saying else {
            return self.fails("of what was said something of before", word_of(record, what)).await;
        };
        if by_offset {
            let (partition, offset) = (record.topic_partition(), record.offset());
            match consumer.acknowledge(partition, offset, what) {
                Ok(acknowledgement) => self.follow(acknowledgement, vec![saying]).await,
                Err(error) => self.books.resolved(&[saying], &Err(error)),
            }
        } else {
            self.follow(word_of(record, what), vec![saying]).await;
        }
    }

    /// What is said by offset is of the newest delivery.
    fn is_newest(&self, number: usize) -> bool {
        !self.books.has_newer(number)
    }

    /// Says the same of a batch.
    pub(super) async fn settle_batch(&mut self, batch: ShareBatch) {
        let what = self.word();
        let mut sayings = Vec::new();
        for record in batch.records() {
            let number = self.books.delivered(self.member, record);
            self.was_given(number);
            sayings.extend(self.books.says(number, what, record.lock_time_left()));
        }
        let acknowledgement = match what {
            AcknowledgeType::Accept => batch.accept(),
            AcknowledgeType::Release => batch.release(),
            _ => batch.reject(),
        };
        self.follow(acknowledgement, sayings).await;
    }

    /// Waits for what becomes of it: here, elsewhere, for a while, or not at all.
    async fn follow(&mut self, mut acknowledgement: Acknowledgement, sayings: Vec<Saying>) {
        let (books, stage) = (Arc::clone(&self.books), Arc::clone(&self.stage));
        match self.dice.within(0..=5) {
            0 => return,
            1 => return watch(&stage, &books, acknowledgement, &sayings).await,
            2 => {
                let patience = self.dice.millis(0..=30);
                if let Ok(result) = timeout(patience, &mut acknowledgement).await {
                    return books.resolved(&sayings, &result);
                }
            }
            _ => {}
        }
        tokio::spawn(async move { watch(&stage, &books, acknowledgement, &sayings).await });
    }

    /// Has a lock begin anew.
    pub(super) fn renew(&mut self, consumer: &ShareConsumer) {
        let Some(number) = self.any() else { return };
        self.call_only();
        let by_offset = self.dice.once_in(3) && self.is_newest(number);
        let what = AcknowledgeType::Renew;
        let left = self.books.with(number, ShareRecord::lock_time_left).flatten();
        let Some(saying) = self.books.says(number, what, left) else { return };
        let renewed = self.books.with(number, |record| match by_offset {
            true => consumer.acknowledge(record.topic_partition(), record.offset(), what),
            false => Ok(record.renew()),
        });
        let acknowledgement = match renewed {
            Some(Ok(acknowledgement)) => acknowledgement,
            Some(Err(error)) => return self.books.resolved(&[saying], &Err(error)),
            None => return,
        };
        let (books, stage) = (Arc::clone(&self.books), Arc::clone(&self.stage));
        tokio::spawn(async move {
            watch(&stage, &books, acknowledgement, std::slice::from_ref(&saying)).await;
        });
    }

    /// Drops a record without a word.
    pub(super) fn drop_any(&mut self) {
        let Some(number) = self.any() else { return };
        if self.plan.is_explicit {
            let left = self.books.with(number, ShareRecord::lock_time_left).flatten();
            self.books.says(number, AcknowledgeType::Release, left);
        }
        self.books.take(number);
    }

    /// Another task settles it later.
    pub(super) fn hand_on(&mut self) {
        let Some(number) = self.any() else { return };
        let (books, stage) = (Arc::clone(&self.books), Arc::clone(&self.stage));
        let later = self.dice.millis(0..=2_500);
        let what = self.word();
        tokio::spawn(async move {
            sleep(later).await;
            let Some(record) = books.take(number) else { return };
            let Some(saying) = books.says(number, what, record.lock_time_left()) else { return };
            watch(&stage, &books, word_of(record, what), &[saying]).await;
        });
    }

    /// Nothing can be said of what another has, or nobody.
    pub(super) async fn say_of_foreign(&mut self, consumer: &ShareConsumer) {
        let partitions = self.stage.world.partitions();
        let at = usize::try_from(self.dice.next() % partitions.len() as u64).unwrap();
        let partition: &TopicPartition = &partitions[at];
        let end = self.stage.world.end(partition).unsigned_abs();
        let offset = i64::try_from(self.dice.within(0..=end)).unwrap();
        if self.books.was_given(self.member, partition, offset) {
            return;
        }
        let what = self.word();
        match consumer.acknowledge(partition, Offset(offset), what) {
            Err(error) if error.kind() == ErrorKind::LockLost => {}
            other => self.wrong(&format!("{partition} {offset}, not its, is said {other:?} of")),
        }
    }

    /// Nothing can be said twice.
    pub(super) async fn say_again(&mut self, consumer: &ShareConsumer) {
        let Some(number) = self.any().filter(|number| self.is_newest(*number)) else { return };
        self.settle(consumer, number, AcknowledgeType::Accept).await;
        let (partition, offset) = self.books.key_of(number);
        // It has come once more, and counts anew.
        if !self.is_newest(number) {
            return;
        }
        match consumer.acknowledge(&partition, Offset(offset), AcknowledgeType::Release) {
            Err(error) if error.kind() == ErrorKind::LockLost => {}
            Err(error) => self.wrong(&format!("{partition} {offset} again: {error:?}")),
            Ok(acknowledgement) => self.fails("again", acknowledgement).await,
        }
    }

    /// What cannot be said fails at once.
    async fn fails(&self, what: &str, acknowledgement: Acknowledgement) {
        match timeout(Duration::ZERO, acknowledgement).await {
            Ok(Err(_)) => {}
            other => self.wrong(&format!("what is said {what}: {other:?}")),
        }
    }
}

/// Says something of a record.
fn word_of(record: ShareRecord, what: AcknowledgeType) -> Acknowledgement {
    match what {
        AcknowledgeType::Accept => record.accept(),
        AcknowledgeType::Release => record.release(),
        _ => record.reject(),
    }
}

/// Waits for what becomes of what was said, which is not for ever.
async fn watch(stage: &Stage, books: &Books, acknowledgement: Acknowledgement, sayings: &[Saying]) {
    let longest = books.longest_answer(sayings);
    let _waiting = books.awaits(sayings);
    match timeout(longest, acknowledgement).await {
        Ok(result) => books.resolved(sayings, &result),
        Err(_) => {
            let name = books.plan.name;
            stage.world.log.wrong(format_args!("{name}: {longest:?} is not enough: {sayings:?}"));
        }
    }
}
