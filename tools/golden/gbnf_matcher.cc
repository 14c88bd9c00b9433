// For make_gbnf_golden.py: what llama.cpp's own grammar engine says. Link it with llama.cpp's
// static libraries:
//   g++ -std=c++17 -I$LLAMA/src -I$LLAMA/include -I$LLAMA/ggml/include tools/golden/gbnf_matcher.cc
//   -o gbnf_matcher \
//     -Wl,--start-group $BUILD/src/libllama.a $BUILD/ggml/src/*.a -Wl,--end-group -fopenmp -ldl
// Reads lines {"grammar": "...", "texts": [...]}, writes for each a list of booleans, or null where
// the grammar is refused.
#include <iostream>
#include <nlohmann/json.hpp>

#include "llama-grammar.h"
#include "unicode.h"

static bool matches(llama_grammar* grammar, const std::string& text) {
  const auto& stacks = llama_grammar_get_stacks(grammar);
  for (const auto character : unicode_cpts_from_utf8(text)) {
    llama_grammar_accept(grammar, character);
    if (stacks.empty()) return false;
  }
  for (const auto& stack : stacks) {
    if (stack.empty()) return true;
  }
  return false;
}

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const auto item = nlohmann::json::parse(line);
    const std::string text = item["grammar"];
    auto* grammar =
        llama_grammar_init_impl(nullptr, text.c_str(), "root", false, nullptr, 0, nullptr, 0);
    nlohmann::json verdicts;
    for (const std::string example : item["texts"]) {
      if (grammar == nullptr) break;
      auto* copy = llama_grammar_clone_impl(*grammar);
      verdicts.push_back(matches(copy, example));
      llama_grammar_free_impl(copy);
    }
    if (grammar != nullptr) llama_grammar_free_impl(grammar);
    std::cout << verdicts.dump() << std::endl;
  }
}
