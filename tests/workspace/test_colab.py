"""A VM of Colab as a runtime, through Google's own program; the service behind it is a stand-in."""

from __future__ import annotations

import asyncio
import json
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ropeway import config
from ropeway.errors import (
    BadInput,
    MissingPackage,
    NotJupyter,
    StartFailed,
    TokenRefused,
    Unreachable,
)
from ropeway.workspace import auto_stop, headless
from ropeway.workspace.address import Address
from ropeway.workspace.choice import choose_kernel
from ropeway.workspace.client import RuntimeClient
from ropeway.workspace.connect import check_and_remember
from ropeway.workspace.home import Home
from ropeway.workspace.providers import Site, colab_terms, provider_for
from ropeway.workspace.providers import colab as provider
from ropeway.workspace.providers.colab import parse_options
from ropeway.workspace.providers.colab_failure import failure
from ropeway.workspace.providers.colab_install import install
from ropeway.workspace.providers.colab_program import Program
from ropeway.workspace.provisioner import RuntimeProvisioner
from ropeway.workspace.remembered import Record, runtime_list
from support.colab_vm import ColabVms, colab_vms, install_program, signed_in
from support.servers import Server


@pytest.fixture(scope="module")
def packages(request: pytest.FixtureRequest) -> Path:
    """Google's program, kept from one session to the next."""
    cache = request.config.cache
    assert cache is not None
    return install_program(cache.mkdir("google-colab-cli"))


@pytest.fixture
def colab(
    gpu: Server, packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ColabVms]:
    """Colab, with terms that are confirmed and somebody who is signed in."""
    with colab_vms(gpu, packages, tmp_path) as made:
        monkeypatch.setenv("ROPEWAY_COLAB_CLI", str(made.program))
        monkeypatch.setattr(provider, "LOOK_SECONDS", 0.0)
        colab_terms.confirm()
        signed_in(Program().folder)
        yield made


async def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        await asyncio.sleep(0.05)


async def test_a_vm_runs_cells_until_it_is_gone(colab: ColabVms, tmp_path: Path) -> None:
    """A VM of Colab is a runtime like others: cells run there, a kernel lives on with the next
    token, what Colab took away is `stopped`, another is asked for on request, and idle it ends."""
    (tmp_path / "ropeway.toml").write_text("[runtimes]\nrefresh = 0.2\ntimeout = 10.0\n")
    home = Home(tmp_path, config.load(tmp_path))
    RuntimeProvisioner.serve(home)
    told: list[str] = []
    try:
        await home.start(with_here=False)
        registry = home.registry
        await registry.connect("colab", options={"gpu": "t4"}, tell=told.append)
        runtime = registry.get("colab")
        model = runtime.model()
        assert (model.state, model.runtime_class, model.kind) == ("connected", "public", "colab")
        assert (model.stop_idle, model.stoppable) == (3600, True)
        assert any("accelerator=T4" in path for path in colab.asked)
        assert "Google's colab: Usage rate: 1.76/hr" in told

        kernel = await choose_kernel(registry, "colab", None)
        async with headless.running_kernel(home, kernel, home.root) as manager:
            said: list[str] = []

            async def run(code: str) -> None:
                def hear(message: dict[str, dict[str, str]]) -> None:
                    said.append(message["content"].get("text", ""))

                outcome = await headless.run_code(manager, code, hear, stdin=False)
                assert not outcome.error

            await run("import ropeway as rw; x = 6; print(*rw.sql('select 7 a'), rw.road())")
            assert "(7,) in-band\n" in "".join(said)

            colab.lifetime = 4000
            first = _age(seconds=200)
            await until(lambda: runtime.client.address.token != first)
            colab.only_newest()
            await run("print(x)")
            assert "".join(said).endswith("6\n")
            await until(lambda: runtime.state == "connected")

        colab.vms.clear()
        await until(lambda: runtime.state == "stopped")
        assert "Colab took it away" in runtime.detail
        assert "POST /tun/m/assign" not in str(colab.asked[-3:])

        await registry.start_runtime("colab")
        assert runtime.state == "connected"
        assert len(colab.vms) == 1
        runtime.provider.stop_idle = 0.3
        idle = asyncio.create_task(auto_stop.stop_idle(registry, 0.1))
        await until(lambda: runtime.state == "stopped")
        idle.cancel()
        assert "without a running cell" in runtime.detail
        assert not colab.vms
    finally:
        await home.aclose()
        RuntimeProvisioner.serve(None)
    _is_private(Program().folder)


def _age(seconds: int) -> str:
    """Let the token that Google's program knows end so soon; returns it."""
    state = Program().folder / "sessions.json"
    sessions = json.loads(state.read_text())
    (name,) = sessions
    ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
    sessions[name]["token_expires_at"] = ends
    config.write_private(state, json.dumps(sessions))
    return str(sessions[name]["token"])


def _is_private(folder: Path) -> None:
    """Nobody else can read it, and no log and no home of a call is left."""
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    left = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert left.pop("token.json", 0o600) & 0o700
    assert set(left) == {"sessions.json", "sessions.json.lock", "terms.txt"}
    assert set(left.values()) == {0o600}


async def test_why_colab_gives_no_vm(colab: ColabVms) -> None:
    """What Colab refuses for is said in plain words; nothing is remembered, and nothing runs."""
    colab.refusal = 412
    with pytest.raises(StartFailed, match="a limit of your account") as caught:
        await check_and_remember(runtime_list(), "colab", options={"gpu": "T4"})
    assert caught.value.hint
    assert runtime_list().read() == {}
    assert not colab.vms


