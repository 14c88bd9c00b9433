"""The same items through lm-evaluation-harness and through `fathom eval`: item by item.

lm-eval is large and takes minutes, so this is no test of the fast set:
  python3 -m venv lm && lm/bin/pip install 'lm_eval[hf]==0.4.13'
  lm/bin/python tests/eval/compare_with_lm_eval.py --fathom build/release/fathom --model DIR --data SETS \\
      --tasks arc_easy,piqa --limit 100 --shots 0
With --over-http lm-eval asks `fathom serve` (its model local-completions) in place of transformers: whatever client and
server add is then all that can differ.
MODEL is a directory in F32 that transformers reads too (`fathom convert --to f32`); SETS holds the files that
the built-in tasks name. Prompts must be equal by their hashes, log-probabilities to 1e-3 a token, accuracies
exactly. Exit 1 if they are not.
"""
import argparse
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

MMLU_TEXT = ('"{{question.strip()}}\\nA. {{choices[0]}}\\nB. {{choices[1]}}\\nC. {{choices[2]}}\\n'
             'D. {{choices[3]}}\\nAnswer:"')
METRICS = {"multiple_choice": ["acc", "acc_norm", "acc_bytes"], "loglikelihood": ["perplexity", "acc"]}
# Of each task: the file, lm-eval's prompt over its lines, and what else differs from a multiple choice.
TASKS = {
    "arc_easy": ("gauntlet_arc_easy.jsonl", '"{{query}}\\nAnswer:"', "choices", "gold", {}),
    "arc_challenge": ("gauntlet_arc_challenge.jsonl", '"{{query}}\\nAnswer:"', "choices", "gold", {}),
    "piqa": ("gauntlet_piqa.jsonl", '"{{query}}Answer:"', "choices", "gold", {}),
    "hellaswag": ("hellaswag/validation_1000.jsonl", '"{{query}}"', "choices", "gold", {}),
    "openbookqa": ("gauntlet_openbook_qa.jsonl", "query", "choices", "gold", {}),
    "boolq": ("gauntlet_boolq.jsonl", '"{{query[9:]}}\\nAnswer:"', '["no", "yes"]', "gold", {}),
    "copa": ("gauntlet_copa.jsonl",
             "\"{{query|replace(', therefore', ' therefore')|replace(', because', ' because')}}\"",
             "\"{{[' ' + choices[0], ' ' + choices[1]]}}\"", "gold", {}),
    "winogrande": ("gauntlet_winogrande.jsonl", '"{{gold}}"', "context_options", '"{{continuation}}"', {}),
    "lambada_openai": ("gauntlet_lambada_openai.jsonl", '"{{context}}"', None, "\"{{' ' + continuation}}\"",
                       {"output_type": "loglikelihood"}),
    "mmlu": ("mmlu/test_first40.jsonl", MMLU_TEXT, '["A", "B", "C", "D"]', "answer", {}),
    "gsm8k": ("gsm8k_test.jsonl", '"Question: {{question}}\\nAnswer:"', None, '"{{answer}}"',
              {"output_type": "generate_until"}),
    "triviaqa": ("triviaqa/triviaqa_sm_sub.jsonl",
                 "\"{{context[:-8]}}?\\nAnswer:\"", None, '"{{aliases}}"', {"output_type": "generate_until"}),
}
GENERATE = {
    "gsm8k": """
num_fewshot: 5
generation_kwargs: {until: ["Question:", "</s>", "<|im_end|>"], do_sample: false, temperature: 0.0}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true, ignore_punctuation: false,
     regexes_to_ignore: [",", "\\\\$", "(?s).*#### ", "\\\\.$"]}
filter_list:
  - {name: strict-match, filter: [{function: regex, regex_pattern: "#### (\\\\-?[0-9\\\\.\\\\,]+)"}, {function: take_first}]}
  - name: flexible-extract
    filter: [{function: regex, group_select: -1, regex_pattern: "(-?[$0-9.,]{2,})|(-?[0-9]+)"}, {function: take_first}]
""",
    "triviaqa": """
generation_kwargs: {until: ["\\n", ".", ","], do_sample: false, temperature: 0.0}
filter_list:
  - {name: remove_whitespace, filter: [{function: remove_whitespace}, {function: take_first}]}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true, ignore_punctuation: true}
""",
}


