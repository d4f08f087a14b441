// The bare loop: per swap one SELECT, one UPDATE, one leaf INSERT; per commit the vault row, the head and one signature.
// No savepoints, no rules, no queue, no checks: what is left when everything that protects a caller is taken away.
#include "CBareLoop.h"
#include "ciphers.h"
#include "log.h"

#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { COLUMNS = 32, CHECKPOINT_FRAMES = 4096 };

struct bare_loop {
    sqlite3 *db;
    sqlite3_stmt *begin, *commit, *vault, *head, *row, *swap, *leaf, *tile, *set_head;
    struct keys keys;
    int64_t grants;
    struct tree tree;
    int frames;
    char token[TOKEN_TEXT + 1];
};

static const char *select_row =
    "SELECT id, client_id, owner_id, owner_revocations, client_revocations, kind, created_at, absolute_expires_at, "
    "scope, context, family_tag, tag_key_id, state, generation, idle_expires_at, swapped_at, credential_tag, "
    "previous_credential_tag, access_scope, access_audience, access_issued_at, access_expires_at, access_tag, "
    "previous_access_scope, previous_access_audience, previous_access_issued_at, previous_access_expires_at, "
    "previous_access_tag, pair, expires_day, first_used_at, leaf, row_tag FROM grants WHERE id = ?";
static const char *update_row =
    "UPDATE grants SET state = ?1, generation = ?2, idle_expires_at = ?3, swapped_at = ?3, credential_tag = ?4, "
    "previous_credential_tag = ?5, access_scope = ?6, access_audience = NULL, access_issued_at = ?3, "
    "access_expires_at = ?3, access_tag = ?7, previous_access_scope = ?6, previous_access_audience = NULL, "
    "previous_access_issued_at = ?3, previous_access_expires_at = ?3, previous_access_tag = ?7, pair = ?8, "
    "first_used_at = NULL, leaf = ?9, row_tag = ?10 WHERE id = ?11 AND generation = ?12";

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static int wal_grew(void *frames, sqlite3 *db, const char *name, int count) {
    (void)db, (void)name;
    *(int *)frames = count;
    return SQLITE_OK;
}

