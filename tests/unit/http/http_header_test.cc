#include "cache/http/http_header.h"

#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace oneagent {
namespace {

using testing::FieldsAre;
using testing::Optional;

TEST(ContentRangeTest, IsRead) {
  EXPECT_THAT(ParseContentRange("bytes 100-199/1000"),
              Optional(FieldsAre(100, 199, 1000)));
  EXPECT_THAT(ParseContentRange(" bytes 0-0/* "),
              Optional(FieldsAre(0, 0, -1)));
  EXPECT_THAT(ParseContentRange("bytes */1000"),
              Optional(FieldsAre(-1, -1, 1000)));
}

TEST(ContentRangeTest, NonsenseIsNone) {
  for (const char* value :
       {"", "bytes", "bytes ", "bytes 1-2", "bytes /", "bytes */*",
        "bytes 2-1/10", "bytes 5-10/10", "bytes -1-2/10", "bytes 1-/10",
        "bytes +1-2/10", "bytes 1- 2/10", "items 1-2/10", "bytes=1-2/10",
        "bytes 1-2/99999999999999999999", "bytes 1-2-3/10"}) {
    EXPECT_THAT(ParseContentRange(value).has_value(), false) << value;
  }
}

TEST(RetryAfterTest, SecondsAndDatesAreRead) {
  // 2026-11-22T10:00:00Z
  const absl::Time now = absl::FromUnixSeconds(1795341600);
  EXPECT_THAT(ParseRetryAfter("120", now), Optional(absl::Seconds(120)));
  EXPECT_THAT(ParseRetryAfter(" 0 ", now), Optional(absl::ZeroDuration()));
  EXPECT_THAT(ParseRetryAfter("Sun, 22 Nov 2026 10:01:30 GMT", now),
              Optional(absl::Seconds(90)));
  EXPECT_THAT(ParseRetryAfter("Sunday, 22-Nov-26 10:01:30 GMT", now),
              Optional(absl::Seconds(90)));
  EXPECT_THAT(ParseRetryAfter("Sun, 22 Nov 2026 09:00:00 GMT", now),
              Optional(absl::ZeroDuration()));
}

TEST(RetryAfterTest, NonsenseIsNone) {
  const absl::Time now = absl::FromUnixSeconds(1795341600);
  for (const char* value : {"", "soon", "-5", "1.5", "1 2"}) {
    EXPECT_EQ(ParseRetryAfter(value, now), std::nullopt) << value;
  }
}

TEST(ETagTest, OnlyStrongOnesCount) {
  EXPECT_EQ(StrongETag("\"abc\""), "\"abc\"");
  EXPECT_EQ(StrongETag("\"\""), "\"\"");
  EXPECT_EQ(StrongETag("W/\"abc\""), "");
  EXPECT_EQ(StrongETag("abc"), "");
  EXPECT_EQ(StrongETag("\""), "");
  EXPECT_EQ(StrongETag("\"a b\""), "");
  EXPECT_EQ(StrongETag("\"a\r\nX: y\""), "");
  EXPECT_EQ(StrongETag("\"" + std::string(600, 'x') + "\""), "");
}

TEST(HttpHeaderTest, KnowsPagesByTheirType) {
  EXPECT_TRUE(IsPageType("text/html"));
  EXPECT_TRUE(IsPageType(" Text/HTML ; charset=utf-8"));
  EXPECT_TRUE(IsPageType("application/xhtml+xml"));
  EXPECT_FALSE(IsPageType("application/json"));
  EXPECT_FALSE(IsPageType(""));
}

}  // namespace
}  // namespace oneagent
