// Whatever a pod spec carries: the parser answers with a request whose parts
// may be used as names of directories and lines of a file, or with
// InvalidArgument in one line.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "cache/index/layout.h"
#include "csi/volume_request.h"

namespace {

void Check(bool holds) {
  if (!holds) abort();
}

// Lines: volume id, target, capability digit, then "key=value".
oneagent::RawPublishRequest FromBytes(absl::string_view bytes) {
  const std::vector<std::string> lines = absl::StrSplit(bytes, '\n');
  oneagent::RawPublishRequest raw;
  raw.volume_id = lines[0];
  if (lines.size() > 1) raw.target_path = lines[1];
  if (lines.size() > 2 && !lines[2].empty()) {
    raw.capability = static_cast<oneagent::RawPublishRequest::Capability>(
        static_cast<unsigned char>(lines[2][0]) % 4);
  }
  std::map<std::string, std::string> context;
  for (size_t i = 3; i < lines.size(); ++i) {
    std::pair<std::string, std::string> entry =
        absl::StrSplit(lines[i], absl::MaxSplits('=', 1));
    // Line breaks cannot be typed in a line, hostile specs have them.
    for (char& c : entry.second) {
      if (c == '\x01') c = '\n';
    }
    context.insert(std::move(entry));
  }
  if (lines.size() > 3) raw.context = std::move(context);
  return raw;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto request = oneagent::ParsePublishRequest(
      FromBytes({reinterpret_cast<const char*>(data), size}));
  if (!request.ok()) {
    Check(absl::IsInvalidArgument(request.status()));
    Check(request.status().message().find('\n') == absl::string_view::npos);
    return 0;
  }
  Check(oneagent::IsVolumeId(request->volume_id));
  Check(oneagent::IsVolumeId(request->pod_uid));
  Check(oneagent::IsDns1035Label(request->dynakube));
  Check(request->retry_timeout >= absl::ZeroDuration());
  for (const oneagent::ConfProperty& property : request->conf) {
    Check(oneagent::CheckConfProperty(property).ok());
    Check(property.key != "tenantToken");
  }
  return 0;
}
