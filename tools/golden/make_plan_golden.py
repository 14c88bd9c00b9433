#!/usr/bin/env python3
"""Golden files of `plan/`, from DeepSeek's own published code and profile.

Usage: make_plan_golden.py --eplb DIR --dualpipe DIR --profile FILE --out tests/golden/plan

  eplb.txt        what eplb.py places for seeded loads, hierarchical and global
  schedules.txt   the operations that DualPipe.step and DualPipeV.step call, rank by rank
  redundancy.txt  least largest loads (a linear program by HiGHS) and integer maximum flows (networkx)
  trace.txt       kernel times of train.json by part of a layer and kind of kernel

DIR: checkouts of deepseek-ai/EPLB (d52c72d) and deepseek-ai/DualPipe (3da1bbe); FILE: train.json of
deepseek-ai/profile-data (4496024). Needs torch, numpy, scipy and networkx.
"""
import argparse
import collections
import json
import pathlib
import random
import sys


def words(values):
    return " ".join(str(v) for v in values)


# ---- eplb

EPLB_SHAPES = [  # experts, replicas, groups, nodes, gpus
    (12, 16, 4, 2, 8), (12, 16, 4, 3, 8), (8, 8, 1, 1, 8), (16, 24, 4, 2, 8), (64, 80, 8, 4, 16),
    (64, 64, 8, 4, 16), (160, 192, 8, 4, 32), (256, 288, 8, 4, 32), (256, 512, 8, 4, 32),
    (256, 288, 8, 18, 144), (256, 320, 1, 40, 320), (60, 72, 6, 6, 24)]


def eplb_loads(rng, experts, kind):
    if kind == 0:
        return [rng.randrange(1000) for _ in range(experts)]
    if kind == 1:  # a few hot experts
        return [int(10 * rng.paretovariate(1.1)) % 100000 for _ in range(experts)]
    if kind == 2:  # many ties
        return [rng.randrange(4) for _ in range(experts)]
    return [0 if rng.random() < 0.5 else rng.randrange(50) for _ in range(experts)]


def make_eplb(directory, out):
    sys.path.insert(0, str(directory))
    import eplb
    import torch

    # Replicas of an expert always tie. torch's sort kept their order when eplb.py was written; from
    # 2.6 on it does not where there are more than 16.
    unstable_sort = torch.Tensor.sort
    torch.Tensor.sort = lambda self, dim, descending: unstable_sort(
        self, dim=dim, descending=descending, stable=True)
    rng = random.Random(20250227)
    lines = ["# experts replicas groups nodes gpus; load; expert and replica of each slot; counts"]
    readme = [[90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86],
              [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27]]
    cases = [((12, 16, 4, 2, 8), load) for load in readme]
    cases += [((12, 16, 4, 3, 8), load) for load in readme]
    for shape in EPLB_SHAPES:
        small = shape[1] <= 96
        cases += [(shape, eplb_loads(rng, shape[0], i % 4)) for i in range(40 if small else 8)]
    for shape, load in cases:
        experts, replicas, groups, nodes, gpus = shape
        phy2log, log2phy, logcnt = eplb.rebalance_experts(
            torch.tensor([load]), replicas, groups, nodes, gpus)
        number = [0] * replicas
        for slots in log2phy[0].tolist():
            for i, slot in enumerate(slots):
                if slot >= 0:
                    number[slot] = i
        lines += [words(shape), words(load), words(phy2log[0].tolist()), words(number),
                  words(logcnt[0].tolist())]
    (out / "eplb.txt").write_text("\n".join(lines) + "\n")


# ---- schedules

