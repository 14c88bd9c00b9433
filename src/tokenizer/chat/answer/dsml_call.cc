// V3.2's calls: `<D invoke name="f">`, lines of `<D parameter name="p" string="true">text</D
// parameter>`, `</D invoke>`, where D is the mark. They become JSON on the way.
#include <optional>

#include "io/json.h"
#include "tokenizer/chat/answer/call_reader.h"
#include "tokenizer/chat/marks.h"
#include "tokenizer/unicode/python_text.h"

namespace fathom::tokenizer {
namespace {

using Progress = CallReader::Progress;

constexpr size_t kMaxTagBytes = 1024;

std::string json_string(std::string_view text) { return io::write_json(io::JsonValue(text)); }

/// The characters of a JSON string, without its quotes.
std::string escaped(std::string_view text) {
  const std::string quoted = json_string(MarkBytes::without_tokens(text));
  return quoted.substr(1, quoted.size() - 2);
}

/// Of ` name="f" string="true"`.
std::optional<std::string> attribute(std::string_view tag, std::string_view name) {
  const std::string begin = std::string(name) + "=\"";
  const size_t at = tag.find(begin);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = tag.substr(at + begin.size());
  const size_t end = rest.find('"');
  if (end == std::string_view::npos) return std::nullopt;
  return std::string(rest.substr(0, end));
}

class DsmlCall : public CallReader {
 public:
  DsmlCall(const CallFrame& frame, const MarkBytes& marks)
      : frame_(frame),
        parameter_("<" + marks(kDsmlMark) + "parameter "),
        parameter_end_("</" + marks(kDsmlMark) + "parameter>"),
        closing_("</" + marks(kDsmlMark)),
        ends_({parameter_end_, frame.call_end, frame.section_end, parameter_, frame.call_begin}) {}

  Progress read(std::string& text, TextEnd end, PartWriter& out) override {
    while (true) {
      const Place before = place_;
      const size_t size_before = text.size();
      const Progress progress = read_place(text, end, out);
      const bool stands = place_ == before && text.size() == size_before;
      if (progress != Progress::kMore || stands) return progress;
    }
  }

 private:
  enum class Place { kHeader, kBody, kParameter, kString, kValue };

  Progress read_place(std::string& text, TextEnd end, PartWriter& out) {
    switch (place_) {
      case Place::kHeader:
        return read_header(text, end, out);
      case Place::kBody:
        return read_body(text, end, out);
      case Place::kParameter:
        return read_parameter(text, end, out);
      case Place::kString:
        return read_string(text, end, out);
      case Place::kValue:
        return read_value(text, end, out);
    }
    return Progress::kDone;
  }

  /// What stands before the next '>'; nullopt: it has not come, or this is no tag.
  std::optional<std::string> take_tag(std::string& text) {
    const size_t close = text.find('>');
    if (close == std::string::npos || close > kMaxTagBytes) return std::nullopt;
    std::string tag = MarkBytes::without_tokens(std::string_view(text).substr(0, close));
    text.erase(0, close + 1);
    return tag;
  }
  static bool tag_may_come(std::string_view text, TextEnd end) {
    return end == TextEnd::kOpen && text.size() <= kMaxTagBytes;
  }

  Progress read_header(std::string& text, TextEnd end, PartWriter& out) {
    if (text.find('>') == std::string::npos && tag_may_come(text, end)) return Progress::kMore;
    if (text.find('>') == std::string::npos && end == TextEnd::kCut) text.clear();
    const std::string whole = text;
    const auto tag = take_tag(text);
    const auto name = tag ? attribute(*tag, "name") : std::nullopt;
    if (!name || name->empty()) {
      text = whole;
      return Progress::kNoCall;
    }
    out.begin_call(*name);
    place_ = Place::kBody;
    return Progress::kMore;
  }

