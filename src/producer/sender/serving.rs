//! What is done next for a broker: batches are closed that are due there, or a request is made of
//! what is ready.

use super::departure::Departure;
use super::*;

impl Sender {
    /// Closes what is due at a broker; once that is sealed, makes a request of what is ready there.
    pub(super) fn serve(&mut self, broker: BrokerId) {
        let due_rule = self.due_rule(Some(broker));
        let round = self.ready.round(broker);
        let mut closed = Vec::new();
        for &partition in &round {
            let Some(state) = self.partitions.get_mut(index(partition)) else { continue };
            if let NextStep::Close(batch) =
                step(state, &self.producer, &self.admission, due_rule, self.now)
            {
                state.queue.closed(batch);
                self.actions.push_back(Action::Close { partition, batch });
                closed.push(partition);
            }
        }
        if closed.is_empty() {
            return self.send(broker, round);
        }
        for partition in closed {
            self.refresh_readiness(partition);
        }
    }

    fn send(&mut self, broker: BrokerId, round: Vec<PartitionIndex>) {
        let mut size = 0;
        let mut batches = Vec::with_capacity(round.len());
        for partition in round {
            let due_rule = self.due_rule(Some(broker));
            let Some(state) = self.partitions.get_mut(index(partition)) else { continue };
            let next = step(state, &self.producer, &self.admission, due_rule, self.now);
            let (NextStep::Begin(batch) | NextStep::Resend(batch)) = next else {
                self.refresh_readiness(partition);
                continue;
            };
            let Some(known) = self.batches.get(&batch) else { continue };
            if !batches.is_empty() && size + known.size > self.settings.max_request_size {
                break;
            }
            size += known.size;
            let stamp = if let NextStep::Begin(_) = next {
                state.queue.take(batch);
                state.sequences.begin(batch, known.count, broker, self.producer.identity())
            } else {
                state.sequences.resend(batch, broker)
            };
            batches.push(Outgoing { partition, batch, stamp });
        }
        let Some(last) = batches.last().map(|last| last.partition) else { return };
        self.ready.sent(broker, last);
        let request = RequestId(self.next_request);
        self.next_request += 1;
        let carried = batches.iter().map(|outgoing| (outgoing.partition, outgoing.batch)).collect();
        let departure = Departure::of(batches.len());
        self.requests.insert(
            request,
            InflightProduce {
                broker,
                batches: carried,
                sent: self.now,
                departure: departure.clone(),
            },
        );
        for outgoing in &batches {
            self.refresh_readiness(outgoing.partition);
        }
        self.actions.push_back(Action::Send { request, broker, batches, departure });
    }
}

/// What the first batches of a partition wait for. Retries come before what is new.
pub(super) fn step(
    partition: &PartitionSender,
    producer: &ProducerIdState,
    admission: &Admission,
    due_rule: DueRule,
    now: Instant,
) -> NextStep {
    let head = partition.queue.head(due_rule);
    if head == Head::Nothing && partition.sequences.is_empty() {
        return NextStep::AwaitEvent;
    }
    let Some(Leader { broker, .. }) = partition.leader else { return NextStep::AwaitLeader };
    match partition.sequences.next_resend(broker) {
        Some((_, Some(not_before))) if not_before > now => return NextStep::AwaitTime(not_before),
        Some((batch, _)) => return NextStep::Resend(batch),
        None => {}
    }
    if !partition.sequences.may_begin(broker, producer.identity()) {
        return NextStep::AwaitEvent;
    }
    if !admission.admits(partition.membership) {
        return NextStep::AwaitEvent;
    }
    if let Some(until) = partition.sequences.paused_until(now) {
        return NextStep::AwaitTime(until);
    }
    match head {
        Head::Open { due, .. } if due > now => NextStep::AwaitTime(due),
        Head::Open { batch, .. } => NextStep::Close(batch),
        Head::Sealed(batch) => NextStep::Begin(batch),
        Head::Nothing | Head::Sealing => NextStep::AwaitEvent,
    }
}
