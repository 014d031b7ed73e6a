"""PyTorch, TensorFlow and JAX themselves, where the kernel has them (`.ci/frameworks`)."""

from __future__ import annotations

import os
from typing import Any

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

CROSSING = """
import io, sys
import ropeway as rw
from ropeway.kernel.values import pack, unpack

def crossed(value, code):
    data = b"".join(map(bytes, pack(value, code=code).pieces))
    return unpack(io.BytesIO(data), code=code)

def both(value):
    return [crossed(value, code) for code in (True, False)]
"""

IMPORTS = {
    "torch": "import torch",
    "tensorflow": "import tensorflow as tf",
    "jax": "import jax, jax.numpy as jnp",
}


@pytest.fixture
def ask(notebook: Any) -> Any:
    """Runs code in the kernel and gives what it prints; `needs` are frameworks."""

    async def ask(code: str, *needs: str) -> str:
        for name in needs:
            found = await notebook.run(
                f"import importlib.util; print(importlib.util.find_spec({name!r}) is not None)"
            )
            if found.ok().text != "True\n":
                lacking = f"{name} is not in the kernel's environment"
                if "ROPEWAY_TEST_KERNEL" in os.environ:  # who names one has one with them
                    pytest.fail(lacking)
                pytest.skip(lacking)
        imports = "\n".join(IMPORTS[name] for name in needs)
        ran = await notebook.run(f"{CROSSING}\n{imports}\n{code}", timeout=120)
        text: str = ran.ok().text
        return text

    return ask


@pytest.mark.parametrize(
    "value",
    [
        "torch.arange(6.0).reshape(2, 3)",
        "torch.arange(6).reshape(2, 3).T",
        "torch.arange(24).reshape(2, 3, 4)[:, ::2]",
        "torch.zeros(0, 3)",
        "torch.tensor(2.5)",
        "torch.tensor([True, False])",
        "torch.ones(2, dtype=torch.complex64).conj()",
        "torch.arange(3).to(torch.bfloat16)",
        "torch.tensor(1.5, dtype=torch.bfloat16)",
        "torch.arange(6).reshape(2, 3).T.to(torch.float8_e4m3fn)",
        "torch.arange(3).to(torch.float8_e5m2)",
        "torch.ones(3, requires_grad=True)",
        "torch.ones(1).expand(4)",
    ],
)
async def test_a_tensor_of_torch_crosses(ask: Any, value: str) -> None:
    """Each type is the same at the other end, whether code may cross or not."""
    code = f"""
sent = {value}
for found in both(sent):
    same = torch.equal(found.float() if found.dtype.itemsize == 1 else found,
                       sent.float() if sent.dtype.itemsize == 1 else sent)
    print(type(found) is torch.Tensor, found.dtype is sent.dtype, found.shape == sent.shape, same)
"""
    assert await ask(code, "torch") == "True True True True\n" * 2


async def test_weights_cross_without_code(ask: Any) -> None:
    """A `state_dict` of a model crosses to and from those who may run no code, and loads."""
    code = """
model = torch.nn.Sequential(torch.nn.Linear(300, 40), torch.nn.BatchNorm1d(40))
other = torch.nn.Sequential(torch.nn.Linear(300, 40), torch.nn.BatchNorm1d(40))
weights = crossed(model.state_dict(), False)
print(type(weights).__name__, other.load_state_dict(weights))
print(all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters())))
print(crossed({"epoch": 3, "best": weights["0.bias"][0].item(), "loss": [torch.ones(1)]}, False))
"""
    said = (await ask(code, "torch")).splitlines()
    assert said[:2] == ["OrderedDict <All keys matched successfully>", "True"]
    assert said[2].startswith("{'epoch': 3, 'best': ")
    assert said[2].endswith("'loss': [tensor([1.])]}")


async def test_a_model_crosses(ask: Any) -> None:
    """A model with tied weights and its optimizer are the same at the other end; tensors in them
    lie beside the pickle, not in it, and ask for no device."""
    code = """
model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.Linear(64, 64))
model[1].weight = model[0].weight
model[1].bias.requires_grad_(False)
rate = torch.optim.Adam(model.parameters())
model(torch.ones(1, 64)).sum().backward()
rate.step()
packed = pack((model, rate), code=True)
pieces = list(map(bytes, packed.pieces))
print(b"storage" in pieces[1], [len(each) for each in pieces[2:]].count(64 * 64 * 4))
found, turned = unpack(io.BytesIO(b"".join(pieces)), code=True)
print(found[1].weight is found[0].weight, type(found[0].weight).__name__)
print(found[0].bias.requires_grad, found[1].bias.requires_grad)
print(torch.equal(found(torch.ones(1, 64)), model(torch.ones(1, 64))))
print(turned.param_groups[0]["params"][0] is found[0].weight)
found(torch.ones(1, 64)).sum().backward()
turned.step()
"""
    said = (await ask(code, "torch")).splitlines()
    # The weight and Adam's two moments of it.
    assert said == ["False 3", "True Parameter", "True False", "True", "True"]


async def test_what_shares_its_memory_is_sent_once(ask: Any) -> None:
    """An expanded tensor in a list takes no more room on the way than it takes in memory."""
    code = "print(pack([torch.ones(1).expand(10**6)], code=True).size < 10_000)"
    assert await ask(code, "torch") == "True\n"


