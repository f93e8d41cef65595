/* Values of encrypted columns; see seal.h. */

#include "core/seal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include "core/secret.h"

enum {
	MARK_LEN = 3,
	HEAD_FIXED = MARK_LEN + 2, /* mark, version, length of the key's id */
	HEAD_MAX = HEAD_FIXED + KEY_ID_MAX,
	PLACE_MAX = 255,
	NONCE_LEN = 12,
	NONCE_RANDOM = 8, /* of them; a counter follows */
	TAG_LEN = 16,
	SIV_KEY_LEN = 64,
	AAD_MAX = HEAD_MAX + 2 * (1 + PLACE_MAX)
};

/* In base64 they read "enc1". */
static const unsigned char mark[MARK_LEN] = {0x7a, 0x77, 0x35};
static const char mark_base64[] = "enc1", mark_hex[] = "\\x7a7735";

struct seal_key {
	char id[KEY_ID_MAX + 1];
	unsigned char secret[KEY_LEN];
	EVP_CIPHER_CTX *gcm;      /* has the key; a message brings its nonce */
	EVP_CIPHER_CTX *siv[2];   /* open, seal: copied for each message */
	EVP_CIPHER_CTX *siv_copy; /* that copy */
};

const char *
seal_kind_name(enum seal_kind kind)
{
	static const char *const names[SEAL_KIND_COUNT] = {
	    [SEAL_NONE] = "",
	    [SEAL_RANDOM] = "random",
	    [SEAL_DETERMINISTIC] = "deterministic",
	};

	return names[kind];
}

/* ---- keys ------------------------------------------------------------- */

/* A key of its own for each cipher: HKDF (RFC 5869). */
static void
derive(unsigned char *out, size_t len, const unsigned char secret[KEY_LEN])
{
	static char digest[] = "SHA256", info[] = "schedd field encryption";
	unsigned char in[KEY_LEN];
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(
		OSSL_KDF_PARAM_DIGEST, digest, sizeof(digest) - 1),
	    OSSL_PARAM_construct_octet_string(
		OSSL_KDF_PARAM_KEY, in, sizeof(in)),
	    OSSL_PARAM_construct_octet_string(
		OSSL_KDF_PARAM_INFO, info, sizeof(info) - 1),
	    OSSL_PARAM_construct_end(),
	};
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);

	memcpy(in, secret, sizeof(in));
	ASSERT(ctx != NULL && EVP_KDF_derive(ctx, out, len, params) == 1);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	secret_wipe(in, sizeof(in));
}

static EVP_CIPHER_CTX *
ctx_new(const char *name, const unsigned char *key, int is_sealing)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	ASSERT(cipher != NULL && ctx != NULL);
	ASSERT(
	    EVP_CipherInit_ex2(ctx, cipher, key, NULL, is_sealing, NULL) == 1);
	EVP_CIPHER_free(cipher);
	return ctx;
}

struct seal_key *
seal_key_new(struct span id, const unsigned char secret[KEY_LEN])
{
	struct seal_key *key = xcalloc(1, sizeof(*key));
	unsigned char made[KEY_LEN + SIV_KEY_LEN];

	ASSERT(id.len > 0 && id.len <= KEY_ID_MAX);
	memcpy(key->id, id.p, id.len);
	memcpy(key->secret, secret, KEY_LEN);
	derive(made, sizeof(made), secret);
	key->gcm = ctx_new("AES-256-GCM", made, 1);
	for (int i = 0; i < 2; i++)
		key->siv[i] = ctx_new("AES-256-SIV", made + KEY_LEN, i);
	key->siv_copy = EVP_CIPHER_CTX_new();
	ASSERT(key->siv_copy != NULL);
	secret_wipe(made, sizeof(made));
	return key;
}

