"""From a source to its files."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.ipc
import pytest

from ropeway.data import copies
from ropeway.data.sources import Files, columns, expand, kind_of_name, reader, rows
from ropeway.errors import BadInput, RopewayError


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("a\n1\n")


def test_a_folder_is_all_tables_below_it(tmp_path: Path) -> None:
    """A folder stands for its files and those below; hidden and other files are passed over."""
    put(tmp_path, "d/b.csv", "d/2024/a.csv.gz", "d/.tmp/x.csv", "d/_old.csv", "d/readme.md")
    found = expand("d", tmp_path)
    assert found.kind == "csv"
    assert [p.name for p in found.paths] == ["a.csv.gz", "b.csv"]


def test_a_glob_is_what_it_matches(tmp_path: Path) -> None:
    """A glob stands for the files that match it, in a fixed order."""
    put(tmp_path, "logs/b/2.ndjson", "logs/a/1.ndjson", "logs/a/x.csv")
    found = expand("logs/**/*.ndjson", tmp_path)
    assert (found.kind, [p.name for p in found.paths]) == ("json", ["1.ndjson", "2.ndjson"])


def test_a_dataset_has_one_kind_of_file(tmp_path: Path) -> None:
    """Files of several kinds are no table, and the error counts them."""
    put(tmp_path, "d/a.csv", "d/b.json")
    with pytest.raises(BadInput, match="1 csv, 1 json"):
        expand("d", tmp_path)


@pytest.mark.parametrize("name", ["a.docx", "a", "a.gz", "a.csv.zip"])
def test_other_files_are_refused(tmp_path: Path, name: str) -> None:
    """A kind of file that cannot be read is refused with the kinds that can."""
    put(tmp_path, name)
    with pytest.raises(BadInput) as caught:
        expand(name, tmp_path)
    assert ".parquet" in caught.value.hint


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    """A folder without any table cannot be added."""
    (tmp_path / "d").mkdir()
    with pytest.raises(BadInput, match="holds no file"):
        expand("d", tmp_path)


def test_names_with_signs_of_a_glob_are_refused(tmp_path: Path) -> None:
    """A file name that the engine would read as a glob could reach other files."""
    put(tmp_path, "a[1].csv")
    with pytest.raises(BadInput, match="glob"):
        expand("a[1].csv", tmp_path)


def test_the_ending_says_the_kind() -> None:
    """Endings count whatever their case, with .gz where it is allowed."""
    assert kind_of_name("A.CSV.GZ") == "csv"
    assert kind_of_name("a.jsonl") == "json"
    assert kind_of_name("a.parquet") == "parquet"
    assert kind_of_name("a.parquet.gz") is None


def files(source: str, base: Path, **options: object) -> Files:
    found = expand(source, base, options)
    assert isinstance(found, Files)
    return found


def read(found: Files) -> list[tuple[object, ...]]:
    return duckdb.sql(f"select * from {reader(found)} order by all").fetchall()


def test_folders_named_key_value_are_columns(tmp_path: Path) -> None:
    """The keys of `a=1/b=x` are columns with the types of their values, in a folder or a glob."""
    put(tmp_path, "d/year=2023/zone=eu/x.csv", "d/year=2024/zone=us/y.csv")
    for source in ("d", "d/**/*.csv", "d/year=*/*/*.csv"):
        found = files(source, tmp_path)
        assert [each.name for each in columns(found)] == ["a", "year", "zone"]
        assert read(found) == [(1, 2023, "eu"), (1, 2024, "us")]


def test_a_folder_above_the_data_is_no_column(tmp_path: Path) -> None:
    """`key=value` counts below the source and not above it, and only where all files have it."""
    put(tmp_path, "run=7/d/a.csv", "run=7/d/b.csv", "mixed/x=1/a.csv", "mixed/b.csv")
    assert read(files("run=7/d", tmp_path)) == [(1,), (1,)]
    assert read(files("run=7/d/a.csv", tmp_path)) == [(1,)]
    assert read(files("mixed", tmp_path)) == [(1,), (1,)]


def test_partitions_of_converted_files_stay(tmp_path: Path) -> None:
    """The keys are columns too where the files are turned into Parquet first."""
    for zone in ("eu", "us"):
        (tmp_path / "d" / f"zone={zone}").mkdir(parents=True)
        with pa.ipc.new_file(tmp_path / "d" / f"zone={zone}" / "x.arrow", schema := pa.schema(
            [("a", pa.int64())])) as out:  # fmt: skip
            out.write_table(pa.table({"a": [1]}, schema))
    assert read(files("d", tmp_path)) == [(1, "eu"), (1, "us")]


def test_options_of_csv(tmp_path: Path) -> None:
    """Delimiter, quote, NULL, header, rows to skip, encoding and types are as they were given."""
    text = "made by hand\nm\u00fc;1,5;-\n'a;b';2;3\n"
    (tmp_path / "x.csv").write_bytes(text.encode("latin-1"))
    found = files("x.csv", tmp_path, delimiter=";", quote="'", null="-", header=False, skip=1,
                  encoding="latin-1", columns={"column2": "DECIMAL(4,1)"})  # fmt: skip
    assert read(found)[0][0] == "a;b"
    assert [each.type for each in columns(found)] == ["VARCHAR", "VARCHAR", "DECIMAL(4,1)"]
    assert (read(found)[1][0], read(found)[1][2]) == ("m\u00fc", None)


def test_the_format_may_be_said(tmp_path: Path) -> None:
    """A file whose ending says nothing is read as the kind that was named."""
    (tmp_path / "export.txt").write_text("a|b\n1|2\n")
    found = files("export.txt", tmp_path, format="csv", delimiter="|")
    assert read(found) == [(1, 2)]


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("x.csv", {"sheet": "A"}, "sheet is not for csv"),
        ("x.parquet", {"delimiter": ";"}, "delimiter is not for parquet"),
        ("x.csv", {"table": "t"}, "table is not for csv"),
        ("postgresql://h/d", {"sheet": "A", "table": "t"}, "sheet is not for a database"),
        ("postgresql://h/d", {}, "not said which table"),
        ("mysql://h/d", {"query": "q", "table": "t"}, "table or a query"),
        ("mysql://h/d", {"role": "r", "table": "t"}, "role is for PostgreSQL"),
        ("s3::csv://x", {}, "chain of URLs"),
    ],
)
def test_an_option_of_another_kind_is_refused(
    tmp_path: Path, name: str, options: dict[str, str], said: str
) -> None:
    """An option that the kind of source does not have is an error and is not passed over."""
    if "://" not in name:
        put(tmp_path, name)
    with pytest.raises(BadInput, match=said):
        expand(name, tmp_path, options)


def test_what_home_alone_may_read_is_a_note(tmp_path: Path) -> None:
    """The path of a file that is not there stands in the error's notes, and does not cross."""
    with pytest.raises(RopewayError) as caught:
        expand("nope.csv", tmp_path)
    assert str(tmp_path / "nope.csv") in caught.value.__notes__[0]
    assert "nope" not in str(caught.value.to_json())


