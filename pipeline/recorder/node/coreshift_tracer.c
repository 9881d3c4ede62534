/*
 * Tracer back end of the recorder: writes each trace event into a pool of fixed-size records.
 *
 * A thread takes a chunk of the pool with one atomic addition and then fills it alone: no lock, no
 * message, no allocation and no system call but the clock (vDSO) in the hot path. The pool is mapped once
 * (its pages cost memory only when they are first written) and bounds what a recording can use.
 *
 * Nothing but immediate terms (local pids, local ports, atoms) is kept from an event. They are stored
 * as the VM's own words, valid as long as the VM lives, and named when the recording is over.
 */
#include <erl_nif.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define EVENTS_MAX 64
#define THREADS_MAX 4096
#define NO_ARITY 0xffff

enum { SEND = 1, SPAWN, COLLECT }; /* what an event's own data look like; 0 = by type of the term */

typedef struct {
  int64_t t_ns;
  uint64_t who;
  uint64_t peer; /* or words used in the young heap */
  union {
    struct {
      uint32_t module, function;
    } mfa;
    uint64_t old_heap_words;
  } u;
  uint16_t arity;
  uint16_t scheduler;
  uint8_t event; /* position in the list given to open/3, from 1; 0 = empty */
  uint8_t unused[3];
} Record;

/* One a thread. `busy` is for threads that the VM does not wait for before it changes code. */
typedef struct {
  uint64_t generation;
  Record *next, *end;
  uint16_t scheduler;
  int is_managed;
  _Atomic int *busy;
} Thread;

static Record *pool;
static size_t pool_bytes, chunk_records, chunk_count;
static atomic_size_t chunks_taken;
static _Atomic int recording;
static _Atomic int64_t stopped_ns;
static int64_t deadline_ns;
static atomic_uint dirty_seen[2];
static _Atomic int busy[THREADS_MAX];
static atomic_uint busy_taken;
static uint64_t generation; /* of the pool: threads forget the chunk of an earlier one */
static __thread Thread self;

static ERL_NIF_TERM events[EVENTS_MAX];
static int shapes[EVENTS_MAX], event_count;
static ERL_NIF_TERM a_trace, a_remove, a_ok, a_extra, a_scheduler_id, a_heap_size, a_old_heap_size;
static ERL_NIF_TERM a_true, a_false, a_busy, a_no_memory;

static int load(ErlNifEnv *env, void **data, ERL_NIF_TERM info) {
  (void)data, (void)info;
  a_trace = enif_make_atom(env, "trace");
  a_remove = enif_make_atom(env, "remove");
  a_ok = enif_make_atom(env, "ok");
  a_extra = enif_make_atom(env, "extra");
  a_scheduler_id = enif_make_atom(env, "scheduler_id");
  a_heap_size = enif_make_atom(env, "heap_size");
  a_old_heap_size = enif_make_atom(env, "old_heap_size");
  a_true = enif_make_atom(env, "true");
  a_false = enif_make_atom(env, "false");
  a_busy = enif_make_atom(env, "busy");
  a_no_memory = enif_make_atom(env, "no_memory");
  return 0;
}

static void unmap(void) {
  if (pool) munmap(pool, pool_bytes);
  pool = NULL;
}

static void unload(ErlNifEnv *env, void *data) {
  (void)env, (void)data;
  unmap();
}

/* ---- hot path ---------------------------------------------------------------------------- */

static void stop_at(int64_t now_ns) {
  int64_t never = 0;
  atomic_compare_exchange_strong(&stopped_ns, &never, now_ns);
  atomic_store(&recording, 0);
}

