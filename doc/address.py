"""Write the address of the repository into every file that names it.

``python doc/address.py https://host/owner/skcrit`` sets "Repository" in pyproject.toml,
from which the notebooks, the links to Binder and the header of the pages take it, and
writes it into README.md, the page on installing and CITATION.cff. An address that was
written before is replaced.
"""

import argparse
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# For each file the line that names the address, that line as a pattern, and the one
# that it stands above.
INSTALL = (
    'pip install "skcrit[plot] @ git+{}"  # without a copy of it',
    r'pip install "skcrit\[plot\] @ git\+.*',
    r"pip install \. .*",
)
PLACES = {
    "pyproject.toml": ('Repository = "{}"', r"Repository = .*", r'Paper = ".*"'),
    "CITATION.cff": ('repository-code: "{}"', r"repository-code: .*", r"keywords:"),
    "README.md": INSTALL,
    "doc/getting_started.md": INSTALL,
}


def write(address, root=ROOT):
    """Write the address into the files below a folder.

    Parameters
    ----------
    address : str
        Address of the repository, as ``git clone`` takes it.
    root : path-like, default=ROOT
        The folder.

    Raises
    ------
    ValueError
        If it is no address, or a file has no place for it.
    """
    if not re.fullmatch(r"https://[\w.-]+(/[\w.~-]+)+", address):
        raise ValueError(f"address must begin with https:// and a host, got {address}")
    for name, (line, old, below) in PLACES.items():
        path = Path(root) / name
        text = re.sub(rf"^{old}\n", "", path.read_text("utf-8"), flags=re.MULTILINE)
        place = re.search(rf"^{below}$", text, flags=re.MULTILINE)
        if place is None:
            raise ValueError(f"{name} must have a line {below}, above which it goes.")
        begin = place.start()
        text = f"{text[:begin]}{line.format(address)}\n{text[begin:]}"
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="address of the repository")
    write(parser.parse_args().address)