void
seal_key_free(struct seal_key *key)
{
	if (key == NULL)
		return;
	EVP_CIPHER_CTX_free(key->gcm);
	EVP_CIPHER_CTX_free(key->siv[0]);
	EVP_CIPHER_CTX_free(key->siv[1]);
	EVP_CIPHER_CTX_free(key->siv_copy);
	secret_wipe(key, sizeof(*key));
	free(key);
}

const char *
seal_key_id(const struct seal_key *key)
{
	return key->id;
}

bool
seal_key_eq(const struct seal_key *a, const struct seal_key *b)
{
	return secret_eq(a->secret, b->secret, KEY_LEN);
}

/* ---- text ------------------------------------------------------------- */

static const char digits64[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* src may lie at the end of dst: three bytes are read before four are
 * written. */
static void
base64_write(char *dst, const unsigned char *src, size_t len)
{
	for (; len > 0; dst += 4) {
		size_t n = len < 3 ? len : 3;
		uint32_t bits = (uint32_t)src[0] << 16;

		if (n > 1)
			bits |= (uint32_t)src[1] << 8;
		if (n > 2)
			bits |= src[2];
		src += n;
		len -= n;
		dst[0] = digits64[bits >> 18];
		dst[1] = digits64[bits >> 12 & 63];
		dst[2] = n > 1 ? digits64[bits >> 6 & 63] : '=';
		dst[3] = n > 2 ? digits64[bits & 63] : '=';
	}
}

/* 64 for what is no digit. By a table: digits are as random as what they
 * encode, and no branch is foreseen. */
static uint32_t
base64_digit(char c)
{
	static unsigned char values[256];

	if (values['B'] == 0) {
		memset(values, 64, sizeof(values));
		for (unsigned i = 0; i < 64; i++)
			values[(unsigned char)digits64[i]] = (unsigned char)i;
	}
	return values[(unsigned char)c];
}

/* Four digits, the last ones '=' in the last four: how many bytes they are, 0
 * when they are none. */
static size_t
base64_four(const char *p, bool is_last, char out[3])
{
	size_t n = is_last && p[3] == '=' ? p[2] == '=' ? 1 : 2 : 3;
	uint32_t bits = 0;

	for (size_t i = 0; i < 4; i++) {
		uint32_t digit = i <= n ? base64_digit(p[i]) : 0;

		if (digit > 63)
			return 0;
		bits = bits << 6 | digit;
	}
	out[0] = (char)(bits >> 16);
	out[1] = (char)(bits >> 8);
	out[2] = (char)bits;
	/* What no byte is made of must be 0: a value has one spelling. */
	return (bits & (0xffffffu >> (8 * n))) == 0 ? n : 0;
}

static bool
base64_read(struct span text, char *dst, size_t *len)
{
	*len = 0;
	if (text.len % 4 != 0)
		return false;
	for (size_t i = 0; i < text.len; i += 4) {
		char bytes[3];
		size_t n = base64_four(text.p + i, i + 4 == text.len, bytes);

		if (n == 0)
			return false;
		memcpy(dst + *len, bytes, n);
		*len += n;
	}
	return true;
}

static void
hex_write(char *dst, const unsigned char *src, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		unsigned char c = src[i]; /* dst may reach it */

		dst[2 * i] = digits[c >> 4];
		dst[2 * i + 1] = digits[c & 15];
	}
}

/* ---- the format ------------------------------------------------------- */

/* Bytes around the text: nonce and tag, or the synthetic vector. */
static size_t
extra_of(enum seal_kind kind)
{
	return kind == SEAL_RANDOM ? NONCE_LEN + TAG_LEN : TAG_LEN;
}

static size_t
binary_size(const struct seal_key *key, enum seal_kind kind, size_t len)
{
	return HEAD_FIXED + strlen(key->id) + extra_of(kind) + len;
}

size_t
seal_size(const struct seal_key *key, enum seal_kind kind, enum seal_form form,
    size_t len)
{
	size_t n = binary_size(key, kind, len);

	return form == SEAL_HEX ? 2 + 2 * n : (n + 2) / 3 * 4;
}