static sqlite3_stmt *prepare(bare_loop *loop, const char *sql) {
    sqlite3_stmt *statement = NULL;
    sqlite3_prepare_v3(loop->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
    return statement;
}

static int step(sqlite3_stmt *statement) {
    int code = sqlite3_step(statement);
    sqlite3_reset(statement);
    return code == SQLITE_DONE || code == SQLITE_ROW ? 0 : -1;
}

bare_loop *bare_loop_open(const char *path) {
    if (sodium_init() < 0) return NULL;
    bare_loop *loop = calloc(1, sizeof *loop);
    if (!loop || sqlite3_open(path, &loop->db) != SQLITE_OK) return NULL;
    sqlite3_exec(loop->db,
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA foreign_keys = ON;"
        "PRAGMA secure_delete = ON; PRAGMA cache_size = -16384; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY",
        NULL, NULL, NULL);
    loop->begin = prepare(loop, "BEGIN IMMEDIATE");
    loop->commit = prepare(loop, "COMMIT");
    loop->vault = prepare(loop, "SELECT * FROM vault WHERE id = 1");
    loop->head = prepare(loop, "SELECT size, root, edge, last_time, note FROM audit_head WHERE id = 1");
    loop->row = prepare(loop, select_row);
    loop->swap = prepare(loop, update_row);
    loop->leaf = prepare(loop, "INSERT INTO audit_leaves (id, bytes, hash) VALUES (?, ?, ?)");
    loop->tile = prepare(loop, "INSERT INTO audit_tiles (id, hash) VALUES (?, ?)");
    loop->set_head = prepare(
        loop, "UPDATE audit_head SET size = ?, root = ?, edge = ?, last_time = ?, note = ? WHERE id = 1");
    sqlite3_stmt *count = prepare(loop, "SELECT max(id) FROM grants");
    if (!count || !loop->set_head || sqlite3_step(count) != SQLITE_ROW || sqlite3_step(loop->head) != SQLITE_ROW) {
        bare_loop_close(loop);
        return NULL;
    }
    loop->grants = sqlite3_column_int64(count, 0);
    loop->tree.size = sqlite3_column_int64(loop->head, 0);
    loop->tree.edges = sqlite3_column_bytes(loop->head, 2) / HASH;
    memcpy(loop->tree.edge, sqlite3_column_blob(loop->head, 2), (size_t)loop->tree.edges * HASH);
    sqlite3_finalize(count);
    sqlite3_reset(loop->head);
    sqlite3_wal_hook(loop->db, wal_grew, &loop->frames);
    keys_make(&loop->keys);
    uint8_t family[16] = {0};
    handle_seal(&loop->keys, 1, 1, family, loop->token);
    return loop;
}

/// The row's canonical bytes: a type, a length, the value, for every column.
static size_t canonical(sqlite3_stmt *row, uint8_t *bytes) {
    size_t count = 0;
    for (int i = 0; i < COLUMNS; i++) {
        int type = sqlite3_column_type(row, i);
        bytes[count++] = (uint8_t)type;
        if (type == SQLITE_INTEGER) {
            int64_t value = sqlite3_column_int64(row, i);
            memcpy(bytes + count, &value, 8);
            count += 8;
        } else if (type != SQLITE_NULL) {
            int length = sqlite3_column_bytes(row, i);
            memcpy(bytes + count, &length, 4);
            memcpy(bytes + count + 4, sqlite3_column_blob(row, i), (size_t)length);
            count += 4 + (size_t)length;
        }
    }
    return count;
}

static int append_leaf(bare_loop *loop, int64_t grant, const uint8_t hash[HASH], const uint8_t fingerprint[HASH]) {
    char text[LEAF_TEXT];
    uint8_t subtree[HASH];
    int length = leaf_text(text, loop->tree.size, grant, hash, fingerprint);
    leaf_hash(text, (size_t)length, subtree);
    sqlite3_bind_int64(loop->leaf, 1, loop->tree.size);
    sqlite3_bind_blob(loop->leaf, 2, text, length, SQLITE_STATIC);
    sqlite3_bind_blob(loop->leaf, 3, subtree, HASH, SQLITE_TRANSIENT);
    if (step(loop->leaf) != 0) return -1;
    tree_append(&loop->tree, subtree);
    if (loop->tree.size % 256 != 0) return 0;
    sqlite3_bind_int64(loop->tile, 1, loop->tree.size / 256 - 1);
    sqlite3_bind_blob(loop->tile, 2, subtree, HASH, SQLITE_STATIC);
    return step(loop->tile);
}

static int swap_one(bare_loop *loop) {
    int64_t grant = 1 + (int64_t)(randombytes_random() % (uint64_t)loop->grants), time = 1790000000000;
    uint8_t bytes[2048];
    struct swap swap;
    sqlite3_bind_int64(loop->row, 1, grant);
    if (sqlite3_step(loop->row) != SQLITE_ROW) return -1;
    size_t count = canonical(loop->row, bytes);
    int64_t generation = sqlite3_column_int64(loop->row, 13);
    if (swap_compute(&loop->keys, loop->token, grant, bytes, count, &swap) != 0) return -1;
    sqlite3_reset(loop->row);
    sqlite3_bind_int64(loop->swap, 1, 1);
    sqlite3_bind_int64(loop->swap, 2, generation + 1);
    sqlite3_bind_int64(loop->swap, 3, time);
    sqlite3_bind_blob(loop->swap, 4, swap.refresh_tag, TAG, SQLITE_STATIC);
    sqlite3_bind_blob(loop->swap, 5, swap.old_tag, TAG, SQLITE_STATIC);
    sqlite3_bind_text(loop->swap, 6, "basic", 5, SQLITE_STATIC);
    sqlite3_bind_blob(loop->swap, 7, swap.access_tag, TAG, SQLITE_STATIC);
    sqlite3_bind_blob(loop->swap, 8, swap.pair, PAIR, SQLITE_STATIC);
    sqlite3_bind_int64(loop->swap, 9, loop->tree.size);
    sqlite3_bind_blob(loop->swap, 10, swap.row_tag, ROW_TAG, SQLITE_STATIC);
    sqlite3_bind_int64(loop->swap, 11, grant);
    sqlite3_bind_int64(loop->swap, 12, generation);
    if (step(loop->swap) != 0 || sqlite3_changes(loop->db) != 1) return -1;
    return append_leaf(loop, grant, swap.row_hash, swap.fingerprint);
}

static int commit_batch(bare_loop *loop, int batch) {
    char note[NOTE_TEXT];
    uint8_t root[HASH];
    if (step(loop->begin) != 0 || step(loop->vault) != 0 || step(loop->head) != 0) return -1;
    tree_root(&loop->tree, root);
    for (int i = 0; i < batch; i++)
        if (swap_one(loop) != 0) return -1;
    tree_root(&loop->tree, root);
    int length = head_note(&loop->keys, loop->tree.size, root, note);
    sqlite3_bind_int64(loop->set_head, 1, loop->tree.size);
    sqlite3_bind_blob(loop->set_head, 2, root, HASH, SQLITE_STATIC);
    sqlite3_bind_blob(loop->set_head, 3, loop->tree.edge, loop->tree.edges * HASH, SQLITE_STATIC);
    sqlite3_bind_int64(loop->set_head, 4, 1790000000000);
    sqlite3_bind_text(loop->set_head, 5, note, length, SQLITE_STATIC);
    if (step(loop->set_head) != 0 || step(loop->commit) != 0) return -1;
    if (loop->frames < CHECKPOINT_FRAMES) return 0;
    loop->frames = 0;
    return sqlite3_wal_checkpoint_v2(loop->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

double bare_loop_run(bare_loop *loop, int batch, double seconds) {
    double start = now(), elapsed = 0;
    int64_t swaps = 0;
    do {
        if (commit_batch(loop, batch) != 0) return -1;
        swaps += batch;
        elapsed = now() - start;
    } while (elapsed < seconds);
    return (double)swaps / elapsed;
}

const char *bare_loop_error(bare_loop *loop) { return sqlite3_errmsg(loop->db); }

void bare_loop_close(bare_loop *loop) {
    sqlite3_stmt *all[] = {loop->begin, loop->commit, loop->vault, loop->head,    loop->row,
                           loop->swap,  loop->leaf,   loop->tile,  loop->set_head};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) sqlite3_finalize(all[i]);
    sqlite3_close(loop->db);
    sodium_memzero(&loop->keys, sizeof loop->keys);
    free(loop);
}
