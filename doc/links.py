"""Links between the pages and the API, in both directions.

Names of the library become links to the API wherever a page writes them as code, and
the page of a class or function ends with links to the pages that explain it.
"""

import re

from docutils import nodes
from sphinx import addnodes

# "NewtonMRFinder", "skcrit.certify" and "GradNormFinder(minimizer='lm')" alike.
NAME = re.compile(r"(?:skcrit\.)?((?:\w+\.)*\w+)(?:\(.*\))?", flags=re.DOTALL)


def targets(srcdir):
    """Map every public name, short and with its module, to the name in the API."""
    found, module = {}, None
    for line in (srcdir / "api.rst").read_text(encoding="utf-8").splitlines():
        if line.startswith(".. currentmodule:: "):
            module = line.split()[-1]
        elif re.fullmatch(r"   [A-Za-z]\w+", line):
            name = line.strip()
            full = f"{module}.{name}"
            found[name] = found[full.removeprefix("skcrit.")] = full
    return found


def link_names(app, doctree):
    """Turn literals that are public names into references.

    The page of a class itself is left alone, and so are titles and links.
    """
    docname = app.env.docname
    if docname.startswith("generated/"):
        return
    known = targets(app.srcdir)
    for literal in list(doctree.findall(nodes.literal)):
        parent = literal.parent
        if isinstance(parent, nodes.title | nodes.reference | addnodes.pending_xref):
            continue
        match = NAME.fullmatch(literal.astext())
        if not match or match[1] not in known:
            continue
        reference = addnodes.pending_xref(
            "",
            refdomain="py",
            reftype="obj",
            reftarget=known[match[1]],
            refdoc=docname,
            refexplicit=True,
            refwarn=True,
        )
        literal.replace_self(reference)
        reference += literal


# Pages that explain the parts of the library which no page names one by one.
GUIDES = {
    "skcrit": ["cheat_sheet"],
    "skcrit.certification": ["certificates"],
    "skcrit.datasets": ["cheat_sheet"],
    "skcrit.finders": ["landscape"],
    "skcrit.ground_truth": ["linear_networks"],
    "skcrit.inspection": ["believing"],
    "skcrit.linalg": ["design"],
    "skcrit.losses": ["your_own_loss"],
    "skcrit.metrics": ["believing"],
    "skcrit.model_selection": ["cheat_sheet"],
    "skcrit.proving_grounds": ["proving_grounds"],
    "skcrit.solvers": ["your_own_finder", "choosing"],
    "skcrit.starts": ["critical_points"],
    "skcrit.utils.testing": ["your_own_loss"],
}


def guides(srcdir):
    """Map public names to the first pages that name them, at most four."""
    known = targets(srcdir)
    pages = []
    for section in ("getting_started", "guide", "losses", "studies"):
        text = (srcdir / f"{section}.md").read_text(encoding="utf-8")
        for block in re.findall(r"```\{toctree\}\n(.*?)```", text, flags=re.DOTALL):
            pages += re.findall(r"^(?:.*<)?(\w[\w/]*)>?$", block, flags=re.MULTILINE)
    found = {}
    for page in dict.fromkeys(pages):
        text = (srcdir / f"{page}.md").read_text(encoding="utf-8")
        literals = re.findall(r"`([^`\n]+)`", text)
        for match in filter(None, map(NAME.fullmatch, literals)):
            # "MLPLoss.from_estimator" explains the class.
            for name in {match[1], match[1].rpartition(".")[0]} & set(known):
                found.setdefault(known[name], []).append(page)
    for name in set(known.values()):
        module = name.rpartition(".")[0]
        named = list(dict.fromkeys(found.get(name, [])))
        found[name] = named[:4] or GUIDES[module]
    return found


def add_guides(app, docname, source):
    """End the page of a public name with links to the pages that explain it."""
    if not docname.startswith("generated/skcrit"):
        return
    name = docname.removeprefix("generated/")
    pages = guides(app.srcdir).get(name, [])
    links = "".join(f"* :doc:`/{page}`\n" for page in pages)
    source[0] += f"\n.. rubric:: Explained in\n\n{links}" if links else ""


def setup(app):
    """Read every page once."""
    app.connect("doctree-read", link_names)
    app.connect("source-read", add_guides)
    return {"parallel_read_safe": True}
