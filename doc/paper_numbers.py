"""Numbers of the paper's study: from its report into the pages that state them.

``python doc/paper_numbers.py FOLDER`` takes report and figures of ``make paper`` from a
folder into ``doc/paper/``, and writes the numbers of the report into the pages. A test
finds out whether they agree.
"""

import re
import shutil
import sys
from pathlib import Path

__all__ = ["rows", "sentences", "wrong_numbers"]

DOC = Path(__file__).resolve().parent
PAPER, CHOOSING, BELIEVING = "paper.md", "choosing.md", "believing.md"

# A number, several, or one with its interval, perhaps on two lines.
NUMBER = r"(\d(?:[\d.\-e\[\],\s]*[\d\]])?)"
INTERVAL = re.compile(r" \[[^]]*\]")
SUCCESS = "final squared gradient norm < 1e-10"


def table(report, heading):
    """Read the table below a heading: lists of cells by their first cell."""
    part = re.split(rf"^## {re.escape(heading)}.*\n", report, flags=re.MULTILINE)[1]
    part = re.split(r"^## ", part, flags=re.MULTILINE)[0]
    lines = [line.split(" | ") for line in re.findall(r"^\| (.*) \|$", part, re.M)]
    return {line[0].strip(): line[1:] for line in lines if "---" not in line[0]}


def columns(report, heading):
    """Read a table by columns: dicts of cells by their row."""
    cells = table(report, heading)
    names = cells.pop("")
    return {n: {r: row[i] for r, row in cells.items()} for i, n in enumerate(names)}


def rows(report):
    """List the rows of tables that are copies of those of the report.

    Parameters
    ----------
    report : str
        Text of the report.

    Returns
    -------
    rows : list of (str, str)
        A page, and the whole line that it must have.
    """
    found = []
    costs = table(report, "3. Equal oracle counts")
    del costs["products at most"]
    short = {k: " | ".join(INTERVAL.sub("", c) for c in v) for k, v in costs.items()}
    found += [(PAPER, f"| {name} | {cells} |") for name, cells in short.items()]
    for finder, method in (
        ("`NewtonMRFinder`", "Newton-MR"),
        ('`GradNormFinder`, `"l-bfgs"`', "GNM, l-bfgs"),
        ('`GradNormFinder`, `"lm"`', "GNM, lm"),
        ('`GradNormFinder`, `"btls"`', "GNM, btls"),
        ("`NewtonTRFinder`", "Newton-TR"),
    ):
        found.append((CHOOSING, f"| {finder} | {short[f'{method}, as intended']} |"))
    bias = re.findall(r"^\| by (?:height|iteration) \|.*$", report, re.MULTILINE)
    found += [(PAPER, line) for line in bias]
    for by, line in zip(("height", "iteration"), bias[::4], strict=True):
        entropies = re.findall(r"; (\d\.\d\d) \[", line)[1:]
        found.append((CHOOSING, f"| by {by}, no noise | {' | '.join(entropies)} |"))
    return found + success(report)


def success(report):
    """List the rows of the table of successes."""
    published = columns(report, "1. Performance (figure 1)")
    intended = columns(report, "As intended")
    below = {name: cells[SUCCESS] for name, cells in (published | intended).items()}
    found = []
    for method in ("Newton-MR", "Newton-TR", "GNM"):
        first = [below[f"{method}, {column}"] for column in ("authors", "as published")]
        ours = below.get(method) or f"L-BFGS {below['GNM, l-bfgs']}"
        found.append(f"| {method} | {' | '.join(first)} | {ours} |")
    repaired = below["Newton-MR, repaired, as published"]
    found.append(f"| Newton-MR, their repaired program | - | {repaired} | - |")
    for name, method in (
        ("Newton-MR, monotone, unbalanced", "Newton-MR, unbalanced"),
        ("GNM, Levenberg-Marquardt", "GNM, lm"),
        ("GNM, steepest descent (5000 iterations)", "GNM, btls"),
        ("GNM, L-BFGS, unbalanced", "GNM, l-bfgs, unbalanced"),
        ("GNM, Levenberg-Marquardt, unbalanced", "GNM, lm, unbalanced"),
    ):
        found.append(f"| {name} | - | - | {below[method]} |")
    return [(PAPER, line) for line in found]


