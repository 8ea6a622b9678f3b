"""The cells: a star around 128 B of text, uncompressed, acks=all, 6 partitions."""

# Kafka's default batch size, and the linger that librdkafka and Java 4 have by default.
PLAIN = {"batch-bytes": 16384, "linger-ms": 5}
SEND = {"acks": "all", "idempotence": "true", "payload": "text"}


def produce(text, records, size, partitions=6, warmup=6000, **options):
    args = SEND | PLAIN | {name.replace("_", "-"): value for name, value in options.items()}
    return dict(mode="produce", text=text, n=records, size=size, partitions=partitions, warmup=warmup, args=args)


def consume(text, records, size, partitions=6, compression="none"):
    fill = SEND | PLAIN | {"compression": compression}
    return dict(mode="consume", text=text, n=records, size=size, partitions=partitions, warmup=0, args={}, fill=fill)


def share(text, records, size, partitions=3, **options):
    """One consumer of a new share group, each run."""
    args = {name.replace("_", "-"): value for name, value in options.items()}
    return consume(text, records, size, partitions) | dict(mode="share", args=args)


CELLS = {
    "produce": produce("produce 128 B", 4_000_000, 128),
    "produce-tuned": produce("produce 128 B, batches of 256 KiB", 4_000_000, 128, **{"batch-bytes": 262144}),
    "produce-10B": produce("produce 10 B", 6_000_000, 10),
    "produce-1KiB": produce("produce 1 KiB", 800_000, 1024),
    "produce-10KiB": produce("produce 10 KiB", 80_000, 10240, warmup=600),
    "produce-lz4": produce("produce 1 KiB, lz4", 800_000, 1024, compression="lz4"),
    "produce-snappy": produce("produce 1 KiB, snappy", 800_000, 1024, compression="snappy"),
    "produce-zstd": produce("produce 1 KiB, zstd", 500_000, 1024, compression="zstd"),
    "produce-gzip": produce("produce 1 KiB, gzip", 150_000, 1024, compression="gzip"),
    "produce-acks1": produce("produce 128 B, acks=1, not idempotent", 4_000_000, 128, acks=1, idempotence="false"),
    "produce-p1": produce("produce 128 B, 1 partition", 4_000_000, 128, partitions=1),
    "produce-p60": produce("produce 128 B, 60 partitions", 4_000_000, 128, partitions=60),
    "produce-10KiB-zstd": produce("produce 10 KiB, zstd", 50_000, 10240, warmup=600, compression="zstd"),
    "produce-10B-p60": produce("produce 10 B, 60 partitions", 6_000_000, 10, partitions=60),
    "latency-2k": produce("latency at 2,000/s, 1 KiB, linger 0", 10_000, 1024, **{"linger-ms": 0, "rate": 2000}),
    "latency-20k": produce("latency at 20,000/s, 1 KiB, linger 5 ms", 100_000, 1024, rate=20000),
    "latency-mq": produce("latency at 2,000/s, 200 B, 1 partition, to a consumer in the same process", 20_000, 200, partitions=1,
                          **{"linger-ms": 0, "rate": 2000, "to-consumer": "true"}),
    "start": produce("from the start of the program to the first acknowledgement and the end", 1, 128, warmup=0, **{"linger-ms": 0}),
    "consume": consume("consume 128 B", 8_000_000, 128),
    "consume-10B": consume("consume 10 B", 10_000_000, 10),
    "consume-1KiB": consume("consume 1 KiB", 1_500_000, 1024),
    "consume-10KiB": consume("consume 10 KiB", 150_000, 10240),
    "consume-lz4": consume("consume 1 KiB, lz4", 1_500_000, 1024, compression="lz4"),
    "consume-snappy": consume("consume 1 KiB, snappy", 1_500_000, 1024, compression="snappy"),
    "consume-zstd": consume("consume 1 KiB, zstd", 1_500_000, 1024, compression="zstd"),
    "consume-gzip": consume("consume 1 KiB, gzip", 800_000, 1024, compression="gzip"),
    "consume-p1": consume("consume 128 B, 1 partition", 8_000_000, 128, partitions=1),
    "consume-p60": consume("consume 128 B, 60 partitions", 8_000_000, 128, partitions=60),
    "share": share("share group, 100 B, 3 partitions", 1_000_000, 100),
    "share-5000": share("share group, 100 B, 3 partitions, max.poll.records 5000", 1_000_000, 100, max_poll_records=5000),
    "share-1KiB": share("share group, 1 KiB, 3 partitions", 300_000, 1024),
}

# kavka twice: record by record (`send`, `recv`), and many at once (`send_all`, `next_batch`).
KAVKA = ["kavka", "kavka-batch"]
PEERS = ["rdkafka", "kacrab", "barnabas", "krafka", "rskafka", "confluent", "franz-go", "java"]
# Through `kavka::mq` with its metrics on, and a handler as the consumer.
MQ = "kavka-mq"
# No clients: `floor` does only the work that cannot be left out, `raw` sends what was encoded once.
BELOW = ["floor", "raw"]
CLIENTS = KAVKA + [MQ] + PEERS + BELOW
# Those whose programs read what they send as well.
TO_CONSUMER = [MQ, "rdkafka", "java", "raw"]
# Those that have share groups.
SHARES = KAVKA + ["franz-go", "java"]

# The peers whose wrapper hands many records over at once, as `send_all` does; the others are called for each record.
BATCHED = ["barnabas", "rskafka"]


def fewer(client, name, cell):
    """Where a client is too slow for all records: a share of them, shown in the table."""
    if cell["mode"] != "produce" or "latency" in name or name == "start":
        return 1
    if client == "rskafka":
        return 0.1 if cell["size"] == 10 else 0.02
    if client == "krafka" or client == "java" and name == "produce-p60":
        return 0.5
    return 1


def cannot(client, name, cell):
    """Why a client has no such cell, or None."""
    args = cell["args"] | cell.get("fill", {})
    if "to-consumer" in args and client not in TO_CONSUMER:
        return "does not read what it sends"
    if cell["mode"] == "share" and client not in SHARES:
        return "no share groups"
    if client == MQ and "to-consumer" not in args:
        return "only measured to its handler"
    if client == "raw" and cell["args"].get("compression", "none") != "none":
        return "no codecs"
    if client == "floor" and cell["mode"] == "consume" and args.get("compression") in ("snappy", "gzip"):
        return "reads no snappy and gzip"
    if client in BATCHED + ["raw"] and args.get("acks") == 1:
        return "only acks=all"
    if client in BELOW and name == "start":
        return "no start-up of its own"
    return None
