#include "tests/support/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

pid_t Start(const std::vector<std::string>& argv,
            const std::vector<std::string>& environment, const char* out_path,
            const char* err_path,
            const std::function<void()>& before_exec = {}) {
  std::vector<char*> words;
  for (const std::string& word : argv) {
    words.push_back(const_cast<char*>(word.c_str()));
  }
  words.push_back(nullptr);
  constexpr int kFlags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
  // There to be read before the program has said anything.
  UniqueFd(open(out_path, kFlags, 0600));
  const pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (dup2(open("/dev/null", O_RDONLY), 0) < 0 ||
      dup2(open(out_path, kFlags, 0600), 1) < 0 ||
      dup2(open(err_path, kFlags, 0600), 2) < 0) {
    _exit(127);
  }
  for (int fd = 3; fd < 256; ++fd) close(fd);
  for (const std::string& variable : environment) {
    putenv(const_cast<char*>(variable.c_str()));
  }
  if (before_exec) before_exec();
  execv(words[0], words.data());
  perror(words[0]);
  _exit(127);
}

int WaitFor(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

Daemon::Daemon(const std::vector<std::string>& argv, std::string log_path,
               const std::function<void()>& before_exec)
    : log_path_(std::move(log_path)),
      pid_(Start(argv, {}, log_path_.c_str(), log_path_.c_str(), before_exec)) {
  if (pid_ < 0) {
    perror("fork");
    abort();
  }
}

Daemon::~Daemon() {
  if (pid_ > 0) Kill();
}

bool Daemon::IsRunning() {
  if (pid_ <= 0) return false;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) == 0) return true;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  pid_ = -1;
  return false;
}

int Daemon::Terminate() {
  if (pid_ > 0) kill(pid_, SIGTERM);
  return Wait();
}

void Daemon::Kill() {
  if (pid_ > 0) kill(pid_, SIGKILL);
  Wait();
}

int Daemon::Wait() {
  if (pid_ > 0) exit_code_ = WaitFor(std::exchange(pid_, -1));
  return exit_code_;
}

std::string Daemon::Log() const { return ReadTestFile(log_path_); }

ProgramResult RunProgram(const std::vector<std::string>& argv,
                         const std::vector<std::string>& environment) {
  TempDir dir;
  const std::string out = dir.WriteFile("out", "");
  const std::string err = dir.WriteFile("err", "");
  ProgramResult result;
  result.exit_code =
      WaitFor(Start(argv, environment, out.c_str(), err.c_str()));
  result.out = ReadTestFile(out);
  result.err = ReadTestFile(err);
  return result;
}

}  // namespace oneagent
