#include "cache/kube/watch_decoder.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Type = WatchEvent::Type;

std::string Line(const std::string& type, const std::string& name,
                 const std::string& version) {
  return absl::StrCat(R"({"type":")", type,
                      R"(","object":{"kind":"Secret","metadata":{"name":")",
                      name, R"(","resourceVersion":")", version,
                      R"(","managedFields":[{"fieldsV1":{"f:data":{}}}]}}})",
                      "\n");
}

TEST(WatchDecoderTest, TakesLinesApartHoweverTheyArrive) {
  const std::string text =
      absl::StrCat(Line("ADDED", "a", "1"), "\n", Line("MODIFIED", "a", "2"),
                   Line("DELETED", "a", "3"),
                   R"({"type":"BOOKMARK","object":{"metadata":)"
                   R"({"resourceVersion":"9"}}})",
                   "\r\n");
  for (const size_t piece : {size_t{1}, size_t{7}, text.size()}) {
    WatchDecoder decoder;
    std::vector<WatchEvent> events;
    for (size_t at = 0; at < text.size(); at += piece) {
      ASSERT_OK(
          decoder.Feed(absl::string_view(text).substr(at, piece), &events));
    }
    ASSERT_EQ(events.size(), 4u);
    EXPECT_EQ(events[0].type, Type::kAdded);
    EXPECT_EQ(events[0].name, "a");
    EXPECT_EQ(events[0].line + "\n", Line("ADDED", "a", "1"));
    EXPECT_EQ(events[1].type, Type::kModified);
    EXPECT_EQ(events[1].resource_version, "2");
    EXPECT_EQ(events[2].type, Type::kDeleted);
    EXPECT_EQ(events[3].type, Type::kBookmark);
    EXPECT_EQ(events[3].resource_version, "9");
  }
}

TEST(WatchDecoderTest, ReadsWhatAnErrorSays) {
  WatchDecoder decoder;
  std::vector<WatchEvent> events;
  ASSERT_OK(decoder.Feed(
      R"({"type":"ERROR","object":{"kind":"Status","metadata":{},)"
      R"("status":"Failure","message":"too old\nversion","reason":"Expired",)"
      R"("code":410}})"
      "\n",
      &events));
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].type, Type::kError);
  EXPECT_EQ(events[0].code, 410);
  EXPECT_EQ(events[0].reason, "Expired");
  EXPECT_EQ(events[0].message, "too old version");
}

TEST(WatchDecoderTest, KeepsWhatCameBeforeABrokenLine) {
  for (
      const std::string broken :
      {"<html>SECRET</html>", "{\"type\":\"ADDED\"}", "{\"type\":\"SECRET\"}",
       "[]", R"({"type":"ADDED","object":{"metadata":{"name":"a"}}})",
       R"({"type":"ADDED","object":{"metadata":{"name":["SECRET"]}}})",
       R"({"type":"MODIFIED","object":{"metadata":{"resourceVersion":"1"}}})"}) {
    WatchDecoder decoder;
    std::vector<WatchEvent> events;
    EXPECT_THAT(decoder.Feed(absl::StrCat(Line("ADDED", "a", "1"), broken, "\n",
                                          Line("ADDED", "b", "2")),
                             &events),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("watch: "), Not(HasSubstr("SECRET")))))
        << broken;
    EXPECT_EQ(events.size(), 1u) << broken;
    EXPECT_THAT(decoder.Feed(Line("ADDED", "c", "3"), &events),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << "nothing is read after an error";
    EXPECT_EQ(events.size(), 1u);
  }
}

TEST(WatchDecoderTest, BoundsALine) {
  WatchDecoder decoder;
  std::vector<WatchEvent> events;
  const std::string piece(1 << 20, ' ');
  for (size_t sent = piece.size(); sent <= WatchDecoder::kMaxLine;
       sent += piece.size()) {
    ASSERT_OK(decoder.Feed(piece, &events));
  }
  EXPECT_THAT(decoder.Feed("x", &events),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

}  // namespace
}  // namespace oneagent