def recorder(base, mirrored):
    """The step() of `base` with every piece of work written down instead of done."""

    class Recorder(base):
        def __init__(self, rank, ranks):
            self.__dict__.update(
                rank=rank, num_ranks=ranks, is_first_rank=rank == 0, is_last_rank=rank == ranks - 1,
                is_in_second_half=mirrored and rank >= ranks // 2, batch_dim=0, ops=[],
                is_middle_rank=rank in (ranks // 2 - 1, ranks // 2),
                done=collections.Counter())

        def __setattr__(self, name, value):
            self.__dict__[name] = value

        def _name(self, kind, phase):
            chunk = phase ^ int(self.is_in_second_half)
            number = self.done[kind, chunk]
            self.done[kind, chunk] += 1
            return f"{chunk}.{number}"

        def _forward_chunk(self, phase, recv=True, send=True):
            self.ops.append("F" + self._name("F", phase))

        def _backward_chunk(self, phase, enable_zb=False, recv=True, send=True):
            self.ops.append(("I" if enable_zb else "B") + self._name("B", phase))

        def _forward_backward_chunk(self, phase0, phase1, recv0=True):
            self.ops.append(f"[F{self._name('F', phase0)}&B{self._name('B', phase1)}]")

        def _weight_chunk(self):
            self.ops.append("W")

        def nothing(self, *_):
            pass

        _recv_forward = _send_forward = _recv_backward = _send_backward = nothing
        _commit_and_wait_comm = _reset_states = nothing

        def __getattr__(self, name):
            if name == "loss_chunks":
                import torch
                return [torch.zeros(1)]
            raise AttributeError(name)

    return Recorder


def make_schedules(directory, out):
    import torch
    sys.path.insert(0, str(directory))
    import dualpipe.comm as comm
    import dualpipe.dualpipe as one
    import dualpipe.dualpipev as two
    comm.TENSOR_SHAPES, comm.TENSOR_DTYPE = [(1,)], torch.float32
    for module in (one, two):
        module.scatter = lambda *_: []
    lines = ["# name ranks micro-batches, then a line a rank; made by DualPipe's own step()"]
    sizes = {"dualpipe": [(2, 4), (4, 8), (4, 14), (6, 12), (8, 20), (10, 26), (16, 32), (16, 120)],
             "dualpipev": [(1, 2), (2, 4), (3, 7), (4, 10), (5, 13), (8, 20), (8, 60)]}
    for name, base in (("dualpipe", one.DualPipe), ("dualpipev", two.DualPipeV)):
        for ranks, micro_batches in sizes[name]:
            lines.append(f"{name} {ranks} {micro_batches}")
            for rank in range(ranks):
                r = recorder(base, name == "dualpipe")(rank, ranks)
                r.step(num_chunks=micro_batches, criterion=lambda *_: None)
                lines.append(words(r.ops))
    (out / "schedules.txt").write_text("\n".join(lines) + "\n")


# ---- dynamic redundancy

def least_largest_load(loads, hosts, gpus):
    """The linear program: least T with sum over hosts x[e, g] = w[e], sum over e x[e, g] <= T."""
    import numpy
    from scipy.optimize import linprog
    from scipy.sparse import lil_matrix
    edges = [(e, g) for e, hs in enumerate(hosts) for g in hs]
    cost = numpy.zeros(len(edges) + 1)
    cost[-1] = 1
    equal, upper = lil_matrix((len(loads), len(edges) + 1)), lil_matrix((gpus, len(edges) + 1))
    for i, (e, g) in enumerate(edges):
        equal[e, i] = 1
        upper[g, i] = 1
    for g in range(gpus):
        upper[g, len(edges)] = -1
    result = linprog(cost, A_ub=upper.tocsr(), b_ub=numpy.zeros(gpus), A_eq=equal.tocsr(),
                     b_eq=loads, method="highs")
    assert result.status == 0
    return result.fun


def is_feasible(loads, hosts, gpus, limit):
    """Do integer shares with no GPU above `limit` exist? By networkx's maximum flow."""
    import networkx
    graph = networkx.DiGraph()
    for e, hs in enumerate(hosts):
        graph.add_edge("s", ("e", e), capacity=loads[e])
        for g in hs:
            graph.add_edge(("e", e), ("g", g))
    for g in range(gpus):
        graph.add_edge(("g", g), "t", capacity=limit)
    return networkx.maximum_flow_value(graph, "s", "t") == sum(loads)


def make_redundancy(out):
    rng = random.Random(7)
    lines = ["# experts gpus; tokens; experts' hosts (gpu,gpu,...); least largest load: of fractions, of integers"]
    for experts, gpus, replicas, cases in [(6, 3, 2, 20), (16, 4, 2, 20), (16, 8, 3, 20),
                                           (64, 8, 2, 10), (256, 32, 2, 6)]:
        for _ in range(cases):
            loads = [int(rng.lognormvariate(4, 1.2)) if rng.random() < 0.9 else 0
                     for _ in range(experts)]
            hosts = [sorted(rng.sample(range(gpus), rng.randint(1, replicas)))
                     for _ in range(experts)]
            bound = least_largest_load(loads, hosts, gpus)
            limit = int(-(-(bound - 1e-6) // 1))
            assert is_feasible(loads, hosts, gpus, limit)
            assert limit == 0 or not is_feasible(loads, hosts, gpus, limit - 1)
            lines += [f"{experts} {gpus}", words(loads),
                      words(",".join(map(str, hs)) for hs in hosts), f"{bound:.9g} {limit}"]
    (out / "redundancy.txt").write_text("\n".join(lines) + "\n")


# ---- the trace

KINDS = [  # the first that a kernel's name holds
    ("FlashAttnBwdPre", "edges"), ("FlashAttnBwdPost", "edges"), ("FlashAttnBwd", "attention_backward"),
    ("compute_attn", "attention"), ("fp8_dptp128c_acc", "wgrad"), ("m_grouped_fp8", "grouped"),
    ("fp8_ptp128c", "gemm"), ("xmma_gemm", "router"), ("internode::dispatch", "dispatch"),
    ("internode::combine", "combine"), ("ep::", "wait"), ("swiglu", "swiglu"),
    ("special_fmt", "cast"), ("per_token_cast", "cast"), ("per_channel_cast_and_transpose", "transpose"),
    ("batched_transpose", "transpose"), ("cast_back_impl", "transpose"),
    ("utils::transpose", "transpose"), ("expand_to_fused", "permute"), ("reduce_fused", "permute"),
    ("get_fused_mapping", "mapping"), ("clean_and_count", "mapping"), ("ln_fwd", "norm"),
    ("ln_bwd", "norm"), ("rotary", "rope"), ("_copy_tensor", "rope"),
    ("elementwise_kernel<128, 4, at::native::gpu_kernel_impl<at::native::direct_copy", "rope"),
    ("CUDAFunctor_add<c10::BFloat16>", "add"), ("AUnaryFunctor<c10::BFloat16", "add")]
LAYERS = 4
LARGE_COPY_US = 30


def kind_of(event):
    name = event["name"]
    for text, kind in KINDS:
        if text in name:
            small = kind in ("rope", "add") and "elementwise" in name and event["dur"] < LARGE_COPY_US
            return "router" if small else kind
    return "router"  # what is left are small kernels around it


def make_trace(profile, out):
    events = json.loads(profile.read_text())["traceEvents"]
    marks = [e for e in events if e.get("cat") == "user_annotation" and "(" in e["name"]]
    launches = {e["args"].get("correlation"): e for e in events
                if e.get("cat") in ("cuda_runtime", "cuda_driver")}
    sums = collections.Counter()
    products = collections.defaultdict(list)
    kernels = sorted((e for e in events if e.get("cat") == "kernel"), key=lambda e: e["ts"])
    for event in kernels:
        launch = launches.get(event["args"]["correlation"])
        part = next((m for m in marks if launch and m["ts"] <= launch["ts"] <= m["ts"] + m["dur"]),
                    None)
        if part is None:
            continue
        kind = kind_of(event)
        sums[part["name"], kind] += event["dur"] / LAYERS
        if kind in ("gemm", "wgrad", "grouped"):
            products[part["name"], kind, part["ts"]].append(event["dur"])
    lines = ["# part kind: microseconds of a layer, mean of four"]
    lines += [f"{part} {kind} {us:.1f}" for (part, kind), us in sorted(sums.items())]
    lines.append("# products in the order of their launch: part kind, then means over the layers")
    orders = collections.defaultdict(list)
    for (part, kind, _), times in sorted(products.items(), key=lambda item: item[0][2]):
        orders[part, kind].append(times)
    for (part, kind), layers in sorted(orders.items()):
        means = [f"{sum(t) / len(t):.1f}" for t in zip(*layers)]
        lines.append(f"products {part} {kind} {words(means)}")
    (out / "trace.txt").write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--eplb", type=pathlib.Path, required=True)
    parser.add_argument("--dualpipe", type=pathlib.Path, required=True)
    parser.add_argument("--profile", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    make_eplb(options.eplb, options.out)
    make_schedules(options.dualpipe, options.out)
    make_redundancy(options.out)
    make_trace(options.profile, options.out)


if __name__ == "__main__":
    main()
