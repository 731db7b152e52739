"""A benchmark as a picture: time and memory against length, both on logarithmic scales."""

import math

_TITLES = {"forward": "forward", "training": "forward and backward"}
_ROWS = {"seconds": ("time, ms", 1000), "memory_mib": ("peak memory, MiB", 1)}
# fmt: off
_HUES = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00",
    "#56b4e9", "#8b3fb5", "#b22222", "#4d9221", "#1f3d99",
    "#e08a00", "#c51b7d", "#00807a", "#7a5230", "#6a6aff",
)
# fmt: on
_SIZE = (8.0, 5.6)  # inches of a panel
_GAP = 0.031  # between labels, as a share of a panel's height


def draw(report, path):
    """Draws the content of `layers.json`.

    Mechanisms of `layers` are solid and coloured, Keras's own grey and dashed, PyTorch's black and
    dotted. Each line has its name at its end.

    Args:
        report: A dictionary with `settings`, `machine` and `results`.
        path: Of the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    modes = list(dict.fromkeys(result["mode"] for result in report["results"]))
    rows = ["seconds", "memory_mib"] if report["settings"]["memory"] else ["seconds"]
    styles = _styles(report["results"])
    figure = Figure((_SIZE[0] * len(modes), _SIZE[1] * len(rows)), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(rows), len(modes), squeeze=False)
    for line, row in zip(panels, rows, strict=True):
        for axes, mode in zip(line, modes, strict=True):
            results = [r for r in report["results"] if r["mode"] == mode]
            title, unit = _ROWS[row]
            axes.set_title(f"{title}: {_TITLES[mode]}")
            _panel(axes, _curves(results, row, unit), styles)
    settings, machine = report["settings"], report["machine"]
    figure.suptitle(
        f"Self-attention of one sequence, {settings['precision']}, Keras on {settings['backend']}, "
        f"{machine['cores']} cores of {machine['processor']}"
    )
    figure.savefig(path)


def _styles(results):
    names = dict.fromkeys(result["contender"] for result in results)
    ours = [name for name in names if not name.startswith(("keras ", "torch "))]
    styles = {name: {"color": _HUES[i % len(_HUES)], "ls": "-"} for i, name in enumerate(ours)}
    for name in names:
        if name.startswith("keras "):
            styles[name] = {"color": "#777777", "ls": "--"}
        elif name.startswith("torch "):
            styles[name] = {"color": "#000000", "ls": ":"}
    return styles


def _curves(results, field, unit):
    curves = {}
    for result in results:
        # A logarithmic scale has no place for nought.
        if result[field]:
            point = result["length"], result[field] * unit
            curves.setdefault(result["contender"], []).append(point)
    return curves


def _panel(axes, curves, styles):
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("length")
    axes.grid(alpha=0.25, which="major")
    axes.spines[["top", "right"]].set_visible(False)
    if not curves:
        return
    for name, points in curves.items():
        axes.plot(*zip(*points, strict=True), marker="o", ms=3.5, lw=1.5, **styles[name])
    lengths = sorted({length for points in curves.values() for length, _ in points})
    axes.set_xticks(lengths, [f"{length:,}" for length in lengths])
    axes.minorticks_off()
    _label(axes, {name: points[-1] for name, points in curves.items()}, styles)


def _label(axes, ends, styles):
    """Names at the right edge, each beside the end of its line, pushed apart where they meet."""
    low, high = (math.log(value) for value in axes.get_ylim())

    def share(value):
        return (math.log(value) - low) / (high - low)

    names = sorted(ends, key=lambda name: ends[name][1])
    heights = spread([share(ends[name][1]) for name in names], _GAP)
    for name, height in zip(names, heights, strict=True):
        color = styles[name]["color"]
        axes.annotate(
            name,
            xy=ends[name],
            xytext=(1.1, height),
            textcoords="axes fraction",
            color=color,
            fontsize=8.5,
            va="center",
            arrowprops={
                "arrowstyle": "-",
                "color": color,
                "lw": 0.5,
                "alpha": 0.7,
                "relpos": (0, 0.5),
                "shrinkA": 1,
                "shrinkB": 2,
            },
        )


def spread(heights, gap):
    """Moves ascending heights in [0, 1] as little as it takes to keep them `gap` apart.

    Neighbours that meet form a group around the mean of where they want to be; groups that meet
    join.
    """
    groups = []
    for height in heights:
        groups.append([height])
        while len(groups) > 1 and _bottom(groups[-1], gap) < _top(groups[-2], gap) + gap:
            last = groups.pop()
            groups[-1] += last
    return [_bottom(group, gap) + gap * i for group in groups for i in range(len(group))]


def _bottom(group, gap):
    span = gap * (len(group) - 1)
    return min(max(sum(group) / len(group) - span / 2, 0.0), 1.0 - span)


def _top(group, gap):
    return _bottom(group, gap) + gap * (len(group) - 1)