  /// Between the parameters.
  Progress read_body(std::string& text, TextEnd end, PartWriter& out) {
    text.erase(0, std::min(text.find_first_not_of(" \t\r\n"), text.size()));
    const auto begins = [&](const std::string& mark) { return opening(text, mark); };
    if (begins(parameter_) == Opening::kYes) {
      text.erase(0, parameter_.size());
      place_ = Place::kParameter;
      return Progress::kMore;
    }
    const bool ends = begins(frame_.call_end) == Opening::kYes;
    if (ends || begins(frame_.section_end) == Opening::kYes ||
        begins(frame_.call_begin) == Opening::kYes) {
      if (ends) text.erase(0, frame_.call_end.size());
      return close(out);
    }
    const bool may_begin = begins(parameter_) == Opening::kPerhaps ||
                           begins(frame_.call_end) == Opening::kPerhaps ||
                           begins(frame_.section_end) == Opening::kPerhaps ||
                           begins(frame_.call_begin) == Opening::kPerhaps;
    if (end == TextEnd::kOpen && may_begin) return Progress::kMore;
    if (!text.empty() && !may_begin) {
      text.erase(0, 1);  // nothing that belongs here
      return Progress::kMore;
    }
    // The end of the answer. Behind "</D" no parameter can follow.
    const bool is_closing = text.starts_with(closing_);
    text.clear();
    if (end == TextEnd::kDone || is_closing) return close(out);
    out.end_call(false);
    return Progress::kDone;
  }

  Progress close(PartWriter& out) {
    out.arguments(num_parameters_ == 0 ? "{}" : "}");
    out.end_call(true);
    return Progress::kDone;
  }

  Progress read_parameter(std::string& text, TextEnd end, PartWriter& out) {
    if (text.find('>') == std::string::npos && tag_may_come(text, end)) return Progress::kMore;
    const auto tag = take_tag(text);
    if (!tag && end != TextEnd::kOpen) {
      text.clear();
      out.end_call(false);
      return Progress::kDone;
    }
    const auto name = tag ? attribute(*tag, "name") : std::nullopt;
    place_ = Place::kBody;
    if (!name) return Progress::kMore;
    opening_ = (num_parameters_++ == 0 ? "{" : ", ") + json_string(*name) + ": ";
    place_ = attribute(*tag, "string") == "true" ? Place::kString : Place::kValue;
    if (place_ == Place::kString) out.arguments(opening_ + '"');
    return Progress::kMore;
  }

  Progress read_string(std::string& text, TextEnd end, PartWriter& out) {
    const auto hit = ends_.find(text);
    const size_t certain = hit ? hit->begin : text.size() - ends_.open_bytes(text);
    out.arguments(escaped(std::string_view(text).substr(0, certain)));
    text.erase(0, certain);
    if (hit) {
      out.arguments("\"");
      if (hit->mark == 0) text.erase(0, parameter_end_.size());
      place_ = Place::kBody;
    } else if (end != TextEnd::kOpen) {
      text.clear();
      out.end_call(false);
      return Progress::kDone;
    }
    return Progress::kMore;
  }

  /// A value is written once it is whole: what turns out to be no JSON is a string.
  Progress read_value(std::string& text, TextEnd end, PartWriter& out) {
    const auto hit = ends_.find(text);
    const size_t certain = hit ? hit->begin : text.size() - ends_.open_bytes(text);
    value_ += std::string_view(text).substr(0, certain);
    text.erase(0, certain);
    if (!hit && end == TextEnd::kOpen) return Progress::kMore;
    const std::string text_of_value = MarkBytes::without_tokens(value_);
    const std::string value(python_strip(text_of_value));
    if (hit) {
      out.arguments(opening_ + (io::parse_json(value, "") ? value : json_string(value)));
      if (hit->mark == 0) text.erase(0, parameter_end_.size());
      value_.clear();
      place_ = Place::kBody;
      return Progress::kMore;
    }
    out.arguments(opening_ + value);
    text.clear();
    out.end_call(false);
    return Progress::kDone;
  }

  CallFrame frame_;
  std::string parameter_, parameter_end_, closing_;
  MarkSearch ends_;
  Place place_ = Place::kHeader;
  i64 num_parameters_ = 0;
  std::string opening_, value_;
};

}  // namespace

std::unique_ptr<CallReader> read_dsml_call(const CallFrame& frame, const MarkBytes& marks) {
  return std::make_unique<DsmlCall>(frame, marks);
}

}  // namespace fathom::tokenizer
