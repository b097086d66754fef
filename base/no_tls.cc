// GnuTLS's names as libmicrohttpd.a knows them, with nothing behind.
//
// Debian builds libmicrohttpd with TLS, which HttpListener never asks for. The
// shared GnuTLS and the eight libraries that it loads would be a third of the
// privileged mounter. libmicrohttpd calls what is here for daemons that were
// started with MHD_USE_TLS only, but for the first two, which run as the
// program starts and ends. Compiled with hidden visibility: libcurl's own
// GnuTLS, loaded in the same process, must not find these.
//
// A newer libmicrohttpd that calls more does not link.
#include <cstddef>
#include <cstdlib>

// NOLINTBEGIN(readability-identifier-naming): they are GnuTLS's.
extern "C" {

int gnutls_global_init() { return 0; }
void gnutls_global_deinit() {}

void oneagent_no_tls() { abort(); }

extern void* (*const gnutls_malloc)(size_t);
void* (*const gnutls_malloc)(size_t) = nullptr;

void gnutls_alpn_set_protocols() __attribute__((alias("oneagent_no_tls")));
void gnutls_bye() __attribute__((alias("oneagent_no_tls")));
void gnutls_certificate_allocate_credentials()
    __attribute__((alias("oneagent_no_tls")));
void gnutls_certificate_free_credentials()
    __attribute__((alias("oneagent_no_tls")));
void gnutls_certificate_server_set_request()
    __attribute__((alias("oneagent_no_tls")));
void gnutls_certificate_set_dh_params()
    __attribute__((alias("oneagent_no_tls")));
void gnutls_certificate_set_retrieve_function2()
    __attribute__((alias("oneagent_no_tls")));
void gnutls_certificate_set_retrieve_function3()
    __attribute__((alias("oneagent_no_tls")));
void gnutls_certificate_set_x509_key_mem()
    __attribute__((alias("oneagent_no_tls")));
void gnutls_certificate_set_x509_key_mem2()
    __attribute__((alias("oneagent_no_tls")));
void gnutls_certificate_set_x509_trust_mem()
    __attribute__((alias("oneagent_no_tls")));
void gnutls_cipher_get() __attribute__((alias("oneagent_no_tls")));
void gnutls_credentials_set() __attribute__((alias("oneagent_no_tls")));
void gnutls_deinit() __attribute__((alias("oneagent_no_tls")));
void gnutls_dh_params_deinit() __attribute__((alias("oneagent_no_tls")));
void gnutls_dh_params_import_pkcs3() __attribute__((alias("oneagent_no_tls")));
void gnutls_dh_params_init() __attribute__((alias("oneagent_no_tls")));
void gnutls_handshake() __attribute__((alias("oneagent_no_tls")));
void gnutls_init() __attribute__((alias("oneagent_no_tls")));
void gnutls_priority_deinit() __attribute__((alias("oneagent_no_tls")));
void gnutls_priority_init() __attribute__((alias("oneagent_no_tls")));
void gnutls_priority_set() __attribute__((alias("oneagent_no_tls")));
void gnutls_protocol_get_version() __attribute__((alias("oneagent_no_tls")));
void gnutls_psk_allocate_server_credentials()
    __attribute__((alias("oneagent_no_tls")));
void gnutls_psk_free_server_credentials()
    __attribute__((alias("oneagent_no_tls")));
void gnutls_psk_set_server_credentials_function()
    __attribute__((alias("oneagent_no_tls")));
void gnutls_record_check_pending() __attribute__((alias("oneagent_no_tls")));
void gnutls_record_get_direction() __attribute__((alias("oneagent_no_tls")));
void gnutls_record_recv() __attribute__((alias("oneagent_no_tls")));
void gnutls_record_send() __attribute__((alias("oneagent_no_tls")));
void gnutls_session_get_ptr() __attribute__((alias("oneagent_no_tls")));
void gnutls_session_set_ptr() __attribute__((alias("oneagent_no_tls")));
void gnutls_strerror() __attribute__((alias("oneagent_no_tls")));
void gnutls_transport_set_int2() __attribute__((alias("oneagent_no_tls")));

}  // extern "C"
// NOLINTEND(readability-identifier-naming)