async def test_without_its_framework_a_tensor_is_an_array(ask: Any) -> None:
    """A kernel without PyTorch gets arrays, also from within a dict; bfloat16 as float32 there
    where NumPy has no such type either."""
    code = """
values = {"a": torch.ones(2), "b": torch.tensor([1.5, -2.0], dtype=torch.bfloat16)}
sent = [b"".join(map(bytes, pack(values, code=code).pieces)) for code in (True, False)]
hidden = {name: sys.modules.get(name) for name in ("torch", "ml_dtypes")}
try:
    sys.modules.update(torch=None, ml_dtypes=None)
    for code, data in zip((True, False), sent):
        found = unpack(io.BytesIO(data), code=code)
        print({name: (type(each).__name__, str(each.dtype), each.tolist())
               for name, each in found.items()})
finally:
    for name, module in hidden.items():
        sys.modules.pop(name)
        if module is not None:
            sys.modules[name] = module
"""
    arrays = {"a": ("ndarray", "float32", [1.0, 1.0]), "b": ("ndarray", "float32", [1.5, -2.0])}
    assert await ask(code, "torch") == f"{arrays}\n" * 2


async def test_rows_become_tensors(way: Any, ask: Any) -> None:
    """`.to_torch()` is numbers that may be written into, with torch's own types, and trains."""
    await way.offer()
    code = """
r = rw.sql("select range::uinteger a, range / 2 b from range(3)")
t = r.to_torch(); t += 1; print(t.tolist())
print({n: str(v.dtype) for n, v in r.to_torch(by_column=True).items()})
rows = torch.utils.data.TensorDataset(*rw.sql("select amount, amount * 2 + 1 y from sales")
                                      .to_torch(by_column=True).values())
print(len(rows), next(iter(torch.utils.data.DataLoader(rows, batch_size=4)))[1].tolist())
"""
    assert (await ask(code, "torch")).splitlines() == [
        "[[1.0, 1.0], [2.0, 1.5], [3.0, 2.0]]",
        "{'a': 'torch.int64', 'b': 'torch.float64'}",
        "100000 [1, 3, 5, 7]",
    ]


@pytest.mark.parametrize(
    ("framework", "value"),
    [
        ("tensorflow", "tf.constant([[1.5, 2.5]])"),
        ("tensorflow", "tf.constant(3)"),
        ("tensorflow", "tf.constant([True])"),
        ("tensorflow", "tf.constant([1.5, 2], dtype=tf.bfloat16)"),
        ("tensorflow", "tf.cast([1.5, 2], tf.dtypes.experimental.float8_e5m2)"),
        ("jax", "jnp.ones(3, dtype=jnp.float8_e4m3fn)"),
        ("jax", "jnp.ones(3, dtype=jnp.float8_e5m2)"),
        ("jax", "jnp.ones(3, dtype=jnp.uint4)"),
        ("jax", "jnp.arange(6.0).reshape(2, 3)"),
        ("jax", "jnp.ones(3, dtype=jnp.bfloat16)"),
        ("jax", "jnp.ones(3, dtype=jnp.int4)"),
        ("jax", "jax.random.PRNGKey(7)"),
    ],
)
async def test_a_tensor_of_the_others_crosses(ask: Any, framework: str, value: str) -> None:
    """The same of TensorFlow and JAX."""
    code = f"""
import numpy as np
sent = {value}
for found in both(sent):
    print(type(found) is type(sent), found.dtype == sent.dtype, found.shape == sent.shape,
          np.array_equal(np.asarray(found), np.asarray(sent)))
"""
    assert await ask(code, framework) == "True True True True\n" * 2


async def test_a_keras_model_crosses(ask: Any) -> None:
    """Where code may cross, a model of Keras predicts the same at the other end."""
    code = """
layers = [tf.keras.layers.Input((3,)), tf.keras.layers.Dense(2)]
model = tf.keras.Sequential(layers)
found = crossed(model, True)
print(bool(tf.reduce_all(found(tf.ones((1, 3))) == model(tf.ones((1, 3))))))
print([each.shape for each in crossed(model.get_weights(), False)])
"""
    assert await ask(code, "tensorflow") == "True\n[(3, 2), (2,)]\n"


async def test_a_device_in_each_frameworks_words(ask: Any) -> None:
    """What `rw.use_accelerator` gives is taken by the frameworks themselves."""
    code = """
import os
os.environ["CUDA_VISIBLE_DEVICES"] = ""
device = rw.use_accelerator(memory="growth")
print(torch.ones(2, device=device.torch).device, torch.nn.Linear(2, 2).to(device.torch).bias.device)
with tf.device(device.tensorflow):
    print(tf.ones(2).device.rpartition("/")[2])
print(jax.devices(device.jax)[0].platform, jax.default_backend())
"""
    said = (await ask(code, "torch", "tensorflow", "jax")).splitlines()
    assert said[0].endswith("Frameworks compute on the CPU.")
    assert said[1:] == ["cpu cpu", "device:CPU:0", "cpu cpu"]


async def test_their_own_errors_of_a_full_device(ask: Any) -> None:
    """The frameworks raise the errors that are looked for."""
    code = """
from ropeway.kernel.accelerators.out_of_memory import is_out_of_memory
print(is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory.")))
print(is_out_of_memory(tf.errors.ResourceExhaustedError(None, None, "OOM")))
print(is_out_of_memory(jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")))
try: torch.ones(2) @ torch.ones(3)
except RuntimeError as error: print(is_out_of_memory(error))
"""
    said = await ask(code, "torch", "tensorflow", "jax")
    assert said == "True\nTrue\nTrue\nFalse\n"