def task_text(name, test, shots_file, first_n, description, spec):
    _, text, choices, target, extra = spec
    kind = extra.get("output_type", "multiple_choice")
    files = f"test: {test}" + (f", train: {shots_file}" if shots_file else "")
    lines = [f"task: {name}", "dataset_path: json", f"dataset_kwargs: {{data_files: {{{files}}}}}",
             "test_split: test", f"fewshot_split: {'train' if shots_file else 'test'}",
             f"output_type: {kind}", f"doc_to_text: {text}", f"doc_to_target: {target}"]
    if choices:
        lines.append(f"doc_to_choice: {choices}")
    if description:
        lines.append(f"description: {json.dumps(description)}")
    if first_n:
        lines.append("fewshot_config: {sampler: first_n}")
    if name in GENERATE:
        return "\n".join(lines) + GENERATE[name]
    lines.append("metric_list: [" + ", ".join(
        f"{{metric: {m}}}" for m in METRICS[kind]) + "]")
    return "\n".join(lines) + "\n"


def write_tasks(folder, data, names):
    """lm-eval's task files; returns its names of them."""
    written = []
    for name in names:
        spec = TASKS[name]
        test = data / spec[0]
        if name == "mmlu":
            parts = {}
            for split, file in (("test", test), ("dev", data / "mmlu/dev.jsonl")):
                for line in filter(None, file.read_text("utf-8").split("\n")):
                    subject = json.loads(line)["subject"]
                    parts.setdefault(subject, {}).setdefault(split, []).append(line)
            for subject, splits in parts.items():
                for split, lines in splits.items():
                    (folder / f"{subject}_{split}.jsonl").write_text("\n".join(lines) + "\n")
                task = f"mmlu_{subject}"
                description = ("The following are multiple choice questions (with answers) about "
                               f"{subject.replace('_', ' ')}.\n\n")
                (folder / f"{task}.yaml").write_text(task_text(
                    task, folder / f"{subject}_test.jsonl", folder / f"{subject}_dev.jsonl", True,
                    description, spec))
                written.append(task)
            continue
        shots = data / "gsm8k_train.jsonl" if name == "gsm8k" else None
        (folder / f"{name}.yaml").write_text(task_text(name, test, shots, False, "", spec))
        written.append(name)
    return written


def samples_of(folder):
    """{(task, filter, item): line} and the results of the latest run below a folder."""
    [results] = sorted(folder.glob("*/results_*.json"))[-1:]
    stamp = results.stem.removeprefix("results_")
    samples = {}
    for file in results.parent.glob(f"samples_*_{stamp}.jsonl"):
        task = file.name.removeprefix("samples_").removesuffix(f"_{stamp}.jsonl")
        for line in file.read_text(encoding="utf-8").split("\n"):
            if line:
                sample = json.loads(line)
                samples[task, sample["filter"], sample["doc_id"]] = sample
    return samples, json.loads(results.read_text(encoding="utf-8"))


def run(command, **options):
    started = time.monotonic()
    subprocess.run(command, check=True, **options)
    return time.monotonic() - started


@contextlib.contextmanager
def lm_model(options):
    """lm-eval's arguments for the model, while it can be asked."""
    if not options.over_http:
        yield ["--model", "hf", "--model_args", f"pretrained={options.model},dtype=float32,max_length={options.max_length}",
               "--device", "cpu", "--batch_size", str(options.batch)]
        return
    server = subprocess.Popen([options.fathom, "serve", "--model", options.model, "--port", "0", "--name", "it",
                               "--context", str(options.max_length + 512)], stderr=subprocess.PIPE, text=True)
    try:
        port = None
        for line in server.stderr:
            port = port or re.search(r"listening on http://[^:]+:(\d+)", line)
            if " serving " in line:
                break
        if port is None:
            sys.exit("fathom serve has ended")
        threading.Thread(target=server.stderr.read, daemon=True).start()
        yield ["--model", "local-completions", "--model_args",
               f"base_url=http://127.0.0.1:{port[1]}/v1/completions,model=it,tokenizer={options.model},"
               f"tokenizer_backend=huggingface,max_length={options.max_length},num_concurrent=4"]
    finally:
        server.terminate()
        server.wait()


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fathom", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--tasks", required=True)
    parser.add_argument("--limit", type=int, default=50)
    parser.add_argument("--shots", type=int)
    parser.add_argument("--max-length", type=int, default=2048)
    parser.add_argument("--batch", type=int, default=1, help="items that transformers takes at once")
    parser.add_argument("--over-http", action="store_true", help="lm-eval asks fathom serve")
    parser.add_argument("--keep", type=pathlib.Path,
                        help="folder for both programs' results; a run that was stopped goes on from its answers")
    return parser.parse_args()


