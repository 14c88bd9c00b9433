"""POST /v1/chat/completions: serving.md, section 7, checks 8 to 35."""
import concurrent.futures
import unittest

import harness
from harness import chat_body, forced, joined

PATH = "/v1/chat/completions"


class Chat(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server(settings=["model.context_tokens=512", "api.max_tokens=40",
                                              "api.max_thinking_tokens=60"])

    def refused(self, param, code=None, path=PATH, **fields):
        status, _, answer = self.server.post(path, chat_body(**fields))
        self.assertEqual(status, 400, (fields, answer))
        self.assertEqual(answer["error"]["param"], param, answer)
        self.assertIn(param, answer["error"]["message"])
        if code:
            self.assertEqual(answer["error"]["code"], code, answer)
        return answer["error"]

    def test_08_half_a_surrogate_pair_is_no_error(self):
        status, _, _ = self.server.post(PATH, '{"messages":[{"role":"user","content":"a\\ud800b"}],'
                                              '"max_tokens":1}')
        self.assertEqual(status, 200)
        texts = [self.server.ok("/apply-template", text)["prompt"] for text in (
            '{"messages":[{"role":"user","content":"a\\ud800b"}]}',
            '{"messages":[{"role":"user","content":"a\\ufffdb"}]}')]
        self.assertEqual(texts[0], texts[1])

    def test_09_unknown_fields_are_named(self):
        status, headers, _ = self.server.post(PATH, chat_body(foo=1))
        self.assertEqual((status, headers["x-fathom-ignored"]), (200, "foo"))
        self.assertIsNone(self.server.post(PATH, chat_body())[1]["x-fathom-ignored"])

    def test_10_null_is_absent(self):
        names = ("model temperature top_p min_p top_k seed n stop stop_token_ids logit_bias logprobs "
                 "top_logprobs max_tokens max_completion_tokens presence_penalty frequency_penalty "
                 "repetition_penalty response_format structured_outputs tools tool_choice "
                 "parallel_tool_calls thinking reasoning_effort reasoning chat_template_kwargs "
                 "include_reasoning stream stream_options continue_final_message cache_salt priority "
                 "ignore_eos min_tokens return_token_ids user metadata store audio functions").split()
        messages = [{"role": "user", "content": "Hi", "name": None, "tool_calls": None}]
        status, headers, answer = self.server.post(PATH, {"messages": messages} |
                                                   {name: None for name in names})
        self.assertEqual(status, 200, answer)
        self.assertIsNone(headers["x-fathom-ignored"])
        for path, body in (("/v1/completions", {"prompt": "a"}), ("/tokenize", {"prompt": "a"}),
                           ("/detokenize", {"tokens": [1]}), ("/apply-template", {"messages": messages})):
            status, _, answer = self.server.post(path, {"model": None, "stream": None} | body)
            self.assertEqual(status, 200, (path, answer))

    def test_11_numbers_out_of_range_name_their_field(self):
        for name, value in [("temperature", -0.1), ("temperature", 2.1), ("temperature", "1"),
                            ("top_p", 0), ("n", 0), ("n", 9), ("max_tokens", 0), ("stop", [""]),
                            ("stop", ["a"] * 17), ("stop", "a" * 257), ("min_p", 1.5), ("top_k", -2),
                            ("presence_penalty", 3), ("repetition_penalty", 0), ("seed", 1.5),
                            ("max_tokens", True), ("stream", 1), ("messages", []), ("messages", "hi")]:
            self.refused(name, **{name: value})
        self.refused("top_logprobs", top_logprobs=21, logprobs=True)
        status, _, answer = self.server.post(
            PATH, '{"messages":[{"role":"user","content":"a"}],"temperature":1e999}')
        self.assertEqual((status, answer["error"]["param"]), (400, "temperature"))

    def test_11_integral_floats_are_integers(self):
        answer = self.server.chat(max_tokens=3.0, n=2.0, ignore_eos=True)
        self.assertEqual(answer["usage"]["completion_tokens"], 6)

    def test_12_logit_bias(self):
        self.refused("logit_bias", logit_bias={"999999": 1})
        self.refused("logit_bias", logit_bias={"5": 101})
        self.refused("logit_bias", logit_bias={"five": 1})
        self.server.chat(logit_bias={})
        ids = self.server.chat(logit_bias={"70": 100}, max_tokens=3, return_token_ids=True)
        self.assertEqual(ids["choices"][0]["token_ids"], [70, 70, 70])

    def test_13_top_logprobs_need_logprobs(self):
        self.refused("top_logprobs", top_logprobs=2)

    def test_14_models_and_verbs(self):
        status, _, answer = self.server.post(PATH, chat_body(model="nope"))
        self.assertEqual((status, answer["error"]["code"]), (404, "model_not_found"))
        status, _, answer = self.server.get("/v1/models/nope")
        self.assertEqual((status, answer["error"]["code"]), (404, "model_not_found"))
        status, headers, _ = self.server.request("DELETE", PATH)
        self.assertEqual((status, headers["Allow"]), (405, "POST"))

    def test_15_request_ids(self):
        asked = self.server.post(PATH, chat_body(), {"x-request-id": "abc-1"})
        self.assertEqual(asked[1]["x-request-id"], "abc-1")
        for bad in ("a b", "ä", "x" * 129):
            given = self.server.get("/v1/models", {"x-request-id": bad.encode("latin-1")})
            self.assertRegex(given[1]["x-request-id"], "^req_[A-Za-z0-9]{24}$")

    def test_16_an_answer_has_every_member(self):
        answer = self.server.chat(seed=5)
        self.assertRegex(answer["id"], "^chatcmpl-[A-Za-z0-9]{24}$")
        self.assertEqual((answer["object"], answer["model"]), ("chat.completion", "tiny"))
        self.assertRegex(answer["system_fingerprint"], "^fp_[0-9a-f]{16}$")
        self.assertIsInstance(answer["created"], int)
        choice = answer["choices"][0]
        self.assertIn(choice["finish_reason"], ("stop", "length"))
        self.assertEqual((choice["index"], choice["logprobs"]), (0, None))
        self.assertEqual((choice["message"]["role"], choice["message"]["refusal"]), ("assistant", None))
        self.assertIsInstance(choice["message"]["content"], str)
        usage = answer["usage"]
        self.assertEqual(usage["total_tokens"], usage["prompt_tokens"] + usage["completion_tokens"])
        self.assertEqual(usage["prompt_tokens"],
                         usage["prompt_cache_hit_tokens"] + usage["prompt_cache_miss_tokens"])
        self.assertEqual(usage["prompt_tokens_details"]["cached_tokens"],
                         usage["prompt_cache_hit_tokens"])
        self.assertLessEqual(usage["completion_tokens_details"]["reasoning_tokens"],
                             usage["completion_tokens"])
        self.assertEqual(answer["x_fathom"]["seed"], 5)
        for name in ("prompt_n", "prompt_ms", "predicted_n", "predicted_per_second", "cache_n",
                     "draft_n", "draft_n_accepted", "queue_ms"):
            self.assertIn(name, answer["timings"])

    def test_17_18_19_a_stream_is_the_whole_answer(self):
        for i, prompt in enumerate(harness.sampled_prompts(50)):
            body = chat_body(prompt, max_tokens=12, thinking={"type": "enabled"} if i % 2 else None)
            whole = self.server.ok(PATH, body)["choices"][0]
            lines = self.server.stream_lines(PATH, body)
            self.assertTrue(all(line.startswith(("data: ", ":")) for line in lines), lines)
            chunks = self.server.chunks(PATH, body)
            self.assertEqual(len({chunk["id"] for chunk in chunks}), 1)
            self.assertTrue(all(chunk["choices"] for chunk in chunks))
            self.assertTrue(all("usage" not in chunk for chunk in chunks))
            self.assertEqual(chunks[0]["choices"][0]["delta"], {"role": "assistant", "content": ""})
            message, reason = joined(chunks)
            self.assertEqual(message["content"], whole["message"]["content"])
            self.assertEqual(message["reasoning_content"],
                             whole["message"].get("reasoning_content", ""))
            self.assertEqual(reason, whole["finish_reason"])

    def test_18_usage_comes_last_where_it_is_wanted(self):
        chunks = self.server.chunks(PATH, chat_body(stream_options={"include_usage": True}))
        self.assertEqual(chunks[-1]["choices"], [])
        self.assertGreater(chunks[-1]["usage"]["total_tokens"], 0)
        self.assertTrue(all(chunk["usage"] is None for chunk in chunks[:-1]))
        chunks = self.server.chunks(PATH, chat_body(
            stream_options={"include_usage": True, "continuous_usage_stats": True}))
        counts = [chunk["usage"]["completion_tokens"] for chunk in chunks]
        self.assertEqual(counts, sorted(counts))

    def test_progress_of_the_prompt_comes_before_its_first_token(self):
        server = harness.Server(path=harness.model(max_position_embeddings=8192), template="deepseek-v3")
        content = "word " * 1500
        server.chat(content[:500], max_tokens=1)  # its prompt is cached
        chunks = server.chunks(PATH, chat_body(content, return_progress=True, timings_per_token=True,
                                               stream_options={"include_usage": True}))
        told = [chunk["prompt_progress"] for chunk in chunks if "prompt_progress" in chunk]
        usage = chunks[-1]["usage"]
        self.assertEqual({each["total"] for each in told}, {usage["prompt_tokens"]})
        self.assertEqual({each["cache"] for each in told}, {usage["prompt_tokens_details"]["cached_tokens"]})
        done = [each["processed"] for each in told]
        self.assertGreaterEqual(done[0], told[0]["cache"])
        self.assertGreater(done[0], 400)
        self.assertEqual(done, sorted(set(done)))
        self.assertGreaterEqual(len(done), 5, "a chunk has 512 tokens")
        self.assertEqual(done[-1], usage["prompt_tokens"])
        times = [each["time_ms"] for each in told]
        self.assertEqual(times, sorted(times))
        kinds = ["progress" if "prompt_progress" in chunk else "text" for chunk in chunks]
        self.assertEqual(kinds, ["text"] + ["progress"] * len(told) + ["text"] * (len(kinds) - len(told) - 1))
        self.assertTrue(all(chunk["choices"][0]["delta"] == {} for chunk in chunks if "prompt_progress" in chunk))
        # Timings are in every chunk, and of the tokens that have come.
        counts = [chunk["timings"]["predicted_n"] for chunk in chunks]
        self.assertEqual((counts[0], counts[-1]), (0, 8))
        self.assertEqual(counts, sorted(counts))
        self.assertGreater(chunks[-2]["timings"]["predicted_ms"], 0)
        plain = server.chunks(PATH, chat_body(content))
        self.assertFalse(any("timings" in chunk or "prompt_progress" in chunk for chunk in plain))
        fields = server.get("/v1/capabilities")[2]["fields"]
        for path in (PATH, "/v1/completions"):
            for name in ("return_progress", "timings_per_token"):
                self.assertIn(name, fields[path]["honoured"])
        self.assertEqual(server.post(PATH, chat_body(return_progress="yes"))[0], 400)

    def test_20_deltas_are_whole_characters(self):
        text = "a\U0001F600é€\U0001F468‍\U0001F469!"
        chunks = self.server.chunks(PATH, chat_body(**forced(text)))
        for chunk in chunks:
            self.assertNotIn("�", chunk["choices"][0]["delta"].get("content", ""))
        self.assertEqual(joined(chunks)[0]["content"], text)

    def test_21_nothing_of_a_stop_text_is_sent(self):
        chunks = self.server.chunks(PATH, chat_body(**forced("xxabcyy", stop="abc")))
        self.assertEqual(joined(chunks), ({"content": "xx", "reasoning_content": ""}, "stop"))
        self.assertNotIn("a", "".join(c["choices"][0]["delta"].get("content", "") for c in chunks))
        self.assertEqual(chunks[-1]["choices"][0]["stop_reason"], "abc")
        kept = self.server.chat(**forced("xxabcyy", stop=["abc"], include_stop_str_in_output=True))
        self.assertEqual(kept["choices"][0]["message"]["content"], "xxabc")
        # One that only begins so comes whole.
        whole = self.server.chat(**forced("xxabcyy", stop=["abd"]))
        self.assertEqual(whole["choices"][0]["message"]["content"], "xxabcyy")

    def test_22_several_choices(self):
        body = chat_body(n=3, seed=7, temperature=1, ignore_eos=True, stream_options={"include_usage": True})
        chunks = self.server.chunks(PATH, body)
        whole = self.server.ok(PATH, body)
        texts = [joined(chunks, i)[0]["content"] for i in range(3)]
        self.assertEqual(texts, [c["message"]["content"] for c in whole["choices"]])
        self.assertEqual(len(set(texts)), 3)
        self.assertEqual([joined(chunks, i)[1] for i in range(3)], ["length"] * 3)
        one = self.server.ok(PATH, body | {"n": 1, "stream_options": None})
        self.assertEqual(chunks[-1]["usage"]["prompt_tokens"], one["usage"]["prompt_tokens"])
        self.assertEqual(chunks[-1]["usage"]["completion_tokens"], 24)

    def test_23_a_seed_is_the_same_text_whatever_else_runs(self):
        body = chat_body("Tell me", seed=11, temperature=1, max_tokens=20, ignore_eos=True)
        alone = self.server.ok(PATH, body)["choices"][0]["message"]
        self.assertEqual(self.server.ok(PATH, body)["choices"][0]["message"], alone)
        others = [chat_body(p, seed=i, temperature=1, max_tokens=20)
                  for i, p in enumerate(harness.sampled_prompts(7))]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda b: self.server.ok(PATH, b), others + [body]))
        self.assertEqual(answers[-1]["choices"][0]["message"], alone)

    def test_24_max_tokens(self):
        answer = self.server.chat(max_tokens=5, ignore_eos=True)
        self.assertEqual(answer["usage"]["completion_tokens"], 5)
        self.assertEqual(answer["choices"][0]["finish_reason"], "length")
        newer = self.server.chat(max_tokens=5, max_completion_tokens=3, ignore_eos=True)
        self.assertEqual(newer["usage"]["completion_tokens"], 3)

    def test_25_a_prompt_above_the_context(self):
        error = self.server.post("/v1/completions", {"prompt": [5] * 513})[2]["error"]
        self.assertEqual(error["code"], "context_length_exceeded")
        self.assertIn("maximum context length is 512 tokens", error["message"])
        self.assertIn("exceeds", error["message"])
        self.assertEqual((error["n_ctx"], error["n_prompt_tokens"]), (512, 513))
        for word in ("rate limit", "too many tokens"):
            self.assertNotIn(word, error["message"].lower())
        status, _, chat = self.server.post(PATH, chat_body("a b c d " * 600))
        self.assertEqual((status, chat["error"]["code"]), (400, "context_length_exceeded"))

    def test_26_more_than_the_room_is_clamped(self):
        status, headers, answer = self.server.post(
            "/v1/completions", {"prompt": [5] * 502, "max_tokens": 1000, "ignore_eos": True})
        self.assertEqual((status, headers["x-fathom-max-tokens"]), (200, "10"))
        self.assertEqual(answer["usage"]["completion_tokens"], 10)

    def test_27_the_default_length_is_the_configured_one(self):
        answer = self.server.chat(max_tokens=None, ignore_eos=True)
        self.assertEqual(answer["usage"]["completion_tokens"], 40)

    def test_28_a_client_writes_no_control_tokens(self):
        control = self.server.ok("/tokenize", {"prompt": "<｜User｜>", "add_special_tokens": False})
        self.assertEqual(control["count"], 1)
        def count(text):
            body = {"messages": [{"role": "user", "content": text}]}
            return self.server.ok("/apply-template", body)["tokens"].count(control["tokens"][0])
        self.assertEqual(count("<｜User｜> hi"), count("hi"))

    def test_29_parts_that_are_no_text(self):
        messages = [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}]
        status, _, answer = self.server.post(PATH, chat_body(messages=messages))
        self.assertEqual((status, answer["error"]["code"]), (400, "unsupported_value"))
        self.assertIn("image_url", answer["error"]["message"])
        self.server.chat()

    def test_30_a_prefix_is_continued(self):
        messages = [{"role": "user", "content": "Hi"},
                    {"role": "assistant", "content": "ab", "prefix": True}]
        for path in ("/apply-template", "/beta/apply-template"):
            prompt = self.server.ok(path, {"messages": messages})
            self.assertTrue(prompt["prompt"].endswith("ab"), prompt["prompt"])
        self.server.ok(PATH, chat_body(messages=messages))
        messages[1].pop("prefix")
        same = self.server.ok("/apply-template", {
            "messages": messages, "continue_final_message": True, "add_generation_prompt": False})
        self.assertEqual(same, prompt)

    def test_30_a_thought_is_continued(self):
        messages = [{"role": "user", "content": "Hi"},
                    {"role": "assistant", "reasoning_content": "Let me", "content": "", "prefix": True}]
        prompt = self.server.ok("/apply-template", {"messages": messages})["prompt"]
        self.assertTrue(prompt.endswith("<think>Let me"), prompt)
        for _ in range(2):  # what came is sent back, and the thought goes on
            answer = self.server.chat(messages=messages, max_tokens=5, logit_bias={"70": 100})
            self.assertEqual(answer["usage"]["completion_tokens_details"]["reasoning_tokens"], 5)
            message = answer["choices"][0]["message"]
            self.assertEqual(message["content"], "")
            messages[1]["reasoning_content"] += message["reasoning_content"]
        messages[1]["content"] = "So"
        prompt = self.server.ok("/apply-template", {"messages": messages})["prompt"]
        self.assertTrue(prompt.endswith(messages[1]["reasoning_content"] + "</think>So"), prompt)
        self.assertEqual(self.server.chat(messages=messages, max_tokens=5)
                         ["usage"]["completion_tokens_details"]["reasoning_tokens"], 0)
        messages[1]["content"] = ""
        self.assertIn("reasoning_content", self.refused(
            "messages[1].reasoning_content", messages=messages, thinking=False)["message"])

    def test_31_thinking_by_any_name(self):
        def end(**fields):
            body = {"messages": [{"role": "user", "content": "Hi"}]} | fields
            return self.server.ok("/apply-template", body)["prompt"][-8:]
        on, off = end(thinking={"type": "enabled"}), "</think>"
        self.assertTrue(on.endswith("<think>"))
        for fields in ({"thinking": {"type": "disabled"}}, {"reasoning_effort": "none"},
                       {"model": "deepseek-chat"}, {"chat_template_kwargs": {"thinking": False}},
                       {"thinking": {"type": "disabled"}, "reasoning_effort": "high"}, {}):
            self.assertEqual(end(**fields), off, fields)
        for fields in ({"reasoning_effort": "high"}, {"model": "deepseek-reasoner"},
                       {"reasoning": {"effort": "low"}}, {"chat_template_kwargs": {"enable_thinking": True}},
                       {"thinking": {"type": "adaptive"}}):
            self.assertEqual(end(**fields), on, fields)

    def test_32_cut_inside_the_thought(self):
        answer = self.server.chat(thinking={"type": "enabled"}, max_tokens=6, logit_bias={"70": 100})
        choice = answer["choices"][0]
        self.assertEqual((choice["message"]["content"], choice["finish_reason"]), ("", "length"))
        self.assertTrue(choice["message"]["reasoning_content"])
        self.assertEqual(answer["usage"]["completion_tokens_details"]["reasoning_tokens"], 6)
        quiet = self.server.chat(thinking={"type": "enabled"}, max_tokens=6, include_reasoning=False)
        self.assertNotIn("reasoning_content", quiet["choices"][0]["message"])

    def test_33_a_budget_of_thoughts(self):
        answer = self.server.chat(thinking={"type": "enabled", "budget_tokens": 16},
                                  **forced("that is it", logit_bias={"70": 100}))
        reasoning = answer["usage"]["completion_tokens_details"]["reasoning_tokens"]
        self.assertLessEqual(reasoning, 17)
        self.assertEqual(answer["choices"][0]["message"]["content"], "that is it")

    def test_34_a_tool_turn_with_and_without_its_thoughts(self):
        call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        for extra in ({}, {"reasoning_content": "hm"}, {"reasoning": "hm"}):
            messages = [{"role": "user", "content": "Hi"},
                        {"role": "assistant", "content": "", "tool_calls": [call]} | extra,
                        {"role": "tool", "tool_call_id": "c1", "content": "done"}]
            self.server.ok(PATH, chat_body(messages=messages))

    def test_35_messages_may_have_other_keys(self):
        messages = [{"role": "user", "content": "Hi", "type": "text"}]
        status, headers, _ = self.server.post(PATH, chat_body(messages=messages))
        self.assertEqual((status, headers["x-fathom-ignored"]), (200, "messages[0].type"))

    def test_logprobs_are_of_every_token(self):
        body = chat_body(logprobs=True, top_logprobs=2, max_tokens=6, ignore_eos=True,
                         thinking={"type": "disabled"})
        entries = self.server.ok(PATH, body)["choices"][0]["logprobs"]["content"]
        self.assertEqual(len(entries), 6)
        for entry in entries:
            self.assertEqual(len(entry["top_logprobs"]), 2)
            self.assertEqual(entry["logprob"], entry["top_logprobs"][0]["logprob"])  # greedy
        streamed = [entry for chunk in self.server.chunks(PATH, body)
                    for entry in (chunk["choices"][0]["logprobs"] or {"content": []})["content"]]
        self.assertEqual(streamed, entries)

    def test_streamed_tokens_are_their_own_choices(self):
        """Many tokens here are half a character: their chunk comes with a later one's text."""
        for seed in range(6):
            body = chat_body(logprobs=True, max_tokens=16, ignore_eos=True, n=3, temperature=0.9, seed=seed,
                             return_token_ids=True, thinking={"type": "disabled"})
            whole = self.server.ok(PATH, body)["choices"]
            chunks = self.server.chunks(PATH, body)
            for index in range(3):
                mine = [choice for chunk in chunks for choice in chunk["choices"] if choice["index"] == index]
                entries = [entry for choice in mine for entry in (choice["logprobs"] or {"content": []})["content"]]
                self.assertEqual(entries, whole[index]["logprobs"]["content"])
                self.assertEqual([i for choice in mine for i in choice["token_ids"]], whole[index]["token_ids"])

    def test_fields_that_would_change_the_answer_are_refused(self):
        for fields in ({"audio": {"voice": "x"}}, {"functions": [{"name": "f"}]}, {"best_of": 2},
                       {"use_beam_search": True}, {"modalities": ["text", "audio"]},
                       {"web_search_options": {"a": 1}}, {"chat_template": "x"}):
            self.refused(next(iter(fields)), "unsupported_parameter", **fields)
        self.server.chat(n=1, best_of=1, modalities=["text"], logprobs=False, store=True,
                         metadata={"a": "b"}, function_call="none", user="u", service_tier="auto")

    def test_answers_in_a_form(self):
        answer = self.server.chat(**forced("no"))
        self.assertEqual(answer["choices"][0]["message"]["content"], "no")
        self.refused("response_format.json_schema.schema", "invalid_schema",
                     response_format={"type": "json_schema", "json_schema": {
                         "name": "x", "schema": {"type": "strange"}}})
        self.refused("guided_regex", guided_regex="(", **{})
        self.refused("structured_outputs.choice", structured_outputs={"regex": "a", "choice": ["b"]})


class Strict(unittest.TestCase):
    def test_09_unknown_fields_are_refused_where_that_is_wanted(self):
        server = harness.Server(settings=["api.strict_fields=true"])
        status, _, answer = server.post(PATH, chat_body(foo=1))
        self.assertEqual((status, answer["error"]["param"]), (400, "foo"))
        server.chat(metadata={"foo": "1"})


if __name__ == "__main__":
    unittest.main()
