// One Kubernetes object from its JSON, with errors that hold no value of it.
// Pure, thread-safe.
#ifndef CACHE_KUBE_OBJECT_JSON_H_
#define CACHE_KUBE_OBJECT_JSON_H_

#include <array>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/json.h"

namespace oneagent {

inline constexpr char kDynaKubeGroup[] = "dynatrace.com";
inline constexpr char kDynaKubeResource[] = "dynakubes";
// What DynaKube (proto/dynakube.proto) serves; oldest first.
inline constexpr std::array<absl::string_view, 6> kDynaKubeVersions = {
    "v1beta1", "v1beta2", "v1beta3", "v1beta4", "v1beta5", "v1beta6"};

// A DNS-1035 label: what a volume's attribute may name.
bool IsDynaKubeName(absl::string_view name);

// Protobuf's "(spec.proxy): invalid value <value> for type …" without the
// value, which may be a credential: "spec.proxy: not of the expected type".
std::string FieldCause(const absl::Status& parse_error);

// InvalidArgument with FieldCause.
template <typename Message>
absl::StatusOr<Message> ParseObject(absl::string_view json) {
  Message message;
  const absl::Status status = ParseJson(json, &message);
  if (!status.ok()) return absl::InvalidArgumentError(FieldCause(status));
  return message;
}

}  // namespace oneagent

#endif  // CACHE_KUBE_OBJECT_JSON_H_
