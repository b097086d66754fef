#include "base/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "tests/support/fake_clock.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

class LogTest : public testing::Test {
 protected:
  void SetUp() override {
    fd_ = open(dir_.Path("log").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ASSERT_GE(fd_, 0);
  }
  void TearDown() override { close(fd_); }
  Log Make(LogFormat format, LogLevel level = LogLevel::kInfo) {
    return Log(
        {.component = "mounter", .level = level, .format = format, .fd = fd_},
        clock_);
  }
  std::string Written() { return ReadTestFile(dir_.Path("log")); }

  TempDir dir_;
  FakeClock clock_;
  int fd_ = -1;
};

TEST_F(LogTest, TextLineHasTimeLevelComponentAndFields) {
  Make(LogFormat::kText)
      .Info("volume published", {{"volume", "csi-1"}, {"pod", "a b"}});
  EXPECT_EQ(Written(),
            "2026-11-22T10:00:00.000Z INFO mounter volume published "
            "volume=csi-1 pod=\"a b\"\n");
}

TEST_F(LogTest, JsonLineEscapesWhatAPodMaySend) {
  Make(LogFormat::kJson).Error("no", {{"pod", "a\"\\\n\x01z"}});
  EXPECT_EQ(Written(),
            "{\"time\":\"2026-11-22T10:00:00.000Z\",\"level\":\"error\","
            "\"component\":\"mounter\",\"message\":\"no\","
            "\"pod\":\"a\\\"\\\\\\n\\u0001z\"}\n");
}

TEST_F(LogTest, NoValueBreaksALine) {
  Make(LogFormat::kText).Warning("x", {{"k", "one\ntwo"}, {"e", ""}});
  EXPECT_EQ(Written(),
            "2026-11-22T10:00:00.000Z WARNING mounter x "
            "k=\"one\\ntwo\" e=\"\"\n");
}

TEST_F(LogTest, LinesBelowTheLevelAreNotWritten) {
  const Log log = Make(LogFormat::kText, LogLevel::kWarning);
  log.Debug("a");
  log.Info("b");
  EXPECT_EQ(Written(), "");
}

TEST(LogFlagTest, NamesOfLevelsAndFormats) {
  EXPECT_THAT(ParseLogLevel("debug"), IsOkAndHolds(LogLevel::kDebug));
  EXPECT_THAT(ParseLogLevel("error"), IsOkAndHolds(LogLevel::kError));
  EXPECT_THAT(ParseLogLevel("loud"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ParseLogFormat("json"), IsOkAndHolds(LogFormat::kJson));
  EXPECT_THAT(ParseLogFormat("xml"),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace oneagent
