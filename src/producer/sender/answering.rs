//! What a broker's answer makes of a batch.

use super::action::ending;
use super::sequence::Effect;
use super::*;

impl Sender {
    pub(super) fn handle_answer(
        &mut self,
        broker: BrokerId,
        partition: PartitionIndex,
        batch: BatchId,
        answer: Answer,
    ) {
        let (failures, attempts_left) = match self.batches.get_mut(&batch) {
            Some(known) => {
                known.failures += u32::from(!matches!(answer, Answer::Written { .. }));
                known.answered += u32::from(
                    matches!(&answer, Answer::Retry { error, is_leader_stale: false, .. } if error.code().is_some()),
                );
                let has_attempts = known.failures <= self.settings.retries
                    && known.answered <= self.settings.broker_error_retries;
                (known.failures, has_attempts)
            }
            None => (1, false),
        };
        if let Answer::Retry { is_leader_stale: true, .. } = answer {
            self.refresh_metadata();
        }
        let backoff = self.settings.backoff.after(failures, &mut self.random);
        let now = self.now;
        let ending = ending(&answer, attempts_left);
        if matches!(answer, Answer::Written { .. }) {
            self.id_asked = 0;
        }
        let Some(state) = self.partition(partition) else { return };
        if matches!(answer, Answer::Written { .. }) {
            state.moves = 0;
        }
        state.trouble = answer.error().map(|error| error.clone().at_broker(broker));
        // A leader that became known meanwhile is worth a try at once (KIP-951).
        let has_moved =
            state.moves < QUICK_MOVES && state.leader.is_some_and(|leader| leader.broker != broker);
        let retry_at = if has_moved { now } else { now + backoff };
        let effect = state.sequences.end(batch, ending, retry_at);
        match (effect, answer) {
            (Effect::Forgotten | Effect::Retry, _) => {}
            (Effect::Acknowledged, Answer::Written { base_offset, append_time }) => {
                self.resolve(batch, Verdict::Written { base_offset, append_time });
            }
            (Effect::Acknowledged, _) => {
                self.resolve(batch, Verdict::Written { base_offset: None, append_time: None })
            }
            (Effect::Split, _) => self.actions.push_back(Action::Split { partition, batch }),
            (Effect::Failed(written), answer) => {
                let records = match &answer {
                    Answer::Failed { records, .. } => records.clone(),
                    _ => Vec::new(),
                };
                let error = answer
                    .error()
                    .cloned()
                    .unwrap_or_else(|| Error::new(ErrorKind::Protocol, "failed without an error"));
                self.resolve(
                    batch,
                    Verdict::Failed { error: error.with_written(written), records },
                );
            }
        }
        self.refresh_readiness(partition);
    }

    pub(super) fn resolve(&mut self, batch: BatchId, verdict: Verdict) {
        let Some(known) = self.batches.remove(&batch) else { return };
        self.deadlines.remove(&(known.deadline, batch));
        self.actions.push_back(Action::Resolve { partition: known.partition, batch, verdict });
    }
}
