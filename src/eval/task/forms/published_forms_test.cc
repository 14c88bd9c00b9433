#include "eval/task/forms/test_forms.h"
#include "eval/text/python_json.h"

namespace fathom::eval {
namespace {

TEST_P(PublishedForms, BecomePrompts) {
  const Form& form = GetParam();
  const TaskSpec spec = value_or_throw(load_task(form.task));
  const auto tasks =
      build_tasks(spec, {.data = folder_, .preset = form.preset, .shots = form.shots});
  ASSERT_TRUE(tasks) << tasks.error().message();
  const Item& item = tasks->front().items.front();
  EXPECT_EQ(item.prompt, form.prompt);
  std::vector<std::string> texts;
  for (const ContextAndText& option : item.options) texts.push_back(option.text);
  if (texts.empty() && item.target.is_array()) {
    for (const io::JsonValue& each : item.target.as_array()) texts.push_back(python_str(each));
  } else if (texts.empty()) {
    texts.push_back(item.target.as_string());
  }
  EXPECT_EQ(texts, std::vector<std::string>(form.texts.begin(), form.texts.end()));
  EXPECT_EQ(item.gold, form.gold);
}

}  // namespace
}  // namespace fathom::eval
