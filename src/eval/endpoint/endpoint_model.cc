#include "eval/endpoint/endpoint_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "eval/endpoint/endpoint_replies.h"
#include "eval/model/request_runner.h"
#include "eval/model/rolling_windows.h"
#include "eval/text/python_json.h"

namespace fathom::eval {
namespace {

using io::JsonArray;
using io::JsonObject;
using io::JsonValue;

constexpr i64 kAttempts = 3;  // of a request that the server answers with an error
constexpr auto kBetweenAttempts = std::chrono::milliseconds(500);

JsonArray texts(const std::vector<std::string>& all) { return {all.begin(), all.end()}; }

}  // namespace

EndpointModel::EndpointModel(const EndpointOptions& options, const engine::TextCodec* codec)
    : options_(options), url_(value_or_throw(parse_url(options.url))), codec_(codec) {}

const engine::TextCodec& EndpointModel::codec() const {
  if (codec_ != nullptr) return *codec_;
  throw Error(ErrorCode::kInvalidInput,
              "log-probabilities are asked for by token ids: --tokenizer must name the model's "
              "directory or .gguf file");
}

ModelFacts EndpointModel::facts() const {
  ModelFacts facts;
  facts.kind = options_.chat ? "local-chat-completions" : "local-completions";
  facts.name = options_.model;
  facts.arguments = fmt::format("model={},base_url={}", options_.model, options_.url);
  facts.max_length = options_.window;
  facts.identity = fmt::format("{} {} {} {} {}", facts.kind, options_.url, options_.model,
                               options_.window, options_.tokenizer);
  return facts;
}

void EndpointModel::send_all(const std::string& path, const std::vector<std::string>& bodies,
                             const std::function<void(size_t, const JsonValue&)>& done) {
  std::mutex mutex;  // over all that follows, and `done`
  size_t next = 0;
  std::exception_ptr failed;
  const auto take = [&]() -> std::optional<size_t> {
    const std::lock_guard lock(mutex);
    const bool stop = options_.interrupted != nullptr && options_.interrupted->load();
    if (failed || stop || next == bodies.size()) return std::nullopt;
    return next++;
  };
  const auto answer_one = [&](HttpClient& client, size_t index) {
    const std::string where = options_.url + path;
    HttpReply reply;
    for (i64 attempt = 1;; ++attempt) {
      reply = client.send(path, bodies[index]);
      const bool transient = reply.status == 429 || reply.status >= 500;
      if (!transient || attempt >= kAttempts) break;
      std::this_thread::sleep_for(kBetweenAttempts * attempt);
    }
    if (reply.status != 200) {
      throw Error(ErrorCode::kIo,
                  fmt::format("{}: status {}: {}", where, reply.status, error_text(reply.body)));
    }
    const JsonValue value = value_or_throw(io::parse_json(reply.body, where));
    const std::lock_guard lock(mutex);
    done(index, value);
  };
  const auto work = [&] {
    try {
      HttpClient client(url_, options_.key);
      while (const std::optional<size_t> index = take()) answer_one(client, *index);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failed) failed = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  const i64 count = std::min(options_.connections, std::ssize(bodies));
  for (i64 i = 0; i < count; ++i) threads.emplace_back(work);
  for (std::thread& each : threads) each.join();
  if (failed) std::rethrow_exception(failed);
  if (options_.interrupted != nullptr && options_.interrupted->load())
    throw EvaluationInterrupted();
}

std::string EndpointModel::scoring_body(const std::vector<i32>& ids) const {
  JsonObject body;
  body.set("model", options_.model);
  body.set("prompt", JsonArray{JsonArray(ids.begin(), ids.end())});
  body.set("temperature", 0);
  body.set("max_tokens", 1);
  body.set("logprobs", 1);
  body.set("seed", 1234);
  body.set("echo", true);
  return io::write_json(JsonValue(std::move(body)));
}

void EndpointModel::score(std::span<const ContextAndText> requests, const OnScore& done) {
  TextEncoder encoder(codec(), options_.window - 2);  // one token is generated
  std::vector<EncodedText> encoded;
  std::vector<std::string> bodies;
  for (const ContextAndText& request : requests) {
    encoded.push_back(value_or_throw(encoder.encode(request)));
    work_.asked_tokens += encoded.back().ids.size();
    bodies.push_back(scoring_body(encoded.back().ids));
  }
  send_all("/completions", bodies, [&](size_t index, const JsonValue& reply) {
    const EncodedText& text = encoded[index];
    TextScore score = value_or_throw(
        read_echo(reply, std::ssize(text.ids), text.context_tokens, options_.url + "/completions"));
    score.truncated = text.truncated;
    score.merged = text.merged;
    done(index, score);
  });
  work_.computed_tokens = work_.asked_tokens;
}

void EndpointModel::score_documents(std::span<const RollingRequest> requests, const OnScore& done) {
  const TextEncoder encoder(codec(), options_.window - 2);
  for (size_t i = 0; i < requests.size(); ++i) {
    const std::vector<i32> ids = encoder.encode_document(requests[i].text);
    const std::vector<Window> windows =
        rolling_windows(ids, options_.window - 2, requests[i].window, requests[i].stride);
    std::vector<std::string> bodies;
    for (const Window& window : windows) bodies.push_back(scoring_body(window.ids));
    std::vector<TextScore> parts(windows.size());
    send_all("/completions", bodies, [&](size_t index, const JsonValue& reply) {
      parts[index] =
          value_or_throw(read_echo(reply, std::ssize(windows[index].ids),
                                   windows[index].context_tokens, options_.url + "/completions"));
    });
    TextScore all{.greedy = true};
    for (const TextScore& part : parts) {
      all.log_prob += part.log_prob;
      all.tokens += part.tokens;
      all.greedy = all.greedy && part.greedy;
    }
    done(i, all);
  }
}

void EndpointModel::generate(std::span<const GenerationRequest> requests, const OnText& done) {
  constexpr size_t kMaxStops = 4;  // of OpenAI's API; the rest is cut off here
  std::vector<std::string> bodies;
  for (const GenerationRequest& request : requests) {
    JsonObject body;
    body.set("model", options_.model);
    if (options_.chat) {
      JsonObject message;
      message.set("role", "user");
      message.set("content", request.prompt);
      body.set("messages", JsonArray{JsonValue(std::move(message))});
    } else {
      body.set("prompt", request.prompt);
    }
    body.set("max_tokens", request.max_tokens);
    body.set("temperature", request.temperature);
    if (request.temperature > 0) {
      body.set("top_p", request.top_p);
      body.set("seed", static_cast<i64>(request.seed));
    }
    const size_t stops = std::min(request.stop.size(), kMaxStops);
    if (stops > 0) {
      body.set("stop",
               texts({request.stop.begin(), request.stop.begin() + static_cast<i64>(stops)}));
    }
    bodies.push_back(io::write_json(JsonValue(std::move(body))));
  }
  const std::string path = options_.chat ? "/chat/completions" : "/completions";
  send_all(path, bodies, [&](size_t index, const JsonValue& reply) {
    const GeneratedText text = value_or_throw(
        read_answer(reply, options_.chat, requests[index].stop, options_.url + path));
    work_.generated_tokens += static_cast<u64>(text.tokens);
    done(index, text);
  });
}

}  // namespace fathom::eval
