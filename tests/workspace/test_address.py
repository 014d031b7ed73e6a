"""What a person may paste as a runtime's URL."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropeway.errors import BadInput, RopewayError
from ropeway.workspace.address import check_name, parse_address, suggest_name


@pytest.mark.parametrize(
    ("text", "url", "token"),
    [
        ("http://gpu:8888/", "http://gpu:8888", ""),
        ("http://gpu:8888/?token=abc", "http://gpu:8888", "abc"),
        ("http://gpu:8888/tree?token=abc", "http://gpu:8888", "abc"),
        ("http://gpu:8888/lab/tree/a/b.ipynb?token=abc#x", "http://gpu:8888", "abc"),
        ("http://gpu:8888/lab/workspaces/auto-b/tree/a.ipynb", "http://gpu:8888", ""),
        ("http://gpu:8888/notebooks/a.ipynb", "http://gpu:8888", ""),
        ("http://gpu:8888/login?next=%2Flab", "http://gpu:8888", ""),
        ("gpu:8888", "http://gpu:8888", ""),
        ("  'http://127.0.0.1:8888/lab?token=abc' ", "http://127.0.0.1:8888", "abc"),
        ("https://hub.example/user/ann/lab", "https://hub.example/user/ann", ""),
        ("https://hub.example/user/lab/", "https://hub.example/user/lab", ""),
        ("https://hub.example/jupyter/user/ann/tree", "https://hub.example/jupyter/user/ann", ""),
        ("https://proxy.example/team/a/api/kernels", "https://proxy.example/team/a", ""),
        ("http://[::1]:8888/lab", "http://[::1]:8888", ""),
        ("http://ann:secret@gpu:8888/", "http://gpu:8888", ""),
    ],
)
def test_any_form_of_url_leads_to_the_server(text: str, url: str, token: str) -> None:
    """Every form that a Jupyter server prints or a browser shows gives base URL and token."""
    address = parse_address(text)
    assert (address.url, address.token) == (url, token)


def test_a_token_given_by_itself_wins() -> None:
    """An explicit token overrules the one in the URL."""
    assert parse_address("http://gpu/?token=old", " new ").token == "new"


@pytest.mark.parametrize(
    "text", ["", "   ", "ftp://gpu/", "http://", "http://gpu:port/", "not a url", "http://[::1"]
)
def test_what_is_no_url_is_refused(text: str) -> None:
    """What cannot be a server's URL is bad input, with a hint."""
    with pytest.raises(BadInput) as caught:
        parse_address(text)
    assert caught.value.hint


def test_a_page_of_the_hub_is_no_server() -> None:
    """A JupyterHub's own page is told apart from a user's server."""
    with pytest.raises(BadInput, match="JupyterHub"):
        parse_address("https://hub.example/hub/home")


@given(st.text(max_size=60), st.text(alphabet="abcdef0123456789", min_size=8, max_size=8))
def test_no_error_repeats_a_token(text: str, token: str) -> None:
    """Whatever is pasted, neither an error nor the shown address repeats the token."""
    try:
        shown = parse_address(f"{text}?token=tok{token}").shown
    except RopewayError as error:
        shown = str(error)
    assert f"tok{token}" not in shown


@pytest.mark.parametrize("name", ["", "GPU", "gpu.1", "a/b", "-a", "a" * 41, "gpu box", "ü"])
def test_names_that_break_kernel_names_are_refused(name: str) -> None:
    """A runtime's name holds only what a kernel's name may hold."""
    with pytest.raises(BadInput):
        check_name(name)


def test_a_name_is_suggested_after_the_host() -> None:
    """Without a name a runtime is called after its host, and never like another."""
    assert suggest_name("http://gpu-box.lan:1", set()) == "gpu-box"
    assert suggest_name("http://gpu-box.lan:1", {"gpu-box"}) == "gpu-box-2"
    assert suggest_name("http://127.0.0.1:1", set()) == "runtime"
    assert suggest_name("http://here:1", set()) == "runtime"
