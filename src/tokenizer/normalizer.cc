#include "tokenizer/normalizer.h"

#include <fmt/format.h>

#include <utility>

#include "io/json.h"

namespace fathom::tokenizer {
namespace {

constexpr size_t kMaxSteps = 32;
constexpr int kMaxDepth = 4;

std::string_view name_of(NormalizationForm form) {
  return form == NormalizationForm::kNfc ? "NFC" : "NFD";
}

Result<void> read(const io::JsonValue& value, const std::string& where, int depth,
                  std::vector<NormalizationForm>& steps) {
  if (value.is_null()) return {};
  if (!value.is_object()) {
    return invalid_input(
        fmt::format("{}: expected an object, found {}", where, io::describe(value)));
  }
  const Result<std::string> type = io::get_string(value, "type", where);
  if (!type) return tl::unexpected(type.error());
  if (*type == "Sequence" && depth < kMaxDepth) {
    const auto members = io::get_array(value, "normalizers", where);
    if (!members) return tl::unexpected(members.error());
    for (const io::JsonValue& member : **members) {
      if (auto done = read(member, where, depth + 1, steps); !done) return done;
    }
    return {};
  }
  for (const NormalizationForm form : {NormalizationForm::kNfc, NormalizationForm::kNfd}) {
    if (*type != name_of(form) || steps.size() >= kMaxSteps) continue;
    steps.push_back(form);
    return {};
  }
  return unsupported(
      fmt::format("{}: type {} is not supported", where, io::describe(*value.find("type"))));
}

}  // namespace

Result<Normalizer> Normalizer::from_json(const io::JsonValue& value, std::string_view where) {
  std::vector<NormalizationForm> steps;
  auto done = read(value, fmt::format("{}: normalizer", where), 0, steps);
  if (!done) return tl::unexpected(done.error());
  return Normalizer(std::move(steps));
}

io::JsonValue Normalizer::json() const {
  io::JsonArray members;
  for (const NormalizationForm form : steps_) {
    io::JsonObject member;
    member.set("type", name_of(form));
    members.emplace_back(std::move(member));
  }
  if (members.size() == 1) return std::move(members[0]);
  io::JsonObject sequence;
  sequence.set("type", "Sequence");
  sequence.set("normalizers", std::move(members));
  return sequence;
}

std::string_view Normalizer::apply(std::string_view text, std::string& storage) const {
  std::string other;
  for (const NormalizationForm form : steps_) {
    const std::string_view result = normalize(text, form, other);
    if (result.data() != other.data()) continue;  // nothing changed
    storage.swap(other);
    text = storage;
  }
  return text;
}

}  // namespace fathom::tokenizer
