#pragma once
// IFEval: instructions whose following a program can see. Source: J. Zhou et al. 2023 (2311.07911),
// google-research/instruction_following_eval; lm-evaluation-harness 0.4.13, tasks/ifeval.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "io/json.h"

namespace fathom::eval {

/// Which of an item's instructions an answer follows. `document` is an item of the published file:
/// prompt, instruction_id_list, kwargs. Loose: one of eight variants of the answer does (its first
/// or last line or both left out, stars left out). kInvalidInput names the member that is missing
/// and an instruction that is none.
///
/// Three kinds need what we do not have: sentences are counted at . ! and ? before white space
/// where the original asks Punkt, the language of an answer is told by its script and its most
/// frequent words where the original asks langdetect, and words in capitals are counted between
/// white space and punctuation.
Result<std::vector<bool>> followed_instructions(const io::JsonValue& document,
                                                const std::string& answer, bool loose);

}  // namespace fathom::eval
