#pragma once
// Sets that may not be passed on, in the form in which their owners publish them: items of our own,
// and the prompts that they become.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "eval/task/items.h"
#include "eval/task/task_file.h"

namespace fathom::eval {

namespace fs = std::filesystem;

struct File {
  const char* name;
  const char* text;
};

struct Form {
  const char* task;
  const char* preset;
  std::vector<File> files;
  i64 shots = 0;
  const char* prompt;              // of the first item
  std::vector<const char*> texts;  // its options, or the right answers
  i64 gold = 0;
};

/// By its name: gtest would print the bytes of the pointers.
inline void PrintTo(const Form& form, std::ostream* out) {
  *out << form.task << " " << form.preset;
}

/// Of a task's first item.
class PublishedForms : public ::testing::TestWithParam<Form> {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) /
              ("forms_" + std::string(GetParam().task) + GetParam().preset);
    fs::remove_all(folder_);
    for (const File& file : GetParam().files) {
      fs::create_directories((folder_ / file.name).parent_path());
      std::ofstream(folder_ / file.name) << file.text;
    }
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

/// "arc_easy_lm_eval".
inline std::string form_name(const ::testing::TestParamInfo<Form>& each) {
  std::string name = std::string(each.param.task) + "_" + each.param.preset;
  std::ranges::replace(name, '-', '_');
  return name;
}

}  // namespace fathom::eval
