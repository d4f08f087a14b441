#include "log.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

void tree_append(struct tree *tree, uint8_t subtree[HASH]) {
    for (int64_t rest = tree->size; rest & 1; rest >>= 1) node_hash(tree->edge[--tree->edges], subtree, subtree);
    memcpy(tree->edge[tree->edges++], subtree, HASH);
    tree->size++;
}

void tree_root(const struct tree *tree, uint8_t root[HASH]) {
    memcpy(root, tree->edge[tree->edges - 1], HASH);
    for (int i = tree->edges - 2; i >= 0; i--) node_hash(tree->edge[i], root, root);
}

int leaf_text(
    char text[LEAF_TEXT], int64_t index, int64_t grant, const uint8_t hash[HASH], const uint8_t fingerprint[HASH]
) {
    char hex[65], print[33];
    sodium_bin2hex(hex, sizeof hex, hash, HASH);
    sodium_bin2hex(print, sizeof print, fingerprint, 16);
    return snprintf(text, LEAF_TEXT,
        "{\"v\":1,\"i\":%lld,\"t\":1790000000000,\"m\":123456789,\"b\":\"%.32s\",\"op\":\"token.refresh\",\"out\":"
        "\"succeeded\",\"by\":\"%.32s\",\"via\":\"library\",\"g\":%lld,\"n\":12,\"tok\":\"%s\",\"rows\":[[6,%lld,"
        "\"%s\",20000]]}",
        (long long)index, hex, hex, (long long)grant, print, (long long)grant, hex);
}

int head_note(const struct keys *keys, int64_t size, const uint8_t root[HASH], char note[NOTE_TEXT]) {
    char body[256], text[128];
    uint8_t signature[NOTE_SIGNATURE];
    sodium_bin2base64(text, sizeof text, root, HASH, sodium_base64_VARIANT_ORIGINAL);
    int length = snprintf(
        body, sizeof body, "tokenvault/00000000000000000000000000000000\n%lld\n%s\n", (long long)size, text);
    head_sign(keys, body, (size_t)length, signature);
    sodium_bin2base64(text, sizeof text, signature, sizeof signature, sodium_base64_VARIANT_ORIGINAL);
    return snprintf(note, NOTE_TEXT, "%s\n- tokenvault/00000000000000000000000000000000 %s\n", body, text);
}
