"""Tables in Markdown out of the lines of a run."""
import json, statistics

from matrix import BATCHED, BELOW, CELLS, CLIENTS, KAVKA


# To the acknowledgement and, where it is measured, to a consumer.
LATENCIES = ("p50_ms", "p99_ms", "p999_ms", "to_p50_ms", "to_p99_ms", "to_p999_ms")


def median(runs, key):
    values = [run[key] for run in runs if run.get(key) is not None]
    return statistics.median(values) if values else None


def summary(rows):
    """{cell: {client: figures}}: medians over the repetitions."""
    result = {}
    for name in [n for n in CELLS if any(row["cell"] == n for row in rows)]:
        cell = CELLS[name]
        result[name] = {}
        for client in [c for c in CLIENTS if any(row["cell"] == name and row["client"] == c for row in rows)]:
            runs = [row for row in rows if row["cell"] == name and row["client"] == client]
            good = [run for run in runs if "failed" not in run]
            figures = dict(runs=len(good), failed=[run["failed"] for run in runs if "failed" in run])
            for run in good:
                records = run["records"] + cell["warmup"]
                run["cpu_us"] = (run["cpu_user_s"] + run["cpu_sys_s"]) / records * 1e6
                run["wall_ms"] = run["wall_s"] * 1e3
                if cell["mode"] == "consume":
                    # Of the whole run: a client that reads everything before it hands over the first record would seem to need no time.
                    run["records_per_s"] = run["records"] / run["wall_s"]
                if "broker_cpu_s" in run:
                    run["broker_us"] = run["broker_cpu_s"] / records * 1e6
            if good:
                for quantile in ("p50_ms", "p99_ms", "p999_ms"):
                    for run in good:
                        run["to_" + quantile] = (run.get("handler") or {}).get(quantile)
                for key in ("records_per_s", "mb_per_s", "cpu_us", "broker_us", "max_rss_kb", *LATENCIES, "wall_ms"):
                    figures[key] = median(good, key)
                rates = [run["records_per_s"] for run in good]
                figures["spread"] = (min(rates), max(rates))
                figures["n"] = good[0]["want"]
                figures["off"] = [run["delta"] for run in good if run["delta"]]
                figures["errors"] = sum(run["errors"] for run in good)
            result[name][client] = figures
    return result


def number(value, form):
    return "" if value is None else format(value, form)


def rate(value):
    return f"{value / 1e6:.2f} M" if value >= 1e6 else f"{value / 1e3:.1f} k"


def table(name, clients):
    """One cell: the fastest first, what is no client last."""
    cell = CELLS[name]
    measured = {c: f for c, f in clients.items() if f["runs"]}
    real = {c: f for c, f in measured.items() if c not in BELOW} or measured
    best_rate = max(f["records_per_s"] for f in real.values())
    least_cpu = min(f["cpu_us"] for f in real.values())
    paced = "rate" in cell["args"]
    if name == "start":
        head = ["client", "ms", "RSS MiB", "arrived"]
    elif paced:
        both = LATENCIES if "to-consumer" in cell["args"] else LATENCIES[:3]
        names = ["p50 ms", "p99 ms", "p99.9 ms", "to the consumer: p50 ms", "p99 ms", "p99.9 ms"]
        head = ["client", *names[: len(both)], "rec/s", "client CPU µs/rec", "broker CPU µs/rec", "RSS MiB", "arrived"]
    else:
        head = ["client", "rec/s", "of best", "lowest to highest", "client CPU µs/rec", "x least", "broker CPU µs/rec", "RSS MiB", "arrived"]
    key = (lambda f: f["wall_ms"]) if name == "start" else (lambda f: f["p99_ms"]) if paced else (lambda f: -f["records_per_s"])
    out = [f"### {name}: {cell['text']}", "", "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for client in sorted(clients, key=lambda c: (c in BELOW, not clients[c]["runs"], key(clients[c]) if clients[c]["runs"] else 0)):
        f = clients[client]
        if not f["runs"]:
            out.append(f"| {client} | failed: {f['failed'][0]} |" + " |" * (len(head) - 2))
            continue
        arrived = "all" if not f["off"] else "OFF BY " + ", ".join(f"{x:+d}" for x in f["off"])
        arrived += f", {f['errors']} errors" if f["errors"] else ""
        arrived += f"; then {f['failed'][0]}" if f["failed"] else ""
        few = f" ({f['n']:,} records)" if f["n"] != max(x["n"] for x in measured.values()) else ""
        cpu, broker, rss = f"**{f['cpu_us']:.3f}**", number(f["broker_us"], ".3f"), f"{f['max_rss_kb'] / 1024:.0f}"
        if name == "start":
            values = [number(f["wall_ms"], ".0f"), rss]
        elif paced:
            values = [number(f[k], ".2f") for k in both] + [rate(f["records_per_s"]), cpu, broker, rss]
        else:
            low, high = f["spread"]
            values = [rate(f["records_per_s"]), f"{f['records_per_s'] / best_rate:.2f}", f"{rate(low)} to {rate(high)}",
                      cpu, f"{f['cpu_us'] / least_cpu:.1f}", broker, rss]
        out.append("| " + " | ".join([client + few] + values + [arrived]) + " |")
    return "\n".join(out)


def goals(cells):
    """kavka beside the best peer and the floor, cell by cell."""
    head = ["cell", "rec/s of the best", "`send_all`/`next_batch`: CPU of the best, of the floor", "`send`/`recv`: CPU of the best, of the floor", "memory of the lowest, MiB"]
    out = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, clients in cells.items():
        if "rate" in CELLS[name]["args"] or name == "start" or not all(clients.get(k, {}).get("runs") for k in KAVKA):
            continue
        peers = {c: f for c, f in clients.items() if f["runs"] and c not in KAVKA + BELOW}
        if not peers:
            continue
        floor = clients.get("floor", {}).get("cpu_us")
        fastest = max(peers, key=lambda c: peers[c]["records_per_s"])
        least = min(peers, key=lambda c: peers[c]["cpu_us"])
        single = {c: f for c, f in peers.items() if CELLS[name]["mode"] == "consume" or c not in BATCHED} or peers
        least_single = min(single, key=lambda c: single[c]["cpu_us"])
        lowest = min(peers, key=lambda c: peers[c]["max_rss_kb"])
        each, batch = (clients[k] for k in KAVKA)
        rates = max(each["records_per_s"], batch["records_per_s"]) / peers[fastest]["records_per_s"]
        of_floor = lambda f: f", {f['cpu_us'] / floor:.2f}" if floor else ""
        out.append("| " + " | ".join([
            name, f"{rates:.2f} ({fastest})",
            f"{batch['cpu_us'] / peers[least]['cpu_us']:.2f} ({least}){of_floor(batch)}",
            f"{each['cpu_us'] / single[least_single]['cpu_us']:.2f} ({least_single}){of_floor(each)}",
            f"{each['max_rss_kb'] / 1024:.0f} and {batch['max_rss_kb'] / 1024:.0f} ({peers[lowest]['max_rss_kb'] / 1024:.0f}, {lowest})",
        ]) + " |")
    return "\n".join(out)


def read(files):
    return [json.loads(line) for name in files for line in open(name)]


def render(rows):
    cells = summary(rows)
    return "\n\n".join([goals(cells)] + [table(name, clients) for name, clients in cells.items()])
