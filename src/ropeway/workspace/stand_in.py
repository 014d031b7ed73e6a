"""The stand-in: tells a page what a kernel's widgets show while the kernel is too busy to say so.

A page that is loaded asks the kernel for every widget (`request_states`), which it answers once its
cell has ended. Until then home answers, from what kernel and pages told each other (`widgets`). It
also catches what is meant for an `Output` widget: pages do that, and there may be none.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from ropeway.frames import Frame, Part, decoded
from ropeway.notebooks.outputs import Outputs
from ropeway.notebooks.window import Window
from ropeway.workspace.widgets import State, Widgets

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 0.5
"""A kernel that is free answers sooner, and knows best."""

SETTLING_SECONDS = (1.0, 4.0)
"""A page needs so long to build its widgets, and does not hear meanwhile what is said to them."""

FLUSH_SECONDS = 1.0

_WIDGET, _CONTROL = "jupyter.widget", "jupyter.widget.control"
_COMM = b'"comm_'
_CAUGHT = ("stream", "display_data", "execute_result", "error", "clear_output")


class Kernel(Protocol):
    """Both ends of the line; `Bridge` is one."""

    def say(self, kind: str, content: dict[str, Any], buffers: Sequence[Part] = ()) -> None:
        """Say something to the pages as if the kernel had."""

    def tell(self, channel: str, kind: str, content: dict[str, Any]) -> None:
        """Say something to the kernel as if a page had."""


class StandIn:
    """Knows the widgets of one kernel. Its methods never raise."""

    def __init__(self, kernel: str, widgets: Widgets) -> None:
        self._kernel = kernel
        self._widgets = widgets
        self._line: Kernel | None = None
        self._open = set(widgets.states(kernel))
        self._asking: dict[str, asyncio.TimerHandle | None] = {}
        self._catchers = Catchers(kernel, widgets)
        self._changed: dict[str, set[str]] = {}
        """What the kernel changed since home answered last."""
        self._settling: set[asyncio.TimerHandle] = set()

    def serve(self, line: Kernel) -> None:
        """Begin to answer."""
        self._line = line

    def close(self) -> None:
        """Answer no more."""
        for timer in (*self._asking.values(), *self._settling):
            if timer is not None:
                timer.cancel()
        self._asking.clear()
        self._settling.clear()

    def begin(self) -> None:
        """The kernel starts, perhaps anew: there are no widgets."""
        self.close()
        self._open.clear()
        self._changed.clear()
        self._catchers = Catchers(self._kernel, self._widgets)
        self._guarded(lambda: self._widgets.begin(self._kernel))

    def end(self) -> None:
        """The kernel is no more, or something that it said was missed."""
        self.close()
        self._widgets.forget(self._kernel)

    def asked(self, frame: Frame) -> None:
        """A page's message is about to be sent to the kernel."""
        if _COMM in bytes(frame.parts[0]):
            self._guarded(lambda: self._from_page(frame))

    def said(self, frame: Frame) -> None:
        """The kernel's message is about to be shown."""
        if _COMM in bytes(frame.parts[0]):
            self._guarded(lambda: self._from_kernel(frame))
        elif self._catchers.active:
            self._guarded(lambda: self._catchers.catch(frame))

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (ValueError, TypeError, KeyError, AttributeError, sqlite3.Error) as error:
            # What is not understood, or cannot be kept, must not be told wrongly.
            log.warning("the widgets of kernel %s cannot be followed: %r", self._kernel, error)
            self.end()

    # --- what is said ---------------------------------------------------------------------------

    def _from_page(self, frame: Frame) -> None:
        kind, comm, content = _comm(frame)
        data = content.get("data") or {}
        if kind == "comm_open" and content.get("target_name") == _CONTROL:
            self._asking[comm] = None
        elif kind == "comm_close" and comm in self._asking:
            self._stop_asking(comm)
        elif comm in self._asking and data.get("method") == "request_states":
            loop = asyncio.get_running_loop()
            self._asking[comm] = loop.call_later(PATIENCE_SECONDS, self._answer, comm)
        else:
            self._take(kind, comm, content, frame, by_page=True)

    def _from_kernel(self, frame: Frame) -> None:
        kind, comm, content = _comm(frame)
        if comm in self._asking:
            self._stop_asking(comm)
        else:
            self._take(kind, comm, content, frame, by_page=False)

    def _stop_asking(self, comm: str) -> None:
        timer = self._asking.pop(comm)
        if timer is not None:
            timer.cancel()

    def _take(
        self, kind: str, comm: str, content: dict[str, Any], frame: Frame, *, by_page: bool
    ) -> None:
        """Note what becomes of a widget."""
        if kind == "comm_open" and content.get("target_name") == _WIDGET:
            self._open.add(comm)
        elif comm not in self._open:
            return
        data = content.get("data") or {}
        if kind == "comm_close":
            self._open.discard(comm)
            self._catchers.forget(comm)
            self._widgets.remove(self._kernel, comm)
        elif kind == "comm_open" or data.get("method") == "update":
            state = State(data["state"], data.get("buffer_paths") or (), frame.parts[4:])
            self._change(comm, state, by_page=by_page)

    def _change(self, widget: str, state: State, *, by_page: bool) -> None:
        if by_page:
            values = self._catchers.from_page(widget, state.values)
            state = State(values, state.paths, state.buffers)
        elif self._settling:
            names = {*state.values, *(str(path[0]) for path in state.paths)}
            self._changed.setdefault(widget, set()).update(names)
        self._widgets.change(self._kernel, widget, state)
        if not by_page and self._catchers.changed(widget, state.values):
            self._tell_kernel([widget])

    # --- what home says -------------------------------------------------------------------------

    def _answer(self, comm: str) -> None:
        if self._asking.pop(comm, None) is not None and self._widgets.known(self._kernel):
            self._guarded(lambda: self._tell_states(comm))

    def _tell_states(self, comm: str) -> None:
        assert self._line is not None
        self._catchers.flush()
        states: dict[str, Any] = {}
        paths: list[list[Any]] = []
        buffers: list[Part] = []
        for widget, state in self._widgets.states(self._kernel).items():
            states[widget] = _model(state.values)
            paths += [[widget, "state", *path] for path in state.paths]
            buffers += state.buffers
        data = {"method": "update_states", "states": states, "buffer_paths": paths}
        self._line.say("comm_msg", {"comm_id": comm, "data": data}, buffers)
        self._tell_kernel(self._catchers.to_begin())
        loop = asyncio.get_running_loop()
        for pause in SETTLING_SECONDS:
            self._settling.add(loop.call_later(pause, self._guarded, self._settle))

    def _settle(self) -> None:
        """Say again what a page may not have heard while it built its widgets."""
        assert self._line is not None
        self._catchers.flush()
        self._settling = {timer for timer in self._settling if timer.when() > _now()}
        told = {
            **self._changed,
            **{widget: {"outputs", "msg_id"} for widget in self._catchers.alone},
        }
        for widget, names in told.items():
            if "msg_id" in names:
                names.add("outputs")  # what was caught until then
            state = self._widgets.state(self._kernel, widget, names)
            data = {"method": "update", "state": state.values, "buffer_paths": list(state.paths)}
            self._line.say("comm_msg", {"comm_id": widget, "data": data}, state.buffers)
        if not self._settling:
            self._changed.clear()

    def _tell_kernel(self, widgets: Iterable[str]) -> None:
        """As a page does, say what was caught for the kernel's `Output` widgets."""
        assert self._line is not None
        for widget in widgets:
            outputs = self._widgets.state(self._kernel, widget, ["outputs"])
            data = {"method": "update", "state": outputs.values, "buffer_paths": []}
            self._line.tell("shell", "comm_msg", {"comm_id": widget, "data": data})