static uint16_t scheduler_of(ErlNifEnv *env, ERL_NIF_TERM opts) {
  ERL_NIF_TERM value;
  unsigned number;
  switch (enif_thread_type()) {
  case ERL_NIF_THR_NORMAL_SCHEDULER:
    if (enif_get_map_value(env, opts, a_scheduler_id, &value) && enif_get_uint(env, value, &number))
      return (uint16_t)number;
    return 0;
  case ERL_NIF_THR_DIRTY_CPU_SCHEDULER: /* the VM does not tell which: numbered as they appear */
    return (uint16_t)(101 + atomic_fetch_add(&dirty_seen[0], 1) % 99);
  case ERL_NIF_THR_DIRTY_IO_SCHEDULER:
    return (uint16_t)(201 + atomic_fetch_add(&dirty_seen[1], 1));
  default:
    return 0;
  }
}

static Record *next_record(ErlNifEnv *env, ERL_NIF_TERM opts, int64_t now_ns) {
  if (self.generation != generation) {
    self.generation = generation;
    self.next = self.end = NULL;
    self.scheduler = scheduler_of(env, opts);
  }
  if (self.next == self.end) {
    size_t chunk = atomic_fetch_add(&chunks_taken, 1);
    if (chunk >= chunk_count) {
      stop_at(now_ns);
      return NULL;
    }
    self.next = pool + chunk * chunk_records;
    self.end = self.next + chunk_records;
  }
  return self.next++;
}

static uint64_t local_of(ErlNifEnv *env, ERL_NIF_TERM term) {
  ErlNifPid pid;
  ErlNifPort port;
  if (enif_get_local_pid(env, term, &pid)) return (uint64_t)pid.pid;
  if (enif_get_local_port(env, term, &port)) return (uint64_t)port.port_id;
  return 0;
}

static uint32_t atom_of(ErlNifEnv *env, ERL_NIF_TERM term) {
  return enif_is_atom(env, term) && (uint64_t)term <= UINT32_MAX ? (uint32_t)term : 0;
}

static void put_mfa(ErlNifEnv *env, ERL_NIF_TERM term, Record *r) {
  const ERL_NIF_TERM *part;
  int size;
  unsigned arity;
  if (!enif_get_tuple(env, term, &size, &part) || size != 3) return;
  if (!enif_get_uint(env, part[2], &arity) && !enif_get_list_length(env, part[2], &arity)) return;
  if (!enif_is_atom(env, part[0]) || !enif_is_atom(env, part[1])) return;
  r->u.mfa.module = atom_of(env, part[0]);
  r->u.mfa.function = atom_of(env, part[1]);
  r->arity = (uint16_t)arity;
}

static void put_heap(ErlNifEnv *env, ERL_NIF_TERM list, Record *r) {
  ERL_NIF_TERM head;
  const ERL_NIF_TERM *pair;
  ErlNifUInt64 words;
  int size;
  while (enif_get_list_cell(env, list, &head, &list)) {
    if (!enif_get_tuple(env, head, &size, &pair) || size != 2) continue;
    if (pair[0] == a_heap_size && enif_get_uint64(env, pair[1], &words)) r->peer = words;
    if (pair[0] == a_old_heap_size && enif_get_uint64(env, pair[1], &words)) r->u.old_heap_words = words;
  }
}

static void put_data(ErlNifEnv *env, int shape, const ERL_NIF_TERM argv[], Record *r) {
  ERL_NIF_TERM extra;
  if (shape == COLLECT) {
    put_heap(env, argv[3], r);
    return;
  }
  if (shape != SEND) r->peer = local_of(env, argv[3]);
  if (shape == 0) {
    if ((r->u.mfa.module = atom_of(env, argv[3])) == 0) put_mfa(env, argv[3], r);
  } else if (enif_get_map_value(env, argv[4], a_extra, &extra)) {
    if (shape == SEND)
      r->peer = local_of(env, extra);
    else
      put_mfa(env, extra, r);
  }
}

static void record(ErlNifEnv *env, const ERL_NIF_TERM argv[]) {
  int64_t now_ns;
  Record *r;
  int event = 0;
  while (event < event_count && events[event] != argv[0]) event++;
  if (event == event_count) return;
  now_ns = enif_monotonic_time(ERL_NIF_NSEC);
  if (now_ns >= deadline_ns) {
    stop_at(now_ns);
    return;
  }
  r = next_record(env, argv[4], now_ns);
  if (!r) return;
  r->t_ns = now_ns;
  r->who = local_of(env, argv[2]);
  r->arity = NO_ARITY;
  r->scheduler = self.scheduler;
  put_data(env, shapes[event], argv, r);
  r->event = (uint8_t)(event + 1);
}

