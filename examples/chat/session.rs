//! One user at a terminal, or at a pipe: lines come, lines go.

use std::process::ExitCode;
use std::time::Duration;

use kavka::mq::{Config, Consumer, Message, Mq};
use kavka::{AutoOffsetReset, ClientConfig, Offset, TopicPartition};
use kavka_programs::{Interrupt, Outcome, say};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::connect;
use crate::room::{self, Presence};

/// How long the first assignment, or leaving, may take.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn run(
    client: ClientConfig,
    user: &str,
    first_room: &str,
    history: i64,
    mut interrupt: Interrupt,
) -> Outcome<ExitCode> {
    // Everyone hears everything, so each session is a group of its own.
    let mut config = Config::default();
    config.consumer.group_id = Some(format!("chat.{user}.{}", std::process::id()));
    config.consumer.enable_auto_commit = false;
    let mq = connect(client, config.clone())?;
    room::open_presence(&mq).await?;
    let presence = follow_presence(&mq, config)?;

    let mut room = first_room.to_owned();
    join(&mq, user, &room, history).await?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    loop {
        let line = tokio::select! {
            line = lines.next_line() => line?,
            () = interrupt.received() => None,
        };
        let Some(line) = line else { break };
        match line.split_once(' ').map_or((line.as_str(), ""), |(word, rest)| (word, rest.trim())) {
            ("", _) => {}
            ("/quit", _) => break,
            ("/who", _) => say!("* here: {}", presence.users_in(&room).join(", ")),
            ("/stats", _) => print_stats(&mq)?,
            ("/join", other) if !other.is_empty() => {
                hear_out(&mq).await;
                mq.consumer()?.unsubscribe([room::topic(&room)])?;
                other.clone_into(&mut room);
                join(&mq, user, &room, history).await?;
            }
            (word, _) if word.starts_with('/') => say!("* /join ROOM, /who, /stats or /quit"),
            _ => {
                // The next line need not wait for this one's acknowledgement; that it failed is
                // said when it is known.
                let told = |sent: kavka::mq::Result<_>| {
                    if let Err(error) = sent {
                        say!("* not sent: {error}");
                    }
                };
                mq.producer().send_async_with_key(&room::topic(&room), user, &line, told).await?;
            }
        }
    }
    hear_out(&mq).await;
    room::tell_presence(&mq, user, None).await?;
    mq.close_within(PATIENCE).await?;
    say!("* bye");
    Ok(ExitCode::SUCCESS)
}

/// Lets what was said be heard, one's own words included, before leaving.
async fn hear_out(mq: &Mq) {
    let heard = async {
        mq.producer().flush().await?;
        while mq.consumer()?.lag().await? > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok::<_, kavka::mq::Error>(())
    };
    if !matches!(tokio::time::timeout(Duration::from_secs(5), heard).await, Ok(Ok(()))) {
        say!("* left before all was heard");
    }
}

/// Hears who is where, from the beginning of what the compacted topic still holds, as another
/// group.
fn follow_presence(mq: &Mq, mut config: Config) -> Outcome<Follower> {
    let presence = Presence::default();
    config.consumer.group_id = config.consumer.group_id.map(|group| format!("{group}.presence"));
    config.consumer.auto_offset_reset = AutoOffsetReset::Earliest;
    let consumer = Mq::with_client(mq.client().clone(), config)?.consumer()?;
    let hearing = presence.clone();
    consumer.subscribe([room::PRESENCE], move |message: Message| {
        hearing.hear(&message);
        std::future::ready(())
    })?;
    Ok(Follower { presence, _consumer: consumer })
}

/// Presence for as long as it is followed.
struct Follower {
    presence: Presence,
    _consumer: Consumer,
}

impl std::ops::Deref for Follower {
    type Target = Presence;

    fn deref(&self) -> &Presence {
        &self.presence
    }
}

async fn join(mq: &Mq, user: &str, room: &str, history: i64) -> Outcome<()> {
    room::open(mq, room).await?;
    let topic = room::topic(room);
    let consumer = mq.consumer()?;
    consumer.subscribe([topic.as_str()], |message: Message| async move {
        let who = message.key.as_deref().map_or("?".into(), String::from_utf8_lossy);
        say!("<{who}> {}", message.text().unwrap_or("(no text)"));
    })?;
    // A new member begins at the end; what was said last is a few steps back.
    let partition = TopicPartition::new(topic.as_str(), 0);
    let assigned = async {
        while !consumer.assignment().contains(&partition) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        consumer.current_offset(&partition).await
    };
    let end = tokio::time::timeout(PATIENCE, assigned).await.map_err(|_| {
        kavka_programs::Stop::failure(format!(
            "room {room} could not be joined within {PATIENCE:?}"
        ))
    })??;
    consumer.seek(&partition, Offset((end.0 - history).max(0)))?;
    room::tell_presence(mq, user, Some(room)).await?;
    say!("* {user} is in {room}; /join ROOM, /who, /stats, /quit");
    Ok(())
}

fn print_stats(mq: &Mq) -> Outcome<()> {
    let (sent, taken, pool) =
        (mq.producer().metrics(), mq.consumer()?.metrics(), mq.connection_pool().stats());
    say!(
        "* sent {} (failed {}), latency {:?} on average, p99 {:?}; received {}, lag {}; \
         connections {} of {}, {} active",
        sent.successful_messages,
        sent.failed_messages,
        sent.latency.average,
        sent.latency.p99,
        taken.messages,
        taken.lag,
        pool.total_connections,
        pool.max_connections,
        pool.active_connections,
    );
    Ok(())
}
