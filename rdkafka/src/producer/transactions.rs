//! A transactional producer whose transaction is open between calls, rather than for as long as a
//! value lives.

use std::sync::{Arc, Mutex, PoisonError};

use kavka::{
    ConsumerGroupMetadata, OffsetAndMetadata, TopicPartition, Transaction, TransactionSender,
    TransactionalProducer,
};
use tokio::sync::{mpsc, oneshot};

use crate::error::{KafkaError, KafkaResult, RDKafkaError};
use crate::runtime;
use crate::util::Timeout;

/// What the task that has the producer is told to do.
pub(crate) enum Command {
    Init,
    Begin,
    Offsets(Vec<(TopicPartition, OffsetAndMetadata)>, ConsumerGroupMetadata),
    Commit,
    Abort,
}

type Answer = Result<(), RDKafkaError>;
type Commands = mpsc::UnboundedReceiver<(Command, oneshot::Sender<Answer>)>;

/// Who may send to the transaction that is open.
type Current = Arc<Mutex<Option<TransactionSender>>>;

#[derive(Debug)]
pub(crate) struct Transactions {
    // Each call waits for its answer, so that there are as many as callers.
    commands: mpsc::UnboundedSender<(Command, oneshot::Sender<Answer>)>,
    current: Current,
}

impl Transactions {
    pub(crate) fn start(producer: TransactionalProducer) -> Self {
        let (commands, told) = mpsc::unbounded_channel();
        let current = Current::default();
        runtime::spawn(run(producer, told, Arc::clone(&current)));
        Self { commands, current }
    }

    /// Who may send to the transaction that is open, if one is.
    pub(crate) fn sender(&self) -> Option<TransactionSender> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same, or why there is none.
    pub(crate) fn open(&self) -> Result<TransactionSender, NoTransaction> {
        self.sender().ok_or(NoTransaction)
    }

    /// Tells the task to do something and waits for its answer. It goes on if the time runs out: the
    /// same call, made again, then waits for that.
    pub(crate) fn call(&self, command: Command, timeout: Timeout) -> KafkaResult<()> {
        let (reply, answer) = oneshot::channel();
        let told = self.commands.send((command, reply));
        let ended = || RDKafkaError::state("the producer has ended");
        let answer = match told {
            Err(_) => Err(ended()),
            Ok(()) => match runtime::block_on(timeout.deadline(), answer) {
                Some(answer) => answer.unwrap_or_else(|_| Err(ended())),
                None => Err(RDKafkaError::timed_out()),
            },
        };
        answer.map_err(KafkaError::Transaction)
    }
}

/// No transaction is open.
pub(crate) struct NoTransaction;

async fn run(mut producer: TransactionalProducer, mut commands: Commands, current: Current) {
    while let Some((command, reply)) = commands.recv().await {
        let answer = match command {
            Command::Init => producer.init().await.map_err(|error| (&error).into()),
            Command::Begin => match producer.begin().await {
                Ok(transaction) => {
                    let sender = transaction.sender();
                    *current.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
                    let _ = reply.send(Ok(()));
                    run_transaction(transaction, &mut commands).await;
                    *current.lock().unwrap_or_else(PoisonError::into_inner) = None;
                    continue;
                }
                Err(error) => Err((&error).into()),
            },
            Command::Offsets(..) | Command::Commit | Command::Abort => {
                Err(RDKafkaError::state("no transaction is open"))
            }
        };
        let _ = reply.send(answer);
    }
}

/// Until it has been committed or aborted.
async fn run_transaction(mut transaction: Transaction<'_>, commands: &mut Commands) {
    while let Some((command, reply)) = commands.recv().await {
        let (answer, is_end) = match command {
            Command::Init | Command::Begin => {
                let _ = reply.send(Err(RDKafkaError::state("a transaction is open")));
                continue;
            }
            Command::Offsets(offsets, group) => {
                (transaction.send_offsets(offsets, &group).await, false)
            }
            Command::Commit => (transaction.commit().await, true),
            Command::Abort => (transaction.abort().await, true),
        };
        let is_over = is_end && answer.is_ok();
        let answer = answer.map_err(|error| (&error).into());
        if is_over {
            drop(transaction);
            let _ = reply.send(answer);
            return;
        }
        let _ = reply.send(answer);
    }
}
