/* A cache of facts about each code object, and about each instruction that was seen to create a lock or to wait. */
#ifndef THREAD_CODE_INFO_H
#define THREAD_CODE_INFO_H

#include "identities.h"

/* How the standard library came from an instruction of the program to the creation of a lock of its own. */
typedef struct CreationPath {
    struct CreationPath *next;
    uint64_t hash;
    Identity *identities[KIND_COUNT];
} CreationPath;

typedef struct {
    int offset;
    Identity *identities[KIND_COUNT]; /* NULL until a lock was created here */
    CreationPath *paths;
    PyObject *site; /* borrowed: sites live as long as the process; NULL until a wait was charged here */
} Instruction;

/* A hash table by open addressing; once added, an instruction stays where it is. */
typedef struct {
    Instruction **slots;
    uint32_t capacity; /* a power of two, or 0 */
    uint32_t count;
} Instructions;

typedef struct {
    PyWeakReference reference; /* to the code object, whatever has its address meanwhile */
    const PyCodeObject *code;  /* an address only */
    bool internal;             /* charged to the caller */
    bool ours;                 /* internal, and no part of a creation path either */
    bool of_an_sdk;            /* its objects serve telemetry alone and are not observed */
    bool imports;              /* the import system, whose locks are not observed */
    bool reacquires;           /* waits to get back the lock that it gave up in Condition.wait */
    PyObject *blocks;          /* kind of wait (borrowed); empty: not to be recorded; NULL: it was not declared */
    Instructions instructions;
} CodeInfo;

bool starts_with(PyObject *text, PyObject *prefix);
/* Whether a file is a part of this package. */
bool is_our_file(PyObject *filename);

/* A borrowed reference that is valid as long as the code; NULL with an exception set. */
CodeInfo *code_info_of(PyCodeObject *code);
CodeInfo *code_info_of_frame(PyFrameObject *frame);
/* NULL if it was not seen yet. */
Instruction *instruction_known(const CodeInfo *info, int offset);
/* Added if need be; NULL with an exception set. */
Instruction *instruction_at(CodeInfo *info, int offset);
/* Where this thread is, without a frame object; NULL unless it was seen before and is the program's own. */
Instruction *instruction_of_this_thread(void);
/* Whether this thread runs code that waits to get back the lock that it gave up in Condition.wait. */
bool is_reacquisition(void);

int code_info_init(void);

extern PyMethodDef code_info_functions[];

#endif
