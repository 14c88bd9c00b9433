#include <algorithm>
#include <array>
#include <map>

#include "eval/metric/ifeval_checks.h"
#include "eval/text/python_text.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::eval {
namespace {

struct Script {
  std::string_view codes;  // of the languages that are written in it, with spaces around
  char32_t first, last;
};

constexpr Script kScripts[] = {{" ar fa ur ", 0x0600, 0x06FF}, {" ru bg uk mk ", 0x0400, 0x04FF},
                               {" hi mr ne ", 0x0900, 0x097F}, {" bn ", 0x0980, 0x09FF},
                               {" pa ", 0x0A00, 0x0A7F},       {" gu ", 0x0A80, 0x0AFF},
                               {" ta ", 0x0B80, 0x0BFF},       {" te ", 0x0C00, 0x0C7F},
                               {" kn ", 0x0C80, 0x0CFF},       {" ml ", 0x0D00, 0x0D7F},
                               {" th ", 0x0E00, 0x0E7F},       {" ko ", 0xAC00, 0xD7A3},
                               {" ja ", 0x3040, 0x30FF},       {" zh zh-cn zh-tw ", 0x4E00, 0x9FFF},
                               {" he ", 0x0590, 0x05FF},       {" el ", 0x0370, 0x03FF}};

/// The most frequent words of languages in Latin letters.
constexpr std::pair<std::string_view, std::string_view> kWords[] = {
    {"en", " the and of to in is that it for with as was on be are this by you not or from "},
    {"de", " der die und das ist nicht ein eine zu mit den von sich auf für dem ich im auch sie "},
    {"fr", " le la les et de des un une est que pour dans qui pas sur avec au ce du plus "},
    {"es", " el la los las y de que en un una es por con para no se del su al como "},
    {"pt", " o a os as e de que em um uma é por com para não se do da no na "},
    {"it", " il la i le e di che in un una è per con non si del della gli al come "},
    {"vi", " và của là có cho không một các được với trong người này đã những khi để "},
    {"fi", " ja on ei että se hän oli mutta niin kuin ovat myös tai joka ole sen "},
    {"sw", " na ya wa kwa ni katika la za kama hii yake cha watu sana lakini "},
    {"nl", " de het een en van ik te dat die in is niet zijn op aan met voor er "}};

i64 letters_of(const std::string& text, char32_t first, char32_t last) {
  i64 count = 0;
  for (size_t at = 0; at < text.size();) {
    const auto point = tokenizer::decode_utf8(text, at);
    count += point.value >= first && point.value <= last ? 1 : 0;
    at += point.num_bytes;
  }
  return count;
}

std::string by_words(const std::string& text) {
  std::string best = "en";
  i64 most = 0;
  const std::vector<std::string> words = split(lower(text), "");
  for (const auto& language : kWords) {
    const i64 count = std::ranges::count_if(words, [&](const std::string& word) {
      return language.second.find(" " + word + " ") != language.second.npos;
    });
    if (count > most) {
      most = count;
      best = language.first;
    }
  }
  return best;
}

}  // namespace

bool is_language(const std::string& text, std::string_view code) {
  const i64 latin = letters_of(text, 'A', 'Z') + letters_of(text, 'a', 'z');
  const Script* most = nullptr;
  i64 count = latin;
  for (const Script& script : kScripts) {
    const i64 own = letters_of(text, script.first, script.last);
    if (own > count) {
      count = own;
      most = &script;
    }
  }
  if (most == nullptr) return by_words(text) == code;
  return most->codes.find(" " + std::string(code) + " ") != most->codes.npos;
}

}  // namespace fathom::eval
