#include "cache/provisioner/progress_bar.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"

namespace oneagent {
namespace {

constexpr absl::Duration kRedraw = absl::Milliseconds(100);
constexpr int kBarWidth = 30;
constexpr double kMegabyte = 1e6;
// Back to the first column, and everything after it wiped away.
constexpr char kWipe[] = "\r\x1b[K";

int Columns(int fd) {
  winsize size = {};
  if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

void Write(int fd, const std::string& text) {
  // Decoration: what does not get there is not missed.
  if (write(fd, text.data(), text.size()) < 0) return;
}

}  // namespace

std::string ProgressLine(absl::string_view label, int64_t done, int64_t total,
                         int width) {
  std::string line;
  if (total <= 0) {
    line = absl::StrFormat("%s  %.1f MB", label,
                           static_cast<double>(done) / kMegabyte);
  } else {
    const double share = std::clamp(
        static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0);
    const auto filled = static_cast<size_t>(share * kBarWidth);
    line = absl::StrFormat(
        "%s [%s%s] %3d %%  %.1f/%.1f MB", label, std::string(filled, '#'),
        std::string(kBarWidth - filled, '.'), static_cast<int>(share * 100),
        static_cast<double>(done) / kMegabyte,
        static_cast<double>(total) / kMegabyte);
  }
  // A line that wraps could not be wiped away again.
  line.resize(std::min(line.size(), static_cast<size_t>(std::max(width, 0))));
  return line;
}

ProgressBar::ProgressBar(int fd) : fd_(fd), is_terminal_(isatty(fd) == 1) {}

void ProgressBar::Show(absl::string_view label, int64_t done, int64_t total) {
  if (!is_terminal_) return;
  MutexLock lock(mu_);
  const absl::Time now = absl::Now();
  if (now - drawn_at_ < kRedraw && done != total) return;
  drawn_at_ = now;
  is_shown_ = true;
  Write(fd_, absl::StrCat(kWipe,
                          ProgressLine(label, done, total, Columns(fd_) - 1)));
}

void ProgressBar::Clear() {
  MutexLock lock(mu_);
  if (!is_shown_) return;
  is_shown_ = false;
  Write(fd_, kWipe);
}

}  // namespace oneagent
