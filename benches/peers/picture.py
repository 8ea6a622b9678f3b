"""One picture in SVG: client CPU per record, in each cell as a multiple of the least among the peers."""
from matrix import BELOW, CELLS, KAVKA
from tables import summary

COLOURS = {"kavka": "#c0392b", "kavka-batch": "#e67e22"}
WIDTH, LEFT, ROW, BAR = 900, 210, 16, 12
MOST = 8


def draw(rows):
    cells = {n: c for n, c in summary(rows).items() if "rate" not in CELLS[n]["args"] and n != "start"}
    parts, y = [], 50
    for name, clients in cells.items():
        real = {c: f for c, f in clients.items() if f["runs"] and c not in BELOW}
        peers = {c: f for c, f in real.items() if c not in KAVKA}
        if not peers:
            continue
        least = min(f["cpu_us"] for f in peers.values())
        parts.append(f'<text x="8" y="{y + 4}" font-weight="bold">{CELLS[name]["text"]}</text>')
        y += ROW
        for client in sorted(real, key=lambda c: real[c]["cpu_us"]):
            times = real[client]["cpu_us"] / least
            width = min(times, MOST) / MOST * (WIDTH - LEFT - 110)
            parts.append(f'<text x="{LEFT - 8}" y="{y + 2}" text-anchor="end">{client}</text>')
            parts.append(f'<rect x="{LEFT}" y="{y - BAR + 4}" width="{width:.1f}" height="{BAR}" fill="{COLOURS.get(client, "#7f8c8d")}"/>')
            parts.append(f'<text x="{LEFT + width + 6:.1f}" y="{y + 2}">{times:.2f} ({real[client]["cpu_us"]:.3f} µs)</text>')
            y += ROW
        y += ROW // 2
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 10}" font-family="sans-serif" font-size="11">'
            f'<rect width="100%" height="100%" fill="white"/>'
            f'<text x="8" y="24" font-size="15">Client CPU per record, as a multiple of the least among the other clients (shorter is better)</text>')
    return head + "".join(parts) + "</svg>\n"
