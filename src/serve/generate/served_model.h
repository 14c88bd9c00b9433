#pragma once
// What the endpoints know of the model behind them.
#include <memory>
#include <string>
#include <vector>

#include "config/model/generation_config.h"
#include "engine/engine.h"
#include "engine/expert_loads.h"
#include "engine/prompt.h"
#include "grammar/compile_cache.h"
#include "serve/generate/call_memory.h"
#include "serve/generate/model_aliases.h"
#include "tokenizer/chat/template.h"

namespace fathom::grammar {
class Vocabulary;
}

namespace fathom::serve {

struct ServedModel {
  engine::Engine& engine;
  const engine::TextCodec& codec;
  std::string name;  // its id, under which clients ask for it
  ModelAliases aliases = ModelAliases();
  std::string fingerprint;  // of weights and program
  i64 created = 0;          // seconds since 1970
  i64 vocab_size = 0;       // of the model: rows of its head
  i64 trained_context_tokens = 0;
  GenerationConfig advice;  // of the checkpoint's authors
  std::vector<i32> stop_token_ids;
  /// Null: none was recognised, and chat is refused with chat_problem.
  const tokenizer::ChatTemplate* chat_template = nullptr;
  tokenizer::TemplateTexts chat_texts = {};
  std::string chat_problem = {};
  /// The checkpoint's template as text, for clients that ask; empty: it has none.
  std::string chat_template_text = {};
  std::shared_ptr<const grammar::Vocabulary> vocabulary = nullptr;
  std::shared_ptr<grammar::CompileCache> grammars = nullptr;
  std::shared_ptr<CallMemory> calls = std::make_shared<CallMemory>();
  i64 max_tokens = 8192;                              // of an answer whose request does not say
  i64 max_thinking_tokens = 16384;                    // the same with a thought
  std::string reasoning_field = "reasoning_content";  // or "reasoning", or "both"
  bool strict_fields = false;                         // unknown members of a body are refused
  engine::ExpertLoads* expert_loads = nullptr;  // counts what requests choose; null: nobody asks
};

}  // namespace fathom::serve
