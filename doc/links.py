"""Names of the library become links to the API wherever a page writes them as code."""

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


def setup(app):
    """Read every page once."""
    app.connect("doctree-read", link_names)
    return {"parallel_read_safe": True}
