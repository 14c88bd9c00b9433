#!/usr/bin/env python3
"""Makes tests/golden/distill/golden.json: divergences of a student from a teacher, with gradients by autograd.

Random logits of 12 ids and two rows of a sharper kind. For k = 12 (everything) the divergences are TRL's own
generalized_jsd_loss (GKD) for forward, jsd and reverse; for k < 12 they are written here as what they are: the same
over k + 1 bins, the last of which holds the mass of all others. Numbers are float64.

    pip install torch==2.13.0 trl transformers datasets
    python tools/golden/make_distill_golden.py
"""

import json
import platform
from pathlib import Path

import torch
import trl
from trl.experimental.gkd import GKDTrainer

GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden" / "distill" / "golden.json"
VOCAB, BETA = 12, 0.3


def binned(log_probs: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """[k + 1] log-probabilities: of ids, and of all others together."""
    others = torch.ones(VOCAB, dtype=torch.bool)
    others[ids] = False
    bins = [log_probs[ids]]
    if others.any():
        bins.append(torch.logsumexp(log_probs[others], dim=0).unsqueeze(0))
    return torch.cat(bins)


def divergence(kind: str, p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    if kind == "forward":
        return (p.exp() * (p - q)).sum()
    if kind == "reverse":
        return (q.exp() * (q - p)).sum()
    m = torch.log(BETA * p.exp() + (1 - BETA) * q.exp())
    return BETA * (p.exp() * (p - m)).sum() + (1 - BETA) * (q.exp() * (q - m)).sum()


def trl_divergence(kind: str, student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> float:
    beta = {"forward": 0.0, "reverse": 1.0, "jsd": BETA}[kind]
    loss = GKDTrainer.generalized_jsd_loss(student[None, None], teacher[None, None], beta=beta, temperature=temperature,
                                           reduction="sum")
    return loss.item()


def main() -> None:
    torch.manual_seed(7)
    torch.set_default_dtype(torch.float64)
    cases = []
    for row, sharpness in enumerate((1.0, 1.0, 4.0)):
        student, teacher = torch.randn(VOCAB) * sharpness, torch.randn(VOCAB) * sharpness
        for kind in ("forward", "reverse", "jsd"):
            for k in (1, 4, VOCAB):
                for temperature in (1.0, 2.0):
                    logits = student.clone().requires_grad_()
                    log_q = torch.log_softmax(logits / temperature, dim=0)
                    log_p = torch.log_softmax(teacher / temperature, dim=0)
                    top = torch.topk(log_p, k)
                    value = divergence(kind, binned(log_p, top.indices), binned(log_q, top.indices))
                    value.backward()
                    if k == VOCAB:
                        theirs = trl_divergence(kind, student, teacher, temperature)
                        assert abs(theirs - value.item()) < 1e-9, (kind, theirs, value.item())
                    cases.append({
                        "row": row, "kind": kind, "k": k, "temperature": temperature,
                        "student": student.tolist(), "teacher": teacher.tolist(),
                        "value": value.item(), "gradient": logits.grad.tolist(),
                    })
    GOLDEN.parent.mkdir(parents=True, exist_ok=True)
    versions = {"python": platform.python_version(), "torch": torch.__version__, "trl": trl.__version__}
    lines = ",\n".join(json.dumps(case) for case in cases)
    GOLDEN.write_text(f'{{"beta": {BETA}, "versions": {json.dumps(versions)}, "cases": [\n{lines}\n]}}\n', encoding="utf-8")
    print(f"{GOLDEN}: {len(cases)} cases")


if __name__ == "__main__":
    main()
