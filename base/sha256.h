// SHA-256 by libcrypto. A hasher is used by one thread at a time.
#ifndef BASE_SHA256_H_
#define BASE_SHA256_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

struct evp_md_ctx_st;

namespace oneagent {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void Update(absl::string_view bytes);
  // Lower-case hex, 64 characters. Ends the hasher's use.
  std::string HexDigest();

 private:
  evp_md_ctx_st* const context_;
};

// Hex digest of `bytes`.
std::string Sha256Hex(absl::string_view bytes);

}  // namespace oneagent

#endif  // BASE_SHA256_H_
