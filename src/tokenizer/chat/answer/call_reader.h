#pragma once
// The inside of a tool call, as each format has it.
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tokenizer/chat/answer/mark_bytes.h"
#include "tokenizer/chat/answer/mark_search.h"
#include "tokenizer/chat/answer/part_writer.h"
#include "tokenizer/chat/tool_format.h"

namespace fathom::tokenizer {

/// What surrounds calls. Empty: the format has no such mark.
struct CallFrame {
  std::string section_begin, section_end;
  std::string call_begin, call_end;
  std::string separator;    // between a name and what follows it
  int newlines_before = 0;  // line breaks before all calls that are the format's own
};
CallFrame call_frame(ToolFormat format, const MarkBytes& marks);

/// How far the text goes that came so far.
enum class TextEnd {
  kOpen,  // more will come
  kDone,  // the model ended its answer here
  kCut,   // it would have gone on
};

/// Reads one call, from behind the mark that begins it.
class CallReader {
 public:
  enum class Progress {
    kMore,    // of the text more must come
    kDone,    // the call is over
    kNoCall,  // it is none: what is left of the text is content
  };
  virtual ~CallReader() = default;
  /// Takes from the front of `text` what it can. Once `end` is not kOpen the call ends.
  virtual Progress read(std::string& text, TextEnd end, PartWriter& out) = 0;
};

/// Fenced, plain and Kimi's: a name, a separator, JSON.
std::unique_ptr<CallReader> read_marked_call(ToolFormat format, const CallFrame& frame);
/// ChatML's and Llama's: an object with the name and the arguments. `known`: without a mark only an
/// object that calls one of these is a call; empty: any name.
std::unique_ptr<CallReader> read_object_call(const CallFrame& frame, std::set<std::string> known);
std::unique_ptr<CallReader> read_dsml_call(const CallFrame& frame, const MarkBytes& marks);

/// Arguments that are no JSON object: as they stand, up to the mark that ends the call.
class RawArguments {
 public:
  explicit RawArguments(const CallFrame& frame);
  CallReader::Progress read(std::string& text, TextEnd end, PartWriter& out);
  /// Nothing came: no arguments.
  bool empty() const { return is_empty_; }
  void set_begun() { is_empty_ = false; }

 private:
  MarkSearch ends_;
  std::string call_end_;
  bool is_empty_ = true;
};

/// What stands between arguments and the mark that ends their call: nothing that is kept, if the
/// mark comes; content without it.
class CallTail {
 public:
  explicit CallTail(const CallFrame& frame);
  CallReader::Progress read(std::string& text, TextEnd end);

 private:
  MarkSearch ends_;
  std::string call_end_;
};

}  // namespace fathom::tokenizer
