#include "report/run/report_page.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "io/json.h"
#include "report/metrics/test_run.h"
#include "report/page/html_text.h"
#include "report/run/comparison_page.h"
#include "report/run/report_data.h"

namespace fathom::report {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

RunHistory small_run(const RunInfo& info = test_info(), const std::string& set = "web") {
  RunHistory history;
  history.add(info);
  for (i64 step = 1; step <= 20; ++step) {
    StepMetrics metrics = test_step(step);
    if (step == 7) metrics.skipped = "loss is nan <7>";
    history.add(metrics);
    if (step % 10 != 0) continue;
    history.add(test_validation(step, set, 0.1));
    history.add(test_validation(step, "code", 0.2));
  }
  return history;
}

std::string page_of(const RunHistory& history, bool alive = false) {
  return report_page(history, {1764040000.0, alive, 15.0});
}

/// The JSON between the page's data tags.
io::JsonValue data_of(const std::string& page) {
  const std::string open = "<script type=\"application/json\" id=\"data\">";
  const size_t begin = page.find(open) + open.size();
  return io::parse_json(page.substr(begin, page.find("</script>", begin) - begin), "data").value();
}

size_t length(const io::JsonValue* array) { return array->as_array().size(); }

// In the last half second of a minute: rounded, the seconds would belong to the next one.
TEST(ReportPage, TheTimeInSecondsAndInWordsIsOne) {
  const std::string page = report_page(small_run(), {1764039899.7, true, 15.0});
  EXPECT_THAT(page, HasSubstr("data-generated=\"1764039899\""));
  EXPECT_THAT(page, HasSubstr("2025-11-25 03:04 UTC"));
}

TEST(ReportPage, HoldsEverySeries) {
  const RunHistory history = small_run();
  const io::JsonValue data = data_of(page_of(history));
  const io::JsonValue* steps = data.find("steps");
  for (const StepCurve& curve : kStepCurves) {
    ASSERT_EQ(length(steps->find(curve.key)), 20u) << curve.key;
    EXPECT_NEAR(steps->find(curve.key)->as_array()[3].as_number(), curve.value(test_step(4)),
                1e-5 * std::abs(curve.value(test_step(4))))
        << curve.key;
  }
  for (const char* axis : {"step", "tokens", "seconds"}) {
    EXPECT_EQ(length(steps->find("x")->find(axis)), 20u);
  }
  ASSERT_EQ(length(steps->find("mtp_loss")), 2u);
  const io::JsonValue* layers = data.find("layers");
  ASSERT_EQ(length(layers->find("names")), 2u);
  for (const LayerCurve& curve : kLayerCurves) {
    ASSERT_EQ(length(layers->find(curve.key)), 2u) << curve.key;
    EXPECT_NEAR(layers->find(curve.key)->as_array()[1].as_array()[19].as_number(),
                curve.value(test_load(2, 4, 20)), 1e-5);
  }
  ASSERT_EQ(length(data.find("sets")), 2u);
  const io::JsonValue& web = data.find("sets")->as_array()[0];
  EXPECT_EQ(web.find("name")->as_string(), "web");
  EXPECT_EQ(length(web.find("loss")), 2u);
  EXPECT_EQ(length(web.find("bits_per_byte")), 2u);
  EXPECT_EQ(length(web.find("mtp")->find("loss")), 1u);
  EXPECT_EQ(length(web.find("acceptance")->find("share")), 1u);
  const io::JsonValue* shares = web.find("shares");
  EXPECT_EQ(length(shares->find("x")->find("step")), 2u);
  EXPECT_EQ(length(shares->find("layers")), 2u);
  EXPECT_EQ(shares->find("codes")->as_string().size(), base64(std::string(16, 'x')).size());
  EXPECT_NEAR(web.find("load")->as_array()[0].find("load")->as_array()[2].as_number(),
              4 * test_validation(20, "web", 0.1).load[0].share[2], 0.005);
  EXPECT_EQ(length(data.find("specialisation")->find("bits")), 2u);
  EXPECT_EQ(data.find("skipped")->as_array()[0].as_integer(), 7);
}

TEST(ReportPage, LoadsOverTimeAreOneByteEach) {
  const std::string codes =
      data_of(page_of(small_run())).find("shares")->find("codes")->as_string();
  std::string expected;
  for (i64 step = 1; step <= 20; ++step) {
    for (i64 layer = 1; layer <= 2; ++layer) {
      for (const double share : test_load(layer, 4, static_cast<double>(step)).share) {
        expected += static_cast<char>(load_code(4 * share));
      }
    }
  }
  EXPECT_EQ(codes, base64(expected));
}

TEST(ReportPage, LoadCodes) {
  EXPECT_EQ(load_code(0.0), 0);
  EXPECT_EQ(load_code(1e-9), 1);
  EXPECT_EQ(load_code(1.0 / 16), 1);
  EXPECT_EQ(load_code(16.0), 254);
  EXPECT_EQ(load_code(1000.0), 254);
  EXPECT_EQ(load_code(std::numeric_limits<double>::quiet_NaN()), 255);
  for (double load = 1.0 / 16; load <= 16.0; load *= 1.01) {
    const double back = std::exp2((load_code(load) - 1) * 8.0 / 253.0 - 4.0);  // heatmap.js
    EXPECT_NEAR(back / load, 1.0, 0.012) << load;
  }
}

TEST(ReportPage, TheLatestNumbersNeedNoScript) {
  std::string page = page_of(small_run());
  page.erase(page.find("<script"));
  EXPECT_THAT(page, HasSubstr("step <b>20</b> of 100"));
  EXPECT_THAT(page, HasSubstr(fmt::format("{:.4f}", test_validation(20, "code", 0.2).loss)));
  EXPECT_THAT(page, HasSubstr("model.layers.2"));
  EXPECT_THAT(page, HasSubstr("loss is nan &lt;7&gt;"));
  EXPECT_THAT(page, HasSubstr("n_routed_experts = 4"));
  EXPECT_THAT(page, HasSubstr("no end recorded"));
}

TEST(ReportPage, NamesCannotBecomeMarkup) {
  const std::string evil = "</script><script>alert('x')</script>\"'&{{data}}\x01\xff";
  RunInfo info = test_info();
  info.title = info.config = evil;
  info.facts = {{evil, evil}};
  RunHistory history = small_run(info, evil);
  StepMetrics metrics = test_step(21);
  metrics.skipped = evil;
  metrics.load[0].layer = evil;
  history.add(metrics);
  history.add(RunEnd{21, RunState::kFailed, evil});
  const auto count = [](const std::string& text, std::string_view part) {
    size_t found = 0;
    for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
    return found;
  };
  for (const bool alive : {false, true}) {
    const std::string page = page_of(history, alive);
    const std::string plain = page_of(small_run(), alive);
    EXPECT_EQ(count(page, "<script"), count(plain, "<script"));
    EXPECT_EQ(count(page, "</script"), count(plain, "</script"));
    EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
    EXPECT_THAT(data_of(page).find("title")->as_string(), HasSubstr("</script><script>alert("));
  }
  const ComparedRun runs[] = {{evil, history}, {"other", small_run()}};
  const std::string page = comparison_page(runs, 1.0);
  const ComparedRun plain_runs[] = {{"one", small_run()}, {"other", small_run()}};
  EXPECT_EQ(count(page, "<script"), count(comparison_page(plain_runs, 1.0), "<script"));
  EXPECT_EQ(count(page, "</script"), count(comparison_page(plain_runs, 1.0), "</script"));
}

TEST(ReportPage, NothingComesFromElsewhere) {
  const ComparedRun runs[] = {{"one", small_run()}, {"other", small_run()}};
  for (std::string page : {page_of(small_run(), true), comparison_page(runs, 1.0)}) {
    const std::string space = "http://www.w3.org/2000/svg";  // a name, not an address to load
    for (size_t at; (at = page.find(space)) != page.npos;) page.erase(at, space.size());
    for (const char* part : {"http:", "https:", " src=", "href=", "@import", "url(\"", "url('",
                             "import(", "fetch(", "XMLHttpRequest", "innerHTML"}) {
      EXPECT_EQ(page.find(part), page.npos) << part;
    }
    EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  }
}

TEST(ReportPage, OnlyALivingRunLoadsItselfAgain) {
  RunHistory history = small_run();
  EXPECT_THAT(page_of(history, true), HasSubstr("http-equiv=\"refresh\" content=\"15\""));
  EXPECT_THAT(page_of(history, true), HasSubstr("data-reload-s=\"15\""));
  EXPECT_THAT(page_of(history, false), Not(HasSubstr("http-equiv=\"refresh\"")));
  EXPECT_THAT(page_of(history, false), HasSubstr("data-reload-s=\"0\""));
  history.add(RunEnd{20, RunState::kFinished, ""});
  EXPECT_THAT(page_of(history, true), HasSubstr("data-reload-s=\"0\""));
}

TEST(ReportPage, LongRunsOfManyExpertsStaySmall) {
  RunHistory history;
  history.add(test_info());
  for (i64 step = 1; step <= 3000; ++step) {
    StepMetrics metrics = test_step(step, 0);
    if (step % 25 == 0) metrics = test_step(step, 58, 256);
    history.add(metrics);
    if (step % 1000 != 0) continue;
    for (const char* set : {"a", "b", "c"}) history.add(test_validation(step, set, 0.1, 58, 256));
  }
  const std::string page = page_of(history);
  EXPECT_LT(page.size(), size_t{4} << 20);
  const size_t points = length(data_of(page).find("steps")->find("loss"));
  EXPECT_LE(points, 1024u);
  EXPECT_GE(points, 512u);
  EXPECT_NE(data_of(page).find("steps")->find("range"), nullptr);
}

TEST(ReportPage, ARunWithoutStepsHasAPage) {
  RunHistory history;
  EXPECT_THAT(page_of(history), HasSubstr("untitled run"));
  history.add(test_info());
  EXPECT_THAT(page_of(history, true), HasSubstr("waiting for the first step"));
  EXPECT_EQ(length(data_of(page_of(history)).find("sets")), 0u);
}

TEST(ComparisonPage, FindsWhatDiffers) {
  RunInfo other = test_info();
  other.config = "seed = 2 \n# seed = 3\n[model]\nn_routed_experts = 4\nfp8 = true\n";
  other.facts = {{"parameters", "2.7 M"}};
  const ComparedRun runs[] = {{"one", small_run()}, {"two", small_run(other)}};
  const auto variations = config_variations(runs);
  ASSERT_EQ(variations.size(), 2u);
  EXPECT_EQ(variations[0].key, "seed");
  EXPECT_THAT(variations[0].values, ElementsAre("1", "2"));
  EXPECT_EQ(variations[1].key, "model.fp8");
  EXPECT_THAT(variations[1].values, ElementsAre("", "true"));
  const std::string page = comparison_page(runs, 1764040000.0);
  EXPECT_THAT(page, HasSubstr("model.fp8"));
  const io::JsonValue data = data_of(page);
  ASSERT_EQ(length(&data), 2u);
  EXPECT_EQ(data.as_array()[1].find("label")->as_string(), "two");
  EXPECT_EQ(data.as_array()[1].find("shares"), nullptr);
}

TEST(HtmlText, EscapesAndReplaces) {
  EXPECT_EQ(html_escape("a<b>&\"'é\n"), "a&lt;b&gt;&amp;&quot;&#39;é\n");
  EXPECT_EQ(html_escape("\x1b\xc3(\xe2\x82"), "\xEF\xBF\xBD\xEF\xBF\xBD(\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(script_string("</script>\n\""), "\"\\u003c/script>\\n\\\"\"");
  EXPECT_EQ(script_number(1.0 / 3), "0.333333");
  EXPECT_EQ(script_number(std::numeric_limits<double>::infinity()), "null");
  EXPECT_EQ(base64("M"), "TQ==");
  EXPECT_EQ(base64("Ma"), "TWE=");
  EXPECT_EQ(base64("Man"), "TWFu");
  EXPECT_EQ(fill_page("a {{x}} {{y}}", {{"x", "{{y}}"}, {"y", "2"}}), "a {{y}} 2");
  EXPECT_EQ(format_seconds(59.6), "1 min 00 s");
  EXPECT_EQ(format_seconds(7500), "2 h 05 min");
  EXPECT_EQ(format_utc(1764039600.0), "2025-11-25 03:00 UTC");
}

}  // namespace
}  // namespace fathom::report
