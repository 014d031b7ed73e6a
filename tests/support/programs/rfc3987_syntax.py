"""In the place of the package that builds a grammar of IRIs as it is imported: jsonschema, which
stock Jupyter servers import, goes without it."""

raise ImportError("no test needs it")
