"""The modules of `google.colab` that need neither a page nor home."""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from ropeway.kernel import colab
from ropeway.kernel.colab import _content, _cv2, errors

SURFACE = {
    "ai": ["generate_text", "list_models"],
    "auth": ["authenticate_service_account", "authenticate_user"],
    "autoviz": ["MplChart", "get_df", "quickchart"],
    "errors": ["AuthorizationError", "Error", "RuntimeManagementError", "WidgetException"],
    "patches": ["cv2_imshow", "cv_imshow"],
    "runtime": ["unassign"],
    "sheets": ["InteractiveSheet"],
    "snippets": ["register"],
    "sql": ["bigquery"],
    "sql.bigquery": ["run", "set_credentials", "validate"],
    "syntax": ["css", "html", "javascript", "sql"],
}


@pytest.mark.parametrize("name", [*SURFACE])
def test_each_module_has_colabs_names(name: str) -> None:
    """`__all__` has what Colab's module has, and nothing else that is public is made there."""
    module = importlib.import_module(f"ropeway.kernel.colab.{name}")
    assert list(module.__all__) == SURFACE[name]
    made = {n for n, each in vars(module).items() if inspect.getmodule(each) is module}
    assert {n for n in made if not n.startswith("_")} <= set(module.__all__)
    assert all(hasattr(module, each) for each in module.__all__)
    assert name.partition(".")[0] in dir(colab)


def test_what_only_colab_can_answer_says_so_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No module waits for a service that is not there: each error says what to do instead."""
    from ropeway.kernel.colab import ai, auth, autoviz, sheets
    from ropeway.kernel.colab.sql import bigquery

    with pytest.raises(errors.Error, match="a key of yours"):
        ai.generate_text("Hello")
    with pytest.raises(ValueError, match="quickchart"):
        autoviz.get_df("df")
    for absent in ("google.auth", "google.cloud", "google.cloud.bigquery", "gspread"):
        monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(ImportError, match="%pip install gspread"):
        sheets.InteractiveSheet(title="Sales")
    with pytest.raises(ImportError, match="%pip install google-cloud-bigquery"):
        bigquery.run("select 1")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    with pytest.raises(errors.AuthorizationError, match="gcloud auth application-default login"):
        auth.authenticate_user()


def test_credentials_of_this_machine_are_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With them nobody is asked, and the project is named for Google's clients."""
    from ropeway.kernel.colab import auth

    monkeypatch.setitem(sys.modules, "google.auth", None)
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    (tmp_path / "application_default_credentials.json").write_text("{}")
    auth.authenticate_user(project_id="demo")
    assert auth.os.environ["GOOGLE_CLOUD_PROJECT"] == "demo"


def test_a_service_accounts_key_is_kept_apart(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is no key is asked for again; the key lies in a private file beside no notebook."""
    from ropeway.kernel.colab import auth

    key = json.dumps({"type": "service_account"}).encode()
    uploads = iter([{"a.txt": b"no"}, {"key.json": key}])
    files = ModuleType("files")
    files.upload = lambda target_dir: next(uploads)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ropeway.kernel.colab.files", files)
    monkeypatch.setattr(colab, "files", files, raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
    auth.authenticate_service_account(clear_output=False)
    assert "no key of a service account" in capsys.readouterr().out
    path = Path(auth.os.environ["GOOGLE_APPLICATION_CREDENTIALS"])
    assert (path.read_bytes(), path.stat().st_mode & 0o77) == (key, 0)
    path.unlink()  # as the kernel does when it ends


def test_a_sheet_is_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """A DataFrame is written into a sheet and read back, with the user's own gspread."""
    import pandas as pd

    from ropeway.kernel.colab import sheets

    class Worksheet:
        id = 0
        rows: list[Any]

        def clear(self) -> None:
            self.rows = []

        def update(self, rows: list[Any]) -> None:
            self.rows = rows

        def get_all_values(self) -> list[Any]:
            return [[str(each) for each in row] for row in self.rows]

    worksheet = Worksheet()
    sheet = SimpleNamespace(url="https://x/1", get_worksheet_by_id=lambda number: worksheet)
    client = SimpleNamespace(open=lambda title: sheet)
    gspread = SimpleNamespace(authorize=lambda credentials: client, SpreadsheetNotFound=KeyError)
    monkeypatch.setitem(sys.modules, "gspread", gspread)
    table = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    made = sheets.InteractiveSheet(title="Sales", df=table, credentials=object(), display=False)
    assert made.as_df().to_dict("list") == {"a": ["1", "2"], "b": ["x", "y"]}
    assert made.url == "https://x/1#gid=0"


def test_pictures_of_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    """Channels are put in their order and values cut; a window is refused, also to who imported
    cv2 before."""
    import IPython.display

    pytest.importorskip("PIL")
    np = pytest.importorskip("numpy")
    from ropeway.kernel.colab import patches

    shown: list[Any] = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    patches.cv2_imshow(np.array([[[300.0, 7.0, -5.0]]]))
    patches.cv2_imshow(np.array([[[9], [8]]]))
    assert shown[0].getpixel((0, 0)) == (0, 7, 255)
    assert (shown[1].size, shown[1].getpixel((1, 0))) == ((2, 1), 8)
    cv2 = ModuleType("cv2")
    cv2.imshow = lambda name, picture: 1  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cv2", cv2)
    _cv2.begin()
    with pytest.raises(_cv2.DisabledFunctionError, match="import cv2_imshow"):
        cv2.imshow("a", None)
    monkeypatch.setenv("ENABLE_CV2_IMSHOW", "1")
    assert cv2.imshow("a", None) == 1


def test_a_first_look_at_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers become histograms and pairs of them points, words become bars."""
    import pandas as pd

    from ropeway.kernel.colab import autoviz

    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.setattr("matplotlib.pyplot.show", lambda: None)
    charts = autoviz.quickchart(pd.DataFrame({"a": [1, 2], "b": [3, 4], "c": ["x", "y"]}))
    expected = ["histogram of a", "histogram of b", "bar of c", "scatter of a, b"]
    assert [repr(chart) for chart in charts] == expected


def test_small_things(capsys: pytest.CaptureFixture[str]) -> None:
    """Marked texts stay what they are, and a collection of snippets is left alone."""
    from ropeway.kernel.colab import snippets, syntax

    assert syntax.html("<b>") + syntax.sql("select 1") == "<b>select 1"
    snippets.register("https://x")
    assert "https://x is left alone" in capsys.readouterr().out


def test_content_as_colab_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel away from its notebook goes to `/content`, another stays where it is; what stands
    in `sample_data` already is not touched, and its README says where the rest is to be had."""
    monkeypatch.setattr(_content, "CONTENT", tmp_path / "content")
    monkeypatch.chdir(tmp_path)
    looks: list[Any] = []
    shell = SimpleNamespace(events=SimpleNamespace(register=lambda name, call: looks.append(call)))
    _content.begin(shell, away=False)
    assert Path.cwd() == tmp_path
    sample = tmp_path / "content" / "sample_data"
    assert len(json.loads((sample / "anscombe.json").read_text())) == 44
    (sample / "README.md").write_text("mine")
    _content.begin(shell, away=True)
    assert Path.cwd() == tmp_path / "content"
    assert (sample / "README.md").read_text() == "mine"
    missing = FileNotFoundError(2, "No such file", f"{sample}/mnist_test.csv")
    assert "README.md says where" in _content._note("", missing)
    assert _content._note("x = 1", ValueError()) == ""
