// Manifests of any content: nothing crashes or hangs, what is accepted is
// JSON, and every DynaKube that comes out can be named on disk.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "cache/kube/desired_state.h"
#include "cache/kube/manifest_reader.h"
#include "cache/kube/yaml_json.h"
#include "proto/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  for (const oneagent::YamlDocument& document :
       oneagent::ReadYamlDocuments(text)) {
    if (!document.json.ok()) continue;
    // Below an unknown field anything goes, as long as it is JSON.
    oneagent::v1::ObjectHeader header;
    const std::string wrapped = absl::StrCat("{\"x\":", *document.json, "}");
    if (!oneagent::ParseJson(wrapped, &header).ok()) abort();
  }
  oneagent::ManifestReader reader;
  reader.Add("f.yaml", text);
  const oneagent::ClusterState state = std::move(reader).Finish();
  for (const oneagent::v1::DynaKube& dynakube : state.dynakubes) {
    const std::string& name = dynakube.metadata().name();
    if (name.empty() || name.size() > 63) abort();
    if (name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") !=
        std::string::npos) {
      abort();
    }
    const auto desired = oneagent::DesiredTenantOf(dynakube, state);
    if (desired.ok() && desired->version.find('/') != std::string::npos) {
      abort();
    }
  }
  return 0;
}
