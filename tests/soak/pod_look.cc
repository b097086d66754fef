// What a pod does in its volume: reads, writes, and looks for what others left.
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "tests/soak/pod_life.h"
#include "tests/soak/sample_agent.h"

namespace oneagent {
namespace {

constexpr char kConf[] = "agent/conf/ruxitagentproc.conf";
// The same name in every pod.
constexpr char kLog[] = "log/common.log";

}  // namespace

void PodLife::Look() {
  ++next_;
  if (model_.state() != VolumeModel::State::kShown) return;
  Note("look");
  Require(model_.JudgeLook(LookAt(call_.target_path)));
  if (model_.is_agent()) LookAtAgent();
}

// Every file of a leased agent stays readable, and of its version.
void PodLife::LookAtAgent() {
  const std::string& version = model_.shown().version;
  const int other = (plan_.sample + 7) % 50;
  std::string content;
  if (!ReadFile(Path(SamplePath(other)), &content) ||
      content != SampleContent(version, other)) {
    Require(absl::StrCat(SamplePath(other), ": is not ", version,
                         "'s: ", content.substr(0, 60)));
  }
  if (!ReadFile(Path(SamplePath(plan_.sample)), &content)) {
    Require(absl::StrCat(SamplePath(plan_.sample), ": errno ", errno));
  }
  const std::string wanted = sample_ == Written::kOwn
                                 ? plan_.pod
                                 : SampleContent(version, plan_.sample);
  if (sample_ != Written::kUnknown && content != wanted) {
    Require(absl::StrCat(SamplePath(plan_.sample),
                         ": is not as it was: ", content.substr(0, 60)));
  }
  if (!ReadFile(Path(kConf), &content) ||
      !absl::StrContains(content, "tenant abc12345")) {
    Require(absl::StrCat(kConf, ": names no tenant: ", content));
  }
  if (plan_.has_pod_layer &&
      !absl::StrContains(content, absl::StrCat("podName ", plan_.pod, "\n"))) {
    Require(absl::StrCat(kConf, ": does not name the pod: ", content));
  }
  LookAtLogs();
}

void PodLife::LookAtLogs() {
  const auto names = ListDirectory(Path("log"));
  if (!names.ok()) return Require(names.status().ToString());
  for (const std::string& name : *names) {
    if (log_ == Written::kNothing || name != "common.log") {
      Require(absl::StrCat("log/", name, ": of another pod"));
    }
  }
  std::string content;
  if (log_ != Written::kOwn) return;
  if (!ReadFile(Path(kLog), &content) || content != plan_.pod) {
    Require(absl::StrCat(kLog, ": what this pod wrote is gone: ", content));
  }
}

void PodLife::Write() {
  ++next_;
  if (model_.state() != VolumeModel::State::kShown) return;
  if (model_.shown().kind == TargetView::Kind::kBare) return;
  Note("write");
  if (plan_.read_only) return TryToWriteReadOnly();
  return model_.is_agent() ? WriteAgent() : WriteAnything();
}

void PodLife::TryToWriteReadOnly() {
  if (WriteFile(Path("written"), plan_.pod) || errno != EROFS) {
    Require(absl::StrCat("is not read-only: errno ", errno));
  }
}

void PodLife::WriteAgent() {
  const Weather before = world_.weather.Now();
  const auto write = [&](const std::string& path, Written& written) {
    if (WriteFile(Path(path), plan_.pod)) {
      written = Written::kOwn;
      return;
    }
    const int error = errno;
    written = Written::kUnknown;
    const bool may_fail =
        error == ENOSPC && MayHaveBeenFull(before, world_.weather.Now());
    if (!may_fail) Require(absl::StrCat("write ", path, ": errno ", error));
  };
  write(kLog, log_);
  write(SamplePath(plan_.sample), sample_);
}

// Host storage is shared by design, an empty volume is nobody else's: what this
// pod wrote is what it reads.
void PodLife::WriteAnything() {
  const Weather before = world_.weather.Now();
  const std::string path = Path(absl::StrCat("of-", plan_.pod));
  std::string content;
  const bool is_written = WriteFile(path, plan_.pod) &&
                          ReadFile(path, &content) && content == plan_.pod;
  const int error = errno;
  unlink(path.c_str());
  if (is_written || MayHaveBeenFull(before, world_.weather.Now())) return;
  Require(absl::StrCat("write ", path, ": errno ", error));
}

}  // namespace oneagent
