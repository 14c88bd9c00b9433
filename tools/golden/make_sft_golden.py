#!/usr/bin/env python3
"""Makes tests/golden/sft: ten steps of supervised fine-tuning by TRL's SFTTrainer.

A tiny Llama of transformers with random weights, a tokenizer of single bytes with DeepSeek-V3's control
tokens, DeepSeek-V3.1's own chat template, and conversations of unequal length as prompt and completion.
Every step takes all of them, so that no order of samples matters; F32 on the CPU.

    pip install torch==2.13.0 trl transformers datasets
    python tools/golden/make_sft_golden.py

The folder is a model directory with two files more:

    train.jsonl   the conversations, as TRL and `fathom train` read them
    golden.json   "losses": of the ten steps, before each update; "supervised_tokens" of a step;
                  the settings, and the versions that made it
"""

import json
import platform
import tempfile
from pathlib import Path

import datasets
import tokenizers
import torch
import transformers
import trl

GOLDEN_DIR = Path(__file__).resolve().parents[2] / "tests" / "golden"
STEPS, LEARNING_RATE = 10, 2e-3
FIRST = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"]
LAST = ["<think>", "</think>", "<|EOT|>", "<｜User｜>", "<｜Assistant｜>"]


def byte_tokenizer(directory: Path) -> transformers.PreTrainedTokenizerFast:
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    vocab = {piece: i for i, piece in enumerate(FIRST + alphabet + LAST)}
    bpe = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocab, merges=[]))
    bpe.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bpe.decoder = tokenizers.decoders.ByteLevel()
    bpe.add_special_tokens([tokenizers.AddedToken(t, special=True, normalized=False) for t in FIRST])
    bpe.add_tokens([tokenizers.AddedToken(t, special=False, normalized=False) for t in LAST])
    bpe.save(str(directory / "tokenizer.json"))
    template = (GOLDEN_DIR / "chat" / "templates" / "deepseek-v3.1.jinja").read_text(encoding="utf-8")
    config = {
        "bos_token": FIRST[0],
        "eos_token": FIRST[1],
        "pad_token": FIRST[2],
        "add_bos_token": False,
        "chat_template": template,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    text = json.dumps(config, ensure_ascii=False, indent=1) + "\n"
    (directory / "tokenizer_config.json").write_text(text, encoding="utf-8")
    return transformers.AutoTokenizer.from_pretrained(directory)


def conversations() -> list[dict]:
    def user(text: str) -> dict:
        return {"role": "user", "content": text}

    def assistant(text: str) -> dict:
        return {"role": "assistant", "content": text}

    rows = [
        ([user("2+2?")], "4"),
        ([{"role": "system", "content": "Be short."}, user("Name a sea.")], "The Baltic."),
        ([user("Hi"), assistant("Hello."), user("And now?")], "Good bye, and thank you for asking."),
        ([user("Größe?")], "Ungefähr 3 m ✓"),
        ([user("a" * 40)], "b" * 30),
        ([user("1 < 2 | 3")], "yes <b>"),
    ]
    return [{"prompt": prompt, "completion": [assistant(answer)]} for prompt, answer in rows]


class Recorder(trl.SFTTrainer):
    losses: list[float] = []

    def training_step(self, *args, **kwargs):
        loss = super().training_step(*args, **kwargs)
        self.losses.append(float(loss))
        return loss


def main() -> None:
    out = GOLDEN_DIR / "sft"
    out.mkdir(exist_ok=True)
    tokenizer = byte_tokenizer(out)
    torch.manual_seed(11)
    config = transformers.LlamaConfig(
        vocab_size=272, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3,
        num_key_value_heads=1, head_dim=8, max_position_embeddings=256, initializer_range=0.15,
        tie_word_embeddings=False, bos_token_id=0, eos_token_id=1, pad_token_id=2,
    )
    model = transformers.LlamaForCausalLM(config).float()
    model.save_pretrained(out)
    (out / "generation_config.json").unlink(missing_ok=True)
    rows = conversations()
    with (out / "train.jsonl").open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    with tempfile.TemporaryDirectory() as scratch:
        args = trl.SFTConfig(
            output_dir=scratch, use_cpu=True, bf16=False, fp16=False, report_to=[], save_strategy="no",
            per_device_train_batch_size=len(rows), max_steps=STEPS, learning_rate=LEARNING_RATE,
            lr_scheduler_type="constant", warmup_steps=0, optim="adamw_torch", adam_beta1=0.9,
            adam_beta2=0.95, adam_epsilon=1e-8, weight_decay=0.1, max_grad_norm=1.0, max_length=None,
            completion_only_loss=True, gradient_checkpointing=False, logging_steps=1, seed=1,
        )
        trainer = Recorder(
            model=model, args=args, train_dataset=datasets.Dataset.from_list(rows), processing_class=tokenizer
        )
        batch = next(iter(trainer.get_train_dataloader()))
        trainer.train()
    golden = {
        "losses": Recorder.losses,
        "supervised_tokens": int((batch["labels"][:, 1:] != -100).sum()),
        "learning_rate": LEARNING_RATE,
        "versions": {
            "python": platform.python_version(), "torch": torch.__version__, "trl": trl.__version__,
            "transformers": transformers.__version__,
        },
    }
    (out / "golden.json").write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")
    print(golden)


if __name__ == "__main__":
    main()
