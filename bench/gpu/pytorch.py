"""The same products, attention, training steps and rollouts in PyTorch, in bf16: eager, compiled, and with CUDA graphs.

Reads a JSON description from standard input and writes a JSON list of rows after every measurement to the file named as
argument, so that what was measured survives a crash. Needs torch alone; without a CUDA device it measures on the processor.
"""

import json
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

if not hasattr(F, "scaled_dot_product_attention"):  # before PyTorch 2.0

    def plain_attention(q, k, v, attn_mask=None):
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        if attn_mask is not None:
            scores = scores.masked_fill(~attn_mask, -1e9)
        return scores.softmax(-1) @ v

    F.scaled_dot_product_attention = plain_attention

device = "cuda" if torch.cuda.is_available() else "cpu"
dtype = torch.bfloat16


def fence():
    if device == "cuda":
        torch.cuda.synchronize()


def timed(body, samples=5, seconds=0.015):
    """Milliseconds of one call: the median of several samples, each of enough calls that the fence does not count."""

    def sample(repeat):
        fence()
        start = time.perf_counter()
        for _ in range(repeat):
            body()
        fence()
        return (time.perf_counter() - start) / repeat

    sample(1)
    repeat = max(1, min(200, int(seconds / max(sample(1), 1e-7))))
    return 1000 * statistics.median(sample(repeat) for _ in range(samples))


def product(work):
    m, n, k = work["m"], work["n"], work["k"]
    a = torch.rand((k, m) if work["layout"] == "tn" else (m, k), device=device, dtype=dtype)
    b = torch.rand((n, k) if work["layout"] == "nt" else (k, n), device=device, dtype=dtype)
    a = a.t() if work["layout"] == "tn" else a
    b = b.t() if work["layout"] == "nt" else b
    return lambda: a @ b


def attention(work):
    shape = (work["sequences"], work["heads"], work["length"], work["headDim"])
    grad = work["kind"] == "attention_grad"
    q, k, v = (torch.rand(shape, device=device, dtype=dtype, requires_grad=grad) for _ in range(3))
    if not grad:
        return lambda: F.scaled_dot_product_attention(q, k, v)
    out = F.scaled_dot_product_attention(q, k, v)
    seed = torch.rand_like(out)
    return lambda: torch.autograd.grad(out, (q, k, v), seed, retain_graph=True)


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x, mask=None, cache=None, at=None):
        B, T, C = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(B, T, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)
        if cache is not None:
            cache[0][:, :, at : at + T] = k
            cache[1][:, :, at : at + T] = v
            k, v = cache[0][:, :, : at + T], cache[1][:, :, : at + T]
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.out(y.transpose(1, 2).reshape(B, T, C))
        return x + self.down(F.relu(self.up(self.norm2(x))))


class Model(nn.Module):
    """The vision-language model of models/vlm.ts, with sequences of one length: patches, prompt, response."""

    def __init__(self, s):
        super().__init__()
        pixels = 3 * s["patchSize"] ** 2
        self.s = s
        self.patch = nn.Linear(pixels, s["visionWidth"])
        self.patch_position = nn.Parameter(torch.zeros(s["patches"], s["visionWidth"]))
        self.vision = nn.ModuleList(Block(s["visionWidth"], s["visionHeads"]) for _ in range(s["visionLayers"]))
        self.vision_norm = nn.LayerNorm(s["visionWidth"])
        self.projector = nn.Linear(s["visionWidth"], s["width"])
        self.embedding = nn.Embedding(s["vocabulary"], s["width"])
        self.position = nn.Parameter(torch.zeros(s["prompt"] + s["response"], s["width"]))
        self.blocks = nn.ModuleList(Block(s["width"], s["heads"]) for _ in range(s["layers"]))
        self.norm = nn.LayerNorm(s["width"])
        self.head = nn.Linear(s["width"], s["vocabulary"])

    def images(self, patches):
        x = self.patch(patches) + self.patch_position
        for block in self.vision:
            x = block(x)
        return self.projector(self.vision_norm(x))

    def embed(self, patches, tokens):
        x = self.embedding(tokens) + self.position[: tokens.shape[1]]
        return torch.cat([x[:, : self.s["patches"]] + self.images(patches), x[:, self.s["patches"] :]], 1)

    def forward(self, patches, tokens, mask):
        x = self.embed(patches, tokens)
        for block in self.blocks:
            x = block(x, mask)
        return self.head(self.norm(x[:, self.s["prompt"] :]))


