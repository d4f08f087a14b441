// The bare loop on PostgreSQL: a batch is two turns, the rows under the lock, and all changes with the commit. No rules, no
// queue, no checks, nothing that finds out what became of a commit.
#include "CBareLoop.h"
#include "CPostgres.h"
#include "ciphers.h"
#include "log.h"

#include <endian.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { COLUMNS = 32, MOST = 1024, GENERATION = 13 };
enum { INT8 = 20, BYTES = 17, TEXT = 25, INT8S = 1016 };

struct bare_postgres {
    const tv_pq *pq;
    PGconn *connection;
    struct keys keys;
    struct tree tree;
    int64_t grants;
    char token[TOKEN_TEXT + 1], error[256];
};

#define COLUMN_NAMES \
    "id, client_id, owner_id, owner_revocations, client_revocations, kind, created_at, absolute_expires_at, scope, " \
    "context, family_tag, tag_key_id, state, generation, idle_expires_at, swapped_at, credential_tag, " \
    "previous_credential_tag, access_scope, access_audience, access_issued_at, access_expires_at, access_tag, " \
    "previous_access_scope, previous_access_audience, previous_access_issued_at, previous_access_expires_at, " \
    "previous_access_tag, pair, expires_day, first_used_at, leaf, row_tag"

static const struct {
    const char *name, *sql;
    int count;
    unsigned types[12];
} statements[] = {
    {"begin", "BEGIN", 0, {0}},
    {"commit", "COMMIT", 0, {0}},
    {"lock", "SELECT pg_advisory_xact_lock($1)", 1, {INT8}},
    {"state", "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint, pg_is_in_recovery(), "
              "current_setting('synchronous_standby_names') <> ''", 0, {0}},
    {"vault", "SELECT * FROM vault", 0, {0}},
    {"head", "SELECT version, size, edge FROM audit_head_versions ORDER BY version DESC LIMIT 1", 0, {0}},
    {"rows", "SELECT " COLUMN_NAMES " FROM grants WHERE id = ANY ($1)", 1, {INT8S}},
    {"swap",
     "UPDATE grants SET state = $1, generation = $2, idle_expires_at = $3, swapped_at = $3, credential_tag = $4, "
     "previous_credential_tag = $5, access_scope = $6, access_audience = NULL, access_issued_at = $3, "
     "access_expires_at = $3, access_tag = $7, previous_access_scope = $6, previous_access_audience = NULL, "
     "previous_access_issued_at = $3, previous_access_expires_at = $3, previous_access_tag = $7, pair = $8, "
     "first_used_at = NULL, leaf = $9, row_tag = $10 WHERE id = $11 AND generation = $12",
     12, {INT8, INT8, INT8, BYTES, BYTES, TEXT, BYTES, BYTES, INT8, BYTES, INT8, INT8}},
    {"leaf", "INSERT INTO audit_leaves (id, bytes, hash) VALUES ($1, $2, $3)", 3, {INT8, BYTES, BYTES}},
    {"tile", "INSERT INTO audit_tiles (id, hash) VALUES ($1, $2)", 2, {INT8, BYTES}},
    {"new head",
     "INSERT INTO audit_head_versions (version, size, root, edge, last_time, note) VALUES ($1, $2, $3, $4, $5, $6)", 6,
     {INT8, INT8, BYTES, BYTES, INT8, TEXT}},
    {"old head", "DELETE FROM audit_head_versions WHERE version < $1", 1, {INT8}},
};

// The values of one statement, as PostgreSQL sends numbers.
struct values {
    const char *at[12];
    int sizes[12], count;
    int64_t numbers[12];
};

static void add_bytes(struct values *values, const void *bytes, size_t count) {
    values->at[values->count] = bytes;
    values->sizes[values->count++] = (int)count;
}

static void add_number(struct values *values, int64_t number) {
    int64_t *place = &values->numbers[values->count];
    *place = (int64_t)htobe64((uint64_t)number);
    add_bytes(values, place, 8);
}

