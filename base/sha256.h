// SHA-256 by Nettle, which is small enough to be linked in: libcrypto would be
// a quarter of what the mounter loads. A hasher is used by one thread at a
// time.
#ifndef BASE_SHA256_H_
#define BASE_SHA256_H_

#include <nettle/sha2.h>

#include <string>

#include "absl/strings/string_view.h"

namespace oneagent {

class Sha256 {
 public:
  Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void Update(absl::string_view bytes);
  // Lower-case hex, 64 characters. Ends the hasher's use.
  std::string HexDigest();

 private:
  sha256_ctx context_ = {};
};

// Hex digest of `bytes`.
std::string Sha256Hex(absl::string_view bytes);

}  // namespace oneagent

#endif  // BASE_SHA256_H_