def prefix_mask(s):
    total = s["prompt"] + s["response"]
    mask = torch.ones(total, total, dtype=torch.bool, device=device).tril()
    mask[:, : s["prompt"]] = True
    return mask


def inputs(s):
    pixels = 3 * s["patchSize"] ** 2
    patches = torch.rand(s["batch"], s["patches"], pixels, device=device)
    tokens = torch.randint(5, 60, (s["batch"], s["prompt"] + s["response"]), device=device)
    return patches, tokens


def training_step(s, mode):
    model = Model(s).to(device)
    fused = {"fused": True} if device == "cuda" else {}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.98), **fused)
    patches, tokens = inputs(s)
    mask = prefix_mask(s)
    targets = torch.randint(5, 60, (s["batch"] * s["response"],), device=device)

    def loss_of(patches, tokens):
        with torch.autocast(device, dtype):
            logits = model(patches, tokens, mask)
        return F.cross_entropy(logits.float().reshape(-1, s["vocabulary"]), targets)

    options = {"compiled": {}, "graphs": {"mode": "reduce-overhead"}}  # the latter replays CUDA graphs
    run = torch.compile(loss_of, **options[mode]) if mode in options else loss_of

    def step():
        run(patches, tokens).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def rollout(s):
    model = Model(s).to(device).to(dtype)
    patches, tokens = inputs(s)
    patches = patches.to(dtype)
    total = s["prompt"] + s["response"]
    heads, channels = s["heads"], s["width"] // s["heads"]

    @torch.no_grad()
    def run():
        caches = [
            tuple(torch.empty(s["batch"], heads, total, channels, device=device, dtype=dtype) for _ in range(2))
            for _ in model.blocks
        ]
        x = model.embed(patches, tokens[:, : s["prompt"]])
        for block, cache in zip(model.blocks, caches):
            x = block(x, cache=cache, at=0)
        for at in range(s["prompt"], total):
            logits = model.head(model.norm(x[:, -1])).float()
            noise = -torch.log(-torch.log(torch.rand_like(logits).clamp_(1e-7, 1 - 1e-7)))
            token = (logits + noise).argmax(-1)
            x = (model.embedding(token) + model.position[at])[:, None]
            for block, cache in zip(model.blocks, caches):
                x = block(x, cache=cache, at=at)

    return run


def main():
    task = json.load(sys.stdin)
    rows, problems = [], []

    def attempt(name, mode, measure):
        """One that fails, or finds no compiler, does not end the others."""
        try:
            rows.append({"name": name, "mode": mode, "milliseconds": measure()})
        except Exception as error:
            problems.append(f"{name}, {mode}: {error}"[:500])
        with open(sys.argv[1], "w") as file:
            named = torch.cuda.get_device_name() if device == "cuda" else "cpu"
            json.dump({"torch": torch.__version__, "device": named, "rows": rows, "problems": problems}, file)

    def name_of(s):
        return f"{s['preset']} x {s['batch']}"

    def step(s, mode):
        attempt(f"step {name_of(s)}", mode, lambda: timed(training_step(s, mode), 3, 0.15))

    for s in task["steps"]:
        step(s, "eager")
        attempt(f"rollout {name_of(s)}", "eager", lambda: timed(rollout(s), 3))
    for work in task["work"]:
        attempt(work["name"], "eager", lambda: timed(product(work) if work["kind"] == "matmul" else attention(work)))
    if device == "cuda":  # compiling takes up to a minute a model: the first and the last go first
        ends = task["steps"][:1] + task["steps"][1:][-1:]
        for s in ends + task["steps"][1:-1]:
            step(s, "compiled")
            step(s, "graphs")


main()