class Catchers:
    """The `Output` widgets of a kernel, and what they catch: what the run `msg_id` says.

    A page that is there catches too, and tells the kernel. What no page ever had stays where the
    notebook's file has it, in the cell.
    """

    def __init__(self, kernel: str, widgets: Widgets) -> None:
        self._kernel = kernel
        self._widgets = widgets
        self._known = set(widgets.with_value(kernel, "_model_name", "OutputModel"))
        self._stack: list[tuple[str, str]] = []
        self._outputs: dict[str, Caught] = {}
        self._untold: set[str] = set()
        self._paged: set[str] = set()
        self._unkept: set[str] = set()
        self._flushed = 0.0
        for widget in self._known:
            self._start(widget, self._value(widget, "msg_id"))

    @property
    def active(self) -> bool:
        """Whether something is caught now."""
        return bool(self._stack)

    @property
    def alone(self) -> list[str]:
        """The widgets that catch something now for which no page does."""
        return [widget for _, widget in self._stack if widget not in self._paged]

    def to_begin(self) -> set[str]:
        """A page comes that shall have everything: what the kernel does not have yet."""
        self._paged.clear()
        found, self._untold = self._untold, set()
        return found

    def from_page(self, widget: str, values: dict[str, Any]) -> dict[str, Any]:
        """What is new in a page's words: what a widget caught, home knows better."""
        if widget not in self._known:
            return values
        if "outputs" in values:
            self._untold.discard(widget)
            self._paged.add(widget)
        return {name: value for name, value in values.items() if name not in ("outputs", "msg_id")}

    def changed(self, widget: str, values: dict[str, Any]) -> bool:
        """The kernel set these values; whether a page may have no time to tell it the last."""
        if values.get("_model_name") == "OutputModel":
            self._known.add(widget)
        if widget not in self._known:
            return False
        if "outputs" in values and widget in self._outputs:
            self._outputs[widget] = self._stored(widget)
        if "msg_id" not in values:
            return False
        self.flush()
        self.forget(widget)
        self._start(widget, values["msg_id"])
        return widget in self._paged and widget in self._untold

    def catch(self, frame: Frame) -> None:
        """The kernel's message, if it is meant for one of the widgets."""
        kind = str(frame.decoded(0).get("msg_type", ""))
        if kind not in _CAUGHT:
            return
        parent = frame.decoded(1).get("msg_id")
        found = [widget for request, widget in self._stack if request == parent]
        if found:
            self._outputs[found[-1]].feed(kind, frame.parts[3])
            self._untold.add(found[-1])
            self._unkept.add(found[-1])
            if _now() - self._flushed > FLUSH_SECONDS:
                self.flush()

    def flush(self) -> None:
        """Keep what was caught."""
        for widget in self._unkept:
            state = State({"outputs": self._outputs[widget].to_json()})
            self._widgets.change(self._kernel, widget, state)
        self._unkept.clear()
        self._flushed = _now()

    def forget(self, widget: str) -> None:
        """It catches nothing any more."""
        self._stack = [entry for entry in self._stack if entry[1] != widget]
        self._outputs.pop(widget, None)
        self._unkept.discard(widget)

    def _start(self, widget: str, request: Any) -> None:
        if request:
            self._stack.append((str(request), widget))
            self._outputs[widget] = self._stored(widget)

    def _stored(self, widget: str) -> Caught:
        caught = Caught()
        for output in self._value(widget, "outputs") or ():
            caught.feed(str(output.get("output_type", "")), json.dumps(output).encode())
        return caught

    def _value(self, widget: str, name: str) -> Any:
        return self._widgets.state(self._kernel, widget, [name]).values.get(name)


