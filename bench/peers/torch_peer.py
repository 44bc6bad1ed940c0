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


def ramp(shape, operand, fill):
    """The same numbers as task.mjs makes."""
    n = shape[0] * shape[1]
    if fill == "oneHot":
        out = torch.zeros(shape)
        rows = torch.arange(shape[0])
        out[rows, (rows * 37) % shape[1]] = 1
        return out
    values = ((((torch.arange(n) + 31 * operand) * 7919) % 1000) - 499.5).to(torch.float32) / 500
    return (values**2 if fill == "squares" else values).reshape(shape)


def with_gradients(f):
    def run(dy, *inputs):
        leaves = [x.detach().requires_grad_() for x in inputs]
        y = f(*leaves)
        return [y.detach(), *torch.autograd.grad(y, leaves, dy)]

    return run


def attended(qkv):
    q, k, v = qkv.view(B, T, 3, H, d // H).permute(2, 0, 3, 1, 4)
    return attention(q, k, v).transpose(1, 2).reshape(B * T, d)


def entropy(logits, one_hot):
    leaf = logits.detach().requires_grad_()
    loss = -(leaf.log_softmax(-1) * one_hot).sum() / (B * T)
    return [loss.detach(), *torch.autograd.grad(loss, leaf)]


def adamw_step(p, g, first, second):
    b1, b2 = adamw["beta1"], adamw["beta2"]
    m, v = first * b1 + g * (1 - b1), second * b2 + g * g * (1 - b2)
    update = m / (1 - b1) / ((v / (1 - b2)).sqrt() + adamw["epsilon"])
    return [p - (update + p * adamw["decay"]) * adamw["learningRate"], m, v]


kernels = {
    "nn": lambda a, b: [a @ b],
    "nt": lambda a, b: [a @ b.t()],
    "tn": lambda a, b: [a.t() @ b],
    "softmax": lambda x: [x.softmax(-1)],
    "layerNorm": with_gradients(lambda x, g, b: F.layer_norm(x, (x.shape[1],), g.reshape(-1), b.reshape(-1))),
    "gelu": with_gradients(lambda x: F.gelu(x, approximate="tanh")),
    "attention": with_gradients(attended),
    "crossEntropy": entropy,
    "adamw": adamw_step,
}


def sample(values):
    flat = values.reshape(-1)
    return [float(flat[(i * len(flat)) // 64]) for i in range(64)]


if "kernels" in task["parts"]:
    for kernel in task["kernels"]:
        operands = [ramp(spec["shape"], i, spec.get("fill")) for i, spec in enumerate(kernel["operands"])]
        body = kernels[kernel["kind"]]
        results = body(*operands)
        body(*operands)
        times = []
        end = time.perf_counter() + task["kernelSeconds"]
        while time.perf_counter() < end or len(times) < 3:
            start = time.perf_counter()
            for _ in range(kernel["repeat"]):
                body(*operands)
            times.append(1000 * (time.perf_counter() - start) / kernel["repeat"])
        out["kernels"][kernel["name"]] = {"milliseconds": median(times), "error": 0, "samples": [sample(x) for x in results]}
print(json.dumps(out))