static int64_t number_at(const bare_postgres *loop, PGresult *result, int row, int column) {
    uint64_t value;
    memcpy(&value, loop->pq->getvalue(result, row, column), 8);
    return (int64_t)be64toh(value);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static int fail(bare_postgres *loop, const char *place) {
    snprintf(loop->error, sizeof loop->error, "%s: %s", place, loop->pq->errorMessage(loop->connection));
    return -1;
}

static int send(bare_postgres *loop, const char *name, const struct values *values) {
    static const int binary[12] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    static const struct values none;
    if (!values) values = &none;
    return loop->pq->sendQueryPrepared(loop->connection, name, values->count, values->at, values->sizes, binary, 1) ? 0 : -1;
}

static int await(bare_postgres *loop, short events) {
    struct pollfd polled = {.fd = loop->pq->socket(loop->connection), .events = events};
    poll(&polled, 1, -1);
    return polled.revents & ~POLLOUT ? (loop->pq->consumeInput(loop->connection) ? 0 : -1) : 0;
}

static int flush(bare_postgres *loop) {
    int left = 0;
    if (!loop->pq->pipelineSync(loop->connection)) return -1;
    while ((left = loop->pq->flush(loop->connection)) > 0)
        if (await(loop, POLLIN | POLLOUT) != 0) return -1;
    return left;
}

static PGresult *next(bare_postgres *loop) {
    while (loop->pq->isBusy(loop->connection))
        if (await(loop, POLLIN) != 0) return NULL;
    return loop->pq->getResult(loop->connection);
}

// The answers of a turn, each followed by nothing, then its end. `kept` are those that the caller looks at and clears.
static int receive(bare_postgres *loop, int count, PGresult **kept) {
    for (int i = 0; i <= count; i++) {
        PGresult *result = next(loop);
        int status = result ? loop->pq->resultStatus(result) : 0;
        int isGood = i == count ? status == TV_PQ_PIPELINE_SYNC : status == TV_PQ_COMMAND_OK || status == TV_PQ_TUPLES_OK;
        if (!isGood) return fail(loop, "a statement failed");
        if (kept && i < count) kept[i] = result;
        else loop->pq->clear(result);
        if (i < count && next(loop)) return fail(loop, "a statement answered twice");
    }
    return 0;
}

bare_postgres *bare_postgres_open(const char *conninfo) {
    const tv_pq *pq = tv_pq_open();
    bare_postgres *loop = calloc(1, sizeof *loop);
    if (sodium_init() < 0 || !pq || !loop) return NULL;
    loop->pq = pq;
    const char *keys[] = {"dbname", NULL}, *values[] = {conninfo, NULL};
    loop->connection = pq->connectdbParams(keys, values, 1);
    keys_make(&loop->keys);
    uint8_t family[16] = {0};
    handle_seal(&loop->keys, 1, 1, family, loop->token);
    return loop;
}

static int prepare(bare_postgres *loop) {
    const tv_pq *pq = loop->pq;
    int count = sizeof statements / sizeof *statements;
    if (pq->status(loop->connection) != TV_PQ_CONNECTED) return fail(loop, "no connection");
    if (loop->grants) return 0;
    if (pq->setnonblocking(loop->connection, 1) != 0 || !pq->enterPipelineMode(loop->connection)) return -1;
    for (int i = 0; i < count; i++)
        if (!pq->sendPrepare(loop->connection, statements[i].name, statements[i].sql, statements[i].count, statements[i].types))
            return fail(loop, statements[i].name);
    if (!pq->sendPrepare(loop->connection, "count", "SELECT max(id) FROM grants", 0, NULL)) return -1;
    if (send(loop, "count", NULL) != 0 || flush(loop) != 0) return fail(loop, "count");
    PGresult *answers[sizeof statements / sizeof *statements + 2];
    if (receive(loop, count + 2, answers) != 0) return -1;
    loop->grants = number_at(loop, answers[count + 1], 0, 0);
    for (int i = 0; i < count + 2; i++) pq->clear(answers[i]);
    return 0;
}

// The row's canonical bytes: a type, a length, the value, for every column.
static size_t canonical(const bare_postgres *loop, PGresult *rows, int row, uint8_t *bytes) {
    size_t count = 0;
    for (int i = 0; i < COLUMNS; i++) {
        if (loop->pq->getisnull(rows, row, i)) {
            bytes[count++] = 5;
            continue;
        }
        int length = loop->pq->getlength(rows, row, i);
        bytes[count++] = loop->pq->ftype(rows, i) == INT8 ? 1 : 4;
        memcpy(bytes + count, &length, 4);
        memcpy(bytes + count + 4, loop->pq->getvalue(rows, row, i), (size_t)length);
        count += 4 + (size_t)length;
    }
    return count;
}

// An array of one dimension: its header, then each number behind its length.
static size_t choose(bare_postgres *loop, int batch, uint8_t *array) {
    uint32_t header[] = {htobe32(1), 0, htobe32(INT8), htobe32((uint32_t)batch), htobe32(1)}, length = htobe32(8);
    int64_t chosen[MOST];
    memcpy(array, header, sizeof header);
    uint8_t *end = array + sizeof header;
    for (int i = 0; i < batch; i++) {
        int isNew;
        do {
            chosen[i] = 1 + (int64_t)(randombytes_random() % (uint64_t)loop->grants);
            isNew = 1;
            for (int j = 0; j < i; j++) isNew &= chosen[j] != chosen[i];
        } while (!isNew);
        uint64_t number = htobe64((uint64_t)chosen[i]);
        memcpy(end, &length, 4);
        memcpy(end + 4, &number, 8);
        end += 12;
    }
    return (size_t)(end - array);
}

static int swap_one(bare_postgres *loop, PGresult *rows, int row, int *sent) {
    int64_t grant = number_at(loop, rows, row, 0), generation = number_at(loop, rows, row, GENERATION);
    uint8_t bytes[2048], subtree[HASH];
    char text[LEAF_TEXT];
    struct swap swap;
    struct values update = {0}, leaf = {0}, tile = {0};
    size_t count = canonical(loop, rows, row, bytes);
    if (swap_compute(&loop->keys, loop->token, grant, bytes, count, &swap) != 0) return -1;
    add_number(&update, 1);
    add_number(&update, generation + 1);
    add_number(&update, 1790000000000);
    add_bytes(&update, swap.refresh_tag, TAG);
    add_bytes(&update, swap.old_tag, TAG);
    add_bytes(&update, "basic", 5);
    add_bytes(&update, swap.access_tag, TAG);
    add_bytes(&update, swap.pair, PAIR);
    add_number(&update, loop->tree.size);
    add_bytes(&update, swap.row_tag, ROW_TAG);
    add_number(&update, grant);
    add_number(&update, generation);
    int length = leaf_text(text, loop->tree.size, grant, swap.row_hash, swap.fingerprint);
    leaf_hash(text, (size_t)length, subtree);
    add_number(&leaf, loop->tree.size);
    add_bytes(&leaf, text, (size_t)length);
    add_bytes(&leaf, subtree, HASH);
    if (send(loop, "swap", &update) != 0 || send(loop, "leaf", &leaf) != 0) return fail(loop, "swap");
    *sent += 2;
    tree_append(&loop->tree, subtree);
    if (loop->tree.size % 256 != 0) return 0;
    add_number(&tile, loop->tree.size / 256 - 1);
    add_bytes(&tile, subtree, HASH);
    *sent += 1;
    return send(loop, "tile", &tile);
}

static int write_head(bare_postgres *loop, int64_t version, int *sent) {
    char note[NOTE_TEXT];
    uint8_t root[HASH];
    struct values head = {0}, old = {0};
    tree_root(&loop->tree, root);
    int length = head_note(&loop->keys, loop->tree.size, root, note);
    add_number(&head, version + 1);
    add_number(&head, loop->tree.size);
    add_bytes(&head, root, HASH);
    add_bytes(&head, loop->tree.edge, (size_t)loop->tree.edges * HASH);
    add_number(&head, 1790000000000);
    add_bytes(&head, note, (size_t)length);
    add_number(&old, version + 1);
    *sent += 2;
    return send(loop, "new head", &head) == 0 ? send(loop, "old head", &old) : -1;
}

enum { ANSWER_BEGIN, ANSWER_LOCK, ANSWER_STATE, ANSWER_VAULT, ANSWER_HEAD, ANSWER_ROWS, ANSWERS };

static int commit_batch(bare_postgres *loop, int batch) {
    static uint8_t array[20 + 12 * MOST];
    PGresult *answers[ANSWERS];
    struct values lock = {0}, wanted = {0};
    add_number(&lock, 4711);
    add_bytes(&wanted, array, choose(loop, batch, array));
    if (send(loop, "begin", NULL) || send(loop, "lock", &lock) || send(loop, "state", NULL) || send(loop, "vault", NULL) ||
        send(loop, "head", NULL) || send(loop, "rows", &wanted) || flush(loop))
        return fail(loop, "the first turn");
    if (receive(loop, ANSWERS, answers) != 0) return -1;
    PGresult *head = answers[ANSWER_HEAD], *rows = answers[ANSWER_ROWS];
    if (loop->pq->ntuples(rows) != batch || loop->pq->ntuples(head) != 1) return fail(loop, "rows are missing");
    int64_t version = number_at(loop, head, 0, 0);
    loop->tree.size = number_at(loop, head, 0, 1);
    loop->tree.edges = loop->pq->getlength(head, 0, 2) / HASH;
    memcpy(loop->tree.edge, loop->pq->getvalue(head, 0, 2), (size_t)loop->tree.edges * HASH);
    int sent = 1;
    for (int i = 0; i < batch; i++)
        if (swap_one(loop, rows, i, &sent) != 0) return -1;
    if (write_head(loop, version, &sent) != 0 || send(loop, "commit", NULL) != 0 || flush(loop) != 0)
        return fail(loop, "the second turn");
    for (int i = 0; i < ANSWERS; i++) loop->pq->clear(answers[i]);
    return receive(loop, sent, NULL);
}

double bare_postgres_run(bare_postgres *loop, int batch, double seconds) {
    if (batch > MOST || prepare(loop) != 0) return -1;
    double start = now(), elapsed = 0;
    int64_t swaps = 0;
    do {
        if (commit_batch(loop, batch) != 0) return -1;
        swaps += batch;
        elapsed = now() - start;
    } while (elapsed < seconds);
    return (double)swaps / elapsed;
}

const char *bare_postgres_error(bare_postgres *loop) { return loop->error; }

void bare_postgres_close(bare_postgres *loop) {
    loop->pq->finish(loop->connection);
    sodium_memzero(&loop->keys, sizeof loop->keys);
    free(loop);
}
