// <tool_call>⏎{"name": "f", "arguments": {..}}⏎</tool_call>, and the same object without marks.
#include <array>
#include <optional>

#include "io/json.h"
#include "tokenizer/chat/answer/call_reader.h"
#include "tokenizer/chat/answer/json_scanner.h"
#include "tokenizer/unicode/python_text.h"

namespace fathom::tokenizer {
namespace {

using Progress = CallReader::Progress;

bool holds_arguments(std::string_view key) { return key == "arguments" || key == "parameters"; }

class ObjectCall : public CallReader {
 public:
  ObjectCall(const CallFrame& frame, std::set<std::string> known)
      : has_marks_(!frame.call_end.empty()), known_(std::move(known)), raw_(frame), tail_(frame) {}

  Progress read(std::string& text, TextEnd end, PartWriter& out) override {
    if (place_ == Place::kObject) {
      const Progress progress = read_object(text, end, out);
      if (progress != Progress::kMore || place_ == Place::kObject) return progress;
    }
    return place_ == Place::kRaw ? raw_.read(text, end, out) : tail_.read(text, end);
  }

 private:
  enum class Place { kObject, kRaw, kTail };
  enum class Begun { kNo, kYes, kEnded };

  Progress read_object(std::string& text, TextEnd end, PartWriter& out) {
    size_t read = 0;
    while (read < text.size()) {
      const Progress progress = read_byte(text[read], out);
      if (!is_broken_) ++read;
      if (progress == Progress::kNoCall) return no_call(text, read);
      if (progress == Progress::kDone) break;
    }
    out.arguments(std::exchange(streamed_, {}));
    text.erase(0, read);
    if (place_ != Place::kObject || end == TextEnd::kOpen) return Progress::kMore;
    if (begun_ == Begun::kNo && !(end == TextEnd::kCut && has_marks_)) return no_call(text, 0);
    if (begun_ == Begun::kYes) out.end_call(false);
    return Progress::kDone;
  }

  Progress no_call(std::string& text, size_t read) {
    text = head_ + text.substr(read);
    return Progress::kNoCall;
  }

  /// kDone: the object is over, or no longer one.
  Progress read_byte(char c, PartWriter& out) {
    const bool was_string = scanner_.in_string(), was_key = scanner_.in_outer_key();
    const i64 depth_before = scanner_.depth();
    const JsonScanner::State state = scanner_.push(c);
    if (state == JsonScanner::State::kBad) return give_up();
    if (begun_ == Begun::kNo) head_ += c;
    const bool is_structure = !was_string && !scanner_.in_string() && depth_before == 1;
    if (state == JsonScanner::State::kDone) {
      if (!end_member(out)) return Progress::kNoCall;
      return end_object(out);
    }
    if (was_key || scanner_.in_outer_key()) {
      key_ += c;
    } else if (is_structure && c == ':') {
      in_value_ = true;
      return knows_key() ? Progress::kMore : Progress::kNoCall;
    } else if (is_structure && c == ',') {
      return end_member(out) ? Progress::kMore : Progress::kNoCall;
    } else if (in_value_) {
      return read_value_byte(c, out) ? Progress::kMore : Progress::kNoCall;
    }
    return Progress::kMore;
  }

  /// The byte is no JSON, and not taken.
  Progress give_up() {
    is_broken_ = true;
    if (begun_ == Begun::kNo) return Progress::kNoCall;
    place_ = begun_ == Begun::kYes ? Place::kRaw : Place::kTail;
    return Progress::kDone;
  }

  /// Without marks an object with other members is content.
  bool knows_key() const {
    constexpr std::array<std::string_view, 5> kKeys = {"\"name\"", "\"parameters\"", "\"type\"",
                                                       "\"arguments\"", "\"id\""};
    return has_marks_ || std::ranges::find(kKeys, key_) != kKeys.end();
  }

  bool begin(PartWriter& out) {
    if (!known_.empty() && !known_.contains(*name_)) return false;
    out.begin_call(*name_);
    begun_ = Begun::kYes;
    raw_.set_begun();
    return true;
  }

  bool read_value_byte(char c, PartWriter& out) {
    if (begun_ == Begun::kYes) {
      streamed_ += c;
      if (scanner_.depth() == 1 && c == '}') end(true, out);
      return true;
    }
    value_ += c;
    const bool opens = c == '{' && scanner_.depth() == 2 && python_strip(value_) == "{";
    if (begun_ != Begun::kNo || !opens || !name_ || !holds_arguments(key_of_member())) return true;
    streamed_ = c;
    return begin(out);
  }

  void end(bool complete, PartWriter& out) {
    out.arguments(std::exchange(streamed_, {}));
    out.end_call(complete);
    begun_ = Begun::kEnded;
  }

  std::string key_of_member() const {
    const auto key = io::parse_json(key_, "");
    return key && key->is_string() ? key->as_string() : std::string();
  }

  /// What the member says that is now complete; false: this is no call.
  bool end_member(PartWriter& out) {
    const std::string key = key_of_member(), text(python_strip(value_));
    key_.clear();
    value_.clear();
    in_value_ = false;
    if (begun_ != Begun::kNo || text.empty()) return true;
    const auto value = io::parse_json(text, "");
    if (key == "name") {
      if (!value || !value->is_string() || value->as_string().empty()) return false;
      name_ = value->as_string();
    } else if (holds_arguments(key)) {
      // Some models write the object's text as a string.
      arguments_ = value && value->is_string() ? value->as_string() : text;
      if (value && value->is_null()) arguments_ = "{}";
    }
    return !name_ || !arguments_ || write_call(out);
  }

  /// With the arguments that are complete.
  bool write_call(PartWriter& out) {
    if (!begin(out)) return false;
    streamed_ = *arguments_;
    const auto value = io::parse_json(*arguments_, "");
    end(value && value->is_object(), out);
    return true;
  }

  Progress end_object(PartWriter& out) {
    if (begun_ == Begun::kNo) {
      if (!name_) return Progress::kNoCall;
      arguments_ = "{}";
      if (!write_call(out)) return Progress::kNoCall;
    }
    place_ = Place::kTail;
    return Progress::kDone;
  }

  bool has_marks_;
  std::set<std::string> known_;
  RawArguments raw_;
  CallTail tail_;
  JsonScanner scanner_;
  Place place_ = Place::kObject;
  Begun begun_ = Begun::kNo;
  std::string head_;         // what came before the call is known to be one
  std::string key_, value_;  // of the outer member that is being read
  std::string streamed_;     // arguments, not written yet
  bool in_value_ = false, is_broken_ = false;
  std::optional<std::string> name_, arguments_;
};

}  // namespace

std::unique_ptr<CallReader> read_object_call(const CallFrame& frame, std::set<std::string> known) {
  return std::make_unique<ObjectCall>(frame, std::move(known));
}

}  // namespace fathom::tokenizer
