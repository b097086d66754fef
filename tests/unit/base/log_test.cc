#include "base/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <csignal>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
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
  Log Make(LogFormat format, LogLevels level = LogLevel::kInfo) {
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

TEST_F(LogTest, NothingThatATerminalObeysIsWritten) {
  // ESC, CSI as one character (U+009B), right-to-left override, no UTF-8.
  const std::string hostile =
      "a\x1b[2J\xc2\x9b"
      "2J\xe2\x80\xae\xff\xc3\xbcz";
  Make(LogFormat::kText).Info("m", {{"k", hostile}});
  Make(LogFormat::kJson).Info("m", {{"k", hostile}});
  const std::string shown = "a\\u001b[2J\\u009b2J\\u202e\\ufffd\xc3\xbcz";
  EXPECT_EQ(Written(),
            absl::StrCat("2026-11-22T10:00:00.000Z INFO mounter m k=\"", shown,
                         "\"\n{\"time\":\"2026-11-22T10:00:00.000Z\",\"level\":"
                         "\"info\",\"component\":\"mounter\",\"message\":\"m\","
                         "\"k\":\"",
                         shown, "\"}\n"));
}

TEST_F(LogTest, LinesBelowTheLevelAreNotWritten) {
  const Log log = Make(LogFormat::kText, LogLevel::kWarning);
  log.Debug("a");
  log.Info("b");
  EXPECT_EQ(Written(), "");
}

// A pipe whose reader does not read.
class StalledLogTest : public testing::Test {
 protected:
  void SetUp() override {
    int fds[2];
    ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
    read_end_.Reset(fds[0]);
    write_end_.Reset(fds[1]);
  }
  // What is in the pipe; at least one byte.
  std::string Read() {
    std::string text(1 << 20, '\0');
    const ssize_t count = read(read_end_.get(), text.data(), text.size());
    EXPECT_GT(count, 0);
    text.resize(static_cast<size_t>(count));
    return text;
  }

  UniqueFd read_end_;
  UniqueFd write_end_;
  FakeClock clock_;
};

TEST_F(StalledLogTest, DropsLinesInsteadOfWaitingAndSaysHowMany) {
  const Log log({.component = "mounter", .fd = write_end_.get()}, clock_);
  constexpr int kLines = 10'000;  // a pipe takes 64 KiB
  for (int i = 0; i < kLines; ++i) log.Info("line", {{"n", "0123456789"}});
  const std::string first = Read();
  const int64_t written = std::count(first.begin(), first.end(), '\n');
  EXPECT_EQ(first.back(), '\n');
  EXPECT_LT(written, kLines);
  log.Info("again");
  log.Info("and again");
  EXPECT_EQ(Read(), absl::StrCat(
                        "2026-11-22T10:00:00.000Z INFO mounter again "
                        "dropped_lines=",
                        kLines - written,
                        "\n2026-11-22T10:00:00.000Z INFO mounter and again\n"));
}

TEST_F(StalledLogTest, LongValuesAreCutSoThatNoLineNeedsASecondPage) {
  const Log log({.component = "mounter",
                 .format = LogFormat::kJson,
                 .fd = write_end_.get()},
                clock_);
  log.Error("failed", {{"error", std::string(100'000, '\n')}, {"pod", "p"}});
  const std::string line = Read();
  EXPECT_LE(line.size(), size_t{PIPE_BUF});
  EXPECT_GT(line.size(), size_t{PIPE_BUF} / 3);
  EXPECT_THAT(line, testing::EndsWith("\\n...\",\"pod\":\"p\"}\n"));
}

TEST_F(StalledLogTest, AReaderThatWentAwayIsNoObstacle) {
  const Log log({.component = "mounter", .fd = write_end_.get()}, clock_);
  read_end_.Reset();
  const auto old = std::signal(SIGPIPE, SIG_IGN);
  log.Info("nobody reads");
  std::signal(SIGPIPE, old);
}

TEST_F(LogTest, ComponentsLogAtTheirOwnLevel) {
  const Log log = Make(
      LogFormat::kText,
      LogLevels(LogLevel::kWarning,
                {{"node", LogLevel::kDebug}, {"volumes", LogLevel::kError}}));
  const Log node = log.For("node");
  const Log volumes = log.For("volumes");
  const Log socket = log.For("socket");
  node.Debug("seen");
  volumes.Warning("not seen");
  volumes.Error("seen");
  socket.Info("not seen");
  socket.Warning("seen");
  log.Info("not seen");
  EXPECT_EQ(Written(),
            "2026-11-22T10:00:00.000Z DEBUG mounter/node seen\n"
            "2026-11-22T10:00:00.000Z ERROR mounter/volumes seen\n"
            "2026-11-22T10:00:00.000Z WARNING mounter/socket seen\n");
}

TEST_F(StalledLogTest, ComponentsCountDroppedLinesTogether) {
  const Log log({.component = "mounter", .fd = write_end_.get()}, clock_);
  const Log node = log.For("node");
  const Log volumes = log.For("volumes");
  constexpr int kLines = 5'000;  // twice; a pipe takes 64 KiB
  for (int i = 0; i < kLines; ++i) {
    node.Info("line", {{"n", "0123456789"}});
    volumes.Info("line", {{"n", "0123456789"}});
  }
  const std::string first = Read();
  const int64_t written = std::count(first.begin(), first.end(), '\n');
  volumes.Info("again");
  node.Info("and again");
  EXPECT_EQ(Read(),
            absl::StrCat("2026-11-22T10:00:00.000Z INFO mounter/volumes again "
                         "dropped_lines=",
                         2 * kLines - written,
                         "\n2026-11-22T10:00:00.000Z INFO mounter/node and "
                         "again\n"));
}

constexpr absl::string_view kComponents[] = {"node", "volumes"};

TEST(LogFlagTest, OneLevelIsForAll) {
  EXPECT_THAT(ParseLogLevels("debug", kComponents),
              IsOkAndHolds(LogLevels(LogLevel::kDebug)));
  EXPECT_THAT(ParseLogLevels("error", kComponents),
              IsOkAndHolds(LogLevels(LogLevel::kError)));
}

TEST(LogFlagTest, ComponentsHaveLevelsBesideIt) {
  const LogLevels want(LogLevel::kWarning, {{"volumes", LogLevel::kDebug}});
  for (const char* const text :
       {"warning,volumes=debug", "volumes=debug,warning"}) {
    EXPECT_THAT(ParseLogLevels(text, kComponents), IsOkAndHolds(want));
  }
  EXPECT_THAT(ParseLogLevels("node=error,volumes=debug", kComponents),
              IsOkAndHolds(
                  LogLevels(LogLevel::kInfo, {{"node", LogLevel::kError},
                                              {"volumes", LogLevel::kDebug}})));
}

TEST(LogFlagTest, WrongLevelsAreRefusedWithWhatCouldStandThere) {
  const struct {
    const char* text;
    const char* want;
  } kCases[] = {
      {"loud", "not one of debug, info, warning, error"},
      {"", "not one of debug, info, warning, error"},
      {"node=", "not one of debug, info, warning, error"},
      {"info,", ": not one of debug, info, warning, error"},
      {"info,node=x", "node=x: not one of debug, info, warning, error"},
      {"node=debug=info", "not one of debug, info, warning, error"},
      {"wombat=debug", "no such component; components: node, volumes"},
      {"info,=debug", "=debug: no such component; components: node, volumes"},
      {"info,\x1b=debug",
       "\\x1b=debug: no such component; components: node, volumes"},
      {"info,debug", "debug: a second level for all components"},
      {"node=debug,node=info", "node=info: a second level for this component"},
  };
  for (const auto& test : kCases) {
    EXPECT_THAT(ParseLogLevels(test.text, kComponents),
                StatusIs(absl::StatusCode::kInvalidArgument, test.want));
  }
}

TEST(LogFlagTest, NamesOfFormats) {
  EXPECT_THAT(ParseLogFormat("json"), IsOkAndHolds(LogFormat::kJson));
  EXPECT_THAT(ParseLogFormat("xml"),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace oneagent
