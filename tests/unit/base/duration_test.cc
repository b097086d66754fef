#include "base/duration.h"

#include <string>

#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

struct GoodCase {
  const char* text;
  absl::Duration want;
};

TEST(GoDurationTest, ReadsWhatGoReads) {
  const GoodCase cases[] = {
      {"0", absl::ZeroDuration()},
      {"0s", absl::ZeroDuration()},
      {"10m", absl::Minutes(10)},
      {"10m0s", absl::Minutes(10)},
      {"1h2m3.5s", absl::Hours(1) + absl::Minutes(2) + absl::Seconds(3.5)},
      {"+5s", absl::Seconds(5)},
      {".5s", absl::Milliseconds(500)},
      {"1.s", absl::Seconds(1)},
      {"1500ms", absl::Milliseconds(1500)},
      {"3us", absl::Microseconds(3)},
      {"3\xC2\xB5s", absl::Microseconds(3)},
      {"3\xCE\xBCs", absl::Microseconds(3)},
      {"7ns", absl::Nanoseconds(7)},
      {"2562047h", absl::Hours(2562047)},
  };
  for (const GoodCase& test : cases) {
    EXPECT_THAT(ParseGoDuration(test.text), IsOkAndHolds(test.want))
        << test.text;
  }
}

TEST(GoDurationTest, RefusesEverythingElse) {
  for (const char* const text :
       {"", "10", "m", "10x", "-5m", "1h-2m", " 5s", "5s ", "1..5s", ".s", "s5",
        "99999999999999999999h", "2562048h", "1e3s", "5 s", "+", "."}) {
    EXPECT_THAT(ParseGoDuration(text),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         testing::HasSubstr("not of the form")))
        << text;
  }
}

TEST(GoDurationTest, WritesWhatItReads) {
  EXPECT_EQ(FormatGoDuration(absl::ZeroDuration()), "0s");
  EXPECT_EQ(FormatGoDuration(absl::Minutes(10)), "10m0s");
  EXPECT_EQ(FormatGoDuration(absl::Hours(1) + absl::Seconds(3.5)), "1h0m3.5s");
  EXPECT_EQ(FormatGoDuration(absl::Milliseconds(1500)), "1.5s");
  EXPECT_EQ(FormatGoDuration(absl::Microseconds(250)), "250us");
}

}  // namespace
}  // namespace oneagent