class Caught:
    """What an `Output` widget shows, at most as much as a cell: what is beyond that is left out."""

    def __init__(self) -> None:
        self._window = Window("", "")
        self._outputs = Outputs()

    def feed(self, kind: str, content: Part) -> None:
        """Take a message by its type and content."""
        said = self._window.take(kind, content)
        if said is None:
            self._outputs.feed(kind, decoded(content))
        for each in said or ():
            if each.kind == "stream":  # and no note: of a widget no run has all
                self._outputs.feed(each.kind, each.content)

    def to_json(self) -> list[dict[str, Any]]:
        """The outputs as the widget holds them."""
        return self._outputs.to_json()


def _comm(frame: Frame) -> tuple[str, str, dict[str, Any]]:
    content = frame.decoded(3)
    return str(frame.decoded(0).get("msg_type", "")), str(content.get("comm_id", "")), content


def _model(values: dict[str, Any]) -> dict[str, Any]:
    """A widget as `update_states` has it; one that catches begins once its page is ready."""
    shown = {**values, "msg_id": ""} if "msg_id" in values else values
    names = ("model_name", "model_module", "model_module_version")
    return {**{name: values.get(f"_{name}", "") for name in names}, "state": shown}


def _now() -> float:
    return asyncio.get_running_loop().time()
