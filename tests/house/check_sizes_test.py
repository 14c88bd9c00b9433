"""check_sizes' brace scanner measures functions, and no namespace, class, lambda or string."""
import unittest

import tools

check_sizes = tools.load("tools/check_sizes.py")

SOURCE = '''\
#define OPEN {
namespace a {
struct View {
  int size() const { return 1; }  // line 4
  int many[2] = {1, 2};
};
const char* kBrace = "}}{";
// void no() {
void plain(int x) {  // line 9
  auto inner = [&](int y) {
    return x + y;
  };
  if (inner(1)) {
  }
}
template <typename T>
View make(
    T t) noexcept {
  return {};
}
}  // namespace a
'''


class CheckSizes(unittest.TestCase):
    def test_functions_are_measured(self):
        found = [(start, lines, signature.split("(")[0].split(" ")[-1])
                 for start, lines, signature in check_sizes.functions(SOURCE)]
        self.assertEqual(found, [(4, 1, "size"), (9, 7, "plain"), (16, 5, "make")])

    def test_grades(self):
        self.assertEqual([check_sizes.grade("function", n) for n in (40, 41, 61, 101)], [0, 1, 2, 3])


if __name__ == "__main__":
    unittest.main()
