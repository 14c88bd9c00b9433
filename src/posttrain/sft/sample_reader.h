#pragma once
// From files of conversations to samples. A line of JSON is one of
//   {"messages": [{"role", "content", "reasoning_content"?, "tool_calls"?, "loss"?}, ...],
//    "tools"?, "thinking"?, "chat_template_kwargs"?}
//   {"prompt": TEXT, "completion": TEXT}           BOS prompt | completion EOS, without a template
//   {"prompt": [messages], "completion": [messages]}
// Other keys of a line ("source", "id") are passed over. "loss": false keeps an assistant's message
// from being learnt.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/run/data_config.h"
#include "config/run/sft_config.h"
#include "posttrain/chat_choice.h"
#include "posttrain/decontamination.h"
#include "posttrain/sft/sample_set.h"
#include "tokenizer/tokenizer.h"

namespace fathom::io {
class JsonValue;
}

namespace fathom::posttrain {

/// What is wrong with the last sample of a set, or "".
using CheckSample = std::function<std::string(const SampleSet&)>;

struct SampleReaderConfig {
  const tokenizer::Tokenizer* tokenizer = nullptr;
  ChatChoice chat;              // for lines with messages
  std::optional<i32> bos, eos;  // around a prompt and its completion
  i64 max_tokens = 0;           // of a sample
  SftTooLong too_long = SftTooLong::kDrop;
  Decontamination* apart = nullptr;  // lines that it leaves out are none
  CheckSample check;                 // of each sample that was added; empty: none
};

/// One sample as tokens.
struct SampleTokens {
  std::vector<i32> ids;
  std::vector<u8> supervised;
};

/// The samples of one line. Errors (kInvalidInput, kUnsupported) name the field.
[[nodiscard]] Result<std::vector<SampleTokens>> samples_of_line(const SampleReaderConfig& config,
                                                                const io::JsonValue& line);

/// Adds the samples of every line of the source's files; `where` ("data.train.chat") names it in
/// messages. Throws Error{kInvalidInput}: a path that gives no file, the first line that is no
/// sample or that `check` refuses, with file and line.
SampleStatistics read_samples(const SampleReaderConfig& config, const SourceConfig& source,
                              const std::string& where, i32 number, SampleSet& set);

}  // namespace fathom::posttrain
