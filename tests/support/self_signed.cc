#include "tests/support/self_signed.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include <string>

namespace oneagent {
namespace {

void Require(bool fine) {
  if (!fine) abort();
}

void AddExtension(X509* certificate, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension =
      X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  Require(extension != nullptr);
  Require(X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

// What `write` puts into a BIO.
template <typename Write>
std::string ToPem(Write write) {
  BIO* out = BIO_new(BIO_s_mem());
  Require(out != nullptr && write(out) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out, &data);
  std::string pem(data, static_cast<size_t>(size));
  BIO_free(out);
  return pem;
}

}  // namespace

void FreeX509::operator()(x509_st* certificate) const {
  X509_free(certificate);
}

void FreeKey::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }

SelfSigned MakeSelfSigned() {
  SelfSigned made;
  made.key.reset(EVP_EC_gen("P-256"));
  made.certificate.reset(X509_new());
  X509* const certificate = made.certificate.get();
  Require(made.key != nullptr && certificate != nullptr);
  Require(X509_set_version(certificate, 2) == 1);  // that is v3
  Require(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1);
  // A day back, for machines whose clock has just been set.
  Require(X509_gmtime_adj(X509_getm_notBefore(certificate), -86400) != nullptr);
  Require(X509_gmtime_adj(X509_getm_notAfter(certificate), 86400) != nullptr);
  X509_NAME* const name = X509_get_subject_name(certificate);
  Require(X509_NAME_add_entry_by_txt(
              name, "CN", MBSTRING_ASC,
              reinterpret_cast<const unsigned char*>("tenant under test"), -1,
              -1, 0) == 1);
  Require(X509_set_issuer_name(certificate, name) == 1);
  Require(X509_set_pubkey(certificate, made.key.get()) == 1);
  AddExtension(certificate, NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(certificate, NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost");
  Require(X509_sign(certificate, made.key.get(), EVP_sha256()) > 0);
  made.pem =
      ToPem([&](BIO* out) { return PEM_write_bio_X509(out, certificate); });
  made.key_pem = ToPem([&](BIO* out) {
    return PEM_write_bio_PrivateKey(out, made.key.get(), nullptr, nullptr, 0,
                                    nullptr, nullptr);
  });
  return made;
}

}  // namespace oneagent
