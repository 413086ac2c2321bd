"""A line chart as SVG: a logarithmic axis of sizes, a plain one of rates that begins at 0."""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 80, 210, 60, 60
# Told apart by those who do not see all colours as well, and by the marks.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#000000")
STYLE = ("text{font:13px 'DejaVu Sans',Arial,sans-serif;fill:#222}.title{font-size:16px;font-weight:bold}"
         ".end{text-anchor:end}.middle{text-anchor:middle}.grid{stroke:#ddd}.axis{stroke:#222;fill:none}")


def steps(top):
    """Round numbers from 0 to what covers `top`, four to eight of them."""
    unit = 10 ** math.floor(math.log10(top)) if top > 0 else 1
    for part in (0.1, 0.2, 0.25, 0.5, 1, 2):
        if top / (unit * part) <= 7:
            break
    count = math.ceil(top / (unit * part) - 1e-9)
    return [i * unit * part for i in range(count + 1)]


class Frame:
    """Where on the page a size and a rate are."""

    def __init__(self, series):
        points = [p for s in series for p in s["points"]]
        self.sizes = sorted({x for x, *_ in points})
        self.ticks = steps(max(high for _, _, _, high in points))

    def x(self, size):
        first, last = math.log2(self.sizes[0]), math.log2(self.sizes[-1])
        share = (math.log2(size) - first) / (last - first) if last > first else 0.5
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        return HEIGHT - BOTTOM - value / self.ticks[-1] * (HEIGHT - TOP - BOTTOM)


def text(x, y, words, kind="", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}"{more}>{escape(words)}</text>'


def axes(frame, title, x_label, y_label):
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    out = [text(LEFT, 30, title, "title")]
    for tick in frame.ticks:
        y = frame.y(tick)
        out += [f'<path class="grid" d="M{LEFT} {y:.1f}H{right}"/>', text(LEFT - 8, y + 4, f"{tick:g}", "end")]
    for size in frame.sizes:
        x = frame.x(size)
        out += [f'<path class="axis" d="M{x:.1f} {bottom}v5"/>', text(x, bottom + 20, f"{size}", "middle")]
    out.append(f'<path class="axis" d="M{LEFT} {TOP}V{bottom}H{right}"/>')
    out.append(text((LEFT + right) / 2, HEIGHT - 14, x_label, "middle"))
    middle = (TOP + bottom) / 2
    out.append(text(24, middle, y_label, "middle", f' transform="rotate(-90 24 {middle:.1f})"'))
    return out


def mark(kind, x, y, colour):
    shapes = (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"', f'<path d="M{x - 4:.1f} {y - 4:.1f}h8v8h-8z"',
              f'<path d="M{x:.1f} {y - 5:.1f}l5 9h-10z"')
    return f'{shapes[kind % len(shapes)]} fill="{colour}"/>'


def line(frame, number, series):
    colour = COLOURS[number % len(COLOURS)]
    points = sorted(series["points"])
    path = "L".join(f"{frame.x(x):.1f} {frame.y(v):.1f}" for x, v, *_ in points)
    out = [f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>']
    for x, value, low, high in points:
        at = frame.x(x)
        out.append(f'<path d="M{at:.1f} {frame.y(low):.1f}V{frame.y(high):.1f}" stroke="{colour}"/>')
        out.append(mark(number, at, frame.y(value), colour))
    y, x = TOP + 10 + 24 * number, WIDTH - RIGHT + 18
    out += [f'<path d="M{x} {y}h24" stroke="{colour}" stroke-width="2"/>', mark(number, x + 12, y, colour),
            text(x + 32, y + 4, series["name"])]
    return out


def draw(title, x_label, y_label, series):
    """`series`: [{"name", "points": [(size, median, least, most), …]}, …]. Returns the document."""
    frame = Frame(series)
    body = axes(frame, title, x_label, y_label)
    for number, one in enumerate(series):
        body += line(frame, number, one)
    body.append(text(WIDTH - RIGHT + 18, TOP + 10 + 24 * len(series) + 8, "bars: least to most"))
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
                      f"<style>{STYLE}</style>", f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>', *body, "</svg>", ""])
