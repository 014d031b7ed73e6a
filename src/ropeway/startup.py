"""What makes our commands start sooner; imported before Jupyter is."""

from __future__ import annotations

import sys


def leave_out_iri_grammar() -> None:
    """Keep jsonschema from building a grammar of IRIs, which takes 0.9 s at every start.

    It does so for the optional format `iri`, which none of Jupyter's schemas uses; without the
    package jsonschema leaves that one check out.
    """
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
