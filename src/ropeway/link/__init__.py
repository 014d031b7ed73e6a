"""The link: TCP streams between home and a runtime that only one side can dial. No Jupyter.

The runtime holds one control WebSocket to home. A stream is a WebSocket of its own, always dialled
by the runtime: when home wants one it says so on the control channel. `protocol` decides, without
I/O; `dialer` stands at the runtime, `listener` at home, `pump` carries the bytes at both.
"""
