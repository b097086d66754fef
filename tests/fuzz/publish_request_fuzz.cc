// Whatever arrives as a NodePublishVolumeRequest: from the bytes on the wire
// through every check, on a kubelet's directory with links planted in it. What
// is accepted may be used as a directory's name and as lines of a file, and
// its target is that pod's own; what is refused is refused in one line; what
// is logged of it is one printable line.
#include <fcntl.h>
#include <google/protobuf/stubs/logging.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/trash.h"
#include "base/unique_fd.h"
#include "cache/index/layout.h"
#include "csi/publish_message.h"
#include "csi/volume_request.h"
#include "overlay/target_resolver.h"
#include "proto/csi.pb.h"

namespace {

using oneagent::Log;
using oneagent::LogFormat;
using oneagent::PublishRequest;
using oneagent::RawPublishRequest;
using oneagent::TargetResolver;

// Inputs name targets below this one.
constexpr char kNamedKubelet[] = "/var/lib/kubelet";

void Check(bool holds) {
  if (!holds) abort();
}

// A kubelet's directory with one pod, and links where a pod might plant them.
class Sandbox {
 public:
  Sandbox() {
    // As in the mounter, which says itself what it refuses.
    google::protobuf::SetLogHandler(nullptr);
    std::string pattern = "/tmp/oa.XXXXXX";
    Check(mkdtemp(pattern.data()) != nullptr);
    root_ = pattern;
    std::string path = root_;
    for (const char* const below :
         {"kubelet", "pods", "0f", "volumes", "kubernetes.io~csi", "agent"}) {
      absl::StrAppend(&path, "/", below);
      Check(mkdir(path.c_str(), 0750) == 0);
    }
    Check(symlink("/", (path + "/../evil").c_str()) == 0);
    Check(symlink("/", (kubelet() + "/pods/link").c_str()) == 0);
    auto targets =
        TargetResolver::Open(kubelet(), oneagent::TargetCheck::kKubelet);
    Check(targets.ok());
    targets_ = *std::move(targets);
    log_ = oneagent::UniqueFd(
        open((root_ + "/log").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    Check(log_.ok());
  }
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  void Delete() const { (void)oneagent::DeleteTree(root_); }

  std::string kubelet() const { return root_ + "/kubelet"; }
  const TargetResolver& targets() const { return *targets_; }

  // The line that the log writes for these fields.
  std::string Logged(LogFormat format, const oneagent::LogFields& fields) {
    Check(ftruncate(log_.get(), 0) == 0 && lseek(log_.get(), 0, SEEK_SET) == 0);
    const oneagent::SystemClock clock;
    Log({.component = "fuzz", .format = format, .fd = log_.get()}, clock)
        .Warning("NodePublishVolume", fields);
    std::string line(PIPE_BUF + 1, '\0');
    const ssize_t length = pread(log_.get(), line.data(), line.size(), 0);
    Check(length > 0);
    line.resize(static_cast<size_t>(length));
    return line;
  }

 private:
  std::string root_;
  std::unique_ptr<TargetResolver> targets_;
  oneagent::UniqueFd log_;
};

void CheckPrintable(absl::string_view line) {
  while (!line.empty()) {
    const size_t length = oneagent::Utf8SequenceLength(line);
    Check(length > 0);
    Check(!oneagent::IsControlSequence(line.substr(0, length)));
    line.remove_prefix(length);
  }
}

void CheckRefusal(const absl::Status& status) {
  Check(absl::IsInvalidArgument(status));
  Check(status.message().size() < 1024);
  CheckPrintable(status.message());
}

void CheckLogged(Sandbox& sandbox, const RawPublishRequest& raw,
                 const absl::Status& status) {
  const oneagent::RequestOrigin origin = oneagent::OriginOf(raw);
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    const std::string line =
        sandbox.Logged(format, {{"volume", raw.volume_id},
                                {"target", raw.target_path},
                                {"pod", origin.pod},
                                {"namespace", origin.namespace_name},
                                {"dynakube", origin.dynakube},
                                {"error", std::string(status.message())}});
    Check(line.size() <= PIPE_BUF && line.back() == '\n');
    CheckPrintable(absl::StripSuffix(line, "\n"));
  }
}

void CheckAccepted(const PublishRequest& request) {
  Check(oneagent::IsVolumeId(request.volume_id));
  Check(oneagent::IsVolumeId(request.pod_uid));
  for (const std::string& name : {request.volume_id, request.pod_uid}) {
    Check(!absl::StrContains(name, '/') && name != "." && name != "..");
  }
  Check(oneagent::IsDns1035Label(request.dynakube));
  Check(request.retry_timeout >= absl::ZeroDuration());
  CheckPrintable(request.ignored);
  for (const std::string& name :
       {request.pod, request.namespace_name, request.service_account}) {
    Check(name.size() <= 253);
    CheckPrintable(name);
  }
  for (const oneagent::ConfProperty& property : request.conf) {
    Check(oneagent::CheckConfProperty(property).ok());
    for (const char* const reserved :
         {"tenant", "tenantToken", "serverAddress", "proxy"}) {
      Check(!absl::EqualsIgnoreCase(property.key, reserved));
    }
  }
}

// Form, and where the kernel really is once the parent has been opened.
void CheckTarget(const Sandbox& sandbox, const PublishRequest& request) {
  const absl::Status form =
      sandbox.targets().Check(request.target_path, request.pod_uid);
  const auto resolved = sandbox.targets().Resolve(request.target_path);
  if (!form.ok()) {
    CheckRefusal(form);
    return;
  }
  const std::string pod =
      absl::StrCat(sandbox.kubelet(), "/pods/", request.pod_uid, "/");
  Check(absl::StartsWith(request.target_path, pod));
  Check(absl::EndsWith(request.target_path, "/mount"));
  Check(!absl::StrContains(request.target_path, "/../"));
  CheckPrintable(request.target_path);
  if (!resolved.ok()) return;
  char place[PATH_MAX] = {};
  const std::string link =
      absl::StrCat("/proc/self/fd/", resolved->target().parent_fd);
  Check(readlink(link.c_str(), place, sizeof(place) - 1) > 0);
  Check(absl::StrCat(place, "/", resolved->target().name) ==
        request.target_path);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Sandbox* const sandbox = new Sandbox;
  static const bool is_cleaned = atexit([] { sandbox->Delete(); }) == 0;
  Check(is_cleaned);
  ::csi::v1::NodePublishVolumeRequest message;
  if (!message.ParseFromArray(data, static_cast<int>(size))) return 0;
  RawPublishRequest raw = oneagent::RawOf(message);
  absl::string_view below = raw.target_path;
  if (absl::ConsumePrefix(&below, kNamedKubelet)) {
    raw.target_path = absl::StrCat(sandbox->kubelet(), below);
  }
  const auto request = oneagent::ParsePublishRequest(raw);
  CheckLogged(*sandbox, raw, request.status());
  if (!request.ok()) {
    CheckRefusal(request.status());
    return 0;
  }
  CheckAccepted(*request);
  CheckTarget(*sandbox, *request);
  return 0;
}
