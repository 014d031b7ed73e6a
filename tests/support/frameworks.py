"""Stand-ins for PyTorch, TensorFlow and JAX: files that a test can import.

They follow the public documentation of the calls that are used, and note what they are told.
"""

from __future__ import annotations

TORCH = '''
"""docs.pytorch.org: torch.cuda.set_per_process_memory_fraction, torch.cuda.is_available,
torch.mps.set_per_process_memory_fraction, torch.set_float32_matmul_precision."""
__version__ = "2.9.1+stub"
import types
sees, initialized, fractions, precision = True, False, {}, "highest"

class cuda:
    is_available = staticmethod(lambda: sees)
    is_initialized = staticmethod(lambda: initialized)
    device_count = staticmethod(lambda: 2)

    @staticmethod
    def set_per_process_memory_fraction(fraction, device=None):
        global initialized
        if not 0 <= fraction <= 1:
            raise ValueError(f"Invalid fraction value: {fraction}. Allowed range: 0~1")
        initialized = True
        fractions[device] = fraction

class mps:
    @staticmethod
    def set_per_process_memory_fraction(fraction):
        fractions["mps"] = fraction

class backends:
    class mps:
        is_available = staticmethod(lambda: sees)

def set_float32_matmul_precision(wanted):
    global precision
    if wanted not in ("highest", "high", "medium"):
        raise ValueError(wanted)
    precision = wanted
'''

TENSORFLOW = '''
"""tensorflow.org/api_docs/python/tf/config: list_physical_devices, experimental.set_memory_growth,
set_logical_device_configuration; errors are raised where the documentation says so."""
__version__ = "2.21.0"
import collections
gpus, begun, growth, logical = ["GPU:0", "GPU:1"], False, {}, {}

def compute():
    global begun
    begun = True

class config:
    LogicalDeviceConfiguration = collections.namedtuple(
        "LogicalDeviceConfiguration", ["memory_limit"])
    list_physical_devices = staticmethod(lambda kind: gpus if kind == "GPU" else ["CPU:0"])

    @staticmethod
    def set_logical_device_configuration(gpu, wanted):
        if logical.get(gpu) == wanted:
            return
        if begun:
            raise RuntimeError("Virtual devices cannot be modified after being initialized")
        logical[gpu] = wanted

    class experimental:
        get_memory_growth = staticmethod(lambda gpu: growth.get(gpu))

        @staticmethod
        def set_memory_growth(gpu, enable):
            if gpu in logical:
                raise ValueError("Cannot set memory growth: virtual devices configured")
            if growth.get(gpu) == enable:
                return
            if begun:
                raise RuntimeError("Physical devices cannot be modified after being initialized")
            growth[gpu] = enable
'''

JAX = '''
"""docs.jax.dev: "GPU memory allocation", "Configuration options", jax.devices,
jax.default_backend. The environment is read when the backends are made."""
__version__ = "0.11.2"
import os
from jax._src import xla_bridge
platforms = os.environ.get("JAX_PLATFORMS")

class config:
    @staticmethod
    def update(name, value):
        global platforms
        if name != "jax_platforms":
            raise AttributeError(f"Unrecognized config option: {name}")
        platforms = value

def default_backend():
    xla_bridge.begun = True
    return platforms or "gpu"
'''

XLA_BRIDGE = """
begun = False

def backends_are_initialized():
    return begun
"""

FILES = {
    "torch.py": TORCH,
    "tensorflow.py": TENSORFLOW,
    "jax/__init__.py": JAX,
    "jax/_src/__init__.py": "",
    "jax/_src/xla_bridge.py": XLA_BRIDGE,
}
