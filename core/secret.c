/* What secrets need; see secret.h. */

#define _GNU_SOURCE                 /* explicit_bzero */
#define OPENSSL_SUPPRESS_DEPRECATED /* SHA256_Init; see digest_sha256 */

#include "core/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

enum { PATH_MAX_BYTES = 8192 };

/* By the calls that OpenSSL 3.0 calls old: its new ones allocate each time, and
 * each request with a token is digested. */
void
digest_sha256(unsigned char out[DIGEST_LEN], struct span text)
{
	SHA256_CTX ctx;

	_Static_assert(DIGEST_LEN == SHA256_DIGEST_LENGTH, "SHA-256");
	ASSERT(SHA256_Init(&ctx) == 1);
	ASSERT(SHA256_Update(&ctx, text.p, text.len) == 1);
	ASSERT(SHA256_Final(out, &ctx) == 1);
}

void
hex_print(char *dst, const unsigned char *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		dst[2 * i] = digits[bytes[i] >> 4];
		dst[2 * i + 1] = digits[bytes[i] & 15];
	}
	dst[2 * len] = '\0';
}

/* 16 for what is no digit. */
static unsigned
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned)(c - 'a' + 10);
	return 16;
}

bool
hex_read(struct span text, unsigned char *bytes, size_t len)
{
	if (text.len != 2 * len)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned high = hex_digit(text.p[2 * i]);
		unsigned low = hex_digit(text.p[2 * i + 1]);

		if (high > 15 || low > 15)
			return false;
		bytes[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

void
digest_chain(char out[2 * DIGEST_LEN + 1], struct span prev, uint64_t seq,
    struct span text)
{
	unsigned char digest[DIGEST_LEN];
	struct buf all;

	buf_init(&all, SIZE_MAX);
	buf_add_span(&all, prev);
	buf_add_char(&all, '\n');
	buf_add_u64(&all, seq);
	buf_add_char(&all, '\n');
	buf_add_span(&all, text);
	ASSERT(!all.failed);
	digest_sha256(digest, buf_span(&all));
	hex_print(out, digest, sizeof(digest));
	buf_clear(&all);
}

void
secret_random(void *dst, size_t len)
{
	/* Up to 256 bytes come whole or not at all. */
	ASSERT(len <= 256 && getrandom(dst, len, 0) == (ssize_t)len);
}

bool
secret_eq(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

void
secret_wipe(void *p, size_t len)
{
	if (len > 0)
		explicit_bzero(p, len);
}

/* ---- files ------------------------------------------------------------ */

/* The service manager's folder, when the name is to be found there. */
static const char *
credentials_folder(const char *name)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");

	if (name[0] == '/' || folder == NULL || folder[0] != '/')
		return NULL;
	return folder;
}

char *
secret_path(const char *name)
{
	const char *folder = credentials_folder(name);
	struct buf path;
	char *copy;

	buf_init(&path, PATH_MAX_BYTES);
	if (folder != NULL)
		buf_addf(&path, "%s/", folder);
	buf_add_str(&path, name);
	copy = xmemdupz(path.data, path.len);
	buf_clear(&path);
	return copy;
}

static enum err
fail(struct buf *why, const char *setting, const char *path, const char *text)
{
	buf_addf(why, "%s: %s %s", setting, path, text);
	return ERR_CONF_VALUE;
}

/* systemd gives a credential to one service by an access list, which looks
 * like rights of the group. */
static enum err
check_file(int fd, const char *setting, const char *path, mode_t forbidden,
    struct buf *why)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return fail(why, setting, path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail(why, setting, path, "is no file");
	if ((st.st_mode & forbidden) != 0)
		return fail(why, setting, path,
		    "must not be readable by others (chmod 600)");
	if (st.st_size > SECRET_FILE_MAX)
		return fail(why, setting, path, "is larger than 64 KiB");
	return ERR_OK;
}

static enum err
read_file(int fd, const char *setting, const char *path, struct buf *out,
    struct buf *why)
{
	ssize_t n = 1;

	if (!buf_reserve(out, SECRET_FILE_MAX))
		return fail(why, setting, path, "does not fit into memory");
	while (n > 0 && out->len < SECRET_FILE_MAX) {
		n = read(fd, out->data + out->len, SECRET_FILE_MAX - out->len);
		if (n > 0)
			out->len += (size_t)n;
	}
	if (n < 0)
		return fail(why, setting, path, strerror(errno));
	return out->len > 0 ? ERR_OK : fail(why, setting, path, "is empty");
}

enum err
secret_read(
    const char *setting, const char *name, struct buf *out, struct buf *why)
{
	mode_t forbidden = S_IRWXO;
	char *path = secret_path(name);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	enum err err;

	if (credentials_folder(name) == NULL)
		forbidden |= S_IRWXG;
	if (fd < 0)
		err = fail(why, setting, path, strerror(errno));
	else
		err = check_file(fd, setting, path, forbidden, why);
	if (err == ERR_OK)
		err = read_file(fd, setting, path, out, why);
	if (fd >= 0)
		close(fd);
	free(path);
	return err;
}

void
secret_protect_process(void)
{
	const struct rlimit none = {0, 0};

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
