#include "CPostgres.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>

static tv_pq functions;
static bool isComplete;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_library(void) {
    void *library = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
    if (!library) return;
    isComplete = true;
#define FIND(field, name) \
    if (!(functions.field = (__typeof__(functions.field))dlsym(library, name))) isComplete = false
    FIND(connectStartParams, "PQconnectStartParams");
    FIND(connectdbParams, "PQconnectdbParams");
    FIND(finish, "PQfinish");
    FIND(status, "PQstatus");
    FIND(errorMessage, "PQerrorMessage");
    FIND(conninfo, "PQconninfo");
    FIND(conninfoFree, "PQconninfoFree");
    FIND(socket, "PQsocket");
    FIND(sslInUse, "PQsslInUse");
    FIND(serverVersion, "PQserverVersion");
    FIND(parameterStatus, "PQparameterStatus");
    FIND(setNoticeReceiver, "PQsetNoticeReceiver");
    FIND(setnonblocking, "PQsetnonblocking");
    FIND(enterPipelineMode, "PQenterPipelineMode");
    FIND(pipelineSync, "PQpipelineSync");
    FIND(setSingleRowMode, "PQsetSingleRowMode");
    FIND(sendPrepare, "PQsendPrepare");
    FIND(sendQueryPrepared, "PQsendQueryPrepared");
    FIND(flush, "PQflush");
    FIND(consumeInput, "PQconsumeInput");
    FIND(isBusy, "PQisBusy");
    FIND(getResult, "PQgetResult");
    FIND(resultStatus, "PQresultStatus");
    FIND(resultErrorField, "PQresultErrorField");
    FIND(ntuples, "PQntuples");
    FIND(nfields, "PQnfields");
    FIND(ftype, "PQftype");
    FIND(getisnull, "PQgetisnull");
    FIND(getlength, "PQgetlength");
    FIND(getvalue, "PQgetvalue");
    FIND(cmdTuples, "PQcmdTuples");
    FIND(clear, "PQclear");
#undef FIND
}

const tv_pq *tv_pq_open(void) {
    pthread_once(&once, open_library);
    return isComplete ? &functions : NULL;
}
