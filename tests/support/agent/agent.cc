// A small real agent for tests and the demo: a shared library that a process
// loads by LD_PRELOAD=<volume>/agent/lib64/liboneagentproc.so. It reads its
// layered agent/conf/ruxitagentproc.conf and appends one line with tenant, pod
// and version to <volume>/log/agent.log, or writes it to stderr where the
// volume is read-only. It finds its volume by its own path, as a real agent
// does, and uses libc alone: it runs inside of somebody else's process.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

constexpr char kVersion[] = AGENT_VERSION;
constexpr char kLibrary[] = "/agent/lib64/liboneagentproc.so";

// Writes the volume's path to `root`; false when this library was not loaded
// from a volume.
bool FindRoot(char (&root)[PATH_MAX]) {
  Dl_info info;
  if (dladdr(&kVersion, &info) == 0 || info.dli_fname == nullptr) return false;
  const size_t length = strlen(info.dli_fname);
  const size_t tail = sizeof(kLibrary) - 1;
  if (length <= tail || length >= sizeof(root)) return false;
  if (strcmp(info.dli_fname + length - tail, kLibrary) != 0) return false;
  memcpy(root, info.dli_fname, length - tail);
  root[length - tail] = '\0';
  return true;
}

// Value of `key` in section [general]; `value` keeps its content when there is
// none.
void ReadGeneral(const char* root, const char* key, char (&value)[256]) {
  char path[PATH_MAX + 64];
  snprintf(path, sizeof(path), "%s/agent/conf/ruxitagentproc.conf", root);
  FILE* const file = fopen(path, "re");
  if (file == nullptr) return;
  char line[1024];
  bool in_general = false;
  const size_t key_length = strlen(key);
  while (fgets(line, sizeof(line), file) != nullptr) {
    line[strcspn(line, "\r\n")] = '\0';
    if (line[0] == '[') in_general = strcmp(line, "[general]") == 0;
    if (in_general && strncmp(line, key, key_length) == 0 &&
        line[key_length] == ' ') {
      snprintf(value, sizeof(value), "%s", line + key_length + 1);
    }
  }
  fclose(file);
}

__attribute__((constructor)) void Report() {
  char root[PATH_MAX];
  if (!FindRoot(root)) return;
  char tenant[256] = "unknown";
  char pod[256] = "unknown";
  ReadGeneral(root, "tenant", tenant);
  ReadGeneral(root, "podName", pod);
  char line[1024];
  const int length =
      snprintf(line, sizeof(line), "agent loaded tenant=%s pod=%s version=%s\n",
               tenant, pod, kVersion);
  if (length <= 0) return;
  char path[PATH_MAX + 64];
  snprintf(path, sizeof(path), "%s/log/agent.log", root);
  const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const int out = fd >= 0 ? fd : STDERR_FILENO;
  if (write(out, line, static_cast<size_t>(length)) < 0) return;
  if (fd >= 0) close(fd);
}

}  // namespace
