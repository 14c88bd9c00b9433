#include "eval/model/answer_store.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "eval/text/python_json.h"
#include "eval/text/sha256.h"
#include "io/json.h"
#include "io/mapped_file.h"

namespace fathom::eval {
namespace {

using io::JsonObject;
using io::JsonValue;

/// Texts with their lengths, so that none runs into the next.
std::string key_of(std::string_view identity, std::string_view kind,
                   std::initializer_list<std::string_view> parts) {
  std::string all = fmt::format("{}:{}{}:{}", identity.size(), identity, kind.size(), kind);
  for (const std::string_view part : parts) all += fmt::format("{}:{}", part.size(), part);
  return sha256_hex(all);
}

std::string key_of(std::string_view identity, const ContextAndText& request) {
  return key_of(identity, "score", {request.context, request.text});
}

std::string key_of(std::string_view identity, const GenerationRequest& request) {
  std::string stops;
  for (const std::string& stop : request.stop) stops += fmt::format("{}:{}", stop.size(), stop);
  const std::string tokens = std::to_string(request.max_tokens);
  if (request.temperature == 0)
    return key_of(identity, "generate", {request.prompt, stops, tokens});
  return key_of(identity, "generate",
                {request.prompt, stops, tokens,
                 fmt::format("{} {} {}", request.temperature, request.top_p, request.seed)});
}

std::string key_of(std::string_view identity, const RollingRequest& request) {
  return key_of(identity, "document",
                {request.text, fmt::format("{} {}", request.window, request.stride)});
}

std::string line_of(const std::string& key, const TextScore& score) {
  JsonObject line;
  line.set("key", key);
  line.set("log_prob", score.log_prob);
  line.set("tokens", score.tokens);
  line.set("greedy", score.greedy);
  line.set("truncated", score.truncated);
  line.set("merged", score.merged);
  return python_json(JsonValue(std::move(line))) + "\n";
}

std::string line_of(const std::string& key, const GeneratedText& text) {
  JsonObject line;
  line.set("key", key);
  line.set("text", text.text);
  line.set("tokens", text.tokens);
  line.set("complete", text.complete);
  line.set("truncated", text.truncated);
  return python_json(JsonValue(std::move(line))) + "\n";
}

/// Asks for what is not known, hands on the rest at once.
template <typename Request, typename Answer, typename Ask>
void answer_all(std::span<const Request> requests, std::string_view identity,
                std::unordered_map<std::string, Answer>& known, i64& num_known,
                io::AppendFile& file, const std::function<void(size_t, const Answer&)>& done,
                const Ask& ask) {
  std::vector<Request> open;
  std::vector<size_t> places;
  std::vector<std::string> keys;
  for (size_t i = 0; i < requests.size(); ++i) {
    std::string key = key_of(identity, requests[i]);
    if (const auto found = known.find(key); found != known.end()) {
      ++num_known;
      done(i, found->second);
      continue;
    }
    open.push_back(requests[i]);
    places.push_back(i);
    keys.push_back(std::move(key));
  }
  if (open.empty()) return;
  ask(open, [&](size_t index, const Answer& answer) {
    file.append(line_of(keys[index], answer));
    done(places[index], answer);
  });
}

}  // namespace

StoredModel::StoredModel(LanguageModel& model, const std::filesystem::path& file)
    : model_(model), identity_(model.facts().identity) {
  if (std::filesystem::exists(file)) read(file);
  if (file_ == nullptr) file_ = std::make_unique<io::AppendFile>(file);
}

void StoredModel::read(const std::filesystem::path& path) {
  const io::MappedFile mapped = value_or_throw(io::MappedFile::open(path));
  const auto bytes = mapped.bytes();
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const size_t whole = text.rfind('\n') == text.npos ? 0 : text.rfind('\n') + 1;
  text = text.substr(0, whole);
  for (i64 number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    const std::string where = fmt::format("{}:{}", path.string(), number);
    const JsonValue line = value_or_throw(io::parse_json(text.substr(0, end), where));
    text.remove_prefix(end + 1);
    const std::string key = value_or_throw(io::get_string(line, "key", where));
    const i64 tokens = value_or_throw(io::get_integer(line, "tokens", where));
    const bool truncated = value_or_throw(io::get_bool(line, "truncated", where));
    if (line.find("text") != nullptr) {
      texts_[key] = {.text = value_or_throw(io::get_string(line, "text", where)),
                     .tokens = tokens,
                     .complete = value_or_throw(io::get_bool(line, "complete", where)),
                     .truncated = truncated};
    } else {
      scores_[key] = {.log_prob = value_or_throw(io::get_number(line, "log_prob", where)),
                      .tokens = tokens,
                      .greedy = value_or_throw(io::get_bool(line, "greedy", where)),
                      .truncated = truncated,
                      .merged = value_or_throw(io::get_bool(line, "merged", where))};
    }
  }
  file_ = std::make_unique<io::AppendFile>(path);
  file_->truncate(static_cast<i64>(whole));
}

void StoredModel::score(std::span<const ContextAndText> requests, const OnScore& done) {
  answer_all<ContextAndText, TextScore>(requests, identity_, scores_, known_, *file_, done,
                                        [&](const std::vector<ContextAndText>& open,
                                            const OnScore& one) { model_.score(open, one); });
}

void StoredModel::score_documents(std::span<const RollingRequest> requests, const OnScore& done) {
  answer_all<RollingRequest, TextScore>(
      requests, identity_, scores_, known_, *file_, done,
      [&](const std::vector<RollingRequest>& open, const OnScore& one) {
        model_.score_documents(open, one);
      });
}

void StoredModel::generate(std::span<const GenerationRequest> requests, const OnText& done) {
  answer_all<GenerationRequest, GeneratedText>(
      requests, identity_, texts_, known_, *file_, done,
      [&](const std::vector<GenerationRequest>& open, const OnText& one) {
        model_.generate(open, one);
      });
}

}  // namespace fathom::eval
