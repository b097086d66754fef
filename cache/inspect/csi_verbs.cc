// probe, publish, unpublish.
#include <sys/stat.h>

#include <cerrno>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "cache/inspect/csi_calls.h"
#include "cache/inspect/json_output.h"
#include "cache/inspect/verbs.h"
#include "proto/inspect.pb.h"

namespace oneagent {
namespace {

// The context that kubelet would send for an inline volume of such a pod.
// Empty flags are left out: the mounter says what it misses.
std::map<std::string, std::string> ContextOf(const PublishFlags& flags) {
  std::map<std::string, std::string> context = {
      {"csi.storage.k8s.io/ephemeral", "true"},
      {"mode", flags.mode.empty() ? "app" : flags.mode}};
  const auto set = [&](const char* key, const std::string& value) {
    if (!value.empty()) context[key] = value;
  };
  set("csi.storage.k8s.io/pod.name", flags.pod);
  set("csi.storage.k8s.io/pod.namespace", flags.namespace_name);
  set("csi.storage.k8s.io/pod.uid", flags.pod_uid);
  set("dynakube", flags.dynakube);
  set("retryTimeout", flags.retry_timeout);
  for (const auto& [key, value] : flags.attributes) context[key] = value;
  return context;
}

// The directory that the target is made in is the caller's to make (CSI:
// "the CO SHALL ensure that the parent directory exists").
absl::Status MakeParents(const std::string& target) {
  if (!absl::StartsWith(target, "/")) return absl::OkStatus();
  for (size_t slash = target.find('/', 1); slash != std::string::npos;
       slash = target.find('/', slash + 1)) {
    const std::string parent = target.substr(0, slash);
    if (mkdir(parent.c_str(), 0750) != 0 && errno != EEXIST) {
      return PosixStatus(absl::StrCat("mkdir ", parent), errno);
    }
  }
  return absl::OkStatus();
}

v1::PublishView ViewOf(const PublishFlags& flags, const std::string& state,
                       const std::string& reason) {
  v1::PublishView view;
  view.set_volume_id(ValidUtf8(flags.volume_id));
  view.set_target(ValidUtf8(flags.target));
  view.set_state(state);
  view.set_reason(ValidUtf8(reason));
  return view;
}

void Print(const v1::PublishView& view, const Invocation& it,
           const Console& console) {
  if (it.output == Output::kJson) {
    console.out << JsonObject(view) << "\n";
    return;
  }
  console.out << view.state() << " " << TerminalText(view.volume_id()) << " at "
              << TerminalText(view.target());
  if (!view.reason().empty())
    console.out << ": " << TerminalText(view.reason());
  console.out << "\n";
}

}  // namespace

VerbResult RunProbe(const Invocation& it, const Console& console) {
  const std::unique_ptr<CsiClient> client =
      CsiClient::Create(it.socket_path, it.timeout);
  ASSIGN_OR_RETURN(const PluginStatus status, client->Probe());
  if (it.output == Output::kJson) {
    v1::ProbeView view;
    view.set_name(ValidUtf8(status.name));
    view.set_vendor_version(ValidUtf8(status.vendor_version));
    view.set_node_id(ValidUtf8(status.node_id));
    view.set_ready(status.ready);
    console.out << JsonObject(view) << "\n";
  } else {
    console.out << (status.ready ? "ready" : "not ready") << ": "
                << TerminalText(status.name) << " "
                << TerminalText(status.vendor_version) << " on node "
                << TerminalText(status.node_id) << "\n";
  }
  return status.ready ? kExitFine : kExitFinding;
}

VerbResult RunPublish(const Invocation& it, const Console& console) {
  const std::unique_ptr<CsiClient> client =
      CsiClient::Create(it.socket_path, it.timeout);
  RETURN_IF_ERROR(MakeParents(it.publish.target));
  RETURN_IF_ERROR(client->Publish({.volume_id = it.publish.volume_id,
                                   .target = it.publish.target,
                                   .read_only = it.publish.read_only,
                                   .context = ContextOf(it.publish)}));
  // OK is also the answer to a volume that was published empty; the condition
  // tells. A mounter that cannot say does not make the publish a failure.
  const absl::StatusOr<VolumeCondition> condition =
      client->Condition(it.publish.volume_id, it.publish.target);
  const bool empty = condition.ok() && condition->abnormal;
  Print(ViewOf(it.publish, empty ? "empty" : "published",
               empty ? condition->message : ""),
        it, console);
  return kExitFine;
}

VerbResult RunUnpublish(const Invocation& it, const Console& console) {
  const std::unique_ptr<CsiClient> client =
      CsiClient::Create(it.socket_path, it.timeout);
  RETURN_IF_ERROR(client->Unpublish(it.publish.volume_id, it.publish.target));
  Print(ViewOf(it.publish, "unpublished", ""), it, console);
  return kExitFine;
}

}  // namespace oneagent
