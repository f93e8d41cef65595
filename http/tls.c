/* TLS for listening sockets; see tls.h. */

#include "http/tls.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "core/log.h"
#include "core/mem.h"
#include "core/secret.h"

enum {
	WHY_MAX = 120,
	WARN_DAYS = 14 /* before a certificate ends */
};

/* For 1.2; those of 1.3 are all good. Forward secrecy and AEAD only. */
static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

struct tls {
	SSL_CTX *ctx;
};

/* ---- the settings ----------------------------------------------------- */

/* OpenSSL's last words; its queue is empty then. */
static const char *
last_words(char text[WHY_MAX])
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(code);

	snprintf(text, WHY_MAX, "%s", reason == NULL ? "unknown" : reason);
	ERR_clear_error();
	return text;
}

static enum err
fail(struct buf *why, const char *setting, const char *file)
{
	char text[WHY_MAX];

	buf_addf(why, "http.%s: %s: %s", setting, file, last_words(text));
	return ERR_TLS_FILES;
}

static enum err
read_cert(SSL_CTX *ctx, const char *name, struct buf *why)
{
	char *path = secret_path(name);
	enum err err = ERR_OK;

	if (SSL_CTX_use_certificate_chain_file(ctx, path) != 1)
		err = fail(why, "tls_cert", path);
	free(path);
	return err;
}

/* Nobody is there to type a passphrase. */
static int
no_passphrase(char *dst, int size, int for_writing, void *arg)
{
	(void)dst;
	(void)size;
	(void)for_writing;
	(void)arg;
	return -1;
}

static enum err
read_key(SSL_CTX *ctx, const char *name, struct buf *why)
{
	EVP_PKEY *key = NULL;
	struct buf text;
	BIO *bio;

	buf_init(&text, SECRET_FILE_MAX);
	if (secret_read("http.tls_key", name, &text, why) != ERR_OK) {
		buf_clear(&text);
		return ERR_TLS_FILES;
	}
	bio = BIO_new_mem_buf(text.data, (int)text.len);
	if (bio != NULL)
		key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	secret_wipe(text.data, text.len);
	buf_clear(&text);
	if (key == NULL)
		return fail(why, "tls_key", name);
	if (SSL_CTX_use_PrivateKey(ctx, key) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1) {
		EVP_PKEY_free(key);
		return fail(why, "tls_key", name);
	}
	EVP_PKEY_free(key);
	return ERR_OK;
}

/* Clients must then show a certificate that one of these signed. */
static enum err
read_client_ca(SSL_CTX *ctx, const char *name, struct buf *why)
{
	char *path = secret_path(name);
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
	enum err err = ERR_OK;

	if (names == NULL || SSL_CTX_load_verify_file(ctx, path) != 1) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		err = fail(why, "tls_client_ca", path);
	} else {
		SSL_CTX_set_client_CA_list(ctx, names);
		SSL_CTX_set_verify(ctx,
		    SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	}
	free(path);
	return err;
}

/* Clients will refuse it: said early, and no reason not to start. */
static void
check_end(SSL_CTX *ctx, const char *name)
{
	const X509 *cert = SSL_CTX_get0_certificate(ctx);
	char quoted[512];
	int days = 0, seconds = 0;

	if (cert != NULL &&
	    ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert)) &&
	    days < WARN_DAYS)
		log_warn("http.tls_ends", "file=%s days=%d",
		    log_quote(quoted, sizeof(quoted), span_of(name)),
		    seconds < 0 ? days - 1 : days);
}

/* HTTP/1.1 is what we speak; a client that offers more must be told. */
static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned in_len, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *chosen = NULL;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1, in,
		in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *
ctx_new(const struct conf *conf)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	ASSERT(ctx != NULL);
	ASSERT(SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1);
	ASSERT(SSL_CTX_set_cipher_list(ctx, ciphers) == 1);
	SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE |
				     SSL_OP_NO_RENEGOTIATION |
				     SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
				     SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* Each connection shakes hands anew: a reload holds for all that come
	 * after it. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
	/* What came in leaves no copy behind, where it can be a secret. */
	if (conf->crypt_key_file[0] != '\0')
		SSL_CTX_set_options(ctx, SSL_OP_CLEANSE_PLAINTEXT);
	/* An idle connection holds no 34 KB of buffers. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	return ctx;
}

enum err
tls_open(struct tls **out, const struct conf *conf, struct buf *why)
{
	const char *cert = conf->http_tls_cert, *key = conf->http_tls_key;
	const char *ca = conf->http_tls_client_ca;
	SSL_CTX *ctx;
	enum err err;

	*out = NULL;
	if (cert[0] == '\0' && key[0] == '\0' && ca[0] == '\0')
		return ERR_OK;
	if (cert[0] == '\0' || key[0] == '\0') {
		buf_add_str(why, "http.tls_cert and http.tls_key belong "
				 "together: one of them is missing");
		return ERR_TLS_FILES;
	}
	ctx = ctx_new(conf);
	err = read_cert(ctx, cert, why);
	if (err == ERR_OK)
		err = read_key(ctx, key, why);
	if (err == ERR_OK && ca[0] != '\0')
		err = read_client_ca(ctx, ca, why);
	if (err != ERR_OK) {
		SSL_CTX_free(ctx);
		return err;
	}
	secret_protect_process();
	check_end(ctx, cert);
	*out = xcalloc(1, sizeof(**out));
	(*out)->ctx = ctx;
	return ERR_OK;
}

void
tls_close(struct tls *t)
{
	if (t == NULL)
		return;
	SSL_CTX_free(t->ctx);
	free(t);
}

/* ---- connections ------------------------------------------------------ */

struct bufferevent *
tls_accept(struct tls *t, struct event_base *base, int fd)
{
	const int options = BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS;
	SSL *ssl = SSL_new(t->ctx);
	struct bufferevent *bev;

	if (ssl == NULL)
		return NULL;
	bev = bufferevent_openssl_socket_new(
	    base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING, options);
	if (bev == NULL)
		SSL_free(ssl);
	return bev;
}

void
tls_say_end(struct bufferevent *bev)
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);

	if (SSL_is_init_finished(ssl))
		(void)SSL_shutdown(ssl);
	ERR_clear_error();
}

bool
tls_why(struct bufferevent *bev, char text[WHY_MAX])
{
	const char *reason = "closed";
	unsigned long code;
	bool is_http = false;

	/* Among them are codes of SSL_get_error, which have no text. */
	while ((code = bufferevent_get_openssl_error(bev)) != 0) {
		const char *said = ERR_reason_error_string(code);

		reason = said == NULL ? reason : said;
		is_http |= ERR_GET_LIB(code) == ERR_LIB_SSL &&
			   ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST;
	}
	ERR_clear_error();
	snprintf(text, WHY_MAX, "%s", reason);
	return is_http;
}
