"""Draws what tools/ha-check.py has seen: who was up, where alerts fired, and what was delivered."""

from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, TOP, LANE = 960, 250, 24, 56, 30
INK, FAINT, UP, FIRING, DELIVERED, RESOLVED = "#1f2937", "#d1d5db", "#2f855a", "#dd6b20", "#c53030", "#2b6cb0"
PROGRAMS = ["pagoda", "prometheus-a", "prometheus-b", "alertmanager-a", "alertmanager-b"]


def spans(samples, holds):
    """Beginnings and ends of the time in which a condition held, between samples."""
    begun, found = None, []
    for sample in samples:
        if holds(sample) and begun is None:
            begun = sample["time"]
        if not holds(sample) and begun is not None:
            found.append((begun, sample["time"]))
            begun = None
    if begun is not None:
        found.append((begun, samples[-1]["time"]))
    return found


def draw(samples, notifications, alerts, date):
    """An SVG of the samples (time, up, firing) and of the notifications (time, sender, alert, status)."""
    first, last = samples[0]["time"], samples[-1]["time"]
    lanes = [(name, UP, spans(samples, lambda s, n=name: n in s["up"])) for name in PROGRAMS]
    for alert in alerts:
        for name in ("prometheus-a", "prometheus-b"):
            lanes.append((
                f"{alert} in {name[-1]}", FIRING,
                spans(samples, lambda s, n=name, a=alert: a in s["firing"].get(n, []))))
    height = TOP + LANE * (len(lanes) + len(alerts)) + 44

    def x(time):
        return LEFT + (time - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        f'font-size="13" fill="{INK}">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="24" font-size="15" font-weight="bold">One Prometheus and one Alertmanager are lost; every '
        f'alert is delivered once</text>',
        f'<text x="16" y="43" fill="#6b7280">tools/ha-check.py, {date}: green is up, orange is firing, a mark is a '
        f'notification at the webhook</text>',
    ]
    bottom = height - 40
    for second in range(-(-int(first) // 10) * 10, int(last) + 1, 10):
        at = x(second)
        parts.append(f'<line x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{bottom}" stroke="{FAINT}"/>')
        parts.append(f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle" font-size="12">{second} s</text>')
    row = 0
    for name, colour, bars in lanes:
        y = TOP + LANE * row
        parts.append(f'<text x="{LEFT - 12}" y="{y + 19}" text-anchor="end">{escape(name)}</text>')
        for begin, end in bars:
            parts.append(
                f'<rect x="{x(begin):.1f}" y="{y + 7}" width="{max(x(end) - x(begin), 2):.1f}" height="16" rx="2" '
                f'fill="{colour}"/>')
        row += 1
    for alert in alerts:
        y = TOP + LANE * row
        parts.append(f'<text x="{LEFT - 12}" y="{y + 19}" text-anchor="end">{escape(alert)} delivered</text>')
        for one in notifications:
            if one["alert"] == alert:
                colour = DELIVERED if one["status"] == "firing" else RESOLVED
                at = x(one["time"])
                # Beside the mark, on the side where there is room.
                side, anchor = (-9, "end") if at > WIDTH - 190 else (9, "start")
                parts.append(f'<circle cx="{at:.1f}" cy="{y + 15}" r="5" fill="{colour}"/>')
                parts.append(
                    f'<text x="{at + side:.1f}" y="{y + 19}" font-size="12" text-anchor="{anchor}" fill="{colour}">'
                    f'{escape(one["status"])}, by {escape(one["sender"][-1])}</text>')
        row += 1
    parts.append("</svg>\n")
    return "\n".join(parts)
