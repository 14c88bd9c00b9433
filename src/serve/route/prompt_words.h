#pragma once
// What a router sees of the text whose rows a server may have cached.
#include <string>
#include <vector>

#include "base/types.h"
#include "serve/http/request.h"

namespace fathom::serve {

/// Requests whose words begin alike have prompts that begin alike, as far as can be told without a
/// tokenizer and a chat template: tools and system text first, as templates have them, then the
/// messages. A server keeps cached pages by its caller and salt, so these are told apart too.
struct PromptWords {
  std::string tenant;  // what the caller shows: a key
  std::string salt;    // `cache_salt`
  std::vector<i32>
      words;  // four bytes each, of the first MiB; what is left at the end is not there
};

/// Of any endpoint's body; no words of one that is not understood, whose server will say so.
PromptWords prompt_words(const http::Request& request);

}  // namespace fathom::serve
