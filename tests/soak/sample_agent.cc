#include "tests/soak/sample_agent.h"

#include "absl/strings/str_cat.h"
#include "tests/support/archive_builder.h"

namespace oneagent {
namespace {

constexpr int kSamples = 50;
constexpr size_t kSampleBytes = 4096;
constexpr size_t kLibraryBytes = 64 << 10;

std::string Repeated(absl::string_view line, size_t size) {
  std::string content;
  while (content.size() < size) absl::StrAppend(&content, line, "\n");
  return content;
}

}  // namespace

std::string SamplePath(int sample) {
  return absl::StrCat("agent/res/text-", sample, ".properties");
}

std::string SampleContent(absl::string_view version, int sample) {
  return Repeated(absl::StrCat("sample ", sample, " of ", version),
                  kSampleBytes);
}

std::string SampleAgentZip(absl::string_view version) {
  ArchiveBuilder package;
  package
      .File("manifest.json", absl::StrCat("{\"version\":\"", version, "\"}\n"))
      .File(kVersionFile, absl::StrCat(version, "\n"))
      .File("agent/conf/ruxitagentproc.conf", "[general]\ntenant none\n")
      .File("agent/lib64/liboneagentproc.so", Repeated(version, kLibraryBytes),
            0755);
  for (int i = 0; i < kSamples; ++i) {
    package.File(SamplePath(i), SampleContent(version, i));
  }
  return package.Build(ArchiveFormat::kZip);
}

}  // namespace oneagent
