#pragma once
// Where in a repository a problem is: files, then classes and functions, then lines. Internal to
// repair/.
#include <map>
#include <set>
#include <string>
#include <vector>

#include "eval/repair/edit_blocks.h"

namespace fathom::eval {

/// Files by how much their words have in common with the problem's: the sum over words of the
/// problem of tf / (tf + 1) * ln(1 + files / files with it). The best `count`.
std::vector<std::string> retrieved_files(const Files& files, const std::string& problem,
                                         size_t count);

/// "Which files" and what it answered: paths that are there, one a line, in its order, `count` at
/// most.
std::string files_question(const Files& files, const std::string& problem, size_t count);
std::vector<std::string> files_answered(const std::string& answer, const Files& files,
                                        size_t count);

/// "Which classes and functions": over the lines that begin one. The answer's names are looked up
/// in those lines.
std::string elements_question(const Files& files, const std::string& problem);
std::set<std::string> elements_answered(const std::string& answer, const Files& files);

/// Lines of each file, from 1 on.
using LineSets = std::map<std::string, std::set<i64>>;

/// "Which lines", over the bodies of `elements` (all of the files where there are none), and the
/// lines that it named as "PATH:FIRST-LAST" or "PATH:LINE".
std::string lines_question(const Files& files, const std::set<std::string>& elements,
                           const std::string& problem);
LineSets lines_answered(const std::string& answer, const Files& files);

/// The files' text around the lines, ten before and behind, as a question for edits; all of a file
/// without a line.
std::string edit_question(const Files& files, const LineSets& lines, const std::string& problem);

/// A question for a program that ends with another status than 0 as long as the problem is there.
std::string reproduction_question(const Files& files, const std::string& problem);
/// What stands in an answer's last fenced block; "": there is none.
std::string program_answered(const std::string& answer);

}  // namespace fathom::eval
