#include "cache/provisioner/progress_bar.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <string>

#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace oneagent {
namespace {

TEST(ProgressLineTest, SaysHowFarItIs) {
  EXPECT_EQ(ProgressLine("download 1.2", 210'000'000, 420'000'000, 100),
            "download 1.2 [###############...............]  50 %  "
            "210.0/420.0 MB");
  EXPECT_EQ(ProgressLine("unpack 1.2", 420'000'000, 420'000'000, 100),
            "unpack 1.2 [##############################] 100 %  "
            "420.0/420.0 MB");
  EXPECT_EQ(ProgressLine("download 1.2", 1'500'000, 0, 100),
            "download 1.2  1.5 MB");
  EXPECT_EQ(ProgressLine("download 1.2", 5, 1, 12), "download 1.2");
}

// What the program at the other end of a terminal gets to see.
std::string ReadAll(int fd) {
  std::array<char, 4096> buffer;
  const ssize_t n = read(fd, buffer.data(), buffer.size());
  return n <= 0 ? "" : std::string(buffer.data(), static_cast<size_t>(n));
}

// A terminal hands on what was written in its own time, in several pieces.
std::string ReadAtLeast(int fd, size_t size) {
  std::string text;
  pollfd readable = {.fd = fd, .events = POLLIN, .revents = 0};
  while (text.size() < size && poll(&readable, 1, /*timeout=*/10000) > 0) {
    const std::string piece = ReadAll(fd);
    if (piece.empty()) break;
    text += piece;
  }
  return text;
}

TEST(ProgressBarTest, DrawsOnATerminalAndWipesItsLine) {
  const UniqueFd master(
      posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  ASSERT_TRUE(master.ok());
  ASSERT_EQ(unlockpt(master.get()), 0);
  const UniqueFd terminal(
      open(ptsname(master.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(terminal.ok());
  ProgressBar bar(terminal.get());
  bar.Show("download 1.2", 0, 100);
  bar.Show("download 1.2", 1, 100);  // too soon to be drawn
  bar.Show("download 1.2", 100, 100);
  bar.Clear();
  bar.Clear();
  const std::string expected =
      "\r\x1b[Kdownload 1.2 [..............................]   0 %  "
      "0.0/0.0 MB"
      "\r\x1b[Kdownload 1.2 [##############################] 100 %  "
      "0.0/0.0 MB"
      "\r\x1b[K";
  EXPECT_EQ(ReadAtLeast(master.get(), expected.size()), expected);
}

TEST(ProgressBarTest, NothingIsWrittenElsewhere) {
  std::array<int, 2> ends;
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
  const UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  ProgressBar bar(writer.get());
  bar.Show("download 1.2", 100, 100);
  bar.Clear();
  EXPECT_EQ(ReadAll(reader.get()), "");
}

}  // namespace
}  // namespace oneagent