def sentences(report):
    """List the sentences with numbers of the report.

    Parameters
    ----------
    report : str
        Text of the report.

    Returns
    -------
    sentences : list of (str, str, list of str)
        A page, the sentence with {} in the place of each number, and the numbers.
    """
    ours = columns(report, "As intended")
    lbfgs, newton = ours["GNM, l-bfgs"], ours["Newton-MR"]

    def medians(unit):
        return [m[f"{unit} to 1e-10"].split(", ")[1] for m in (lbfgs, newton)]

    bare = ours["GNM, l-bfgs, unbalanced"][SUCCESS]
    lm = [ours[name][SUCCESS] for name in ("GNM, lm, unbalanced", "GNM, lm")]
    failed = re.findall(r"at a minimum of the gradient norm \| 0 of (\d+)", report)
    stops = re.search(r"acceptable step exists \| (\d+) of (\d+)", report)
    rate = re.search(r"per iteration \| median (\S+)", report)[1]
    minimum = ours["Newton-TR"]["ended in the global minimum, of all"]
    found = [
        (PAPER, "ends below 1e-10 in {} of the runs", [bare]),
        (PAPER, "it does so in {}. Levenberg-Marquardt", [lbfgs[SUCCESS]]),
        (PAPER, "it reaches {} without and {} with balancing", lm),
        (PAPER, "{} of the runs end in the global minimum", [minimum]),
        (PAPER, "at {} of the {} early stops", list(stops.groups())),
        (PAPER, "measured {} in the median", [rate]),
        (CHOOSING, "reaches 1e-10 in {} of the runs", [INTERVAL.sub("", bare)]),
    ]
    for page in (PAPER, CHOOSING):
        found += [
            (page, "(a median of {} against {} until 1e-10)", medians("products")),
            (page, "more gradients ({} against {}", medians("gradients")),
        ]
    for page in (PAPER, BELIEVING):
        found.append((page, "Of {} failed", [str(sum(map(int, failed)))]))
    return found + tolerances(report)


def tolerances(report):
    """List the sentences on tolerances."""
    cells = [
        line.split(" | ")[2:]
        for column in ("published", "intended")
        for line in re.findall(rf"^\| as {column} \| .*(?= \|$)", report, re.MULTILINE)
    ]
    shares, errors = [c[1] for c in cells[:3]], [c[2] for c in cells[:4]]
    unknown = [c[5] for c in cells[4:7]]
    return [
        (PAPER, "{} of the points cut at 1e-10", shares[:1]),
        (PAPER, "critical set, {} at 1e-8, {} at 1e-6, and", shares[1:]),
        (PAPER, "grows from {} to {} and {} of the parameters", errors[:3]),
        (PAPER, "at the starts, it is {}. The", errors[3:]),
        (PAPER, "*unknown* ({} of 150 at 1e-10, {} at 1e-8, {} at 1e-6)", unknown),
    ]


def pattern(sentence):
    """Make a pattern of a sentence, whose words may be on different lines."""
    parts = [r"\s+".join(map(re.escape, p.split(" "))) for p in sentence.split("{}")]
    return re.compile(NUMBER.join(parts))


def wrong_numbers(report, pages):
    """Find what pages state and the report does not.

    Parameters
    ----------
    report : str
        Text of the report.
    pages : dict of str to str
        Texts of the pages.

    Returns
    -------
    wrong : list of str
        What they should state, with the name of the page.
    """
    wrong = [
        f"{page}: {line}" for page, line in rows(report) if line not in pages[page]
    ]
    for page, sentence, numbers in sentences(report):
        match = pattern(sentence).search(pages[page])
        stated = (
            [" ".join(number.split()) for number in match.groups()] if match else []
        )
        if stated != numbers:
            wrong.append(f"{page}: {sentence}: {numbers}")
    return wrong


def rewrite(report, pages):
    """Return the pages with the numbers of the report."""
    pages = dict(pages)
    for page, line in rows(report):
        # Rows of the bias are known by two cells, all others by the first.
        known = 2 if line.startswith(("| by height | ", "| by iteration | ")) else 1
        start = " | ".join(line.split(" | ")[:known]) + " | "
        found = re.compile(rf"^{re.escape(start)}[\d-].*$", flags=re.MULTILINE)
        pages[page] = found.sub(lambda _, line=line: line, pages[page], count=1)
    for page, sentence, numbers in sentences(report):
        match, text = pattern(sentence).search(pages[page]), pages[page]
        for place, number in reversed(list(enumerate(numbers, start=1))):
            begin, end = match.span(place)
            if " ".join(match[place].split()) != number:
                text = text[:begin] + number + text[end:]
        pages[page] = text
    return pages


def main(folder):
    """Take over the results of a folder."""
    for path in [folder / "report.md", *folder.glob("figure*.png")]:
        shutil.copy(path, DOC / "paper" / path.name)
    report = (DOC / "paper" / "report.md").read_text(encoding="utf-8")
    names = (PAPER, CHOOSING, BELIEVING)
    pages = {name: (DOC / name).read_text(encoding="utf-8") for name in names}
    for name, text in rewrite(report, pages).items():
        (DOC / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
