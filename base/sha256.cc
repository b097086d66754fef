#include "base/sha256.h"

#include <string>

#include "absl/strings/escaping.h"

namespace oneagent {
Sha256::Sha256() { sha256_init(&context_); }

void Sha256::Update(absl::string_view bytes) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  const auto* const data = reinterpret_cast<const uint8_t*>(bytes.data());
  sha256_update(&context_, bytes.size(), data);
}

std::string Sha256::HexDigest() {
  std::string digest(SHA256_DIGEST_SIZE, '\0');
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  auto* const data = reinterpret_cast<uint8_t*>(digest.data());
  sha256_digest(&context_, digest.size(), data);
  return absl::BytesToHexString(digest);
}

std::string Sha256Hex(absl::string_view bytes) {
  Sha256 hasher;
  hasher.Update(bytes);
  return hasher.HexDigest();
}

}  // namespace oneagent
