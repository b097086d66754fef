#include "tests/support/agent/package.h"

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <random>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/archive_builder.h"

namespace oneagent {
namespace {

constexpr char kConf[] =
    "# what the agent was built with\n"
    "[general]\n"
    "tenant none\n"
    "storage /opt/dynatrace/oneagent\n"
    "\n"
    "[agentType]\n"
    "java on\n";

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream content;
  content << in.rdbuf();
  if (!in.good()) {
    std::cerr << path << ": cannot be read\n";
    abort();
  }
  return content.str();
}

// Incompressible and the same in every run.
std::string Filler(uint64_t seed, size_t size) {
  std::mt19937_64 random(seed);
  std::string bytes;
  bytes.reserve(size + 8);
  while (bytes.size() < size) {
    const uint64_t word = random();
    bytes.append(reinterpret_cast<const char*>(&word), sizeof(word));
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace

void WriteAgentPackage(const std::string& agents_dir, absl::string_view version,
                       const std::string& directory, int64_t filler_mib) {
  const std::string library =
      ReadFile(absl::StrCat(agents_dir, "/", version, "/liboneagentproc.so"));
  ArchiveBuilder package;
  package
      .File("manifest.json", absl::StrCat("{\"version\":\"", version, "\"}\n"))
      .File("agent/installer.version", absl::StrCat(version, "\n"))
      .File("agent/conf/ruxitagentproc.conf", kConf)
      .File("agent/lib64/liboneagentproc.so", library, 0755)
      .File(absl::StrCat("agent/bin/", version, "/linux-x86-64/oneagentlib.so"),
            library, 0755);
  for (int i = 0; i < 50; ++i) {
    package.File(absl::StrCat("agent/res/text-", i, ".properties"),
                 std::string(2000, static_cast<char>('a' + i % 26)));
  }
  for (int64_t i = 0; i < filler_mib; ++i) {
    package.File(absl::StrCat("agent/bin/", version, "/any/part-", i, ".jar"),
                 Filler(static_cast<uint64_t>(i), 1 << 20));
  }
  package.Write(ArchiveFormat::kZip,
                absl::StrCat(directory, "/", version, ".zip"));
}

}  // namespace oneagent
