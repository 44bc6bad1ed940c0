"""PyTorch on the processor: `python3 torch_peer.py TASK cpu THREADS`, the same task as task.mjs describes it."""

import json
import math
import os
import sys
import time

folder, _, threads = sys.argv[1:4]
os.environ["OMP_NUM_THREADS"] = threads
import torch  # noqa: E402  (reads the environment)
import torch.nn.functional as F  # noqa: E402

torch.set_num_threads(int(threads))
task = json.load(open(os.path.join(folder, "task.json")))
data = torch.frombuffer(bytearray(open(os.path.join(folder, "data.bin"), "rb").read()), dtype=torch.float32)
B, T, d, H, V = (task[key] for key in ("batch", "length", "width", "heads", "vocabulary"))
w = {}
for name, spec in task["weights"].items():
    size = math.prod(spec["shape"])
    w[name] = data[spec["offset"] : spec["offset"] + size].reshape(spec["shape"]).clone().requires_grad_()
inputs = torch.tensor(task["inputs"]).reshape(B, T)
targets = torch.tensor(task["targets"])
adamw = task["adamw"]
optimizer = torch.optim.AdamW(
    w.values(),
    lr=adamw["learningRate"],
    betas=(adamw["beta1"], adamw["beta2"]),
    eps=adamw["epsilon"],
    weight_decay=adamw["decay"],
)
mask = torch.full((T, T), -1e9).triu(1)


def attention(q, k, v):
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    return (q @ k.transpose(-1, -2) / math.sqrt(d // H) + mask).softmax(-1) @ v


def loss_of():
    x = w["token"][inputs] + w["position"]
    for layer in range(task["layers"]):
        p = lambda name: w[f"blocks.{layer}.{name}"]  # noqa: E731
        normed = F.layer_norm(x, (d,), p("norm1Gain"), p("norm1Bias"))
        q, k, v = (normed @ p("qkv") + p("qkvBias")).view(B, T, 3, H, d // H).permute(2, 0, 3, 1, 4)
        y = attention(q, k, v).transpose(1, 2).reshape(B, T, d)
        x = x + y @ p("out") + p("outBias")
        normed = F.layer_norm(x, (d,), p("norm2Gain"), p("norm2Bias"))
        x = x + F.gelu(normed @ p("up") + p("upBias"), approximate="tanh") @ p("down") + p("downBias")
    logits = F.layer_norm(x, (d,), w["normGain"], w["normBias"]) @ w["head"]
    return F.cross_entropy(logits.reshape(-1, V), targets)


def step():
    loss = loss_of()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.item()


def median(values):
    return sorted(values)[len(values) // 2]


out = {"name": "PyTorch", "losses": [], "stepMilliseconds": [], "kernels": {}}
if "train" in task["parts"]:
    out["losses"] = [step() for _ in range(task["checkedSteps"])]
    end = time.perf_counter() + task["seconds"]
    while time.perf_counter() < end or len(out["stepMilliseconds"]) < 3:
        start = time.perf_counter()
        step()
        out["stepMilliseconds"].append(1000 * (time.perf_counter() - start))
if "kernels" in task["parts"]:
    for kernel in task["kernels"]:
        n, rows, columns = kernel.get("n"), kernel.get("rows"), kernel.get("columns")
        a = torch.rand(n or rows, n or columns)
        body = {
            "nn": lambda: a @ a,
            "nt": lambda: a @ a.t(),
            "tn": lambda: a.t() @ a,
            "softmax": lambda: a.softmax(-1),
            "layerNorm": lambda: F.layer_norm(a, (a.shape[1],)),
        }[kernel["kind"]]
        body()
        times = []
        end = time.perf_counter() + task["kernelSeconds"]
        while time.perf_counter() < end or len(times) < 3:
            start = time.perf_counter()
            for _ in range(5):
                body()
            times.append(200 * (time.perf_counter() - start))
        name = f"{kernel['kind']} {n}" if n else f"{kernel['kind']} {rows}x{columns}"
        out["kernels"][name] = {"milliseconds": median(times), "error": 0}
print(json.dumps(out))
