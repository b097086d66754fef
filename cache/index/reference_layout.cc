#include "cache/index/reference_layout.h"

#include <algorithm>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/durable_file.h"

namespace oneagent {
namespace {

constexpr absl::string_view kMade[] = {"codemodules", "_dynakubes", "appmounts",
                                       "csi.db"};

std::vector<std::string> Entries(const std::string& directory) {
  const absl::StatusOr<std::vector<std::string>> names =
      ListDirectory(directory);
  return names.ok() ? *names : std::vector<std::string>();
}

}  // namespace

std::string ReferenceDataDir(absl::string_view socket_path) {
  return absl::StrCat(socket_path.substr(0, socket_path.rfind('/')), "/data");
}

bool IsReferenceData(const std::string& directory) {
  const std::vector<std::string> names = Entries(directory);
  return std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return std::find(std::begin(kMade), std::end(kMade), name) !=
           std::end(kMade);
  });
}

std::vector<std::string> ReferenceVolumeDirs(const std::string& directory,
                                             absl::string_view volume_id) {
  std::vector<std::string> paths = {absl::StrCat("appmounts/", volume_id)};
  for (const std::string& tenant : Entries(directory)) {
    paths.push_back(absl::StrCat(tenant, "/run/", volume_id));
  }
  return paths;
}

std::vector<std::string> ReferenceHostStorages(const std::string& directory,
                                               absl::string_view dynakube) {
  std::vector<std::string> paths = {
      absl::StrCat("_dynakubes/", dynakube, "/osagent")};
  for (const std::string& tenant : Entries(directory)) {
    paths.push_back(absl::StrCat(tenant, "/osagent"));
  }
  return paths;
}

}  // namespace oneagent