/* The VM waits for its normal schedulers before it unloads code, not for the other threads. */
static void enter(void) {
  if (!self.busy) {
    unsigned slot = atomic_fetch_add(&busy_taken, 1);
    self.is_managed = enif_thread_type() == ERL_NIF_THR_NORMAL_SCHEDULER;
    self.busy = &busy[slot < THREADS_MAX ? slot : THREADS_MAX - 1];
  }
  if (!self.is_managed) atomic_fetch_add(self.busy, 1);
}

static void leave(void) {
  if (!self.is_managed) atomic_fetch_sub(self.busy, 1);
}

static ERL_NIF_TERM enabled(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
  (void)env, (void)argc, (void)argv;
  return atomic_load_explicit(&recording, memory_order_relaxed) ? a_trace : a_remove;
}

static ERL_NIF_TERM trace(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
  (void)argc;
  enter();
  if (atomic_load(&recording)) record(env, argv);
  leave();
  return a_ok;
}

/* ---- control: called by the recorder's process alone -------------------------------------- */

static ERL_NIF_TERM is_idle(void) {
  for (int round = 0; round < 1000; round++) {
    int found = 0;
    for (int slot = 0; slot < THREADS_MAX && !found; slot++) found = atomic_load(&busy[slot]);
    if (!found) return a_true;
    sched_yield();
  }
  return a_false;
}

static int shape_of(const char *name) {
  if (!strncmp(name, "send", 4)) return SEND;
  if (!strncmp(name, "spawn", 5)) return SPAWN;
  return strncmp(name, "gc_", 3) ? 0 : COLLECT;
}

/* open(Chunks, RecordsPerChunk, EventAtoms) -> ok | no_memory */
static ERL_NIF_TERM open_pool(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
  ErlNifUInt64 chunks, records;
  ERL_NIF_TERM head, list = argv[2];
  char name[64];
  (void)argc;
  if (pool || !enif_get_uint64(env, argv[0], &chunks) || !enif_get_uint64(env, argv[1], &records))
    return enif_make_badarg(env);
  event_count = 0;
  while (event_count < EVENTS_MAX && enif_get_list_cell(env, list, &head, &list)) {
    if (!enif_get_atom(env, head, name, sizeof name, ERL_NIF_LATIN1)) return enif_make_badarg(env);
    shapes[event_count] = shape_of(name);
    events[event_count++] = head;
  }
  chunk_count = chunks;
  chunk_records = records;
  pool_bytes = chunks * records * sizeof(Record);
  pool = mmap(NULL, pool_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pool == MAP_FAILED) pool = NULL;
  atomic_store(&chunks_taken, 0);
  atomic_store(&stopped_ns, 0);
  generation++;
  return pool ? a_ok : a_no_memory;
}

/* arm(DeadlineNs): record from now on, and not beyond the deadline whatever happens to the callers */
static ERL_NIF_TERM arm(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
  ErlNifSInt64 deadline;
  (void)argc;
  if (!pool || !enif_get_int64(env, argv[0], &deadline)) return enif_make_badarg(env);
  deadline_ns = deadline;
  atomic_store(&recording, 1);
  return a_ok;
}

static ERL_NIF_TERM disarm(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
  (void)argc, (void)argv;
  stop_at(enif_monotonic_time(ERL_NIF_NSEC));
  return is_idle() == a_true ? a_ok : enif_make_tuple1(env, a_busy);
}

/* status() -> {IsRecording, ChunksUsed, StoppedNs} */
static ERL_NIF_TERM status(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
  size_t taken = atomic_load(&chunks_taken);
  (void)argc, (void)argv;
  return enif_make_tuple3(env, atomic_load(&recording) ? a_true : a_false,
                          enif_make_uint64(env, taken < chunk_count ? taken : chunk_count),
                          enif_make_int64(env, atomic_load(&stopped_ns)));
}