/* What is bound to the value besides its text: the head, the channel and the
 * column, each with its length before it. Deterministic ones are not bound to
 * a channel: tables are joined by them. */
static size_t
aad_write(unsigned char aad[AAD_MAX], const unsigned char *head,
    size_t head_len, const struct seal_place *place)
{
	bool is_bound = head[MARK_LEN] != SEAL_DETERMINISTIC;
	const struct span parts[] = {
	    is_bound ? place->channel : SPAN(""), place->column};
	size_t len = head_len;

	memcpy(aad, head, head_len);
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		ASSERT(parts[i].len <= PLACE_MAX);
		aad[len++] = (unsigned char)parts[i].len;
		memcpy(aad + len, parts[i].p, parts[i].len);
		len += parts[i].len;
	}
	return len;
}

/* Never the same twice, also of other processes with the same key: random
 * bytes once, then a counter. Random ones alone would come again after 2^32
 * values, which is half a day of a busy channel. */
static void
nonce_next(unsigned char out[NONCE_LEN])
{
	static unsigned char random[NONCE_RANDOM];
	static uint32_t count;

	if (count == 0)
		secret_random(random, sizeof(random));
	memcpy(out, random, sizeof(random));
	for (int i = 0; i < NONCE_LEN - NONCE_RANDOM; i++)
		out[NONCE_RANDOM + i] = (unsigned char)(count >> (24 - 8 * i));
	count++;
}

struct message {
	const unsigned char *aad;
	size_t aad_len;
	const char *in;
	size_t len;
	unsigned char *out, *tag;
};

/* From its key and nonce on. False: the tag does not fit. */
static bool
run(EVP_CIPHER_CTX *ctx, const struct message *m, bool is_sealing)
{
	int n = 0;

	ASSERT(m->len <= SEAL_MAX_BYTES);
	if (!is_sealing)
		ASSERT(EVP_CIPHER_CTX_ctrl(
			   ctx, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, m->tag) == 1);
	ASSERT(EVP_CipherUpdate(ctx, NULL, &n, m->aad, (int)m->aad_len) == 1);
	if (EVP_CipherUpdate(ctx, m->out, &n, (const unsigned char *)m->in,
		(int)m->len) != 1 ||
	    EVP_CipherFinal_ex(ctx, m->out + m->len, &n) != 1)
		return false;
	if (is_sealing)
		ASSERT(EVP_CIPHER_CTX_ctrl(
			   ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, m->tag) == 1);
	return true;
}

static bool
run_gcm(const struct seal_key *key, const unsigned char *nonce,
    const struct message *m, bool is_sealing)
{
	ASSERT(EVP_CipherInit_ex2(
		   key->gcm, NULL, NULL, nonce, is_sealing, NULL) == 1);
	return run(key->gcm, m, is_sealing);
}

/* Such a context does for one message: a copy is quicker than a new key. */
static bool
run_siv(const struct seal_key *key, const struct message *m, bool is_sealing)
{
	bool ok;

	ASSERT(EVP_CIPHER_CTX_copy(key->siv_copy, key->siv[is_sealing]) == 1);
	ok = run(key->siv_copy, m, is_sealing);
	EVP_CIPHER_CTX_reset(key->siv_copy);
	return ok;
}

/* ---- sealing ---------------------------------------------------------- */

static size_t
head_write(unsigned char *dst, const struct seal_key *key, enum seal_kind kind)
{
	size_t len = strlen(key->id);

	memcpy(dst, mark, MARK_LEN);
	dst[MARK_LEN] = (unsigned char)kind;
	dst[MARK_LEN + 1] = (unsigned char)len;
	memcpy(dst + HEAD_FIXED, key->id, len);
	return HEAD_FIXED + len;
}

