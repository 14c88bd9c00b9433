"""lm-evaluation-harness itself, as it comes from PyPI, against a real server: check 43.

It is large, so it is not installed by the test: FATHOM_LM_EVAL names a Python that has it,
  python3 -m venv lm && lm/bin/pip install 'lm_eval[api]==0.4.13'
  FATHOM_LM_EVAL=lm/bin/python PYTHONPATH=tests/serve FATHOM=build/release/fathom python3 tests/clients/lm_eval_test.py
"""
import json
import os
import random
import subprocess
import unittest

import harness

TASK = """task: items
dataset_path: json
dataset_kwargs:
  data_files:
    test: {folder}/items.jsonl
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: choices
doc_to_target: label
metric_list:
  - metric: acc
"""
WORDS = "the a cat dog sun moon river tree house bread milk stone blue red green".split()


@unittest.skipUnless(os.environ.get("FATHOM_LM_EVAL"), "FATHOM_LM_EVAL names no Python with lm_eval")
class LmEval(unittest.TestCase):
    def items(self, folder):
        dice = random.Random(1)
        items = [{"question": " ".join(dice.choices(WORDS, k=dice.randrange(3, 12))),
                  "choices": [" " + " ".join(dice.choices(WORDS, k=2)) for _ in range(4)],
                  "label": dice.randrange(4)} for _ in range(50)]
        (folder / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
        (folder / "items.yaml").write_text(TASK.format(folder=folder))
        return items

    def test_43_log_likelihoods_are_those_of_score(self):
        folder, server = harness.Folder().path, harness.Server()
        self.items(folder)
        subprocess.run(
            [os.environ["FATHOM_LM_EVAL"], "-m", "lm_eval", "run", "--model", "local-completions",
             "--include_path", str(folder), "--tasks", "items", "--output_path", str(folder / "out"),
             "--log_samples", "--model_args",
             f"base_url=http://127.0.0.1:{server.port}/v1/completions,model=tiny,"
             "tokenizer_backend=remote,max_length=1024"],
            check=True, capture_output=True, cwd=folder, env=harness.environment())
        [file] = (folder / "out").glob("*/samples_items*.jsonl")
        samples = [json.loads(line) for line in file.read_text().splitlines()]
        self.assertEqual(len(samples), 50)
        for sample in samples[:5]:
            for arguments, (answer, _) in zip(sample["arguments"].values(), sample["filtered_resps"]):
                context, rest = arguments["arg_0"], arguments["arg_1"]
                self.assertAlmostEqual(float(answer), self.score(server, context, rest), delta=1e-3)

    @staticmethod
    def score(server, context, rest):
        def ids(text):
            return server.ok("/tokenize", {"prompt": text, "add_special_tokens": False})["tokens"]
        whole, before = ids(context + rest), len(ids(context))
        done = subprocess.run([harness.FATHOM, "score", "--model", str(harness.model()), "--json",
                               "--token-ids", ",".join(map(str, whole))], check=True, text=True,
                              capture_output=True, env=harness.environment())
        return sum(token["log_prob"] for token in json.loads(done.stdout)["tokens"][before:])


if __name__ == "__main__":
    unittest.main()
