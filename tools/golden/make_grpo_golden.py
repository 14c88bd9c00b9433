#!/usr/bin/env python3
"""Makes tests/golden/grpo: ten steps of reinforcement learning by TRL's GRPOTrainer on rollouts that are given.

The tiny Llama of tests/golden/sft; two prompts with four completions of unequal length each, random ids and rewards. One
rollout feeds all ten steps (num_iterations 10), so that ratios leave 1 and are clipped; F32 on the CPU.

    pip install torch==2.13.0 trl transformers datasets
    python tools/golden/make_grpo_golden.py

    rollouts.jsonl   a line a completion: prompt_ids, completion_ids (the last one ends it), reward, advantage
    golden.json      by variant: TRL's settings and the losses of the ten steps, before each update; versions
"""

import json
import platform
import random
import tempfile
from pathlib import Path

import datasets
import torch
import transformers
import trl

GOLDEN_DIR = Path(__file__).resolve().parents[2] / "tests" / "golden"
STEPS, LEARNING_RATE, MOST = 10, 4e-4, 8
VARIANTS = {
    "dapo": {"loss_type": "dapo", "beta": 0.0, "epsilon": 0.2, "epsilon_high": 0.28},
    "grpo": {"loss_type": "grpo", "beta": 0.04, "epsilon": 0.2, "epsilon_high": 0.2, "use_bias_correction_kl": False},
    "grpo_unbiased": {"loss_type": "grpo", "beta": 0.04, "epsilon": 0.2, "epsilon_high": 0.2,
                      "use_bias_correction_kl": True},
    "dr_grpo": {"loss_type": "dr_grpo", "beta": 0.0, "epsilon": 0.2, "epsilon_high": 0.2, "scale_rewards": "none"},
    "gspo": {"loss_type": "grpo", "beta": 0.0, "epsilon": 0.2, "epsilon_high": 0.28,
             "importance_sampling_level": "sequence"},
}


def rollouts() -> list[dict]:
    rng = random.Random(5)
    lines = []
    for text in ("ab", "c"):
        for choice in range(4):
            completion = [rng.randrange(40, 120) for _ in range(rng.randrange(1, MOST - 1))] + [1]
            lines.append({"prompt": text, "completion_ids": completion, "reward": float(rng.randrange(3) + choice % 2)})
    return lines


class Recorder(trl.GRPOTrainer):
    losses: list[float]
    advantages: list[float]

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        loss = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        self.losses.append(float(loss))
        self.advantages = inputs["advantages"].tolist()
        self.order = [[i for i, m in zip(ids, mask) if m] for ids, mask in
                      zip(inputs["completion_ids"].tolist(), inputs["completion_mask"].tolist())]
        return loss


def run(variant: dict, lines: list[dict]) -> Recorder:
    tokenizer = transformers.AutoTokenizer.from_pretrained(GOLDEN_DIR / "sft")
    model = transformers.LlamaForCausalLM.from_pretrained(GOLDEN_DIR / "sft", dtype=torch.float32)
    reward_of = {tuple(line["completion_ids"]): line["reward"] for line in lines}
    assert len(reward_of) == len(lines)

    def rollout(prompts: list[str], _trainer) -> dict:
        left = {text: [line["completion_ids"] for line in lines if line["prompt"] == text] for text in ("ab", "c")}
        ids = [left[text].pop(0) for text in prompts]
        prompt_ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in prompts]
        for line in lines:
            line["prompt_ids"] = tokenizer(line["prompt"], add_special_tokens=False)["input_ids"]
        return {"prompt_ids": prompt_ids, "completion_ids": ids, "logprobs": None}

    def reward(completion_ids: list[list[int]], **_) -> list[float]:
        return [reward_of[tuple(ids)] for ids in completion_ids]

    with tempfile.TemporaryDirectory() as scratch:
        args = trl.GRPOConfig(
            output_dir=scratch, use_cpu=True, bf16=False, fp16=False, report_to=[], save_strategy="no",
            per_device_train_batch_size=len(lines), num_generations=4, num_iterations=STEPS, max_steps=STEPS,
            steps_per_generation=1, max_completion_length=MOST, learning_rate=LEARNING_RATE,
            lr_scheduler_type="constant", warmup_steps=0, optim="adamw_torch", adam_beta1=0.9, adam_beta2=0.95,
            adam_epsilon=1e-8, weight_decay=0.1, max_grad_norm=1.0, gradient_checkpointing=False, logging_steps=1,
            shuffle_dataset=False, temperature=1.0, seed=1, disable_dropout=True, **variant,
        )
        trainer = Recorder(
            model=model, args=args, reward_funcs=reward, processing_class=tokenizer, rollout_func=rollout,
            train_dataset=datasets.Dataset.from_list([{"prompt": "ab"}, {"prompt": "c"}]),
        )
        trainer.losses = []
        trainer.train()
    return trainer


def main() -> None:
    out = GOLDEN_DIR / "grpo"
    out.mkdir(exist_ok=True)
    lines = rollouts()
    golden: dict = {"learning_rate": LEARNING_RATE, "max_completion_length": MOST, "variants": {}}
    for name, variant in VARIANTS.items():
        trainer = run(dict(variant), lines)
        assert len(trainer.losses) == STEPS, trainer.losses
        of = {tuple(ids): advantage for ids, advantage in zip(trainer.order, trainer.advantages)}
        golden["variants"][name] = {
            **variant, "losses": trainer.losses,
            "advantages": [of[tuple(line["completion_ids"])] for line in lines],
        }
    golden["versions"] = {"python": platform.python_version(), "torch": torch.__version__, "trl": trl.__version__,
                          "transformers": transformers.__version__}
    with (out / "rollouts.jsonl").open("w", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps(line) + "\n")
    (out / "golden.json").write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(golden))


if __name__ == "__main__":
    main()
