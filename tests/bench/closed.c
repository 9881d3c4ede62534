/* The closed system of bench_kernel.py as one would write it by hand: cores with FIFO queues, processes that run in
 * quanta and block, stealing from the longest queue, one binary heap of events. Prints: events, CPU seconds,
 * utilisation.
 *
 * usage: closed cores processes quantum_ns run_mean_ns block_mean_ns horizon_ns seed
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct { int64_t time; int32_t id; } Event; /* id: core c, or cores + process */
typedef struct { int64_t remaining; int32_t next, core; } Process;
typedef struct { int32_t first, last, length, running; int64_t start, slice; } Core;

static Event *heap;
static int heap_size;
static Process *process;
static Core *core;
static int num_cores, num_idle, *idle;
static int64_t now, quantum, busy;
static double run_mean, block_mean;
static uint64_t state;

static double exponential(double mean) {
    uint64_t z = (state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return -log(((double)(z >> 11) + 0.5) * 0x1p-53) * mean;
}

static int before(Event a, Event b) { return a.time < b.time || (a.time == b.time && a.id < b.id); }

static void push(int64_t time, int32_t id) {
    Event e = {time, id};
    int i = heap_size++;
    while (i > 0 && before(e, heap[(i - 1) / 2])) {
        heap[i] = heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap[i] = e;
}

static Event pop(void) {
    Event top = heap[0], e = heap[--heap_size];
    int i = 0;
    for (;;) {
        int child = 2 * i + 1;
        if (child >= heap_size) break;
        if (child + 1 < heap_size && before(heap[child + 1], heap[child])) child++;
        if (!before(heap[child], e)) break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = e;
    return top;
}

static void append(int c, int p) {
    process[p].next = -1;
    process[p].core = c;
    if (core[c].length++) process[core[c].last].next = p;
    else core[c].first = p;
    core[c].last = p;
}

static int take(int c) {
    int p = core[c].first;
    core[c].first = process[p].next;
    core[c].length--;
    return p;
}

static void dispatch(int c) {
    int from = c;
    if (core[c].length == 0)
        for (int i = 0; i < num_cores; i++)
            if (core[i].length > core[from].length) from = i;
    if (core[from].length == 0) {
        core[c].running = -1;
        idle[c] = 1;
        num_idle++;
        return;
    }
    int p = take(from);
    process[p].core = c;
    core[c].running = p;
    core[c].start = now;
    core[c].slice = process[p].remaining < quantum ? process[p].remaining : quantum;
    push(now + core[c].slice, c);
}

static void ready(int c, int p) {
    append(c, p);
    if (!num_idle) return;
    if (!idle[c]) {
        int other = c;
        do other = other + 1 < num_cores ? other + 1 : 0;
        while (!idle[other]);
        c = other;
    }
    idle[c] = 0;
    num_idle--;
    dispatch(c);
}

static int64_t draw(double mean) {
    int64_t x = (int64_t)(exponential(mean) + 0.5);
    return x > 0 ? x : 1;
}

int main(int count, char **word) {
    if (count != 8) return 2;
    num_cores = atoi(word[1]);
    int n = atoi(word[2]);
    quantum = atoll(word[3]);
    run_mean = atof(word[4]);
    block_mean = atof(word[5]);
    int64_t horizon = atoll(word[6]), events = 0;
    state = strtoull(word[7], NULL, 10);
    heap = malloc(sizeof *heap * (size_t)(n + num_cores + 1));
    process = calloc((size_t)n, sizeof *process);
    core = calloc((size_t)num_cores, sizeof *core);
    idle = malloc(sizeof *idle * (size_t)num_cores);
    for (int c = 0; c < num_cores; c++) idle[c] = 1;
    num_idle = num_cores;
    clock_t began = clock();
    for (int p = 0; p < n; p++) {
        process[p].remaining = draw(run_mean);
        ready(p % num_cores, p);
    }
    while (heap_size && heap[0].time <= horizon) {
        Event e = pop();
        now = e.time;
        events++;
        if (e.id >= num_cores) {
            int p = e.id - num_cores;
            process[p].remaining = draw(run_mean);
            ready(process[p].core, p);
            continue;
        }
        int p = core[e.id].running;
        busy += core[e.id].slice;
        process[p].remaining -= core[e.id].slice;
        if (process[p].remaining) append(e.id, p);
        else push(now + draw(block_mean), num_cores + p);
        dispatch(e.id);
    }
    double seconds = (double)(clock() - began) / CLOCKS_PER_SEC;
    printf("%lld %.6f %.6f\n", (long long)events, seconds, (double)busy / (double)horizon / num_cores);
    return 0;
}
