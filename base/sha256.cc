#include "base/sha256.h"

#include <openssl/evp.h>

#include <cstdlib>
#include <string>

#include "absl/strings/escaping.h"

namespace oneagent {
namespace {

// libcrypto fails here only when it is out of memory or broken.
void Require(int result) {
  if (result != 1) abort();
}

}  // namespace

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  if (context_ == nullptr) abort();
  Require(EVP_DigestInit_ex(context_, EVP_sha256(), nullptr));
}

Sha256::~Sha256() { EVP_MD_CTX_free(context_); }

void Sha256::Update(absl::string_view bytes) {
  Require(EVP_DigestUpdate(context_, bytes.data(), bytes.size()));
}

std::string Sha256::HexDigest() {
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned int size = 0;
  Require(EVP_DigestFinal_ex(
      context_, reinterpret_cast<unsigned char*>(digest.data()), &size));
  digest.resize(size);
  return absl::BytesToHexString(digest);
}

std::string Sha256Hex(absl::string_view bytes) {
  Sha256 hasher;
  hasher.Update(bytes);
  return hasher.HexDigest();
}

}  // namespace oneagent
