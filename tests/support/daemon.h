// A program that runs beside the test, its output in a file. Killed and reaped
// by the destructor. Not thread-safe.
#ifndef TESTS_SUPPORT_DAEMON_H_
#define TESTS_SUPPORT_DAEMON_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

namespace oneagent {

class Daemon {
 public:
  // Starts `argv` (argv[0] is a path) with stdout and stderr appended to
  // `log_path`. Aborts when it cannot be started. `before_exec` runs in the
  // child, as the last thing before the program.
  Daemon(const std::vector<std::string>& argv, std::string log_path,
         const std::function<void()>& before_exec = {});
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  pid_t pid() const { return pid_; }
  bool IsRunning();
  // SIGTERM, then waits. The exit code; 128 + signal when one ended it.
  int Terminate();
  // SIGKILL, then waits.
  void Kill();
  // Waits for the end without asking for it.
  int Wait();
  std::string Log() const;

 private:
  const std::string log_path_;
  pid_t pid_ = -1;
  int exit_code_ = -1;
};

struct ProgramResult {
  int exit_code = -1;
  std::string out;
  std::string err;
};

// Runs a program to its end. `environment` ("NAME=value") is added to ours.
ProgramResult RunProgram(const std::vector<std::string>& argv,
                         const std::vector<std::string>& environment = {});

}  // namespace oneagent

#endif  // TESTS_SUPPORT_DAEMON_H_
