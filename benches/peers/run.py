#!/usr/bin/env python3
"""kavka beside the other Kafka clients. `./run.py all` builds them, starts a broker, runs the matrix and writes the table and the picture
into docs/. See README.md."""
import argparse, json, os, subprocess, sys, time

import picture, tables
from matrix import CELLS, CLIENTS, KAVKA, MQ, cannot, fewer

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))
TARGET = os.path.abspath(os.environ.get("PEERS_TARGET", os.path.join(HERE, "target")))
# Another build of tools' perf than the one made here.
PERF = os.environ.get("PEERS_KAVKA", os.path.join(TARGET, "kavka", "release", "perf"))
HEAP = os.environ.get("PEERS_JAVA_HEAP", "512m")
TIMEOUT = int(os.environ.get("PEERS_TIMEOUT", "90"))
RUST = ["rdkafka", "kacrab", "barnabas", "krafka", "rskafka", "confluent"]


def classpath():
    if os.environ.get("KAFKA_CP"):
        return os.environ["KAFKA_CP"]
    name = os.path.join(TARGET, "java", "cp.txt")
    if not os.path.exists(name):
        sys.exit("no class path: set KAFKA_CP or run `run.py build`")
    return open(name).read().strip()


def command(client, mode):
    if client in KAVKA:
        api = [] if client == "kavka" else ["--batch-api"]
        if mode in ("consume", "share"):
            api = ["--records-api", "recv" if client == "kavka" else "batch"]
        return [PERF, mode] + api
    if client == MQ:
        return [PERF, mode, "--mq", "--metrics"]
    if client == "java":
        return ["java", f"-Xms{HEAP}", f"-Xmx{HEAP}", "-cp", os.path.join(TARGET, "java") + ":" + classpath(), "Perf", mode]
    if client == "franz-go":
        return [os.path.join(TARGET, "franz-go"), mode]
    crate = "raw" if client == "floor" else client
    return [os.path.join(TARGET, crate, "release", f"peer-{client}"), mode]


def build(only):
    os.makedirs(os.path.join(TARGET, "java"), exist_ok=True)
    failed = []

    def step(name, args, where, env=None):
        started = time.time()
        code = subprocess.run(args, cwd=where, env=os.environ | (env or {})).returncode
        print(f"{name}: {'built' if code == 0 else 'FAILED'} in {time.time() - started:.0f} s", flush=True)
        if code:
            failed.append(name)

    def cargo(name, where, *args):
        step(name, ["cargo", "build", "--release", "--locked", *args], where, {"CARGO_TARGET_DIR": os.path.join(TARGET, name)})

    if only & {*KAVKA, MQ}:
        cargo("kavka", PROJECT, "-p", "kavka-tools", "--bin", "perf")
    for client in RUST:
        if client in only:
            cargo(client, os.path.join(HERE, client))
    if only & {"raw", "floor"}:
        cargo("raw", os.path.join(HERE, "raw"))
    if "franz-go" in only:
        step("franz-go", ["go", "build", "-o", os.path.join(TARGET, "franz-go"), "."], os.path.join(HERE, "go"))
    # Java is always needed: it fills what consumers read, and counts what arrived.
    if not os.environ.get("KAFKA_CP"):
        step("class path", ["mvn", "-q", "-B", "dependency:build-classpath",
                            "-Dmdep.outputFile=" + os.path.join(TARGET, "java", "cp.txt")], os.path.join(HERE, "java"))
    step("java", ["javac", "-cp", classpath(), "-d", os.path.join(TARGET, "java"), "Perf.java"], os.path.join(HERE, "java"))
    if failed:
        sys.exit("not built: " + ", ".join(failed))


