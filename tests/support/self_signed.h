// A certificate for 127.0.0.1 and localhost, signed by its own key, made anew
// at every call: nothing in the tests can expire or leak.
#ifndef TESTS_SUPPORT_SELF_SIGNED_H_
#define TESTS_SUPPORT_SELF_SIGNED_H_

#include <memory>
#include <string>

struct x509_st;
struct evp_pkey_st;

namespace oneagent {

struct FreeX509 {
  void operator()(x509_st* certificate) const;
};
struct FreeKey {
  void operator()(evp_pkey_st* key) const;
};

struct SelfSigned {
  std::unique_ptr<x509_st, FreeX509> certificate;
  std::unique_ptr<evp_pkey_st, FreeKey> key;
  std::string pem;  // the certificate, as a client trusts it
  std::string key_pem;
};

// Aborts when libcrypto refuses.
SelfSigned MakeSelfSigned();

}  // namespace oneagent

#endif  // TESTS_SUPPORT_SELF_SIGNED_H_