def tokens_of(sample, option):
    own = sample.get("fathom", {}).get("option_tokens")
    return own[option] if own and option < len(own) else 1


def compare(theirs, ours):
    """Problems as texts, and the largest gap a token."""
    problems, widest, equal_texts, texts = [], 0.0, 0, 0
    for key, expected in theirs.items():
        sample = ours.get(key)
        if sample is None:
            problems.append(f"{key}: missing")
            continue
        for field in ("doc_hash", "prompt_hash", "target_hash"):
            if sample[field] != expected[field]:
                problems.append(f"{key}: {field} differs")
        for option, (a, b) in enumerate(zip(expected["resps"], sample["resps"])):
            if isinstance(a[0], str):
                texts += 1
                equal_texts += a[0] == b[0]
                if a[0] != b[0]:
                    print(f"{key}: lm-eval {a[0][:80]!r}, fathom {b[0][:80]!r}")
                continue
            gap = abs(float(a[0][0]) - float(b[0][0])) / tokens_of(sample, option)
            widest = max(widest, gap)
            if gap > 1e-3 or a[0][1] != b[0][1]:
                problems.append(f"{key} option {option}: lm-eval {a[0]}, fathom {b[0]}")
    if texts and equal_texts < 0.99 * texts:
        problems.append(f"{texts - equal_texts} of {texts} generated texts differ")
    return problems, widest, texts and f"{equal_texts} of {texts} generated texts equal"


def main():
    options = parse()
    names = options.tasks.split(",")
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.keep or pathlib.Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        written = write_tasks(folder, options.data.resolve(), names)
        shots = [] if options.shots is None else ["--num_fewshot", str(options.shots)]
        kept = ["--use_cache", str(folder / "answers")] if options.keep else []
        environment = dict(os.environ, HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", CUDA_VISIBLE_DEVICES="",
                           HF_HOME=str(folder / "hf"))
        with lm_model(options) as model, (folder / "lm.log").open("w") as log:
            lm_s = run([sys.executable, "-m", "lm_eval", "run", *model, "--include_path", str(folder), "--tasks",
                        ",".join(written), "--limit", str(options.limit), "--output_path", str(folder / "lm"),
                        "--log_samples", *kept, *shots], env=environment, stdout=subprocess.DEVNULL, stderr=log)
        shots = [] if options.shots is None else ["--shots", str(options.shots)]
        own_s = run([options.fathom, "eval", options.model, "--data", str(options.data), "--tasks",
                     ",".join(names), "--limit", str(options.limit), "--context", str(options.max_length),
                     "--out", str(folder / "own"), *shots], stdout=subprocess.DEVNULL)
        theirs, their_results = samples_of(folder / "lm")
        ours, our_results = samples_of(folder / "own")
    problems, widest, texts = compare(theirs, ours)
    for task, metrics in their_results["results"].items():
        for metric, value in metrics.items():
            if "," not in metric or "stderr" in metric:
                continue
            own = our_results["results"].get(task, {}).get(metric)
            if own is None:  # a metric that the built-in task does not have
                continue
            if abs(own - value) > 1e-4 * max(1.0, abs(value)):
                problems.append(f"{task} {metric}: lm-eval {value}, fathom {own}")
            if not task.startswith("mmlu_"):
                print(f"{task:<20} {metric:<32} {value:.6f} {own}")
    for problem in problems[:40]:
        print("DIFFERS", problem)
    print(f"{len(theirs)} items, largest gap {widest:.2e} a token, {texts or 'no texts'}; lm-eval {lm_s:.1f} s, "
          f"fathom {own_s:.1f} s, {lm_s / own_s:.1f} times as fast; {len(problems)} differences")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
