#include "csi/volume_request.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/duration.h"
#include "base/status_macros.h"
#include "base/text.h"
#include "cache/index/layout.h"

namespace oneagent {
namespace {

using Attributes = std::map<std::string, std::string>;

constexpr char kPodName[] = "csi.storage.k8s.io/pod.name";
constexpr char kPodNamespace[] = "csi.storage.k8s.io/pod.namespace";
constexpr char kPodUid[] = "csi.storage.k8s.io/pod.uid";
constexpr char kServiceAccount[] = "csi.storage.k8s.io/serviceAccount.name";
constexpr char kMode[] = "mode";
constexpr char kDynakube[] = "dynakube";
constexpr char kRetryTimeout[] = "retryTimeout";
constexpr char kConfPrefix[] = "conf.";

// Of any object's name in Kubernetes.
constexpr size_t kMaxNameBytes = 253;

// What a pod's author may put into the configuration of his pods' agents.
constexpr size_t kMaxConfProperties = 1024;
constexpr size_t kMaxConfBytes = 64 << 10;

absl::Status Invalid(absl::string_view message) {
  return absl::InvalidArgumentError(message);
}

// An absent attribute and an empty one are the same to the reference, too.
std::string Get(const Attributes& attributes, const char* key) {
  const auto found = attributes.find(key);
  return found == attributes.end() ? std::string() : found->second;
}

absl::Status CheckMessage(const RawPublishRequest& raw) {
  if (raw.volume_id.empty()) return Invalid("Volume ID missing in request");
  if (raw.target_path.empty()) return Invalid("Target path missing in request");
  switch (raw.capability) {
    case RawPublishRequest::Capability::kMissing:
      return Invalid("Volume capability missing in request");
    case RawPublishRequest::Capability::kBlock:
      return Invalid("cannot have block access type");
    case RawPublishRequest::Capability::kNeither:
      return Invalid("expecting to have mount access type");
    case RawPublishRequest::Capability::kMount:
      break;
  }
  if (!raw.context.has_value() || raw.context->empty()) {
    return Invalid("Publish context missing in request");
  }
  return absl::OkStatus();
}

absl::StatusOr<VolumeMode> ParseMode(absl::string_view mode) {
  if (mode == "app") return VolumeMode::kApp;
  if (mode == "host") return VolumeMode::kHost;
  return Invalid(
      absl::StrCat("unknown csi mode provided, mode=", ShownText(mode)));
}

absl::Status CheckDynakube(absl::string_view name) {
  if (IsDns1035Label(name)) return absl::OkStatus();
  return Invalid(absl::StrCat(
      "Invalid dynakube name: ", ShownText(name),
      " (must be at most 63 characters of [a-z0-9-], starting with a letter "
      "and ending with a letter or digit)"));
}

// Names of pods, namespaces and service accounts go into the index, records and
// messages. Kubelet's are DNS names; other clients may be less strict, but
// nothing that could pass for something else.
absl::Status CheckName(absl::string_view what, absl::string_view name) {
  const bool is_plain =
      std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return absl::ascii_isalnum(c) || c == '-' || c == '.' || c == '_';
      });
  if (is_plain && name.size() <= kMaxNameBytes) return absl::OkStatus();
  return Invalid(absl::StrCat("Invalid ", what, ": ", ShownText(name),
                              " (must be at most ", kMaxNameBytes,
                              " characters of [A-Za-z0-9._-])"));
}

absl::StatusOr<absl::Duration> ParseRetryTimeout(absl::string_view text) {
  if (text.empty()) return kDefaultRetryTimeout;
  absl::StatusOr<absl::Duration> timeout = ParseGoDuration(text);
  if (!timeout.ok()) {
    return Invalid("The retryTimeout attribute has incorrect format");
  }
  return timeout;
}

// What says who the agent reports to: not a pod author's to choose.
bool IsRefused(absl::string_view key) {
  for (const char* const refused :
       {"tenant", "tenantToken", "serverAddress", "proxy"}) {
    if (absl::EqualsIgnoreCase(key, refused)) return true;
  }
  return false;
}

// Messages name the attribute, never its value: it may be a secret.
absl::StatusOr<ConfProperty> ParseConf(absl::string_view name,
                                       const std::string& value) {
  const absl::string_view rest = absl::StripPrefix(name, kConfPrefix);
  const size_t dot = rest.find('.');
  if (dot == absl::string_view::npos) {
    return Invalid(absl::StrCat("The ", ShownText(name),
                                " attribute has incorrect format"));
  }
  ConfProperty property{.section = std::string(rest.substr(0, dot)),
                        .key = std::string(rest.substr(dot + 1)),
                        .value = value};
  if (!CheckConfProperty(property).ok()) {
    return Invalid(absl::StrCat("The ", ShownText(name),
                                " attribute has incorrect format"));
  }
  if (IsRefused(property.key)) {
    return Invalid(
        absl::StrCat("The ", ShownText(name), " attribute is not allowed"));
  }
  return property;
}

