#include "ciphers.h"

#include <sodium.h>
#include <string.h>

void keys_make(struct keys *keys) {
    randombytes_buf(keys, sizeof *keys);
    crypto_sign_keypair(keys->public_key, keys->signing);
}

static void put(uint8_t *at, uint64_t value, int count) {
    for (int i = 0; i < count; i++) at[i] = (uint8_t)(value >> (8 * (count - 1 - i)));
}

void handle_seal(const struct keys *keys, int64_t grant, uint32_t generation, const uint8_t family[16], char *text) {
    uint8_t sealed[78], plain[37] = {0}, data[17] = {1};
    char encoded[105];
    memcpy(data + 1, keys->vault, 16);
    put(plain, (uint64_t)grant, 8);
    put(plain + 8, generation, 4);
    memcpy(plain + 12, family, 16);
    put(plain + 28, 29833333, 4);
    put(plain + 32, 29876534, 4);
    sealed[0] = 1;
    randombytes_buf(sealed + 1, 24);
    crypto_aead_xchacha20poly1305_ietf_encrypt(
        sealed + 25, NULL, plain, sizeof plain, data, sizeof data, NULL, sealed + 1, keys->handle);
    sodium_bin2base64(encoded, sizeof encoded, sealed, sizeof sealed, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    memcpy(text, "tv_rt_", 6);
    memcpy(text + 6, encoded, 104);
}

int handle_open(const struct keys *keys, const char *text, uint8_t plain[37]) {
    uint8_t sealed[78], data[17] = {1};
    size_t count = 0;
    memcpy(data + 1, keys->vault, 16);
    if (sodium_base642bin(
            sealed, sizeof sealed, text + 6, 104, NULL, &count, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
        return -1;
    return crypto_aead_xchacha20poly1305_ietf_decrypt(
        plain, NULL, NULL, sealed + 25, 53, data, sizeof data, sealed + 1, keys->handle);
}

static void keyed(
    const uint8_t key[32], const char *personal, const void *bytes, size_t count, uint8_t *out, size_t out_count) {
    uint8_t name[16] = {0};
    memcpy(name, personal, strlen(personal));
    crypto_generichash_blake2b_salt_personal(out, out_count, bytes, count, key, 32, NULL, name);
}

void tag_of(const struct keys *keys, const char *personal, const void *bytes, size_t count, uint8_t tag[TAG]) {
    keyed(keys->tags, personal, bytes, count, tag, TAG);
}

void row_tag_of(const struct keys *keys, const void *bytes, size_t count, uint8_t tag[ROW_TAG]) {
    keyed(keys->rows, "TokenVault.rtag1", bytes, count, tag, ROW_TAG);
}

void pair_seal(const struct keys *keys, int64_t grant, const char *access, const char *refresh, uint8_t record[PAIR]) {
    uint8_t input[100] = {0}, okm[64], *body = record + 64;
    memset(record, 0, PAIR);
    record[0] = record[1] = record[3] = record[7] = 1;
    randombytes_buf(record + 8, 24);
    memcpy(body + 2, access, TOKEN_TEXT);
    memcpy(body + 4 + TOKEN_TEXT, refresh, TOKEN_TEXT);
    body[4 + 2 * TOKEN_TEXT] = 0x80;
    memcpy(input, record, 32);
    input[32] = 60;
    memcpy(input + 56, keys->vault, 16);
    put(input + 84, (uint64_t)grant, 8);
    keyed(keys->owner, "TokenVault.seal1", input, sizeof input, okm, sizeof okm);
    memcpy(record + 32, okm + 32, 32);
    crypto_aead_xchacha20poly1305_ietf_encrypt(body, NULL, body, 256, record, 64, NULL, record + 8, okm);
    sodium_memzero(okm, sizeof okm);
}

void hash_of(const void *bytes, size_t count, uint8_t hash[HASH]) { crypto_hash_sha256(hash, bytes, count); }

void leaf_hash(const void *bytes, size_t count, uint8_t hash[HASH]) {
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, (const uint8_t *)"", 1);
    crypto_hash_sha256_update(&state, bytes, count);
    crypto_hash_sha256_final(&state, hash);
}

void node_hash(const uint8_t left[HASH], const uint8_t right[HASH], uint8_t hash[HASH]) {
    uint8_t bytes[65] = {1};
    memcpy(bytes + 1, left, HASH);
    memcpy(bytes + 33, right, HASH);
    crypto_hash_sha256(hash, bytes, sizeof bytes);
}

void head_sign(const struct keys *keys, const char *body, size_t count, uint8_t signature[NOTE_SIGNATURE]) {
    crypto_sign_detached(signature, NULL, (const uint8_t *)body, count, keys->signing);
}

int swap_compute(
    const struct keys *keys, char token[TOKEN_TEXT + 1], int64_t grant, const uint8_t *row, size_t count,
    struct swap *swap
) {
    uint8_t plain[37], family[TAG];
    char access[TOKEN_TEXT + 1], refresh[TOKEN_TEXT + 1];
    // What the presented token proves.
    if (handle_open(keys, token, plain) != 0) return -1;
    row_tag_of(keys, row, count, swap->row_tag);
    tag_of(keys, "tv.family", plain + 12, 16, family);
    tag_of(keys, "tv.token", token, TOKEN_TEXT, swap->old_tag);
    hash_of(token, TOKEN_TEXT, swap->fingerprint);
    // The next pair.
    handle_seal(keys, grant, 1, plain + 12, access);
    handle_seal(keys, grant, 1, plain + 12, refresh);
    tag_of(keys, "tv.token", access, TOKEN_TEXT, swap->access_tag);
    tag_of(keys, "tv.token", refresh, TOKEN_TEXT, swap->refresh_tag);
    pair_seal(keys, grant, access, refresh, swap->pair);
    hash_of(row, count, swap->row_hash);
    row_tag_of(keys, row, count, swap->row_tag);
    memcpy(token, refresh, TOKEN_TEXT);
    return 0;
}