/* read(Chunk) -> the records of one chunk, as they lie in memory */
static ERL_NIF_TERM read_chunk(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
  ErlNifUInt64 chunk;
  ERL_NIF_TERM binary;
  unsigned char *bytes;
  size_t size = chunk_records * sizeof(Record);
  (void)argc;
  if (!pool || atomic_load(&recording) || !enif_get_uint64(env, argv[0], &chunk) || chunk >= chunk_count)
    return enif_make_badarg(env);
  bytes = enif_make_new_binary(env, size, &binary);
  memcpy(bytes, pool + chunk * chunk_records, size);
  return binary;
}

typedef struct {
  uint64_t *slot;
  size_t size, used;
} Set;

static int add(Set *set, uint64_t word);

static int grow(Set *set) {
  Set bigger = {NULL, set->size ? set->size * 2 : 4096, 0};
  bigger.slot = enif_alloc(bigger.size * sizeof(uint64_t));
  if (!bigger.slot) return 0;
  memset(bigger.slot, 0, bigger.size * sizeof(uint64_t));
  for (size_t i = 0; i < set->size; i++)
    if (set->slot[i]) add(&bigger, set->slot[i]);
  enif_free(set->slot);
  *set = bigger;
  return 1;
}

static int add(Set *set, uint64_t word) {
  size_t at;
  if (!word) return 1;
  if (2 * set->used >= set->size && !grow(set)) return 0;
  at = (size_t)((word * 0x9e3779b97f4a7c15u) >> 20) & (set->size - 1);
  while (set->slot[at] && set->slot[at] != word) at = (at + 1) & (set->size - 1);
  if (!set->slot[at]) set->used++;
  set->slot[at] = word;
  return 1;
}

/* names() -> [{Word, Term}] of every term that a record mentions */
static ERL_NIF_TERM names(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
  Set set = {NULL, 0, 0};
  size_t taken = atomic_load(&chunks_taken);
  ERL_NIF_TERM list = enif_make_list(env, 0);
  (void)argc, (void)argv;
  if (!pool || atomic_load(&recording)) return enif_make_badarg(env);
  if (taken > chunk_count) taken = chunk_count;
  for (Record *r = pool; r < pool + taken * chunk_records; r++) {
    int is_data = r->event && shapes[r->event - 1] != COLLECT;
    if (!r->event) continue;
    if (!add(&set, r->who)) break;
    if (is_data && !(add(&set, r->peer) && add(&set, r->u.mfa.module) && add(&set, r->u.mfa.function))) break;
  }
  for (size_t i = 0; i < set.size; i++)
    if (set.slot[i])
      list = enif_make_list_cell(
          env, enif_make_tuple2(env, enif_make_uint64(env, set.slot[i]), (ERL_NIF_TERM)set.slot[i]), list);
  enif_free(set.slot);
  return list;
}

/* close() -> ok | {busy}: give the memory back; only when no thread can be writing any more */
static ERL_NIF_TERM close_pool(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
  (void)argc, (void)argv;
  atomic_store(&recording, 0);
  if (is_idle() != a_true) return enif_make_tuple1(env, a_busy);
  unmap();
  return a_ok;
}

static ErlNifFunc functions[] = {
    {"enabled", 3, enabled, 0},
    {"trace", 5, trace, 0},
    {"open", 3, open_pool, 0},
    {"arm", 1, arm, 0},
    {"disarm", 0, disarm, ERL_NIF_DIRTY_JOB_CPU_BOUND},
    {"status", 0, status, 0},
    {"read", 1, read_chunk, 0},
    {"names", 0, names, ERL_NIF_DIRTY_JOB_CPU_BOUND},
    {"close", 0, close_pool, ERL_NIF_DIRTY_JOB_CPU_BOUND},
};

ERL_NIF_INIT(coreshift_tracer, functions, load, NULL, NULL, unload)
