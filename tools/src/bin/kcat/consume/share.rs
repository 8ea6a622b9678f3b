//! `-C --share`: records of a share group to lines.

use std::process::ExitCode;
use std::time::Duration;

use kavka::{ShareAcknowledgementMode, ShareConsumer, ShareConsumerConfig};
use kavka_programs::{Interrupt, Outcome};

use super::Printer;
use crate::{Options, metadata};

/// Prints records until the count or a signal, and accepts what is printed.
pub(crate) async fn run(
    options: Options,
    group: &str,
    mut interrupt: Interrupt,
) -> Outcome<ExitCode> {
    let mut printer = Printer::new(&options, std::io::stdout());
    let client = metadata::client(&options)?;
    let mut properties = options.connection.properties(&[])?;
    properties.set("group.id", group);
    let config = ShareConsumerConfig::from_properties(&properties)?
        .share_acknowledgement_mode(ShareAcknowledgementMode::Explicit);
    let mut consumer = client.share_consumer(config)?;
    let topic = options.topics.first().map_or("", String::as_str);
    // Whoever typed its name wants to hear that there is none.
    client.admin().describe_topic(topic).await?;
    consumer.subscribe([topic])?;
    let outcome = tokio::select! {
        outcome = consume(options.count, &mut consumer, &mut printer) => outcome,
        () = interrupt.received() => Ok(()),
    };
    let closed = consumer.close(Duration::from_secs(4)).await;
    outcome?;
    Ok(closed.map(|()| ExitCode::SUCCESS)?)
}

async fn consume(
    count: Option<u64>,
    consumer: &mut ShareConsumer,
    printer: &mut Printer,
) -> Outcome<()> {
    let mut left = count.unwrap_or(u64::MAX);
    while left > 0 {
        let mut printed = Vec::new();
        // What is beyond the count is dropped, and so released.
        for record in consumer
            .next_batch()
            .await?
            .into_iter()
            .take(usize::try_from(left).unwrap_or(usize::MAX))
        {
            if !printer.print(&record)? {
                return Ok(());
            }
            printed.push(record);
        }
        left -= printed.len() as u64;
        if !printer.flush()? {
            return Ok(());
        }
        for record in printed {
            record.accept();
        }
    }
    consumer.commit().await?;
    Ok(())
}
