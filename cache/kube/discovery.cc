#include "cache/kube/discovery.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cache/http/curl.h"
#include "cache/kube/object_json.h"
#include "proto/json.h"
#include "proto/kube_api.pb.h"

namespace oneagent {

absl::StatusOr<std::vector<std::string>> CommonDynaKubeVersions(
    const std::string& group_json) {
  v1::ApiGroup group;
  if (!ParseJson(group_json, &group).ok()) {
    return absl::UnavailableError(
        absl::StrCat("/apis/", kDynaKubeGroup, ": not an API group"));
  }
  std::vector<std::string> served;
  for (const v1::ApiGroupVersion& each : group.versions()) {
    served.push_back(each.version());
  }
  std::vector<std::string> common;
  for (auto known = kDynaKubeVersions.rbegin();
       known != kDynaKubeVersions.rend(); ++known) {
    if (std::find(served.begin(), served.end(), *known) != served.end()) {
      common.emplace_back(*known);
    }
  }
  if (!common.empty()) return common;
  constexpr size_t kMaxShown = 200;
  return absl::NotFoundError(absl::StrCat(
      kDynaKubeGroup, " is served as ",
      PrintableText(absl::StrJoin(served, ", ").substr(0, kMaxShown)),
      "; known are ", kDynaKubeVersions.front(), " to ",
      kDynaKubeVersions.back()));
}

}  // namespace oneagent