absl::StatusOr<std::vector<ConfProperty>> ParseConfs(
    const Attributes& attributes) {
  std::vector<ConfProperty> properties;
  size_t bytes = 0;
  for (auto next = attributes.lower_bound(kConfPrefix);
       next != attributes.end() && absl::StartsWith(next->first, kConfPrefix);
       ++next) {
    bytes += next->first.size() + next->second.size();
    if (properties.size() >= kMaxConfProperties || bytes > kMaxConfBytes) {
      return Invalid(absl::StrCat("The conf attributes are too large: at most ",
                                  kMaxConfProperties, " of ", kMaxConfBytes,
                                  " bytes in all"));
    }
    ASSIGN_OR_RETURN(ConfProperty property,
                     ParseConf(next->first, next->second));
    properties.push_back(std::move(property));
  }
  return properties;
}

absl::Status CheckMountFlags(const std::vector<std::string>& flags) {
  for (const std::string& flag : flags) {
    if (flag == "nosuid" || flag == "nodev") continue;
    return Invalid(absl::StrCat(
        "Invalid mount flag: ", ShownText(flag),
        absl::StrContains(flag, "context=")
            ? " (volumes have no SELinux label of their own: the CSIDriver "
              "object must not have seLinuxMount: true)"
            : " (volumes are nosuid and nodev, and take no other flag)"));
  }
  return absl::OkStatus();
}

std::string IgnoredOf(const RawPublishRequest& raw) {
  std::vector<std::string> ignored;
  if (!raw.fs_type.empty()) {
    ignored.push_back(absl::StrCat("fs_type=", ShownText(raw.fs_type)));
  }
  if (!raw.volume_mount_group.empty()) {
    ignored.push_back(
        absl::StrCat("volume_mount_group=", ShownText(raw.volume_mount_group)));
  }
  return absl::StrJoin(ignored, " ");
}

}  // namespace

absl::StatusOr<PublishRequest> ParsePublishRequest(
    const RawPublishRequest& raw) {
  RETURN_IF_ERROR(CheckMessage(raw));
  const Attributes& attributes = *raw.context;
  PublishRequest request{.volume_id = raw.volume_id,
                         .target_path = raw.target_path,
                         .mode = VolumeMode::kApp,
                         .read_only = raw.read_only,
                         .dynakube = Get(attributes, kDynakube),
                         .retry_timeout = kDefaultRetryTimeout,
                         .pod = Get(attributes, kPodName),
                         .namespace_name = Get(attributes, kPodNamespace),
                         .pod_uid = Get(attributes, kPodUid),
                         .service_account = Get(attributes, kServiceAccount),
                         .conf = {},
                         .ignored = IgnoredOf(raw)};
  if (request.pod.empty()) return Invalid("No Pod Name included in request");
  if (request.namespace_name.empty()) {
    return Invalid("No Pod Namespace included in request");
  }
  const std::string mode = Get(attributes, kMode);
  if (mode.empty()) return Invalid("No mode attribute included in request");
  if (request.dynakube.empty()) {
    return Invalid("No dynakube attribute included in request");
  }
  RETURN_IF_ERROR(CheckDynakube(request.dynakube));
  ASSIGN_OR_RETURN(request.retry_timeout,
                   ParseRetryTimeout(Get(attributes, kRetryTimeout)));
  // The reference judges the request as a whole before it looks for a driver
  // of that mode.
  ASSIGN_OR_RETURN(request.mode, ParseMode(mode));
  if (request.pod_uid.empty()) return Invalid("No Pod UID included in request");
  // It becomes a directory's name below the kubelet's.
  if (!IsVolumeId(request.pod_uid)) {
    return Invalid(
        absl::StrCat("Invalid Pod UID: ", ShownText(request.pod_uid)));
  }
  RETURN_IF_ERROR(CheckName("Pod Name", request.pod));
  RETURN_IF_ERROR(CheckName("Pod Namespace", request.namespace_name));
  RETURN_IF_ERROR(CheckName("Service Account", request.service_account));
  ASSIGN_OR_RETURN(request.conf, ParseConfs(attributes));
  if (!IsVolumeId(request.volume_id)) {
    return Invalid(
        absl::StrCat("Invalid Volume ID: ", ShownText(request.volume_id),
                     " (must be at most 128 characters of [A-Za-z0-9._-], not "
                     "starting with a dot)"));
  }
  RETURN_IF_ERROR(CheckMountFlags(raw.mount_flags));
  return request;
}

RequestOrigin OriginOf(const RawPublishRequest& raw) {
  if (!raw.context) return {};
  return {.pod = Get(*raw.context, kPodName),
          .namespace_name = Get(*raw.context, kPodNamespace),
          .dynakube = Get(*raw.context, kDynakube)};
}

absl::Status CheckUnpublishRequest(absl::string_view volume_id,
                                   absl::string_view target_path) {
  if (volume_id.empty()) return Invalid("Volume ID missing in request");
  if (target_path.empty()) return Invalid("Target path missing in request");
  return absl::OkStatus();
}

}  // namespace oneagent
