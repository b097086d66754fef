// YAML text as JSON text, one per document: Kubernetes objects are defined in
// JSON, and YAML is how people write them down. JSON files are YAML, too.
//
// Plain scalars follow the core schema of YAML 1.2 (true, null, 12, 0x1f,
// 1.5e3), everything quoted is a string. Aliases are expanded, at most to
// `max_json` bytes in all. No text of a document appears in an error: it may
// be a secret. Pure, thread-safe.
#ifndef CACHE_KUBE_YAML_JSON_H_
#define CACHE_KUBE_YAML_JSON_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace oneagent {

struct YamlLimits {
  int depth = 64;  // protobuf's JSON parser stops at 100
  int64_t nodes = 200'000;
  int64_t max_json = 16 << 20;
};

struct YamlItem {
  int line = 0;  // where it starts; from 1
  std::string json;
};

struct YamlDocument {
  int line = 0;  // where it starts, or where it is broken; from 1
  // InvalidArgument with the cause alone: syntax, duplicate key, a key that is
  // no scalar, unknown alias, a limit that is exceeded.
  absl::StatusOr<std::string> json;
  // What the sequence `items` of a mapping holds, for lists of objects.
  std::vector<YamlItem> items = {};
};

// All documents of a file that are not empty. A broken one does not affect the
// others: a line "---" starts a new document whatever stands before it.
std::vector<YamlDocument> ReadYamlDocuments(absl::string_view text,
                                            const YamlLimits& limits = {});

}  // namespace oneagent

#endif  // CACHE_KUBE_YAML_JSON_H_
