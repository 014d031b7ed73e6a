"""Kernel messages on a WebSocket, held against jupyter_server's own reading of them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_server.services.kernels.connection.base import (
    deserialize_binary_message,
    deserialize_msg_from_ws_v1,
    serialize_binary_message,
    serialize_msg_to_ws_v1,
)

from ropeway.frames import (
    Frame,
    content_v1,
    decoded,
    message,
    pack_json,
    pack_v1,
    unpack_json,
    unpack_v1,
)

JSON_PARTS = st.lists(
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3).map(
        lambda d: json.dumps(d).encode()
    ),
    min_size=4,
    max_size=4,
)
BUFFERS = st.lists(st.binary(max_size=40), max_size=3)
CHANNELS = st.sampled_from(["shell", "iopub", "control", "stdin"])


@given(CHANNELS, JSON_PARTS, BUFFERS)
def test_v1_agrees_with_jupyter_server(
    channel: str, parts: list[bytes], buffers: list[bytes]
) -> None:
    """Our v1 frames are byte for byte jupyter_server's, and are read alike."""
    frame = Frame(channel, [*parts, *buffers])
    packed = pack_v1(frame)
    assert packed == serialize_msg_to_ws_v1([*parts, *buffers], channel)
    assert deserialize_msg_from_ws_v1(packed) == (channel, [*parts, *buffers])
    back = unpack_v1(packed)
    assert (back.channel, [bytes(p) for p in back.parts]) == (channel, [*parts, *buffers])


@given(CHANNELS, JSON_PARTS, BUFFERS)
def test_json_agrees_with_jupyter_server(
    channel: str, parts: list[bytes], buffers: list[bytes]
) -> None:
    """The older form is read and written as jupyter_server does, buffers included."""
    header = {"msg_id": "1", "msg_type": "t"}
    message = {
        "channel": channel,
        "header": header,
        "parent_header": json.loads(parts[1]),
        "metadata": json.loads(parts[2]),
        "content": json.loads(parts[3]),
        "buffers": buffers,
    }
    data = (
        serialize_binary_message(dict(message))
        if buffers
        else json.dumps(message | {"buffers": []})
    )
    frame = unpack_json(data)
    assert frame.channel == channel
    assert [bytes(p) for p in frame.parts[4:]] == buffers
    packed = pack_json(frame)
    again = deserialize_binary_message(packed) if isinstance(packed, bytes) else json.loads(packed)
    assert again["header"] == header
    assert again["content"] == message["content"]
    assert [bytes(b) for b in again["buffers"]] == buffers


@given(st.binary(max_size=200))
def test_garbage_is_refused(data: bytes) -> None:
    """What is no v1 frame raises ValueError and nothing else."""
    try:
        unpack_v1(data)
    except ValueError:
        return


def test_a_cut_frame_is_refused() -> None:
    """A frame that was cut short is not taken for a shorter message."""
    packed = pack_v1(Frame("shell", [b"{}"] * 4))
    with pytest.raises(ValueError, match="offsets"):
        unpack_v1(packed[:-1])


def test_the_content_is_found_without_the_rest() -> None:
    """It is what the whole frame's would be; what is no frame raises."""
    made = message("iopub", "stream", {"text": "é"}, session="s", buffers=[b"one", b"two"])
    assert content_v1(pack_v1(made)) == made.parts[3]
    for broken in (b"", b"x" * 20, pack_v1(made)[:200], bytes(200)):
        with pytest.raises(ValueError, match=r".+"):
            decoded(content_v1(broken))