static void
binary_write(unsigned char *dst, const struct seal_key *key,
    enum seal_kind kind, const struct seal_place *place, struct span text)
{
	size_t head = head_write(dst, key, kind);
	unsigned char aad[AAD_MAX];
	struct message m = {.aad = aad,
	    .aad_len = aad_write(aad, dst, head, place),
	    .in = text.p,
	    .len = text.len};

	if (kind == SEAL_RANDOM) {
		nonce_next(dst + head);
		m.out = dst + head + NONCE_LEN;
		m.tag = m.out + text.len;
		ASSERT(run_gcm(key, dst + head, &m, true));
	} else {
		m.tag = dst + head;
		m.out = m.tag + TAG_LEN;
		ASSERT(run_siv(key, &m, true));
	}
}

void
seal_write(char *dst, const struct seal_key *key, enum seal_kind kind,
    enum seal_form form, const struct seal_place *place, struct span text)
{
	size_t len = binary_size(key, kind, text.len);
	char *end = dst + seal_size(key, kind, form, text.len);
	unsigned char *binary = (unsigned char *)end - len;

	ASSERT(text.len > 0);
	binary_write(binary, key, kind, place, text);
	if (form == SEAL_BASE64) {
		base64_write(dst, binary, len);
		return;
	}
	memcpy(dst, "\\x", 2);
	hex_write(dst + 2, binary, len);
}

/* ---- opening ---------------------------------------------------------- */

static bool
begins(struct span value, const char *with)
{
	size_t len = strlen(with);

	return value.len >= len && memcmp(value.p, with, len) == 0;
}

bool
seal_is_marked(struct span value)
{
	return begins(value, mark_base64) || begins(value, mark_hex);
}

static bool
text_read(struct span value, char *dst, size_t *len)
{
	if (begins(value, mark_base64))
		return base64_read(value, dst, len);
	if (!begins(value, mark_hex))
		return false;
	*len = value.len / 2 - 1;
	return hex_read((struct span){value.p + 2, value.len - 2},
	    (unsigned char *)dst, *len);
}

bool
seal_read(struct span value, char *scratch, struct sealed *out)
{
	size_t id_len, len;

	if (!text_read(value, scratch, &len) || len < HEAD_FIXED)
		return false;
	id_len = (unsigned char)scratch[MARK_LEN + 1];
	out->kind = (enum seal_kind)scratch[MARK_LEN];
	out->id = (struct span){scratch + HEAD_FIXED, id_len};
	out->bytes = scratch;
	out->len = len;
	return (out->kind == SEAL_RANDOM || out->kind == SEAL_DETERMINISTIC) &&
	       id_len > 0 && id_len <= KEY_ID_MAX &&
	       len > HEAD_FIXED + id_len + extra_of(out->kind);
}

/* The text is decrypted in place: of a forged value it is wiped. */
bool
seal_open(const struct sealed *sealed, const struct seal_key *key,
    const struct seal_place *place, struct span *text)
{
	size_t head = HEAD_FIXED + sealed->id.len;
	unsigned char *rest = (unsigned char *)sealed->bytes + head;
	size_t len = sealed->len - head - extra_of(sealed->kind);
	unsigned char aad[AAD_MAX];
	struct message m = {.aad = aad, .len = len};
	bool ok;

	m.aad_len = aad_write(aad, (unsigned char *)sealed->bytes, head, place);
	if (sealed->kind == SEAL_RANDOM) {
		m.out = rest + NONCE_LEN;
		m.tag = m.out + len;
		m.in = (char *)m.out;
		ok = run_gcm(key, rest, &m, false);
	} else {
		m.tag = rest;
		m.out = rest + TAG_LEN;
		m.in = (char *)m.out;
		ok = run_siv(key, &m, false);
	}
	if (!ok)
		secret_wipe(m.out, len);
	*text = (struct span){(char *)m.out, ok ? len : 0};
	return ok;
}
