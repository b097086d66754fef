// Whatever stands in an agent's file and in a tenant's properties: merging
// keeps what it was not told to change, can be read back, and is idempotent.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "cache/conf/process_conf.h"

namespace {

using oneagent::ConfProperty;
using Key = std::pair<std::string, std::string>;

void Check(bool holds) {
  if (!holds) abort();
}

// The file, a line "%%", then lines of "section|key|value".
std::vector<ConfProperty> Properties(absl::string_view text) {
  std::vector<ConfProperty> properties;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<std::string> parts =
        absl::StrSplit(line, absl::MaxSplits('|', 2));
    if (parts.size() < 3) continue;
    ConfProperty property{parts[0], parts[1], parts[2]};
    if (oneagent::CheckConfProperty(property).ok()) {
      properties.push_back(std::move(property));
    }
  }
  return properties;
}

std::string Merged(absl::string_view source,
                   const std::vector<ConfProperty>& properties) {
  const absl::StatusOr<std::string> merged =
      oneagent::MergeProcessConf(source, properties);
  Check(merged.ok());
  return *merged;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = input.find("%%\n");
  const absl::string_view source = input.substr(0, end);
  const std::vector<ConfProperty> properties =
      end == absl::string_view::npos ? std::vector<ConfProperty>()
                                     : Properties(input.substr(end + 3));

  Check(Merged(source, {}) == source);
  const std::string merged = Merged(source, properties);
  Check(Merged(merged, properties) == merged);

  std::map<Key, std::string> wanted;
  for (const ConfProperty& property : properties) {
    wanted[{property.section, property.key}] = property.value;
  }
  std::vector<ConfProperty> kept;
  std::map<Key, std::string> found;
  for (ConfProperty& property : oneagent::ParseProcessConf(merged)) {
    const Key key = {property.section, property.key};
    const auto want = wanted.find(key);
    if (want == wanted.end()) {
      kept.push_back(std::move(property));
    } else {
      Check(property.value == want->second);
      found[key] = property.value;
    }
  }
  Check(found == wanted);
  std::vector<ConfProperty> before;
  for (ConfProperty& property : oneagent::ParseProcessConf(source)) {
    if (wanted.count({property.section, property.key}) == 0) {
      before.push_back(std::move(property));
    }
  }
  Check(kept == before);
  return 0;
}