def test_parquet_knows_its_rows(tmp_path: Path) -> None:
    """The number of rows is told where it costs nothing: not for CSV."""
    duckdb.sql(f"copy (from range(7)) to '{tmp_path}/x.parquet'")
    put(tmp_path, "x.csv")
    assert rows(files("x.parquet", tmp_path)) == (7, True)
    assert rows(files("x.csv", tmp_path)) is None


def arrow(path: Path, rows_: int) -> None:
    with pa.ipc.new_file(path, pa.schema([("a", pa.int64())])) as out:
        out.write_table(pa.table({"a": pa.array(range(rows_), pa.int64())}))


def test_a_copy_is_made_once_and_is_private(tmp_path: Path, own_home: Path) -> None:
    """Converting happens once for each state of a file, into a file that only its owner reads."""
    arrow(tmp_path / "x.arrow", 10)
    (copy,) = files("x.arrow", tmp_path).paths
    assert copy.is_relative_to(own_home)
    assert copy.stat().st_mode & 0o077 == 0
    before = copy.stat()
    assert files("x.arrow", tmp_path).stamps() == files("x.arrow", tmp_path).stamps()
    assert copy.stat().st_ino == before.st_ino
    arrow(tmp_path / "x.arrow", 11)
    assert files("x.arrow", tmp_path).paths != (copy,)


def test_a_copy_that_fails_leaves_nothing(tmp_path: Path, own_home: Path) -> None:
    """A file that cannot be converted is an error each time, and no part of a copy stays."""
    (tmp_path / "x.arrow").write_bytes(b"ARROW1 and nothing else")
    for _ in range(2):
        with pytest.raises(BadInput, match="cannot be read as an Arrow file"):
            expand("x.arrow", tmp_path)
    assert not list((own_home / "copies").iterdir())


def test_copies_are_bounded(
    tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies that were not used for long give way; one that alone is too large is refused."""
    monkeypatch.setattr(copies, "KEPT", 0.0)

    def write(count: int):  # type: ignore[no-untyped-def]
        return lambda target: target.write_bytes(b"x" * count)

    first = copies.made("a", "1", "f", write(600), room=1000)
    second = copies.made("b", "1", "f", write(600), room=1000)
    assert not first.exists()
    assert second.exists()
    with pytest.raises(BadInput, match=r"data\.copies") as caught:
        copies.made("c", "1", "f", write(1001), room=1000)
    assert "1,001" in caught.value.message
    assert second.exists()
