//! The members of a share group, which come and go.

use std::sync::Arc;
use std::time::Duration;

use kavka::ShareConsumer;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::Stage;
use super::application::Application;
use super::books::Books;
use super::plan::MemberPlan;
use crate::dice::Dice;

/// How a member ends that is not killed.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// Its consumer is closed, with time enough.
    Close,
    /// Its consumer is closed, with little time.
    CloseSoon,
    /// Its consumer is dropped.
    Drop,
    /// Its client is closed under it.
    CloseClient,
}

/// A member with a client of its own.
struct Member {
    number: usize,
    end: oneshot::Sender<End>,
    task: JoinHandle<()>,
}

impl Member {
    fn join(stage: &Arc<Stage>, books: &Arc<Books>, name: u64, dice: &mut Dice) -> Self {
        let id = format!("{}-{name}", books.plan.name);
        let client = stage.world.client(&id, dice);
        let plan = MemberPlan::new(books.plan.name, dice);
        let consumer = client.share_consumer(plan.config.clone()).unwrap();
        let number = books.joins(consumer.member_id(), &id, &plan);
        listen(&consumer, books, number);
        let (end, ended) = oneshot::channel();
        let application = Application::new(stage, books, number, &plan, dice.fork());
        let task = tokio::spawn(application.run(client, consumer, ended));
        Self { number, end, task }
    }

    async fn end(self, how: End) {
        let _ = self.end.send(how);
        self.task.await.unwrap();
    }

    /// Ends as a process that is killed.
    async fn kill(self, books: &Books) {
        books.dies(self.number);
        self.task.abort();
        let _ = self.task.await;
        books.ends(self.number);
    }
}

fn listen(consumer: &ShareConsumer, books: &Arc<Books>, member: usize) {
    let books = Arc::clone(books);
    consumer.acknowledgement_listener(move |partition, offsets, result| {
        for offset in offsets.start().0..=offsets.end().0 {
            books.told(member, &(partition.clone(), offset), result);
        }
    });
}

/// Runs a group whose members come and go; one at least is left, until told to end.
pub(super) async fn churn(
    stage: Arc<Stage>,
    books: Arc<Books>,
    mut dice: Dice,
    end: oneshot::Receiver<()>,
) {
    let (plan, trouble) = (&books.plan, stage.world.plan.trouble);
    let mut members = Vec::new();
    for name in 0..plan.members {
        members.push(Member::join(&stage, &books, name, &mut dice));
        if dice.once_in(2) {
            sleep(dice.millis(0..=1_000)).await;
        }
    }
    for change in 0..plan.changes {
        let most = 2 * u64::try_from(trouble.as_millis()).unwrap() / plan.changes;
        sleep(dice.millis(100..=most)).await;
        if members.len() > 1 && dice.once_in(2) || members.len() > 4 {
            let at = usize::try_from(dice.next() % members.len() as u64).unwrap();
            let member = members.swap_remove(at);
            match dice.within(0..=4) {
                0 => member.kill(&books).await,
                1 => member.end(End::CloseSoon).await,
                2 => member.end(End::Drop).await,
                3 => member.end(End::CloseClient).await,
                _ => member.end(End::Close).await,
            }
        } else {
            members.push(Member::join(&stage, &books, plan.members + change, &mut dice));
        }
    }
    let _ = end.await;
    for member in members {
        member.end(End::Close).await;
    }
    // What waits for the last answers.
    sleep(Duration::from_millis(100)).await;
}
