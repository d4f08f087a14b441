// What TokenVault uses of libpq 14 and later: types, numbers and prototypes of its own, so that nothing is needed to build.
// The library itself is opened at the first use.
#ifndef TOKENVAULT_CPOSTGRES_H
#define TOKENVAULT_CPOSTGRES_H

#include <stddef.h>

typedef struct pg_conn PGconn;
typedef struct pg_result PGresult;
typedef void (*tv_pq_notice_receiver)(void *context, const PGresult *result);

/// An entry of what PQconninfo tells, as libpq lays it out.
typedef struct {
    char *keyword;
    char *envvar;
    char *compiled;
    char *val;
    char *label;
    char *dispchar;
    int dispsize;
} tv_pq_option;

enum { TV_PQ_CONNECTED = 0 };
enum {
    TV_PQ_COMMAND_OK = 1,
    TV_PQ_TUPLES_OK = 2,
    TV_PQ_SINGLE_TUPLE = 9,
    TV_PQ_PIPELINE_SYNC = 10,
    TV_PQ_PIPELINE_ABORTED = 11,
};
enum { TV_PQ_FIELD_SEVERITY = 'V', TV_PQ_FIELD_SQLSTATE = 'C' };

/// The functions of libpq, by the names that its manual has without `PQ`.
typedef struct {
    PGconn *(*connectStartParams)(const char *const *keywords, const char *const *values, int expandDatabase);
    PGconn *(*connectdbParams)(const char *const *keywords, const char *const *values, int expandDatabase);
    void (*finish)(PGconn *);
    int (*status)(const PGconn *);
    char *(*errorMessage)(const PGconn *);
    tv_pq_option *(*conninfo)(PGconn *);
    void (*conninfoFree)(tv_pq_option *);
    int (*socket)(const PGconn *);
    int (*sslInUse)(PGconn *);
    int (*serverVersion)(const PGconn *);
    const char *(*parameterStatus)(const PGconn *, const char *name);
    tv_pq_notice_receiver (*setNoticeReceiver)(PGconn *, tv_pq_notice_receiver, void *context);
    int (*setnonblocking)(PGconn *, int);
    int (*enterPipelineMode)(PGconn *);
    int (*pipelineSync)(PGconn *);
    int (*setSingleRowMode)(PGconn *);
    int (*sendPrepare)(PGconn *, const char *name, const char *query, int count, const unsigned int *types);
    int (*sendQueryPrepared)(
        PGconn *, const char *name, int count, const char *const *values, const int *lengths,
        const int *formats, int resultFormat);
    int (*flush)(PGconn *);
    int (*consumeInput)(PGconn *);
    int (*isBusy)(PGconn *);
    PGresult *(*getResult)(PGconn *);
    int (*resultStatus)(const PGresult *);
    char *(*resultErrorField)(const PGresult *, int field);
    int (*ntuples)(const PGresult *);
    int (*nfields)(const PGresult *);
    unsigned int (*ftype)(const PGresult *, int column);
    int (*getisnull)(const PGresult *, int row, int column);
    int (*getlength)(const PGresult *, int row, int column);
    char *(*getvalue)(const PGresult *, int row, int column);
    char *(*cmdTuples)(PGresult *);
    void (*clear)(PGresult *);
} tv_pq;

/// Opens the library at the first call. NULL: it is not installed, or is older than 14.
const tv_pq *tv_pq_open(void);

#endif
