"""Writes tests/golden/eval: a tiny model, items of our own in published forms, and what lm-evaluation-harness
says of them.

  python3 -m venv lm && lm/bin/pip install 'lm_eval[hf]==0.4.13'
  lm/bin/python tools/golden/make_eval_golden.py tests/golden/eval

The model is a random DeepSeek-V3 in F32 with a byte-level BPE, so that no item means anything: what is compared
are log-probabilities, hashes and greedy texts.
"""
import importlib.metadata
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

import lm_eval
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import DeepseekV3Config, DeepseekV3ForCausalLM

WORDS = ("the a cat dog sun moon river tree house bread milk stone blue red green walks eats sees under over and "
         "because quickly never old new Maria Tom garden window 12 7 was were café naïve").split()
SHIPPED = pathlib.Path(lm_eval.__file__).parent / "tasks"
ITEMS = 50


def sentence(dice, low=3, high=9):
    return " ".join(dice.choices(WORDS, k=dice.randint(low, high)))


def write_lines(path, items):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items), encoding="utf-8")


def write_items(data):
    dice = random.Random(5)
    write_lines(data / "gauntlet_arc_easy.jsonl", [
        {"choices": [sentence(dice, 1, 4) for _ in range(dice.choice([2, 3, 4, 5, 10]))],
         "query": "Question: " + sentence(dice) + "?", "gold": dice.randrange(2)} for _ in range(ITEMS)])
    for split, count in (("val", ITEMS), ("train", 12)):
        write_lines(data / f"hellaswag_{split}.jsonl", [
            {"ind": i, "activity_label": sentence(dice, 1, 2), "ctx_a": sentence(dice) + ".",
             "ctx_b": sentence(dice, 1, 3).title() + " [title]", "ctx": "unused",
             "endings": [sentence(dice, 4, 40) + " [step]  end." for _ in range(4)], "source_id": "own",
             "split": split, "split_type": "indomain", "label": str(dice.randrange(4))} for i in range(count)])
    for split, count in (("dev", ITEMS), ("train_xl", 12)):
        write_lines(data / f"winogrande/{split}.jsonl", [
            {"sentence": f"{sentence(dice)} so _ {sentence(dice, 2, 4)}.", "option1": "Maria", "option2": "Tom",
             "answer": dice.choice("12")} for _ in range(count)])
    write_lines(data / "lambada_test.jsonl", [{"text": sentence(dice, 10, 60)} for _ in range(ITEMS)])
    for split, count in (("test", ITEMS // 2), ("dev", 5)):
        write_lines(data / f"mmlu/{split}.jsonl", [
            {"subject": subject, "question": " " + sentence(dice) + "? ",
             "choices": [sentence(dice, 1, 3) for _ in range(4)], "answer": dice.randrange(4)}
            for subject in ("old_stones", "moon_rivers") for _ in range(count)])
    for split, count in (("test", ITEMS), ("train", 12)):
        write_lines(data / f"gsm8k_{split}.jsonl", [
            {"question": sentence(dice) + "?", "answer": sentence(dice) + f"\n#### {dice.randrange(99)}"}
            for _ in range(count)])


def write_model(folder, data):
    texts = [line for file in sorted(data.rglob("*.jsonl")) for line in file.read_text("utf-8").split("\n")]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=384, special_tokens=["<bos>", "<eos>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<bos>", "eos_token": "<eos>",
        "add_bos_token": False}, indent=2) + "\n")
    torch.manual_seed(5)
    config = DeepseekV3Config(
        vocab_size=384, hidden_size=32, intermediate_size=32, moe_intermediate_size=16, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, n_shared_experts=1, n_routed_experts=8, n_group=4, topk_group=2,
        num_experts_per_tok=2, first_k_dense_replace=1, q_lora_rank=16, kv_lora_rank=16, qk_nope_head_dim=16,
        qk_rope_head_dim=16, v_head_dim=16, head_dim=16, max_position_embeddings=512, bos_token_id=0,
        eos_token_id=1, initializer_range=0.15, rope_theta=10000.0, dtype="float32")
    model = DeepseekV3ForCausalLM(config).float()
    model.save_pretrained(folder)
    path = folder / "config.json"
    saved = json.loads(path.read_text())
    saved["torch_dtype"] = saved.pop("dtype", "float32")
    path.write_text(json.dumps(saved, indent=2) + "\n")