async def test_a_vm_that_is_of_no_use_is_freed(colab: ColabVms) -> None:
    """A VM on which no Jupyter is found is given back: nobody would know that it costs."""
    colab.broken = True
    with pytest.raises(NotJupyter):
        await check_and_remember(runtime_list(), "colab")
    assert any(path.startswith("POST /tun/m/assign") for path in colab.asked)
    assert not colab.vms


async def test_a_vm_that_is_given_up_is_freed(colab: ColabVms) -> None:
    """Who gives up while Colab allocates leaves no VM behind that would cost."""
    begun = asyncio.Event()

    def tell(sentence: str) -> None:
        begun.set()

    asking = asyncio.create_task(check_and_remember(runtime_list(), "colab", tell=tell))
    await begun.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert any(path.startswith("POST /tun/m/assign") for path in colab.asked)
    assert not colab.vms


async def test_what_is_lacking_is_said(
    tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Terms, program and sign-in each have a sentence of their own, with the command that helps."""
    monkeypatch.setenv("PATH", str(tmp_path))
    vm = provider_for(Record("gpu", "colab://colab/rw-1", ""), Site())
    with pytest.raises(BadInput, match="terms"):
        await vm.start()
    colab_terms.confirm()
    with pytest.raises(MissingPackage, match="google-colab-cli") as missing:
        await vm.start()
    assert "--install" in missing.value.hint
    monkeypatch.setenv("ROPEWAY_COLAB_CLI", sys.executable)
    with pytest.raises(TokenRefused, match="signed in") as refused:
        await vm.start()
    assert "--sign-in" in refused.value.hint
    await vm.aclose()


@pytest.mark.parametrize(
    "options",
    [
        {"gpu": "T5"},
        {"tpu": "v4"},
        {"gpu": "T4", "tpu": "v5e1"},
        {"gpu": True},
        {"stop_idle": "0s"},
        {"stop_idle": "soon"},
        {"speed": "high"},
    ],
)
def test_odd_wishes_are_refused(options: dict[str, object]) -> None:
    """Google's program never gets a name that it does not know: it would take an A100."""
    with pytest.raises(BadInput):
        parse_options(options)


def test_a_token_that_has_ended_is_not_shown() -> None:
    """After its end a token is used no more: a kernel would be refused for good with it."""
    client = RuntimeClient("gpu", Address("http://127.0.0.1:1", "t", expires=time.time() - 1))
    with pytest.raises(Unreachable, match="token"):
        _ = client.headers


def test_idle_is_counted_unless_told_otherwise() -> None:
    """A VM stops after an hour without a running cell, or when it was said, or never."""
    asked = ({}, {"stop_idle": "30m"}, {"stop_idle": "never"})
    assert [parse_options(options)[1] for options in asked] == [3600, 1800, 0]


def test_quiet_is_counted_from_the_last_sign_of_use() -> None:
    """What is busy or has just said something is not idle, and counting begins with the watch."""
    quiet = auto_stop.Quiet()
    idle, other = frozenset({("k", 1), "idle"}), frozenset({("k", 2), "idle"})
    seen = [(idle, 100.0), (idle, 160.0), (other, 170.0), (other, 180.0)]
    busy = frozenset({("k", 2), auto_stop.BUSY})
    seen += [(busy, 190.0), (busy, 290.0), (other, 300.0), (other, 305.0)]
    assert [quiet.seconds(marks, now) for marks, now in seen] == [0, 60, 0, 10, 0, 0, 0, 5]


def test_other_failures_have_words_and_no_secret() -> None:
    """Quota, a refused account, no network and whatever else: a sentence, never a token."""
    log = 'Response: 200 OK\nResponse Body: )]}\'\n{"token":"s3cret"%s}'
    cases = {
        ("", log % ',"outcome":1'): "a limit of your account",
        ("", log % ',"outcome":5'): "refuses this Google account",
        ("", "Response: 400 Bad Request\n"): "may not use GPU T4",
        ("", "Response: 401 Unauthorized\n"): "signed in",
        ("", "Response: 200 OK\nResponse: 503 Service Unavailable\n"): "no VM with GPU T4 free",
        ("Enter the authorization code: ", ""): "signed in",
        ("", "Failed to refresh token: HTTPSConnectionPool: Max retries exceeded"): "be reached",
        ("token s3cret\n[colab] It is Sunday.\n", log % ""): "It is Sunday.",
        ("Traceback s3cret", ""): "does not say why",
    }
    for (said, logged), words in cases.items():
        error = failure(said, logged, "GPU T4")
        assert words in error.message, (said, logged)
        assert error.hint
        assert "s3cret" not in str(error)


def test_installing_wants_a_python_that_is_new_enough(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without uv and a Python 3.12 it is said what is lacking, and nothing is left."""
    old = tmp_path / "python3.12"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(old))
    program = Program()
    with pytest.raises(MissingPackage, match=r"Python 3\.12"):
        install(program, print)
    assert not list(program.folder.iterdir())


def test_uv_makes_the_environment_where_it_is_there(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uv is told which Python and which version of the program, and its failure is told on."""
    uv = tmp_path / "uv"
    uv.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/said\n[ "$1" = venv ] || echo No index.\n'
        '[ "$1" = venv ]\n'
    )
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(StartFailed, match="No index"):
        install(Program(), print)
    made, filled = (tmp_path / "said").read_text().splitlines()
    assert "--python >=3.12" in made
    assert "google-colab-cli>=0.7.2,<0.8" in filled