class Admin:
    """One resident JVM that creates and deletes topics and reads end offsets."""

    def __init__(self, server):
        command = ["java", "-Xmx64m", "-XX:+UseSerialGC", "-cp", os.path.join(TARGET, "java") + ":" + classpath(),
                   "Perf", "admin", "--bootstrap-server", server]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer.startswith("ok"):
            raise RuntimeError(f"{line}: {answer}")
        return answer.split()[1:]


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def once(command, pid=None):
    """Runs one program: the JSON of its last line, with the broker's CPU seconds, or {'failed': why}."""
    before = cpu_seconds(pid) if pid else None
    started = time.time()
    try:
        ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return {"failed": f"not done in {TIMEOUT} s"}
    took = time.time() - started
    lines = [line for line in ended.stdout.splitlines() if line.startswith("{")]
    if ended.returncode or not lines:
        why = (ended.stderr.strip() or ended.stdout.strip() or f"exit {ended.returncode}").splitlines()
        return {"failed": why[-1][:160]}
    result = json.loads(lines[-1]) | {"wall_s": took}
    if pid:
        result["broker_cpu_s"] = cpu_seconds(pid) - before
    return result


def flags(options):
    """Words of a command line; None stands for a flag without a value."""
    return [word for name, value in options.items() for word in (f"--{name}", str(value))[: 1 if value is None else 2]]


def own(client, options):
    """The options as `perf` of kavka has them: it counts from when a record is due, unless told."""
    if client not in KAVKA + [MQ]:
        return options
    options = dict(options)
    if "rate" in options:
        options["latency-from"] = "send"
    words = {} if options.pop("to-consumer", None) is None else {"to-handler": None}
    if client == MQ:
        # Its defaults are what is measured.
        for name in ("batch-bytes", "linger-ms"):
            del options[name]
    return options | words


def acquiring(client, options):
    """The words of `share` for how many records are asked for at a time; `perf` of kavka takes Java's properties."""
    if client in KAVKA:
        return [word for count in options.values() for word in ("-X", f"max.poll.records={count}")]
    return flags(options)


def arguments(client, cell, server, topic, records, group):
    words = flags({"bootstrap-server": server, "topic": topic, "records": records})
    if cell["mode"] == "produce":
        words += flags({"size": cell["size"], "warmup": cell["warmup"]} | own(client, cell["args"]))
    if cell["mode"] == "share":
        words += flags({"group": group}) + acquiring(client, cell["args"])
    if client not in KAVKA + [MQ, "franz-go", "java"]:
        words += flags({"partitions": cell["partitions"]})
    return words


def fill(admin, cell, server, topic, records):
    admin.ask(f"create {topic} {cell['partitions']}")
    options = {"bootstrap-server": server, "topic": topic, "records": records, "size": cell["size"], "warmup": 0} | cell["fill"]
    filled = once(command("java", "produce") + flags(options))
    if "failed" in filled or sum(map(int, admin.ask(f"ends {topic}"))) != records:
        sys.exit(f"could not fill {topic}: {filled}")


