#ifndef LOG_H
#define LOG_H

#include "ciphers.h"

// The audit log of the bare loops: a tree of which only the right edge is known, a leaf's text and the head's note.

enum { LEAF_TEXT = 1024, NOTE_TEXT = 512 };

struct tree {
    int64_t size;
    uint8_t edge[64][HASH];
    int edges;
};

/// Appends a leaf; `subtree`, its hash, becomes that of the largest full subtree that it completes.
void tree_append(struct tree *tree, uint8_t subtree[HASH]);

/// Of a tree that is not empty.
void tree_root(const struct tree *tree, uint8_t root[HASH]);

/// The length of the leaf's text.
int leaf_text(
    char text[LEAF_TEXT], int64_t index, int64_t grant, const uint8_t hash[HASH], const uint8_t fingerprint[HASH]);

/// The length of the signed note.
int head_note(const struct keys *keys, int64_t size, const uint8_t root[HASH], char note[NOTE_TEXT]);

#endif
