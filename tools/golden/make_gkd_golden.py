#!/usr/bin/env python3
"""Makes tests/golden/gkd/golden.json: ten steps of on-policy distillation by TRL's GKDTrainer on answers that are given.

The student is the tiny Llama of tests/golden/sft, the teacher the same with the weights of its last norm times -2; prompts
and answers are those of tests/golden/grpo/rollouts.jsonl, the same at every step. Rows of the vocabulary that no token has
are at -1e9 on both sides, which is fathom's "in neither distribution". F32 on the CPU.

    pip install torch==2.13.0 trl transformers datasets
    python tools/golden/make_gkd_golden.py
"""

import json
import platform
import tempfile
from pathlib import Path

import datasets
import torch
import transformers
import trl
from trl.experimental.gkd import GKDConfig, GKDTrainer

GOLDEN_DIR = Path(__file__).resolve().parents[2] / "tests" / "golden"
STEPS, LEARNING_RATE = 10, 2e-3
VARIANTS = {"forward": 0.0, "reverse": 1.0, "jsd": 0.3}


class OfTokens(transformers.LlamaForCausalLM):
    """Logits of rows without a token out of the way."""

    num_ids: int = 0

    def forward(self, *args, **kwargs):
        output = super().forward(*args, **kwargs)
        output.logits[..., self.num_ids :] = -1e9
        return output


def load(num_ids: int) -> OfTokens:
    model = OfTokens.from_pretrained(GOLDEN_DIR / "sft", dtype=torch.float32)
    model.num_ids = num_ids
    return model


def batch_of(lines: list[dict]) -> dict[str, torch.Tensor]:
    """Prompts padded on the left and answers on the right, as the trainer's own generation leaves them."""
    prompts, answers = [l["prompt_ids"] for l in lines], [l["completion_ids"] for l in lines]
    left, right = max(map(len, prompts)), max(map(len, answers))
    ids, mask, labels = [], [], []
    for prompt, answer in zip(prompts, answers):
        before, behind = left - len(prompt), right - len(answer)
        ids.append([2] * before + prompt + answer + [2] * behind)
        mask.append([0] * before + [1] * (len(prompt) + len(answer)) + [0] * behind)
        labels.append([-100] * left + answer + [-100] * behind)
    ids, mask, labels = torch.tensor(ids), torch.tensor(mask), torch.tensor(labels)
    return {"input_ids": ids, "attention_mask": mask, "labels": labels, "prompts": ids[:, :left],
            "prompt_attention_mask": mask[:, :left]}


class Recorder(GKDTrainer):
    given: dict
    losses: list[float]

    def generate_on_policy_outputs(self, _model, _inputs, _config):
        return self.given["input_ids"], self.given["attention_mask"], self.given["labels"]

    def compute_loss(self, *args, **kwargs):
        loss = super().compute_loss(*args, **kwargs)
        self.losses.append(float(loss))
        return loss


def run(beta: float, lines: list[dict]) -> list[float]:
    tokenizer = transformers.AutoTokenizer.from_pretrained(GOLDEN_DIR / "sft")
    student, teacher = load(len(tokenizer)), load(len(tokenizer))
    with torch.no_grad():
        teacher.model.norm.weight *= -2.0
    with tempfile.TemporaryDirectory() as scratch:
        args = GKDConfig(
            output_dir=scratch, use_cpu=True, bf16=False, fp16=False, report_to=[], save_strategy="no", lmbda=1.0,
            beta=beta, per_device_train_batch_size=len(lines), max_steps=STEPS, learning_rate=LEARNING_RATE,
            lr_scheduler_type="constant", warmup_steps=0, optim="adamw_torch", adam_beta1=0.9, adam_beta2=0.95,
            adam_epsilon=1e-8, weight_decay=0.1, max_grad_norm=1.0, gradient_checkpointing=False, seed=1,
        )
        trainer = Recorder(
            model=student, teacher_model=teacher, args=args, processing_class=tokenizer,
            train_dataset=datasets.Dataset.from_list([{"line": i} for i in range(len(lines))]),
            data_collator=lambda _: batch_of(lines),
        )
        trainer.given, trainer.losses = batch_of(lines), []
        trainer.train()
    return trainer.losses


def main() -> None:
    text = (GOLDEN_DIR / "grpo" / "rollouts.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    golden: dict = {"learning_rate": LEARNING_RATE, "jsd_beta": VARIANTS["jsd"],
                    "losses": {name: run(beta, lines) for name, beta in VARIANTS.items()}}
    golden["versions"] = {"python": platform.python_version(), "torch": torch.__version__, "trl": trl.__version__,
                          "transformers": transformers.__version__}
    out = GOLDEN_DIR / "gkd"
    out.mkdir(exist_ok=True)
    (out / "golden.json").write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(golden))


if __name__ == "__main__":
    main()
