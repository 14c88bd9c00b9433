#!/usr/bin/env python3
"""Prints what torch.optim.AdamW makes of seven numbers in three steps: the tables of
src/ops/optimizer/optimizer_test.cc (made with torch 2.13.0)."""
import torch

GRADIENTS = torch.tensor([[0.5, -0.25, 1e-4, 0.0, 3.0, -2.0, 1e-9],
                          [0.1, -0.5, 2e-4, 0.0, -3.0, -2.0, 1e-9],
                          [-0.7, 0.25, -1e-4, 1.0, 0.5, -2.0, 0.0]])
START = [1.0, -2.0, 0.5, 0.25, 10.0, -0.01, 3.0]


def row(values):
    return "{" + ", ".join(f"{x:.9g}f" for x in values.tolist()) + "},"


p = torch.nn.Parameter(torch.tensor(START))
optimizer = torch.optim.AdamW([p], lr=3e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
for gradient in GRADIENTS:
    p.grad = gradient.clone()
    optimizer.step()
    print(row(p.detach()))
print("m", row(optimizer.state[p]["exp_avg"]))
print("v", row(optimizer.state[p]["exp_avg_sq"]))
