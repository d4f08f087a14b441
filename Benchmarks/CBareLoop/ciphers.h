#ifndef CIPHERS_H
#define CIPHERS_H

#include <stddef.h>
#include <stdint.h>

// The libsodium calls of one swap and of one commit, with keys made up at the start.

enum { TOKEN_TEXT = 110, TAG = 16, ROW_TAG = 32, HASH = 32, PAIR = 80 + 256, NOTE_SIGNATURE = 64 };

struct keys {
    uint8_t handle[32], tags[32], rows[32], owner[32], signing[64], public_key[32], vault[16];
};

void keys_make(struct keys *keys);

/// Base64url text of a sealed handle.
void handle_seal(const struct keys *keys, int64_t grant, uint32_t generation, const uint8_t family[16], char *text);

/// 0 when the text opens; `plain` gets grant, generation and family secret, 28 bytes.
int handle_open(const struct keys *keys, const char *text, uint8_t plain[37]);

void tag_of(const struct keys *keys, const char *personal, const void *bytes, size_t count, uint8_t tag[TAG]);
void row_tag_of(const struct keys *keys, const void *bytes, size_t count, uint8_t tag[ROW_TAG]);

/// A sealed field: commitment and record key from BLAKE2b-512, then XChaCha20-Poly1305 over 256 padded bytes.
void pair_seal(const struct keys *keys, int64_t grant, const char *access, const char *refresh, uint8_t record[PAIR]);

void hash_of(const void *bytes, size_t count, uint8_t hash[HASH]);
void leaf_hash(const void *bytes, size_t count, uint8_t hash[HASH]);
void node_hash(const uint8_t left[HASH], const uint8_t right[HASH], uint8_t hash[HASH]);
void head_sign(const struct keys *keys, const char *body, size_t count, uint8_t signature[NOTE_SIGNATURE]);

/// What one swap writes.
struct swap {
    uint8_t access_tag[TAG], refresh_tag[TAG], old_tag[TAG], row_tag[ROW_TAG];
    uint8_t fingerprint[HASH], row_hash[HASH], pair[PAIR];
};

/// Everything that a swap computes of its grant's canonical bytes and the token presented, which becomes the next one.
/// 0 when that token opens.
int swap_compute(
    const struct keys *keys, char token[TOKEN_TEXT + 1], int64_t grant, const uint8_t *row, size_t count,
    struct swap *swap);

#endif