def write_tasks(folder, data):
    files = lambda **names: json.dumps({key: str(data / name) for key, name in names.items()})
    common = "dataset_path: json\ndataset_name: null\n"
    texts = {
        "arc_easy": f"""output_type: multiple_choice
dataset_kwargs: {{data_files: {files(test="gauntlet_arc_easy.jsonl")}}}
test_split: test
fewshot_split: test
doc_to_text: "{{{{query}}}}\\nAnswer:"
doc_to_choice: choices
doc_to_target: gold
metric_list: [{{metric: acc}}, {{metric: acc_norm}}, {{metric: acc_bytes}}, {{metric: acc_mutual_info}}]
""",
        "hellaswag": f"""include: {SHIPPED}/hellaswag/hellaswag.yaml
dataset_kwargs: {{data_files: {files(train="hellaswag_train.jsonl", validation="hellaswag_val.jsonl")}}}
""",
        "winogrande": f"""include: {SHIPPED}/winogrande/default.yaml
dataset_kwargs: {{data_files: {files(train="winogrande/train_xl.jsonl", validation="winogrande/dev.jsonl")}}}
""",
        "lambada_openai": f"""include: {SHIPPED}/lambada/lambada_openai.yaml
dataset_kwargs: {{data_files: {files(test="lambada_test.jsonl")}}}
""",
        "gsm8k": f"""include: {SHIPPED}/gsm8k/gsm8k.yaml
dataset_kwargs: {{data_files: {files(train="gsm8k_train.jsonl", test="gsm8k_test.jsonl")}}}
num_fewshot: 2
generation_kwargs: {{until: ["Question:", "</s>", "<|im_end|>"], do_sample: false, temperature: 0.0, max_gen_toks: 24}}
""",
    }
    for subject in ("old_stones", "moon_rivers"):
        for split in ("test", "dev"):
            lines = (data / f"mmlu/{split}.jsonl").read_text().splitlines()
            write_lines(folder / f"{subject}_{split}.jsonl",
                        [json.loads(line) for line in lines if json.loads(line)["subject"] == subject])
        own = json.dumps({"test": str(folder / f"{subject}_test.jsonl"), "dev": str(folder / f"{subject}_dev.jsonl")})
        texts[f"mmlu_{subject}"] = (SHIPPED / "mmlu/default/_default_template_yaml").read_text().replace(
            "dataset_path: cais/mmlu", "") + f"""
dataset_kwargs: {{data_files: {own}}}
description: "The following are multiple choice questions (with answers) about {subject.replace("_", " ")}.\\n\\n"
num_fewshot: 3
"""
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(f"task: {name}\n" + common + text)
    return list(texts)


def write_documents(out, model):
    """Whole documents, in windows of 256 tokens with as much context as lm-eval gives: one, two and several."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM
    dice = random.Random(7)
    texts = [sentence(dice, words, words) for words in (1, 20, 170, 400)]
    scorer = HFLM(pretrained=str(model), dtype="float32", max_length=256, device="cpu", batch_size=1)
    sums = scorer.loglikelihood_rolling(
        [Instance("loglikelihood_rolling", {}, (text,), i) for i, text in enumerate(texts)])
    write_lines(out / "documents.jsonl", [
        {"text": text, "tokens": len(scorer.tok_encode(text)), "log_prob": value}
        for text, value in zip(texts, sums)])


# What is kept of a sample; prompts and documents can be made again.
KEPT = ("doc_id", "filter", "doc_hash", "prompt_hash", "target_hash", "resps", "filtered_resps", "target")


def main():
    out = pathlib.Path(sys.argv[1]).resolve()
    shutil.rmtree(out, ignore_errors=True)
    model, data = out / "model", out / "data"
    model.mkdir(parents=True)
    write_items(data)
    write_model(model, data)
    write_documents(out, model)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        names = write_tasks(folder, data)
        subprocess.run(
            [sys.executable, "-m", "lm_eval", "run", "--model", "hf", "--model_args",
             f"pretrained={model},dtype=float32,max_length=256", "--device", "cpu", "--batch_size", "1",
             "--include_path", str(folder), "--tasks", ",".join(names), "--output_path", str(folder / "out"),
             "--log_samples"], check=True,
            env=dict(os.environ, HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", HF_HOME=str(folder / "hf"),
                     CUDA_VISIBLE_DEVICES=""))
        [results] = (folder / "out").glob("*/results_*.json")
        everything = json.loads(results.read_text())
        kept = {"results": everything["results"], "task_hashes": everything["task_hashes"],
                "versions": {name: importlib.metadata.version(name)
                             for name in ("lm_eval", "transformers", "torch", "tokenizers", "datasets")}}
        (out / "results.json").write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
        for name in names:
            [file] = (folder / "out").glob(f"*/samples_{name}_*.jsonl")
            samples = [json.loads(line) for line in file.read_text("utf-8").split("\n") if line]
            metrics = samples[0]["metrics"]
            write_lines(out / f"samples_{name}.jsonl",
                        [{key: sample[key] for key in (*KEPT, *metrics)} for sample in samples])


if __name__ == "__main__":
    main()