def run(options):
    clients = options.client.split(",") if options.client else CLIENTS
    cells = options.cells.split(",") if options.cells else list(CELLS)
    admin = Admin(options.bootstrap_server)
    os.makedirs(os.path.dirname(os.path.abspath(options.out)), exist_ok=True)
    run_id, made, wrong = int(time.time()), 0, []
    with open(options.out, "a") as out:
        for name in cells:
            cell = CELLS[name]
            everything = max(1, int(cell["n"] * options.scale))
            is_produce = cell["mode"] == "produce"
            filled = f"perf-{run_id}-{name}"
            if not is_produce:
                fill(admin, cell, options.bootstrap_server, filled, everything)
            dead = set()
            for repeat in range(options.repeat):
                # A B C A B C, so that noise falls on all.
                for client in clients:
                    if client in dead or cannot(client, name, cell):
                        continue
                    records = max(1, int(everything * fewer(client, name, cell)))
                    made += 1
                    topic = f"perf-{run_id}-{name}-{made}" if is_produce else filled
                    if is_produce:
                        admin.ask(f"create {topic} {cell['partitions']}")
                        # `floor` and `raw` do not try again if a leader is not there yet.
                        time.sleep(0.1)
                    group = f"perf-{run_id}-{name}-{made}"
                    if cell["mode"] == "share":
                        admin.ask(f"share {group}")
                    words = arguments(client, cell, options.bootstrap_server, topic, records, group)
                    result = once(command(client, cell["mode"]) + words, options.broker_pid)
                    result |= dict(cell=name, client=client, repeat=repeat, want=records)
                    if is_produce:
                        result["ends"] = [int(end) for end in admin.ask(f"ends {topic}")]
                        result["delta"] = sum(result["ends"]) - records - cell["warmup"] - (result.get("handler") or {}).get("probes", 0)
                        admin.ask(f"delete {topic}")
                    elif "failed" not in result:
                        result["delta"] = min(0, result["records"] - records)
                    if "failed" in result:
                        dead.add(client)
                    out.write(json.dumps(result) + "\n")
                    out.flush()
                    if "failed" in result or result["delta"] or result["errors"]:
                        wrong.append(f"{name} of {client}")
                    short = result.get("failed") or f"{result['records_per_s']:,.0f} rec/s, off by {result['delta']}"
                    print(f"{time.strftime('%H:%M:%S')} {name} #{repeat} {client}: {short}", file=sys.stderr, flush=True)
            if is_produce:
                time.sleep(1.5)
            else:
                admin.ask(f"delete {filled}")
    if options.strict and wrong:
        sys.exit("not all records arrived: " + ", ".join(wrong))


def write(files, docs):
    """The table and the picture of what the files hold, into docs/."""
    rows = tables.read(files)
    text = open(os.path.join(HERE, "comparison.head.md")).read() + "\n" + tables.render(rows) + "\n"
    open(os.path.join(docs, "comparison.md"), "w").write(text)
    open(os.path.join(docs, "comparison.svg"), "w").write(picture.draw(rows))


def run_all(options):
    build(set(CLIENTS))
    where = os.path.join(TARGET, "broker")
    subprocess.run([os.path.join(HERE, "start-broker.sh"), "21092", where], check=True, env=os.environ | {"PEERS_TARGET": TARGET})
    pid = int(open(os.path.join(where, "pid")).read())
    try:
        options.bootstrap_server, options.broker_pid = "127.0.0.1:21092", pid
        run(options)
    finally:
        os.kill(pid, 15)
    write([options.out], os.path.join(PROJECT, "docs"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="do", required=True)
    builder = commands.add_parser("build", help="builds the clients")
    builder.add_argument("--client", help="a,b: only these")
    for name in ("run", "all"):
        runner = commands.add_parser(name, help="runs the matrix" if name == "run" else "build, a broker, run, write")
        runner.add_argument("--client", help="a,b: only these (default: all)")
        runner.add_argument("--cells", help="produce,consume-lz4: only these (default: all)")
        runner.add_argument("--repeat", type=int, default=5)
        runner.add_argument("--strict", action="store_true", help="fails unless every client did what it was told")
        runner.add_argument("--scale", type=float, default=1.0, help="multiplies every cell's record count")
        runner.add_argument("--out", default=os.path.join(HERE, "results", time.strftime("%Y%m%d-%H%M%S") + ".jsonl"))
        if name == "run":
            runner.add_argument("--bootstrap-server", default=os.environ.get("KAVKA_BROKERS"), help="default: $KAVKA_BROKERS")
            runner.add_argument("--broker-pid", type=int, help="adds the broker's CPU to the tables")
    for name in ("table", "write"):
        reader = commands.add_parser(name, help="prints the tables" if name == "table" else "writes them into docs/")
        reader.add_argument("files", nargs="+")
    options = parser.parse_args()
    if options.do == "build":
        build(set(CLIENTS) if options.client is None else set(options.client.split(",")))
    elif options.do == "run":
        run(options)
    elif options.do == "all":
        run_all(options)
    elif options.do == "table":
        print(tables.render(tables.read(options.files)))
    else:
        write(options.files, os.path.join(PROJECT, "docs"))


if __name__ == "__main__":
    main()
